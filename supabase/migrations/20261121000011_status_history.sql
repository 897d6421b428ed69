-- What happened to a charger, kept: changes of status, boots, sockets opened and lost. And the one list that merges
-- these with commands and sessions, newest first.

create sequence public.charger_event_id;

-- Events stand in the order in which the platform learnt of them, so a page that was read stays as it was. What the
-- charger's own clock said is in `reported_at`.
create table public.charger_events (
    id bigint not null default nextval('public.charger_event_id'),
    at timestamptz not null,
    cpo_id uuid,
    charger_id text not null,
    kind text not null check (kind in ('status', 'boot', 'connection')),
    event text not null,                    -- status: as reported; boot: booted; connection: connected, disconnected
    evse_id integer not null default 0,     -- 0: the charger as a whole
    connector_id integer not null default 0,
    reported_at timestamptz,
    detail jsonb not null default '{}',
    primary key (charger_id, at, id)
) partition by range (at);
create table public.charger_events_default partition of public.charger_events default;
create index charger_events_default_at on public.charger_events_default (at);  -- for upkeep

call private.protect('public.charger_events', array[]::text[]);
call private.protect('public.charger_events_default', array[]::text[]);
grant select, insert, delete on public.charger_events to service_role;
grant usage on sequence public.charger_event_id to service_role;
grant select on public.charger_events to authenticated;

-- ---------------------------------------------------------------- sockets

-- [{charger_id, connection_id, node, protocol, remote_address, at}]: the newest socket of a charger wins.
create or replace function private.open_connections(p_rows json) returns void
language plpgsql set search_path = '' as $$
begin
    with incoming as materialized (
        select distinct on (r.charger_id) r.*, c.cpo_id
        from json_to_recordset(p_rows) as r(charger_id text, connection_id uuid, node text, protocol text,
                                            remote_address text, at timestamptz)
        join public.chargers c on c.id = r.charger_id
        order by r.charger_id, r.at desc
    ), before as materialized (
        select k.charger_id, k.connection_id, k.disconnected_at is null as open
        from incoming i join public.connections k on k.charger_id = i.charger_id
    ), opened as (
        insert into public.connections as k
            (charger_id, cpo_id, connection_id, node, protocol, remote_address, connected_at, last_seen_at)
        select charger_id, cpo_id, connection_id, node, protocol, remote_address, at, at from incoming
        on conflict (charger_id) do update set
            cpo_id = excluded.cpo_id, connection_id = excluded.connection_id, node = excluded.node,
            protocol = excluded.protocol, remote_address = excluded.remote_address,
            connected_at = excluded.connected_at, last_seen_at = excluded.last_seen_at, disconnected_at = null
        where k.connected_at <= excluded.connected_at
        returning k.charger_id, k.cpo_id, k.connection_id, k.protocol, k.remote_address, k.connected_at
    )
    insert into public.charger_events (at, cpo_id, charger_id, kind, event, detail)
    select o.connected_at, o.cpo_id, o.charger_id, 'connection', 'connected', jsonb_strip_nulls(jsonb_build_object(
        'protocol', o.protocol, 'remote_address', o.remote_address, 'replaced', case when b.open then true end))
    from opened o left join before b on b.charger_id = o.charger_id
    where b.connection_id is distinct from o.connection_id;

    -- The operator's last wish, if the charger never heard it, is told now.
    insert into public.commands (cpo_id, charger_id, action, payload, requested_by, requested_by_name, expires_at)
    select m.cpo_id, m.charger_id, m.action, m.payload, m.requested_by, m.requested_by_name, now() + interval '15 minutes'
    from (select distinct charger_id from json_to_recordset(p_rows) as j(charger_id text)) r
    join public.chargers c on c.id = r.charger_id
    cross join lateral (
        select * from public.commands w
        where w.charger_id = c.id and w.action = 'ChangeAvailability' and w.payload ->> 'connectorId' = '0'
        order by w.seq desc limit 1) m
    where m.status in ('expired', 'timed_out', 'failed') and m.cpo_id is not distinct from c.cpo_id
      and (m.payload ->> 'type' = 'Inoperative') = (c.availability = 'inoperative');
end
$$;

-- [{charger_id, connection_id, at}]: closes only the socket it names, so a late close of an old one is harmless.
create or replace function private.close_connections(p_rows json) returns void
language plpgsql set search_path = '' as $$
begin
    with closed as (
        update public.connections k set disconnected_at = r.at
        from json_to_recordset(p_rows) as r(charger_id text, connection_id uuid, at timestamptz)
        where k.charger_id = r.charger_id and k.connection_id = r.connection_id and k.disconnected_at is null
        returning k.charger_id, k.cpo_id, k.disconnected_at
    )
    insert into public.charger_events (at, cpo_id, charger_id, kind, event)
    select disconnected_at, cpo_id, charger_id, 'connection', 'disconnected' from closed;
end
$$;

-- A node says it lives. With `p_started` it has just begun, so the sockets of its former life are gone.
create or replace function public.beat_node(p_node text, p_started boolean, p_stats jsonb) returns void
language plpgsql set search_path = '' as $$
begin
    insert into public.nodes as n (name, started_at, seen_at, stats) values (p_node, now(), now(), p_stats)
    on conflict (name) do update set seen_at = now(), stats = excluded.stats,
        started_at = case when p_started then now() else n.started_at end;
    if p_started then
        with closed as (
            update public.connections set disconnected_at = now() where node = p_node and disconnected_at is null
            returning charger_id, cpo_id, disconnected_at
        )
        insert into public.charger_events (at, cpo_id, charger_id, kind, event, detail)
        select disconnected_at, cpo_id, charger_id, 'connection', 'disconnected', '{"server_restarted": true}' from closed;
    end if;
end
$$;

-- ---------------------------------------------------------------- boot and status

-- [{charger_id, vendor, model, serial_number, firmware_version, iccid, imsi, meter_type,
--   meter_serial_number, protocol, at}] -> [{registration} | null]
create or replace function private.record_boots(p_rows json) returns json
language plpgsql set search_path = '' as $$
begin
    with before as materialized (
        select c.id, c.last_boot_at, c.firmware_version
        from (select distinct charger_id from json_to_recordset(p_rows) as j(charger_id text)) r
        join public.chargers c on c.id = r.charger_id
    ), booted as (
        update public.chargers c set
            vendor = r.vendor, model = r.model,
            serial_number = coalesce(r.serial_number, c.serial_number),
            firmware_version = coalesce(r.firmware_version, c.firmware_version),
            iccid = coalesce(r.iccid, c.iccid), imsi = coalesce(r.imsi, c.imsi),
            meter_type = coalesce(r.meter_type, c.meter_type),
            meter_serial_number = coalesce(r.meter_serial_number, c.meter_serial_number),
            protocol = r.protocol, last_boot_at = r.at, updated_at = now()
        from json_to_recordset(p_rows) as r(charger_id text, vendor text, model text, serial_number text,
            firmware_version text, iccid text, imsi text, meter_type text, meter_serial_number text,
            protocol text, at timestamptz)
        where c.id = r.charger_id
        returning c.id, c.cpo_id, c.vendor, c.model, c.firmware_version, c.last_boot_at
    )
    insert into public.charger_events (at, cpo_id, charger_id, kind, event, detail)
    select n.last_boot_at, n.cpo_id, n.id, 'boot', 'booted', jsonb_strip_nulls(jsonb_build_object(
        'vendor', n.vendor, 'model', n.model, 'firmware_version', n.firmware_version,
        'firmware_before', nullif(b.firmware_version, n.firmware_version)))
    from booted n join before b on b.id = n.id
    where b.last_boot_at is distinct from n.last_boot_at;

    -- The effect of a Reset is the boot that follows it.
    update public.commands m set effect = 'observed', effect_at = r.at
    from json_to_recordset(p_rows) as r(charger_id text, at timestamptz)
    where m.charger_id = r.charger_id and m.action = 'Reset' and m.sent_at <= r.at
      and (m.effect = 'pending' or (m.status = 'sent' and m.effect = 'none'));

    return (
        select json_agg(case when c.id is null then null else json_build_object('registration', c.registration) end
                        order by r.position)
        from (select value ->> 'charger_id' as charger_id, ordinality as position
              from json_array_elements(p_rows) with ordinality) r
        left join public.chargers c on c.id = r.charger_id);
end
$$;

-- What makes a status news: chargers repeat themselves, and some put the temperature into the text of no error.
create function private.status_digest(p_status text, p_error_code text, p_vendor_error_code text, p_error_info text)
returns text
language sql immutable set search_path = '' as $$
    select concat_ws('|', coalesce(p_status, ''), coalesce(p_error_code, 'NoError'), coalesce(p_vendor_error_code, ''),
                     case when coalesce(p_error_code, 'NoError') <> 'NoError' then p_error_info end)
$$;

-- [{charger_id, evse_id, connector_id, status, error_code, error_info, vendor_error_code, at, received_at}]
-- evse_id 0 speaks of the charger as a whole. Only what changed becomes an event.
create or replace function private.record_statuses(p_rows json) returns void
language plpgsql set search_path = '' as $$
begin
    with told as materialized (
        select x.*, h.cpo_id,
            private.status_digest(x.status, x.error_code, x.vendor_error_code, x.error_info) as digest,
            case when x.evse_id = 0
                 then private.status_digest(h.status, h.error_code, h.vendor_error_code, h.error_info)
                 when c.charger_id is not null
                 then private.status_digest(c.status, c.error_code, c.vendor_error_code, c.error_info) end as stored
        from rows from (json_to_recordset(p_rows) as (charger_id text, evse_id integer, connector_id integer,
                status text, error_code text, error_info text, vendor_error_code text,
                at timestamptz, received_at timestamptz)) with ordinality
            as x(charger_id, evse_id, connector_id, status, error_code, error_info, vendor_error_code, at, received_at,
                 position)
        join public.chargers h on h.id = x.charger_id
        left join public.connectors c on c.charger_id = x.charger_id and c.evse_id = x.evse_id
            and c.connector_id = x.connector_id
    ), newest as materialized (
        select distinct on (charger_id, evse_id, connector_id) * from told
        order by charger_id, evse_id, connector_id, position desc
    ), whole as (
        update public.chargers h set status = n.status, error_code = n.error_code, error_info = n.error_info,
            vendor_error_code = n.vendor_error_code, status_at = n.at
        from newest n where n.evse_id = 0 and h.id = n.charger_id
    ), plugs as (
        insert into public.connectors as c (charger_id, evse_id, connector_id, cpo_id, status, error_code,
            error_info, vendor_error_code, status_at, status_received_at)
        select charger_id, evse_id, connector_id, cpo_id, status, error_code, error_info, vendor_error_code, at, received_at
        from newest where evse_id > 0 order by charger_id, evse_id, connector_id
        on conflict (charger_id, evse_id, connector_id) do update set
            status = excluded.status, error_code = excluded.error_code, error_info = excluded.error_info,
            vendor_error_code = excluded.vendor_error_code, status_at = excluded.status_at,
            status_received_at = excluded.status_received_at
    )
    insert into public.charger_events (at, cpo_id, charger_id, kind, event, evse_id, connector_id, reported_at, detail)
    select received_at, cpo_id, charger_id, 'status', coalesce(status, ''), evse_id, connector_id, at,
        jsonb_strip_nulls(jsonb_build_object('error_code', nullif(error_code, 'NoError'), 'error_info', error_info,
                                             'vendor_error_code', vendor_error_code))
    from (select *, lag(digest, 1, stored) over (partition by charger_id, evse_id, connector_id order by position) as was
          from told) t
    where was is distinct from digest
    order by position;

    -- A ChangeAvailability has taken effect when the connector (or the whole charger) says so.
    update public.commands m set effect = 'observed', effect_at = r.received_at
    from json_to_recordset(p_rows) as r(charger_id text, evse_id integer, status text, received_at timestamptz)
    where m.charger_id = r.charger_id and m.action = 'ChangeAvailability'
      and (m.effect = 'pending' or (m.status = 'sent' and m.effect = 'none'))
      and (m.payload ->> 'connectorId')::integer in (0, r.evse_id)
      and (m.payload ->> 'type' = 'Inoperative') = (r.status = 'Unavailable');
end
$$;
grant execute on function private.status_digest(text, text, text, text) to service_role;
revoke execute on function private.status_digest(text, text, text, text) from public;

-- ---------------------------------------------------------------- the timeline

create index sessions_charger_begun on public.sessions (charger_id, start_received_at desc);
create index sessions_charger_ended on public.sessions (charger_id, stop_received_at desc) where stop_received_at is not null;

-- What a timeline is made of. A new source of entries is one more view with these columns, and its name here:
--   charger_id text, at timestamptz, id text (unique among all sources), kind text, event text, evse_id integer
--   (null: the charger as a whole), connector_id integer, actor text (who asked), session_id uuid, command_id uuid,
--   reported_at timestamptz (by the charger's clock), detail jsonb
-- An index on (charger_id, <what `at` is> desc) makes it cheap. Each view keeps the row policies of its table.
create table private.timeline_sources (
    source regclass primary key
);
grant select on private.timeline_sources to authenticated, service_role;

create view private.timeline_events with (security_invoker = true) as
select charger_id, at, 'event-' || to_char(id, 'FM0000000000000000000') as id, kind, event, nullif(evse_id, 0) as evse_id,
    nullif(connector_id, 0) as connector_id, null::text as actor, null::uuid as session_id, null::uuid as command_id,
    reported_at, detail
from public.charger_events;

create view private.timeline_commands with (security_invoker = true) as
select charger_id, created_at as at, 'command-' || id as id, 'command' as kind, action as event,
    case when jsonb_typeof(payload -> 'connectorId') = 'number'
         then nullif((payload ->> 'connectorId')::numeric::integer, 0) end as evse_id,
    null::integer as connector_id, requested_by_name as actor, effect_session_id as session_id, id as command_id,
    null::timestamptz as reported_at,
    jsonb_build_object('action', action, 'status', status, 'effect', effect, 'effect_session_id', effect_session_id,
        'error_code', error_code, 'error_description', error_description, 'created_at', created_at, 'sent_at', sent_at,
        'answered_at', answered_at, 'effect_at', effect_at, 'requested_by_name', requested_by_name,
        -- What it aims at; whole profiles and lists, and secrets, are not for a list.
        'payload', jsonb_strip_nulls(jsonb_build_object('connectorId', payload -> 'connectorId', 'type', payload -> 'type',
            'key', payload -> 'key', 'requestedMessage', payload -> 'requestedMessage')),
        'response', case when response ? 'status' then jsonb_build_object('status', response -> 'status') end) as detail
from public.commands;

create view private.timeline_session_begins with (security_invoker = true) as
select charger_id, start_received_at as at, 'session-begun-' || id as id, 'session' as kind, 'begun' as event,
    evse_id, connector_id, id_token as actor, id as session_id, command_id, started_at as reported_at,
    jsonb_build_object('transaction_id', transaction_id, 'meter_start_wh', meter_start_wh) as detail
from public.sessions;

create view private.timeline_session_ends with (security_invoker = true) as
select charger_id, stop_received_at as at, 'session-ended-' || id as id, 'session' as kind, 'ended' as event,
    evse_id, connector_id, coalesce(stop_id_token, id_token) as actor, id as session_id, null::uuid as command_id,
    stopped_at as reported_at,
    jsonb_build_object('transaction_id', transaction_id, 'energy_wh', energy_wh, 'stop_reason', stop_reason,
        'duration_s', extract(epoch from stopped_at - started_at)::integer, 'review_reasons', to_jsonb(review_reasons)) as detail
from public.sessions where stop_received_at is not null;

grant select on private.timeline_events, private.timeline_commands, private.timeline_session_begins,
    private.timeline_session_ends to authenticated, service_role;
insert into private.timeline_sources values ('private.timeline_events'), ('private.timeline_commands'),
    ('private.timeline_session_begins'), ('private.timeline_session_ends');

-- One charger's entries of all sources, newest first: those of `p_kind` if given, of the EVSE `p_evse_id` and of the
-- charger as a whole if given, not later than `p_until`, behind the entry (p_after_at, p_after_id). Each source reads
-- no more than p_limit rows off its index.
create function public.charger_timeline(p_charger_id text, p_kind text, p_evse_id integer, p_until timestamptz,
    p_after_at timestamptz, p_after_id text, p_limit integer) returns json
language plpgsql stable set search_path = '' as $$
declare
    entries json;
    branches text;
begin
    select string_agg(format('(select charger_id, at, id, kind, event, evse_id, connector_id, actor, session_id, command_id,
            reported_at, detail from %s v where v.charger_id = $1 and ($2 is null or v.kind = $2)
        and ($3 is null or v.evse_id is null or v.evse_id = $3) and ($4 is null or v.at <= $4)
        and ($5 is null or v.at <= $5 and (v.at, v.id) < ($5, $6)) order by v.at desc, v.id desc limit $7)', source),
        ' union all ') into branches from private.timeline_sources;
    execute format('select coalesce(json_agg(t), ''[]'') from (select * from (%s) a order by at desc, id desc limit $7) t',
                   branches)
        into entries using p_charger_id, p_kind, p_evse_id, p_until, p_after_at, p_after_id, p_limit;
    return entries;
end
$$;
revoke execute on function public.charger_timeline(text, text, integer, timestamptz, timestamptz, text, integer) from public;
grant execute on function public.charger_timeline(text, text, integer, timestamptz, timestamptz, text, integer)
    to authenticated, service_role;

-- ---------------------------------------------------------------- upkeep

-- Makes partitions ahead of time (days of messages, months of readings and events) and drops messages past their time
-- and events after 13 months.
-- A day whose rows already lie in the default partition stays there; that is looked up before, since a try in vain
-- locks the whole table while it scans that partition.
-- Runs as the owner of the tables; only the platform may call it.
create or replace function public.maintain_partitions(p_days_ahead integer, p_keep_days integer) returns void
language plpgsql security definer set search_path = '' set timezone = 'UTC' as $$
declare
    part record;
    too_late boolean;
begin
    for part in
        select k.parent, k.by_time, k.parent || to_char(d, k.suffix) as name, d as since, d + k.step as until
        from (values ('ocpp_messages', 'at', '_YYYYMMDD', 'day', interval '1 day'),
                     ('meter_values', 'measured_at', '_YYYYMM', 'month', interval '1 month'),
                     ('charger_events', 'at', '_YYYYMM', 'month', interval '1 month'))
                 as k(parent, by_time, suffix, unit, step),
             generate_series(date_trunc(k.unit, now(), 'UTC'), now() + make_interval(days => p_days_ahead), k.step) as d
    loop
        if to_regclass('public.' || part.name) is null then
            execute format('select exists (select 1 from public.%I where %I >= %L and %I < %L)',
                           part.parent || '_default', part.by_time, part.since, part.by_time, part.until) into too_late;
            continue when too_late;
            execute format('create table public.%I partition of public.%I for values from (%L) to (%L)',
                           part.name, part.parent, part.since, part.until);
            execute format('alter table public.%I enable row level security', part.name);
        end if;
    end loop;
    for part in
        select c.relname as name from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'public.ocpp_messages'::regclass and c.relname ~ '^ocpp_messages_\d{8}$'
          and to_date(right(c.relname, 8), 'YYYYMMDD') < (now() at time zone 'UTC')::date - p_keep_days
        union all
        select c.relname from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'public.charger_events'::regclass and c.relname ~ '^charger_events_\d{6}$'
          and to_date(right(c.relname, 6), 'YYYYMM') < (now() at time zone 'UTC')::date - interval '14 months'
    loop
        execute format('drop table public.%I', part.name);
    end loop;
    delete from public.ocpp_messages_default where at < now() - make_interval(days => p_keep_days);
    delete from public.charger_events_default where at < now() - interval '13 months';
    delete from public.outbox where published_at < now() - interval '7 days';
    delete from public.refresh_tokens where expires_at < now() - interval '7 days';
end
$$;

select public.maintain_partitions(7, 30);
