-- The life of a command: queued -> sent -> accepted | rejected | failed | timed_out | expired, then its effect.

-- Is there a live socket? The node that holds it must have been heard of.
create function private.is_connected(p_charger_id text) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select 1 from public.connections k join public.nodes n on n.name = k.node
        where k.charger_id = p_charger_id and k.disconnected_at is null and n.seen_at > now() - interval '30 seconds')
$$;

-- What may be shown of a command: configuration keys that are secrets travel, but are not kept.
create function private.shown_payload(p_action text, p_payload jsonb) returns jsonb
language sql immutable set search_path = '' as $$
    select case when p_action = 'ChangeConfiguration' and p_payload ->> 'key' ~* 'authorizationkey|password|secret'
                then p_payload || '{"value": "***"}' else p_payload end
$$;

-- Asks something of a charger. The same key from the same caller is the same command.
-- Errors: not_found, idempotency_conflict, charger_offline.
create function public.enqueue_command(p_charger_id text, p_action text, p_payload jsonb, p_idempotency_key text,
    p_queue boolean, p_expires_in_s integer, p_requested_by_name text) returns json
language plpgsql set search_path = '' as $$
declare
    charger_cpo uuid;
    command public.commands;
begin
    select cpo_id into charger_cpo from public.chargers where id = p_charger_id;
    if not found then
        raise exception using errcode = 'P0001', message = 'No such charger.', hint = 'not_found';
    end if;
    if p_idempotency_key is not null then
        select * into command from public.commands
        where requested_by is not distinct from private.user_id() and idempotency_key = p_idempotency_key;
        if found and (command.charger_id, command.action, private.shown_payload(command.action, command.payload))
            is distinct from (p_charger_id, p_action, private.shown_payload(p_action, p_payload)) then
            raise exception using errcode = 'P0001', hint = 'idempotency_conflict',
                message = 'This Idempotency-Key was used for another command.';
        elsif found then
            return row_to_json(command);
        end if;
    end if;
    if not p_queue and not private.is_connected(p_charger_id) then
        raise exception using errcode = 'P0001', hint = 'charger_offline',
            message = 'The charger is not connected. Ask for the command to be queued to send it when it returns.';
    end if;
    insert into public.commands (cpo_id, charger_id, action, payload, requested_by, requested_by_name,
        idempotency_key, expires_at)
    values (charger_cpo, p_charger_id, p_action, p_payload, private.user_id(), p_requested_by_name,
        p_idempotency_key, now() + make_interval(secs => p_expires_in_s))
    on conflict (requested_by, idempotency_key) where idempotency_key is not null do nothing
    returning * into command;
    if command.id is null then  -- the same key arrived twice at the same instant
        select * into command from public.commands
        where requested_by is not distinct from private.user_id() and idempotency_key = p_idempotency_key;
    end if;
    perform pg_notify('uniev_commands', p_charger_id);
    return row_to_json(command);
end
$$;

-- The next command of each charger whose socket this node holds, marked as sent before it goes on the wire:
-- a crash in between loses it visibly (timed_out) and never sends a Reset twice.
create function public.claim_commands(p_node text, p_busy json, p_limit integer) returns json
language sql set search_path = '' as $$
    with waiting as (
        select distinct on (m.charger_id) m.id
        from public.commands m
        join public.connections k on k.charger_id = m.charger_id
        where m.status = 'queued' and m.expires_at > now() and k.node = p_node and k.disconnected_at is null
          and m.charger_id not in (select json_array_elements_text(p_busy))
        order by m.charger_id, m.seq
        limit p_limit
    ), locked as (
        select id, payload from public.commands
        where id in (select id from waiting) and status = 'queued' for update skip locked
    ), claimed as (
        update public.commands m set status = 'sent', sent_at = clock_timestamp(), sent_by = p_node,
            payload = private.shown_payload(m.action, m.payload)
        from locked where m.id = locked.id
        returning m.id, m.charger_id, m.action, locked.payload, m.expires_at
    )
    select coalesce(json_agg(claimed), '[]') from claimed
$$;

-- The answer to a sent command. A second or late answer changes nothing. With the answer that accepts a new
-- password the old one is refused (security whitepaper A01).
create function public.settle_command(p_id uuid, p_status text, p_response jsonb, p_error_code text,
    p_error_description text, p_expects_effect boolean, p_password_hash text) returns void
language sql set search_path = '' as $$
    with settled as (update public.commands set status = p_status, answered_at = clock_timestamp(), response = p_response,
        error_code = p_error_code, error_description = p_error_description,
        effect = case when effect = 'observed' then effect
                      when p_status = 'accepted' and p_expects_effect then 'pending' else 'none' end
    where id = p_id and status = 'sent' returning charger_id)
    update public.chargers c set password_hash = p_password_hash, updated_at = now()
    from settled where c.id = settled.charger_id and p_password_hash is not null
$$;

-- The clock's part: what was never sent, never answered, or never had its effect. Returns how many changed.
create function public.expire_commands() returns integer
language sql set search_path = '' as $$
    with expired as (
        update public.commands set status = 'expired', payload = private.shown_payload(action, payload)
        where status = 'queued' and expires_at <= now() returning 1
    ), timed_out as (
        update public.commands set status = 'timed_out', error_description = 'No answer; the server may have stopped.'
        where status = 'sent' and sent_at < now() - interval '90 seconds' returning 1
    ), without_effect as (
        update public.commands set effect = 'no_effect'
        where status = 'accepted' and effect = 'pending' and answered_at < now() - case action
            when 'Reset' then interval '10 minutes' when 'ChangeAvailability' then interval '24 hours'
            else interval '3 minutes' end
        returning 1
    )
    select (select count(*) from expired)::integer + (select count(*) from timed_out)::integer
         + (select count(*) from without_effect)::integer
$$;

-- ---------------------------------------------------------------- outbox, rollups, partitions

create function public.claim_outbox(p_limit integer, p_lease_s integer) returns json
language sql set search_path = '' as $$
    with waiting as (
        select id from public.outbox
        where published_at is null and (claimed_until is null or claimed_until < now())
        order by id limit p_limit for update skip locked
    ), claimed as (
        update public.outbox o set claimed_until = now() + make_interval(secs => p_lease_s)
        from waiting where o.id = waiting.id returning o.id, o.topic, o.payload
    )
    select coalesce(json_agg(claimed order by claimed.id), '[]') from claimed
$$;

create function public.settle_outbox(p_ids json) returns void
language sql set search_path = '' as $$
    update public.outbox set published_at = now()
    where id in (select value::bigint from json_array_elements_text(p_ids))
$$;

-- Recounts closed days from their sessions, so it may run any number of times: [{station_id, stopped_at}]
create function public.refresh_station_days(p_rows json) returns void
language sql set search_path = '' as $$
    insert into public.station_days (station_id, day, cpo_id, sessions, energy_wh)
    select t.station_id, t.day, t.cpo_id, count(s.id), coalesce(sum(s.energy_wh), 0)
    from (select distinct r.station_id, (r.stopped_at at time zone p.timezone)::date as day, p.cpo_id, p.timezone
          from json_to_recordset(p_rows) as r(station_id uuid, stopped_at timestamptz)
          join public.stations p on p.id = r.station_id) t
    left join public.sessions s on s.station_id = t.station_id
        and s.stopped_at >= t.day::timestamp at time zone t.timezone
        and s.stopped_at < (t.day + 1)::timestamp at time zone t.timezone
    group by t.station_id, t.day, t.cpo_id
    on conflict (station_id, day) do update set sessions = excluded.sessions, energy_wh = excluded.energy_wh, updated_at = now()
$$;

-- Makes partitions ahead of time (days of messages, months of readings) and drops messages past their time.
-- A day whose rows already lie in the default partition stays there; that is looked up before, since a try in vain
-- locks the whole table while it scans that partition.
-- Runs as the owner of the tables; only the platform may call it.
create function public.maintain_partitions(p_days_ahead integer, p_keep_days integer) returns void
language plpgsql security definer set search_path = '' set timezone = 'UTC' as $$
declare
    part record;
    too_late boolean;
begin
    for part in
        select 'ocpp_messages' as parent, 'at' as by_time, 'ocpp_messages_' || to_char(d, 'YYYYMMDD') as name, d as since, d + interval '1 day' as until
        from generate_series(date_trunc('day', now(), 'UTC'), now() + make_interval(days => p_days_ahead), interval '1 day') as d
        union all
        select 'meter_values', 'measured_at', 'meter_values_' || to_char(m, 'YYYYMM'), m, m + interval '1 month'
        from generate_series(date_trunc('month', now(), 'UTC'), now() + make_interval(days => p_days_ahead), interval '1 month') as m
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
    loop
        execute format('drop table public.%I', part.name);
    end loop;
    delete from public.ocpp_messages_default where at < now() - make_interval(days => p_keep_days);
    delete from public.outbox where published_at < now() - interval '7 days';
    delete from public.refresh_tokens where expires_at < now() - interval '7 days';
end
$$;

revoke execute on function private.is_connected(text), private.shown_payload(text, jsonb),
    public.enqueue_command(text, text, jsonb, text, boolean, integer, text), public.claim_commands(text, json, integer),
    public.settle_command(uuid, text, jsonb, text, text, boolean, text), public.expire_commands(),
    public.claim_outbox(integer, integer), public.settle_outbox(json), public.refresh_station_days(json),
    public.maintain_partitions(integer, integer) from public;
grant execute on function private.is_connected(text), private.shown_payload(text, jsonb),
    public.enqueue_command(text, text, jsonb, text, boolean, integer, text) to authenticated, service_role;
grant execute on function public.claim_commands(text, json, integer),
    public.settle_command(uuid, text, jsonb, text, text, boolean, text), public.expire_commands(),
    public.claim_outbox(integer, integer), public.settle_outbox(json), public.refresh_station_days(json),
    public.maintain_partitions(integer, integer) to service_role;

-- The first rows find their partitions, whoever starts first.
select public.maintain_partitions(7, 30);
