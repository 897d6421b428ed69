-- As before, but that an invited driver has no name and address here either. Arguments: hidden columns, watched columns
-- (empty: all), columns of the key, the noun.
create or replace function private.audit_change() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    hidden text[] := tg_argv[0]::text[];
    watched constant text[] := tg_argv[1]::text[];
    was constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) else '{}' end;
    becomes constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) else '{}' end;
    actor record;
    shown_before jsonb;
    shown_after jsonb;
    verb text;
begin
    if tg_table_name in ('users', 'invitations') and 'driver' in (was ->> 'role', becomes ->> 'role') then
        hidden := hidden || array['name', 'email'];
    end if;
    select jsonb_object_agg(k, private.audit_shown(k, was -> k, hidden)) filter (where was ? k),
           jsonb_object_agg(k, private.audit_shown(k, becomes -> k, hidden)) filter (where becomes ? k),
           coalesce(max(becomes ->> k) filter (where tg_op = 'UPDATE' and k in ('state', 'status', 'registration')),
                    max('revoke'::text) filter (where tg_op = 'UPDATE' and k = 'revoked_at' and was ->> k is null))
    into shown_before, shown_after, verb
    from jsonb_object_keys(was || becomes) as k
    where coalesce(was -> k, 'null') is distinct from coalesce(becomes -> k, 'null')
      and k not in ('created_at', 'updated_at', 'last_used_at', 'last_login_at')
      and (watched = '{}' or k = any (watched));
    if shown_before is null and shown_after is null then
        return null;  -- nothing that anybody asked to be told of
    end if;
    select * into actor from private.origin();
    insert into public.audit_log (cpo_id, actor_id, actor_name, actor_role, action, object_type, object_id, before, after,
        request_id, address)
    select case when tg_table_name = 'cpos' then (r ->> 'id')::uuid
                else coalesce(r ->> 'cpo_id', was ->> 'cpo_id')::uuid end,
        actor.id, actor.name, actor.role,
        tg_argv[3] || '.' || coalesce(verb, case tg_op when 'INSERT' then 'create' when 'UPDATE' then 'update' else 'delete' end),
        tg_argv[3], (select string_agg(r ->> k, '/' order by n) from unnest(tg_argv[2]::text[]) with ordinality as key(k, n)),
        shown_before, shown_after, actor.request_id, actor.address
    from (select case when tg_op = 'DELETE' then was else becomes end) as rows(r);
    return null;
end
$$;
