-- The audit log: every change by a person or a program, written in the transaction of the change, never altered, and
-- chained: each row's hash rests on the one before it in the same chain (a CPO's, or the platform's own), so that a
-- removed, changed or moved row shows (`python -m backend.admin verify-audit`).
--
-- Who acts stands in the claims of the call, beside what row policies need:
--   {"origin": {"id": …, "role": …, "name": …, "address": …, "request_id": …}}
-- What the platform does by itself (chargers' reports, the clock) has none and costs nothing here.

-- ---------------------------------------------------------------- who acts, over HTTP, too

-- As before; besides, the origin comes as base64 of JSON, also when the platform acts for somebody.
create or replace function private.pre_request() returns void
language plpgsql set search_path = '' as $$
declare
    headers jsonb := coalesce(nullif(current_setting('request.headers', true), '')::jsonb, '{}');
    caller_role text := headers ->> 'x-user-role';
    origin jsonb;
begin
    if current_setting('role') <> 'service_role' then
        return;
    end if;
    origin := convert_from(decode(headers ->> 'x-origin', 'base64'), 'UTF8')::jsonb;
    if caller_role is null then
        if origin is not null then
            perform set_config('request.jwt.claims', (private.claims() || jsonb_build_object('origin', origin))::text, true);
        end if;
        return;
    end if;
    perform set_config('request.jwt.claims', jsonb_strip_nulls(jsonb_build_object(
        'role', 'authenticated',
        'sub', (headers ->> 'x-user-id')::uuid,
        'app_metadata', jsonb_build_object('cpo_id', (headers ->> 'x-cpo-id')::uuid, 'role', caller_role),
        'origin', origin
    ))::text, true);
    perform set_config('role', 'authenticated', true);
end
$$;

-- ---------------------------------------------------------------- the log

alter table public.audit_log
    add column address text,
    add column event_id uuid,  -- names an event that is told, so that telling it twice adds one row
    add column chain uuid not null generated always as (coalesce(cpo_id, '00000000-0000-0000-0000-000000000000')) stored,
    add column seq bigint,     -- place in the chain, from 1 without gaps; null only until the end of the transaction
    add column hash text;
create unique index audit_log_chain on public.audit_log (chain, seq);
create unique index audit_log_event on public.audit_log (event_id) where event_id is not null;
create index audit_log_unchained on public.audit_log (id) where seq is null;
create index audit_log_at on public.audit_log (chain, at);
comment on column public.audit_log.hash is 'sha256 over the hash of the row before it in its chain and this row''s content';

-- The ends of each chain. What retention removed is summed up in `base_…`: the last row removed.
create table public.audit_chains (
    chain uuid primary key,
    base_seq bigint not null default 0,
    base_hash text not null,
    seq bigint not null default 0,
    hash text not null
);
alter table public.audit_chains enable row level security;  -- no policy: the platform alone
grant select on public.audit_chains to service_role;

create function private.audit_start(p_chain uuid) returns text
language sql stable set search_path = '' as $$
    select encode(sha256(convert_to('uniev audit ' || p_chain, 'UTF8')), 'hex')
$$;

create function private.audit_digest(p_before text, p_row public.audit_log) returns text
language sql stable set search_path = '' as $$
    select encode(sha256(convert_to(jsonb_build_array(p_before, p_row.chain, p_row.seq, p_row.id, extract(epoch from p_row.at),
        p_row.cpo_id, p_row.actor_id, p_row.actor_name, p_row.actor_role, p_row.action, p_row.object_type, p_row.object_id,
        p_row.before, p_row.after, p_row.request_id, p_row.address, p_row.event_id)::text, 'UTF8')), 'hex')
$$;

-- Gives the transaction's new rows their places. It runs at the end of the transaction, so a chain's end is locked for
-- the commit alone, and in one order, so two writers never wait for each other. Nobody else's unchained rows are visible.
create function private.chain_audit() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    waiting public.audit_log;
    ending public.audit_chains;
begin
    if not exists (select 1 from public.audit_log where id = new.id and seq is null) then
        return null;  -- chained together with the first of this transaction
    end if;
    -- The first of a transaction has its least id: looking from there on passes over what others chained since.
    for waiting in select * from public.audit_log where seq is null and id >= new.id order by chain, id loop
        if ending.chain is distinct from waiting.chain then
            update public.audit_chains set seq = ending.seq, hash = ending.hash where chain = ending.chain;
            insert into public.audit_chains (chain, base_hash, hash)
            values (waiting.chain, private.audit_start(waiting.chain), private.audit_start(waiting.chain))
            on conflict do nothing;
            select * into ending from public.audit_chains where chain = waiting.chain for update;
        end if;
        waiting.seq := ending.seq + 1;
        ending.seq := waiting.seq;
        ending.hash := private.audit_digest(ending.hash, waiting);
        update public.audit_log set seq = ending.seq, hash = ending.hash where id = waiting.id;
    end loop;
    update public.audit_chains set seq = ending.seq, hash = ending.hash where chain = ending.chain;
    return null;
end
$$;

-- Nobody changes a row or takes one away, its owner included; chaining and `prune_audit` are the exceptions.
create function private.keep_audit() returns trigger
language plpgsql set search_path = '' as $$
begin
    if tg_op = 'UPDATE' and old.seq is null and old.hash is null and new.seq > 0
        and to_jsonb(new) - array['seq', 'hash', 'chain'] = to_jsonb(old) - array['seq', 'hash', 'chain'] then  -- chain: generated
        return new;
    end if;
    if tg_op = 'DELETE' and current_setting('uniev.audit_pruning', true) = 'on' then
        return old;
    end if;
    raise exception using errcode = '42501', message = 'The audit log is append-only.';
end
$$;

-- What was written before this migration, in its order.
do $$
declare
    told public.audit_log;
    ending public.audit_chains;
begin
    for told in select * from public.audit_log order by chain, id loop
        if ending.chain is distinct from told.chain then
            ending := row(told.chain, 0, private.audit_start(told.chain), 0, private.audit_start(told.chain));
            insert into public.audit_chains select (ending).*;
        end if;
        told.seq := ending.seq + 1;
        ending.seq := told.seq;
        ending.hash := private.audit_digest(ending.hash, told);
        update public.audit_log set seq = ending.seq, hash = ending.hash where id = told.id;
        update public.audit_chains set seq = ending.seq, hash = ending.hash where chain = ending.chain;
    end loop;
end
$$;

create constraint trigger chained after insert on public.audit_log deferrable initially deferred
    for each row execute function private.chain_audit();
create trigger kept before update or delete on public.audit_log for each row execute function private.keep_audit();
create trigger kept_whole before truncate on public.audit_log for each statement execute function private.keep_audit();

-- People read their own CPO's rows; nobody writes any but through a change, or `record_audit`.
drop policy tenant_inserts on public.audit_log;
drop policy tenant_updates on public.audit_log;
drop policy tenant_deletes on public.audit_log;
revoke insert on public.audit_log from authenticated;

-- ---------------------------------------------------------------- who acts, as the log names them

create function private.origin(out id uuid, out role text, out name text, out address text, out request_id text)
language plpgsql stable set search_path = '' as $$
declare
    claims constant jsonb := private.claims();
begin
    id := coalesce(nullif(claims #>> '{origin,id}', '')::uuid, nullif(claims ->> 'sub', '')::uuid);
    role := coalesce(claims #>> '{origin,role}', nullif(private.role(), ''), 'system');
    name := coalesce(claims #>> '{origin,name}', case when role = 'system' then 'platform' end);
    address := claims #>> '{origin,address}';
    request_id := claims #>> '{origin,request_id}';
end
$$;

-- Something that happened without changing an audited table: a login, an export, a decision. In the caller's own name and
-- CPO; an EMSV caller and the platform may name the CPO it concerns. Telling the same event again changes nothing.
create function public.record_audit(p_event_id uuid, p_cpo_id uuid, p_action text, p_object_type text, p_object_id text,
    p_before jsonb, p_after jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
    actor record;
begin
    select * into actor from private.origin();
    insert into public.audit_log (event_id, cpo_id, actor_id, actor_name, actor_role, action, object_type, object_id, before,
        after, request_id, address)
    values (p_event_id, coalesce(private.cpo_id(), p_cpo_id), actor.id, actor.name, actor.role, p_action, p_object_type,
        p_object_id, p_before, p_after, actor.request_id, actor.address)
    on conflict (event_id) where event_id is not null do nothing;
end
$$;

-- ---------------------------------------------------------------- changes of tables

-- Arguments: hidden columns, watched columns (empty: all), columns of the key, the noun.
create function private.audit_change() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    hidden constant text[] := tg_argv[0]::text[];
    watched constant text[] := tg_argv[1]::text[];
    was constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) else '{}' end;
    becomes constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) else '{}' end;
    actor record;
    shown_before jsonb;
    shown_after jsonb;
    verb text;
begin
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

-- A secret shows only that it was there. What is named like one is hidden even if nobody said so.
create function private.audit_shown(p_column text, p_value jsonb, p_hidden text[]) returns jsonb
language sql immutable set search_path = '' as $$
    select case when p_value <> 'null' and (p_column = any (p_hidden) or p_column ~ '(_hash|_sealed|password|secret)')
                then '"***"' else p_value end
$$;

-- From now on, changes of this table by people and programs are audited, in their transaction. `p_hidden`: columns whose
-- values are secret or personal (shown as ***). `p_watched`: the only columns that count, for tables that chargers write
-- to; null: all. May be called again with other columns.
create procedure private.audit_changes(p_table regclass, p_hidden text[] default '{}', p_watched text[] default null)
language plpgsql set search_path = '' as $$
declare
    relation constant text := (select c.relname from pg_catalog.pg_class c where c.oid = p_table);
    noun constant text := regexp_replace(regexp_replace(relation, 'ies$', 'y'), 's$', '');
    keys constant text[] := array(
        select a.attname::text from pg_catalog.pg_index i cross join unnest(i.indkey::smallint[]) with ordinality as k(n, place)
        join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.n
        where i.indrelid = p_table and i.indisprimary order by k.place);
begin
    execute format('drop trigger if exists audited on %s', p_table);
    execute format(
        'create trigger audited after insert or delete or update%s on %s for each row '
        'when (current_setting(''role'') = ''authenticated'' or position(''"origin"'' in coalesce(current_setting(''request.jwt.claims'', true), '''')) > 0) '
        'execute function private.audit_change(%L, %L, %L, %L)',
        (select ' of ' || string_agg(quote_ident(w), ', ') from unnest(p_watched) as w), p_table,
        p_hidden, coalesce(p_watched, '{}'), keys, noun);
end
$$;

call private.audit_changes('public.cpos');
call private.audit_changes('public.users', array['password_hash']);
call private.audit_changes('public.api_keys', array['key_hash']);
call private.audit_changes('public.stations');
call private.audit_changes('public.chargers', array['password_hash'], array['id', 'cpo_id', 'station_id', 'name', 'vendor',
    'model', 'serial_number', 'current_type', 'rated_power_w', 'registration', 'availability', 'password_hash', 'tags',
    'security_profile', 'wanted_profile']);
call private.audit_changes('public.connectors', '{}', array['charger_id', 'evse_id', 'connector_id', 'cpo_id']);
call private.audit_changes('public.charger_keys', array['password_hash']);
call private.audit_changes('public.id_tokens', array['holder_name', 'note']);
call private.audit_changes('public.configuration_templates');
call private.audit_changes('public.charger_templates', '{}', array['charger_id', 'cpo_id', 'template_id']);
call private.audit_changes('public.charging_profiles');
call private.audit_changes('public.local_lists', '{}', array['charger_id', 'cpo_id', 'sync', 'max_entries', 'max_per_message']);
call private.audit_changes('public.firmware_files', array['content_name']);
call private.audit_changes('public.certificates', '{}', array['charger_id', 'cpo_id', 'state']);
call private.audit_changes('public.campaigns');
call private.audit_changes('public.normalising_rules');
call private.audit_changes('public.commands', '{}', array['charger_id', 'cpo_id', 'action', 'expires_at']);

-- ---------------------------------------------------------------- proof, and the end of what is old

-- Where each chain ends: as it is kept, and as the log's last row has it. Without the former somebody took it away.
create function public.audit_ends() returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(e order by e.chain), '[]') from (
        select c.chain, k.seq, k.hash, coalesce(k.base_seq, 0) as base_seq,
            coalesce(k.base_hash, private.audit_start(c.chain)) as base_hash,
            (select max(l.seq) from public.audit_log l where l.chain = c.chain) as last_seq,
            (select count(*) from public.audit_log l where l.chain = c.chain and l.seq is null) as unchained
        from (select chain from public.audit_chains union select chain from public.audit_log) c
        left join public.audit_chains k on k.chain = c.chain) e
$$;

-- Rows of a chain after p_after (whose hash is p_hash), at most p_limit of them: the last one's place and hash, and what
-- is wrong: {seq, fault}; `missing`: no row stands there; `changed`: its content, place or hash is not what was written.
create function public.check_audit(p_chain uuid, p_after bigint, p_hash text, p_until bigint, p_limit integer) returns json
language sql stable set search_path = '' as $$
    with rows as materialized (
        select l.seq, l.hash, lag(l.seq, 1, p_after) over w as seq_before,
            l.hash = private.audit_digest(lag(l.hash, 1, p_hash) over w, l) as holds
        from (select * from public.audit_log where chain = p_chain and seq > p_after and seq <= p_until
              order by seq limit p_limit) l
        window w as (order by l.seq)
    ), faults as (
        select g as seq, 'missing' as fault from rows r cross join generate_series(r.seq_before + 1,
            least(r.seq - 1, r.seq_before + 100)) as g where r.seq > r.seq_before + 1
        union all
        select r.seq, 'changed' from rows r where not coalesce(r.holds, false) and r.seq = r.seq_before + 1
    )
    select json_build_object('checked', (select count(*) from rows),
        'seq', (select max(seq) from rows), 'hash', (select hash from rows order by seq desc limit 1),
        'faults', (select coalesce(json_agg(f order by f.seq), '[]') from (select * from faults order by seq limit 100) f))
$$;

-- Takes away what is older than p_keep_days, from the beginning of each chain only; what remains still proves itself.
create function public.prune_audit(p_keep_days integer) returns integer
language plpgsql security definer set search_path = '' as $$
declare
    ending public.audit_chains;
    pruned public.audit_log;
    removed integer := 0;
begin
    for ending in select * from public.audit_chains order by chain for update loop
        select * into pruned from public.audit_log
        where chain = ending.chain and at < now() - make_interval(days => p_keep_days) and seq < ending.seq
        order by seq desc limit 1;
        continue when not found;
        update public.audit_chains set base_seq = pruned.seq, base_hash = pruned.hash where chain = ending.chain;
        perform set_config('uniev.audit_pruning', 'on', true);
        delete from public.audit_log where chain = ending.chain and seq <= pruned.seq;
        perform set_config('uniev.audit_pruning', '', true);
        removed := removed + (pruned.seq - ending.base_seq)::integer;
        insert into public.audit_log (cpo_id, actor_name, actor_role, action, object_type, after)
        values (pruned.cpo_id, 'platform', 'worker', 'audit.prune', 'audit',
            jsonb_build_object('rows', pruned.seq - ending.base_seq, 'until', pruned.at));
    end loop;
    return removed;
end
$$;

revoke execute on function private.audit_start(uuid), private.audit_digest(text, public.audit_log), private.chain_audit(),
    private.keep_audit(), private.origin(), private.audit_change(), private.audit_shown(text, jsonb, text[]),
    public.record_audit(uuid, uuid, text, text, text, jsonb, jsonb),
    public.audit_ends(), public.check_audit(uuid, bigint, text, bigint, integer), public.prune_audit(integer) from public;
revoke execute on procedure private.audit_changes(regclass, text[], text[]) from public;
grant execute on function public.record_audit(uuid, uuid, text, text, text, jsonb, jsonb) to authenticated, service_role;
grant execute on function private.audit_start(uuid), private.audit_digest(text, public.audit_log), public.audit_ends(),
    public.check_audit(uuid, bigint, text, bigint, integer), public.prune_audit(integer) to service_role;
