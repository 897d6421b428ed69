-- Local lists: id tokens that chargers keep to decide without us.

-- ---------------------------------------------------------------- odd content

-- Numbers and times out of payloads that people and chargers write as they like; null for what is none.
create function private.int32_of(p_value jsonb) returns integer
language sql immutable set search_path = '' as $$
    select case when jsonb_typeof(p_value) = 'number' then
        case when (p_value #>> '{}')::numeric between -2147483648 and 2147483647
                  and trunc((p_value #>> '{}')::numeric) = (p_value #>> '{}')::numeric
             then (p_value #>> '{}')::numeric::integer end end
$$;

create function private.moment_of(p_text text) returns timestamptz
language plpgsql stable set search_path = '' set timezone = 'UTC' as $$
begin
    return case when p_text ~ '^\d{4}-\d\d-\d\d' then p_text::timestamptz end;
exception when others then
    return null;
end
$$;

-- A time as it travels: UTC, whole seconds.
create function private.wire_time(p_at timestamptz) returns text
language sql immutable set search_path = '' as $$
    select to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
$$;

-- ---------------------------------------------------------------- lists

alter table public.cpos add column local_list_sync boolean not null default false;
comment on column public.cpos.local_list_sync is 'Are local lists of chargers kept up to date unasked?';

-- What we know of each charger's list (OCPP 1.6 §3.5, §5.10, §5.15).
create table public.local_lists (
    charger_id text primary key references public.chargers (id) on delete cascade,
    cpo_id uuid references public.cpos (id),
    reported_version integer,       -- as the charger last said: -1 unsupported, 0 empty
    reported_at timestamptz,
    version integer,                -- that of the entries we believe in; null: its content is not known
    accepted_at timestamptz,
    max_entries integer check (max_entries > 0),
    max_per_message integer check (max_per_message > 0),
    sync boolean                    -- kept up to date unasked; null: as the CPO has it
);
create index local_lists_cpo on public.local_lists (cpo_id, charger_id);

-- The content as we believe it: what was accepted. One entry per tag, whatever its case.
create table public.local_list_entries (
    charger_id text not null references public.local_lists (charger_id) on delete cascade,
    token_key text not null,
    cpo_id uuid references public.cpos (id),
    id_token text not null,
    status text not null,
    expires_at timestamptz,
    parent_token text,
    primary key (charger_id, token_key)
);

-- One list on its way: as many SendLocalList as the charger's maximum makes of it, each sent when the one before
-- was accepted.
create table public.local_list_orders (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid references public.cpos (id),
    charger_id text not null references public.chargers (id) on delete cascade,
    mode text not null check (mode in ('full', 'differential')),
    reason text not null check (reason in ('asked', 'version_mismatch', 'automatic')),
    status text not null check (status in ('sending', 'accepted', 'rejected', 'unanswered', 'unchanged')),
    answer text,                    -- the charger's word, or what went wrong
    last_version integer,           -- of the list after the last part
    entry_count integer not null,   -- entries sent, removals included
    parts jsonb not null,           -- payloads of SendLocalList
    parts_sent integer not null default 0,
    command_id uuid,                -- the part sent last
    requested_by uuid,
    requested_by_name text,
    expires_in_s integer not null,
    idempotency_key text check (length(idempotency_key) between 1 and 200),
    created_at timestamptz not null default now(),
    ended_at timestamptz
);
create index local_list_orders_charger on public.local_list_orders (charger_id, created_at desc, id desc);
create index local_list_orders_cpo on public.local_list_orders (cpo_id, created_at desc, id desc);
create index local_list_orders_sending on public.local_list_orders (charger_id) where status = 'sending';
create unique index local_list_orders_idempotency on public.local_list_orders (requested_by, idempotency_key)
    nulls not distinct where idempotency_key is not null;

call private.protect('public.local_lists', array['cpo_admin', 'cpo_operator', 'integrator']);
call private.protect('public.local_list_entries', array[]::text[]);
call private.protect('public.local_list_orders', array['cpo_admin', 'cpo_operator', 'integrator']);
create policy of_own_charger_inserted on public.local_lists as restrictive for insert to authenticated with check (
    exists (select 1 from public.chargers c where c.id = charger_id and c.cpo_id is not distinct from local_lists.cpo_id));
create policy of_own_charger_updated on public.local_lists as restrictive for update to authenticated using (true)
    with check (
    exists (select 1 from public.chargers c where c.id = charger_id and c.cpo_id is not distinct from local_lists.cpo_id));
create policy of_own_charger_inserted on public.local_list_orders as restrictive for insert to authenticated with check (
    exists (select 1 from public.chargers c
            where c.id = charger_id and c.cpo_id is not distinct from local_list_orders.cpo_id));
create policy of_own_charger_updated on public.local_list_orders as restrictive for update to authenticated using (true)
    with check (exists (select 1 from public.chargers c
            where c.id = charger_id and c.cpo_id is not distinct from local_list_orders.cpo_id));
grant select, insert, update, delete on public.local_lists, public.local_list_entries, public.local_list_orders to service_role;
grant select, insert, update on public.local_lists, public.local_list_orders to authenticated;
grant select on public.local_list_entries to authenticated;

-- ---------------------------------------------------------------- what a list should hold

-- The CPO's tokens as entries, those that open first; at most p_most. Tokens longer than OCPP 1.6 carries stay out.
create function private.wanted_list(p_cpo_id uuid, p_most integer)
returns table (token_key text, id_token text, status text, expires_at timestamptz, parent_token text)
language sql stable set search_path = '' as $$
    select * from (
        select k.token_key, k.token,
            case when k.status = 'blocked' or g.status = 'blocked' then 'Blocked'
                 when least(k.expires_at, g.expires_at) <= now() then 'Expired' else 'Accepted' end as state,
            date_trunc('second', least(k.expires_at, g.expires_at)),
            case when length(k.parent_token) <= 20 then k.parent_token end
        from public.id_tokens k
        left join public.id_tokens g on g.cpo_id = k.cpo_id and g.token_key = lower(k.parent_token) and g.id <> k.id
        where k.cpo_id = p_cpo_id and length(k.token) <= 20) t
    order by state <> 'Accepted', token_key limit p_most
$$;

-- How much a charger takes: as people said, else as its configuration tells; null: not known.
create function private.list_limits(p_charger_id text, out most integer, out most_per_message integer)
language plpgsql stable set search_path = '' as $$
begin
    select max(told.most) filter (where told.key_id = 'localauthlistmaxlength'),
        max(told.most) filter (where told.key_id = 'sendlocallistmaxlength')
        into most, most_per_message
    from (select key_id, case when value ~ '^[1-9][0-9]{0,8}$' then value::integer end as most
          from public.charger_configuration where charger_id = p_charger_id) told;
    select coalesce(l.max_entries, most), coalesce(l.max_per_message, most_per_message) into most, most_per_message
    from (select 1) one left join public.local_lists l on l.charger_id = p_charger_id;
end
$$;

-- How a list differs from what it should hold: entries to set, and with a null status to remove.
create function private.list_differences(p_charger_id text, p_cpo_id uuid, p_most integer)
returns table (token_key text, id_token text, status text, expires_at timestamptz, parent_token text)
language sql stable set search_path = '' as $$
    select coalesce(w.token_key, e.token_key), coalesce(w.id_token, e.id_token), w.status, w.expires_at, w.parent_token
    from private.wanted_list(p_cpo_id, p_most) w
    full join (select * from public.local_list_entries where charger_id = p_charger_id) e on e.token_key = w.token_key
    where w.token_key is null or e.token_key is null
       or (w.status, w.expires_at, lower(w.parent_token)) is distinct from (e.status, e.expires_at, lower(e.parent_token))
$$;

-- {charger_id: number of entries that differ} of the lists named whose content is known.
create function public.count_list_differences(p_charger_ids json) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_object_agg(l.charger_id,
        (select count(*) from private.list_differences(l.charger_id, l.cpo_id, (private.list_limits(l.charger_id)).most))), '{}')
    from public.local_lists l
    where l.charger_id in (select json_array_elements_text(p_charger_ids)) and l.version >= 0
$$;

create view public.local_list_overview with (security_invoker = true) as
select l.charger_id, l.cpo_id, l.reported_version, l.reported_at, l.version, l.accepted_at,
    (private.list_limits(l.charger_id)).most as max_entries,
    (private.list_limits(l.charger_id)).most_per_message as max_per_message, l.sync, coalesce(l.sync, o.local_list_sync, false) as sync_on,
    (select count(*) from public.local_list_entries e where e.charger_id = l.charger_id) as entry_count
from public.local_lists l left join public.cpos o on o.id = l.cpo_id;
grant select on public.local_list_overview to authenticated, service_role;

-- ---------------------------------------------------------------- sending

-- The next part of an order goes out as a command of whoever asked.
create function private.send_list_part(p_order_id uuid) returns void
language plpgsql set search_path = '' as $$
declare
    o public.local_list_orders;
    v_command_id uuid := gen_random_uuid();
begin
    update public.local_list_orders set parts_sent = parts_sent + 1, command_id = v_command_id
    where id = p_order_id returning * into o;
    insert into public.commands (id, cpo_id, charger_id, action, payload, requested_by, requested_by_name, expires_at)
    values (v_command_id, o.cpo_id, o.charger_id, 'SendLocalList', o.parts -> (o.parts_sent - 1), o.requested_by,
        o.requested_by_name, now() + make_interval(secs => o.expires_in_s));
    perform pg_notify('uniev_commands', o.charger_id);
end
$$;

-- Makes the list, in parts of at most the charger's maximum, and sends the first. A differential one without any
-- difference is kept as `unchanged` and sends nothing.
-- Errors: local_list_too_long, local_list_version_mismatch (differential, and it is not known what the charger holds).
create function private.order_list(p_charger_id text, p_mode text, p_reason text, p_by uuid, p_by_name text,
    p_expires_in_s integer, p_idempotency_key text) returns public.local_list_orders
language plpgsql set search_path = '' as $$
declare
    known public.local_lists;
    made public.local_list_orders;
    most integer; most_per_message integer; total_entries integer; base bigint;
    v_parts jsonb;
begin
    select * into known from public.local_lists where charger_id = p_charger_id;
    select l.most, coalesce(l.most_per_message, 100) into most, most_per_message from private.list_limits(p_charger_id) l;
    if p_mode = 'differential' and known.version is null then
        raise exception using errcode = 'P0001', hint = 'local_list_version_mismatch',
            message = 'It is not known what list the charger holds; send a full one.';
    end if;
    select count(*) into total_entries from private.wanted_list(known.cpo_id, null) where status = 'Accepted';
    if total_entries > most then
        raise exception using errcode = 'P0001', hint = 'local_list_too_long',
            message = format('%s tokens are valid, but the charger takes %s entries.', total_entries, most);
    end if;
    -- The highest number either side has seen, and one more for each part.
    base := greatest(known.version, known.reported_version, 0,
        (select max(last_version) from public.local_list_orders where charger_id = p_charger_id));
    with wanted as (
        select * from private.wanted_list(known.cpo_id, most) where p_mode = 'full'
        union all
        select * from private.list_differences(p_charger_id, known.cpo_id, most) where p_mode = 'differential'
    ), numbered as (
        select (row_number() over (order by token_key) - 1) / most_per_message as part, count(*) over () as total,
            jsonb_strip_nulls(jsonb_build_object('idTag', id_token, 'idTagInfo', case when status is not null then
                jsonb_build_object('status', status, 'parentIdTag', parent_token,
                                   'expiryDate', private.wire_time(expires_at)) end)) as entry
        from wanted
    ), cut as (
        select part, max(total) as total, jsonb_agg(entry) as entries from numbered group by part
    )
    select coalesce(max(total), 0), coalesce(jsonb_agg(jsonb_build_object(
            'listVersion', (base + 1 + part) % 2147483647, 'localAuthorizationList', cut.entries,
            'updateType', case when part = 0 and p_mode = 'full' then 'Full' else 'Differential' end) order by part), '[]')
        into total_entries, v_parts from cut;
    if total_entries = 0 and p_mode = 'full' then
        v_parts := jsonb_build_array(jsonb_build_object('listVersion', (base + 1) % 2147483647, 'updateType', 'Full'));
    end if;
    insert into public.local_list_orders (cpo_id, charger_id, mode, reason, status, last_version, entry_count, parts,
        requested_by, requested_by_name, expires_in_s, idempotency_key, ended_at)
    values (known.cpo_id, p_charger_id, p_mode, p_reason, case when v_parts = '[]' then 'unchanged' else 'sending' end,
        coalesce((v_parts -> -1 ->> 'listVersion')::integer, known.version), total_entries, v_parts, p_by, p_by_name,
        p_expires_in_s, p_idempotency_key, case when v_parts = '[]' then now() end)
    returning * into made;
    if made.status = 'sending' then
        perform private.send_list_part(made.id);
    end if;
    return made;
end
$$;

-- Asks for a list to be sent; limits given are remembered. The same idempotency key from the same caller is the same
-- order. Errors: charger_not_found, idempotency_conflict, charger_offline, local_list_busy, and those of order_list.
create function public.send_local_list(p_charger_id text, p_mode text, p_max_entries integer, p_max_per_message integer,
    p_idempotency_key text, p_queue boolean, p_expires_in_s integer, p_requested_by_name text) returns uuid
language plpgsql set search_path = '' as $$
declare
    v_cpo_id uuid;
    earlier public.local_list_orders;
begin
    select cpo_id into v_cpo_id from public.chargers where id = p_charger_id;
    if not found then
        raise exception using errcode = 'P0001', message = 'There is no such charger.', hint = 'charger_not_found';
    end if;
    select * into earlier from public.local_list_orders
    where requested_by is not distinct from private.user_id() and idempotency_key = p_idempotency_key;
    if found and (earlier.charger_id, earlier.mode) is distinct from (p_charger_id, p_mode) then
        raise exception using errcode = 'P0001', hint = 'idempotency_conflict',
            message = 'This Idempotency-Key was used for another command.';
    elsif found then
        return earlier.id;
    end if;
    if not p_queue and not private.is_connected(p_charger_id) then
        raise exception using errcode = 'P0001', hint = 'charger_offline',
            message = 'The charger is not connected. Ask for the command to be queued to send it when it returns.';
    end if;
    insert into public.local_lists as l (charger_id, cpo_id, max_entries, max_per_message)
    values (p_charger_id, v_cpo_id, p_max_entries, p_max_per_message)
    on conflict (charger_id) do update set max_entries = coalesce(excluded.max_entries, l.max_entries),
        max_per_message = coalesce(excluded.max_per_message, l.max_per_message);  -- and one order at a time
    perform from public.local_list_orders o join public.commands m on m.id = o.command_id
    where o.charger_id = p_charger_id and o.status = 'sending' and m.status in ('queued', 'sent') and m.expires_at > now();
    if found then
        raise exception using errcode = 'P0001', hint = 'local_list_busy', message = 'A list is on its way to this charger.';
    end if;
    return (private.order_list(p_charger_id, p_mode, 'asked', private.user_id(), p_requested_by_name, p_expires_in_s,
                               p_idempotency_key)).id;
end
$$;

-- ---------------------------------------------------------------- what follows

create function private.apply_list(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
begin
    if p_command.payload ->> 'updateType' = 'Full' then
        delete from public.local_list_entries where charger_id = p_command.charger_id;
    end if;
    with told as (
        select distinct on (lower(e ->> 'idTag')) lower(e ->> 'idTag') as token_key, e
        from jsonb_array_elements(case when jsonb_typeof(p_command.payload -> 'localAuthorizationList') = 'array'
                                       then p_command.payload -> 'localAuthorizationList' else '[]' end)
            with ordinality as t(e, place)
        where e ->> 'idTag' is not null order by 1, place desc
    ), gone as (
        delete from public.local_list_entries l using told
        where l.charger_id = p_command.charger_id and l.token_key = told.token_key and told.e -> 'idTagInfo' is null
    )
    insert into public.local_list_entries (charger_id, token_key, cpo_id, id_token, status, expires_at, parent_token)
    select p_command.charger_id, token_key, p_command.cpo_id, e ->> 'idTag', coalesce(e #>> '{idTagInfo,status}', ''),
        private.moment_of(e #>> '{idTagInfo,expiryDate}'), e #>> '{idTagInfo,parentIdTag}'
    from told where e -> 'idTagInfo' is not null
    on conflict (charger_id, token_key) do update set id_token = excluded.id_token, status = excluded.status,
        expires_at = excluded.expires_at, parent_token = excluded.parent_token;
    update public.local_lists set version = private.int32_of(p_command.payload -> 'listVersion'),
        accepted_at = p_command.answered_at
    where charger_id = p_command.charger_id
      -- A change to a list whose content is not known makes another such list.
      and (version is not null or p_command.payload ->> 'updateType' = 'Full');
end
$$;

-- SendLocalList, whichever door asked. Of ours, the next part follows what was accepted; a version mismatch is mended
-- once with a full list (§5.15). Without an answer it is not known what the charger holds.
create function private.keep_local_list(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
declare
    o public.local_list_orders;
    word text := left(coalesce(p_command.response ->> 'status', p_command.error_code, p_command.status), 50);
begin
    insert into public.local_lists (charger_id, cpo_id) values (p_command.charger_id, p_command.cpo_id)
    on conflict (charger_id) do nothing;
    if p_command.status = 'accepted' then
        perform private.apply_list(p_command);
    elsif p_command.status = 'timed_out' or word = 'VersionMismatch' then
        update public.local_lists set version = null where charger_id = p_command.charger_id;
    end if;
    select * into o from public.local_list_orders
    where charger_id = p_command.charger_id and command_id = p_command.id and status = 'sending' for update;
    if not found then
        return;
    elsif p_command.status = 'accepted' and o.parts_sent < jsonb_array_length(o.parts) then
        perform private.send_list_part(o.id);
        return;
    end if;
    update public.local_list_orders set answer = word, ended_at = p_command.answered_at, status = case p_command.status
        when 'accepted' then 'accepted' when 'timed_out' then 'unanswered' else 'rejected' end
    where id = o.id;
    if word = 'VersionMismatch' and o.reason <> 'version_mismatch' then
        perform private.order_list(o.charger_id, 'full', 'version_mismatch', o.requested_by, o.requested_by_name,
                                   o.expires_in_s, null);
    end if;
end
$$;

-- GetLocalListVersion: 0 is an empty list, -1 none at all; another number than ours means another content.
create function private.keep_list_version(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
declare
    told integer := private.int32_of(p_command.response -> 'listVersion');
begin
    if p_command.status <> 'accepted' or told is null then
        return;
    end if;
    if told <= 0 then
        delete from public.local_list_entries where charger_id = p_command.charger_id;
    end if;
    insert into public.local_lists as l (charger_id, cpo_id, reported_version, reported_at, version)
    values (p_command.charger_id, p_command.cpo_id, told, p_command.answered_at, case when told <= 0 then told end)
    on conflict (charger_id) do update set reported_version = told, reported_at = excluded.reported_at,
        version = case when told <= 0 or l.version = told then told end;
end
$$;
insert into private.answer_reactions values
    ('SendLocalList', 'private.keep_local_list(public.commands)'),
    ('GetLocalListVersion', 'private.keep_list_version(public.commands)');

revoke execute on function private.int32_of(jsonb), private.moment_of(text), private.wire_time(timestamptz),
    private.wanted_list(uuid, integer), private.list_limits(text),
    private.list_differences(text, uuid, integer), public.count_list_differences(json), private.send_list_part(uuid),
    private.order_list(text, text, text, uuid, text, integer, text),
    public.send_local_list(text, text, integer, integer, text, boolean, integer, text), private.apply_list(public.commands),
    private.keep_local_list(public.commands), private.keep_list_version(public.commands)
    from public;
grant execute on function private.int32_of(jsonb), private.moment_of(text), private.wire_time(timestamptz),
    private.wanted_list(uuid, integer), private.list_limits(text),
    private.list_differences(text, uuid, integer), public.count_list_differences(json), private.send_list_part(uuid),
    private.order_list(text, text, text, uuid, text, integer, text),
    public.send_local_list(text, text, integer, integer, text, boolean, integer, text) to authenticated, service_role;
grant execute on function private.apply_list(public.commands), private.keep_local_list(public.commands),
    private.keep_list_version(public.commands) to service_role;
