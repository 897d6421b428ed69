-- What an administrator of a CPO sets for all of its tokens (what a token may: open_tokens.sql).

-- What an administrator sets for the whole CPO; null leaves a setting as it is. Runs as the owner, because a
-- CPO's own people may change these columns and no other. Errors: cpo_not_found, forbidden.
create function public.set_cpo_settings(p_cpo_id uuid, p_concurrent_sessions boolean, p_local_list_sync boolean) returns void
language plpgsql security definer set search_path = '' as $$
begin
    if not private.sees_all() and p_cpo_id is distinct from private.cpo_id() then
        raise exception using errcode = 'P0001', message = 'There is no such CPO.', hint = 'cpo_not_found';
    elsif not private.writes_all() and private.role() <> 'cpo_admin' then
        raise exception using errcode = 'P0001', message = 'Only an administrator changes settings.', hint = 'forbidden';
    end if;
    update public.cpos set concurrent_sessions = coalesce(p_concurrent_sessions, concurrent_sessions),
        local_list_sync = coalesce(p_local_list_sync, local_list_sync), updated_at = now()
    where id = p_cpo_id;
    if not found then
        raise exception using errcode = 'P0001', message = 'There is no such CPO.', hint = 'cpo_not_found';
    end if;
end
$$;
revoke execute on function public.set_cpo_settings(uuid, boolean, boolean) from public;
grant execute on function public.set_cpo_settings(uuid, boolean, boolean) to authenticated, service_role;

-- The clock's part: orders whose command ended without an answer, and, lists
-- that are kept in step unasked, where that is switched on.
-- A charger that refused is left alone for an hour. Returns how many orders were ended or made.
create function public.tend_local_lists() returns integer
language plpgsql set search_path = '' as $$
declare
    done integer;
    l record;
begin
    with ended as (
        update public.local_list_orders o set status = 'unanswered', answer = m.status, ended_at = now()
        from public.commands m where o.status = 'sending' and m.id = o.command_id and m.status in ('expired', 'timed_out')
        returning o.charger_id, m.status
    ), unknown as (
        update public.local_lists set version = null
        where charger_id in (select charger_id from ended where ended.status = 'timed_out')
    )
    select count(*) into done from ended;
    for l in
        select w.charger_id from public.local_lists w join public.cpos c on c.id = w.cpo_id
        where coalesce(w.sync, c.local_list_sync) and w.version >= 0 and private.is_connected(w.charger_id)
          and not exists (select 1 from public.local_list_orders o where o.charger_id = w.charger_id and (o.status = 'sending'
              or o.status in ('rejected', 'unanswered') and o.created_at > now() - interval '1 hour'))
          and exists (select 1 from private.list_differences(w.charger_id, w.cpo_id, (private.list_limits(w.charger_id)).most))
        for update of w skip locked
    loop
        begin
            perform private.order_list(l.charger_id, 'differential', 'automatic', null, null, 900, null);
            done := done + 1;
        exception when raise_exception then  -- too long: the screen says so
            continue;
        end;
    end loop;
    return done;
end
$$;
revoke execute on function public.tend_local_lists() from public;
grant execute on function public.tend_local_lists() to service_role;
