-- What chargers report. Every function takes a JSON array (many chargers at once: group commit), is atomic,
-- and may be called again with the same rows: a repeated message changes nothing and gets the same answer.
-- Answers stand in the order of the rows. Only the platform itself (service_role) may call them.

-- ---------------------------------------------------------------- sockets

-- Facts the gate needs of each identity: [{charger_id}] -> [{registration, password_hash, cpo_id} | null]
create function private.gate_chargers(p_rows json) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(
        case when c.id is null then null else json_build_object(
            'cpo_id', c.cpo_id, 'registration', c.registration, 'password_hash', c.password_hash) end
        order by r.position), '[]')
    from (select value ->> 'charger_id' as charger_id, ordinality as position
          from json_array_elements(p_rows) with ordinality) r
    left join public.chargers c on c.id = r.charger_id
$$;

-- An identity nobody registered, let in on purpose (UNIEV_OCPP_ACCEPT_UNKNOWN): waits for approval.
create function public.discover_charger(p_charger_id text, p_protocol text) returns void
language sql set search_path = '' as $$
    insert into public.chargers (id, registration, discovered, protocol)
    values (p_charger_id, 'pending', true, p_protocol)
    on conflict (id) do nothing
$$;

-- [{charger_id, connection_id, node, protocol, remote_address, at}]: the newest socket of a charger wins.
create function private.open_connections(p_rows json) returns void
language plpgsql set search_path = '' as $$
begin
    insert into public.connections as k
        (charger_id, cpo_id, connection_id, node, protocol, remote_address, connected_at, last_seen_at)
    select distinct on (r.charger_id) r.charger_id, c.cpo_id, r.connection_id, r.node, r.protocol, r.remote_address, r.at, r.at
    from json_to_recordset(p_rows) as r(charger_id text, connection_id uuid, node text, protocol text,
                                        remote_address text, at timestamptz)
    join public.chargers c on c.id = r.charger_id
    order by r.charger_id, r.at desc
    on conflict (charger_id) do update set
        cpo_id = excluded.cpo_id, connection_id = excluded.connection_id, node = excluded.node,
        protocol = excluded.protocol, remote_address = excluded.remote_address,
        connected_at = excluded.connected_at, last_seen_at = excluded.last_seen_at, disconnected_at = null
    where k.connected_at <= excluded.connected_at;

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
create function private.close_connections(p_rows json) returns void
language plpgsql set search_path = '' as $$
begin
    update public.connections k set disconnected_at = r.at
    from json_to_recordset(p_rows) as r(charger_id text, connection_id uuid, at timestamptz)
    where k.charger_id = r.charger_id and k.connection_id = r.connection_id and k.disconnected_at is null;
end
$$;

-- Any frame is a sign of life; the server tells of them in bulk every few seconds. A connection that is being
-- changed just now is left alone: it is told of again soon, and nobody waits for another (no deadlock with intake).
-- Returns the identities that are registered no more: their sockets are to be closed.
create function public.touch_connections(p_node text, p_charger_ids json, p_at timestamptz) returns json
language sql set search_path = '' as $$
    with free as (
        select k.charger_id from json_array_elements_text(p_charger_ids) as t(charger_id)
        join public.connections k on k.charger_id = t.charger_id and k.node = p_node and k.disconnected_at is null
        for no key update of k skip locked
    ), touched as (
        update public.connections k set last_seen_at = p_at from free where k.charger_id = free.charger_id)
    select coalesce(json_agg(t.charger_id), '[]') from json_array_elements_text(p_charger_ids) as t(charger_id)
    where not exists (select 1 from public.chargers c where c.id = t.charger_id)
$$;

-- A node says it lives. With `p_started` it has just begun, so the sockets of its former life are gone.
create function public.beat_node(p_node text, p_started boolean, p_stats jsonb) returns void
language plpgsql set search_path = '' as $$
begin
    insert into public.nodes as n (name, started_at, seen_at, stats) values (p_node, now(), now(), p_stats)
    on conflict (name) do update set seen_at = now(), stats = excluded.stats,
        started_at = case when p_started then now() else n.started_at end;
    if p_started then
        update public.connections set disconnected_at = now() where node = p_node and disconnected_at is null;
    end if;
end
$$;

-- ---------------------------------------------------------------- boot and status

-- [{charger_id, vendor, model, serial_number, firmware_version, iccid, imsi, meter_type,
--   meter_serial_number, protocol, at}] -> [{registration} | null]
create function private.record_boots(p_rows json) returns json
language plpgsql set search_path = '' as $$
begin
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
    where c.id = r.charger_id;

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

-- [{charger_id, evse_id, connector_id, status, error_code, error_info, vendor_error_code, at, received_at}]
-- evse_id 0 speaks of the charger as a whole.
create function private.record_statuses(p_rows json) returns void
language plpgsql set search_path = '' as $$
declare
    r record;
begin
    for r in
        select * from json_to_recordset(p_rows) as x(charger_id text, evse_id integer, connector_id integer,
            status text, error_code text, error_info text, vendor_error_code text,
            at timestamptz, received_at timestamptz)
        order by charger_id
    loop
        if r.evse_id = 0 then
            update public.chargers set status = r.status, error_code = r.error_code, error_info = r.error_info,
                vendor_error_code = r.vendor_error_code, status_at = r.at
            where id = r.charger_id;
        else
            insert into public.connectors as c (charger_id, evse_id, connector_id, cpo_id, status, error_code,
                error_info, vendor_error_code, status_at, status_received_at)
            select r.charger_id, r.evse_id, r.connector_id, h.cpo_id, r.status, r.error_code, r.error_info,
                r.vendor_error_code, r.at, r.received_at
            from public.chargers h where h.id = r.charger_id
            on conflict (charger_id, evse_id, connector_id) do update set
                status = excluded.status, error_code = excluded.error_code, error_info = excluded.error_info,
                vendor_error_code = excluded.vendor_error_code, status_at = excluded.status_at,
                status_received_at = excluded.status_received_at;
        end if;
        -- A ChangeAvailability has taken effect when the connector (or the whole charger) says so.
        update public.commands m set effect = 'observed', effect_at = r.received_at
        where m.charger_id = r.charger_id and m.action = 'ChangeAvailability'
          and (m.effect = 'pending' or (m.status = 'sent' and m.effect = 'none'))
          and (m.payload ->> 'connectorId')::integer in (0, r.evse_id)
          and (m.payload ->> 'type' = 'Inoperative') = (r.status = 'Unavailable');
    end loop;
end
$$;

-- ---------------------------------------------------------------- tokens

-- What is known of a token at a charger of this CPO; the decision is taken by the caller.
create function private.token_facts(p_cpo_id uuid, p_id_token text, p_except_session uuid) returns json
language sql stable set search_path = '' as $$
    select json_build_object(
        'status', t.status, 'expires_at', t.expires_at, 'parent_token', t.parent_token,
        'open_sessions', (select count(*) from public.sessions s
                          where lower(s.id_token) = lower(p_id_token) and s.stopped_at is null
                            and s.id is distinct from p_except_session
                            -- One that fell silent for good (a dead charger) must not lock its driver out.
                            and greatest(s.start_received_at, s.last_reading_at) > now() - interval '24 hours'
                            and s.cpo_id is not distinct from p_cpo_id),
        'concurrent_sessions', (select o.concurrent_sessions from public.cpos o where o.id = p_cpo_id))
    from (select 1) as one
    left join lateral (
        select k.status, k.expires_at, k.parent_token from public.id_tokens k
        where k.token_key = lower(p_id_token) and (k.cpo_id = p_cpo_id or k.cpo_id is null)
        order by k.cpo_id nulls last limit 1) t on true
$$;

-- [{charger_id, id_token}] -> [token facts]
create function private.check_tokens(p_rows json) returns json
language sql stable set search_path = '' as $$
    select json_agg(private.token_facts(c.cpo_id, r.id_token, null) order by r.position)
    from (select value ->> 'charger_id' as charger_id, value ->> 'id_token' as id_token, ordinality as position
          from json_array_elements(p_rows) with ordinality) r
    left join public.chargers c on c.id = r.charger_id
$$;

-- ---------------------------------------------------------------- sessions

-- A connector runs one session. When it begins another, the one before has ended without telling us: close
-- it with the last thing its meter said, and hold it. Its StopTransaction may still come (stop_session).
create function private.supersede(p_charger_id text, p_evse_id integer, p_connector_id integer,
                                  p_started_at timestamptz, p_except uuid) returns void
language sql set search_path = '' as $$
    with closed as (
        update public.sessions set
            stopped_at = greatest(started_at, least(p_started_at, coalesce(last_reading_at, p_started_at))),
            stop_received_at = now(), meter_stop_wh = coalesce(last_register_wh, meter_start_wh),
            energy_wh = greatest(coalesce(last_register_wh, meter_start_wh) - meter_start_wh, 0),
            stop_reason = 'Other', superseded = true, last_power_w = 0,
            review_reasons = review_reasons || array['stop_missing']
        where charger_id = p_charger_id and evse_id = p_evse_id and connector_id = p_connector_id
          and stopped_at is null and started_at < p_started_at and id <> p_except
        returning *)
    insert into public.outbox (cpo_id, topic, payload)
    select cpo_id, 'session.ended', json_build_object('session_id', id, 'station_id', station_id, 'stopped_at', stopped_at)
    from closed
$$;

-- [{charger_id, evse_id, connector_id, protocol, id_token, reported_at, clock_trusted, started_at, received_at,
--   meter_start_wh}] -> [{session_id, transaction_id, created, token: facts}]
-- The same charger, connector, token, reported time and meter is the same session (OCPP 1.6 retries), unless
-- that session is over and the clock cannot be believed: a charger whose clock is stuck starts anew.
create function private.start_sessions(p_rows json) returns json
language plpgsql set search_path = '' as $$
declare
    r record;
    charger public.chargers;
    session public.sessions;
    v_key text;
    made boolean;
    answers json[] := array[]::json[];
begin
    for r in
        select x.* from json_to_recordset(p_rows) as x(charger_id text, evse_id integer, connector_id integer,
            protocol text, id_token text, reported_at text, clock_trusted boolean, started_at timestamptz,
            received_at timestamptz, meter_start_wh numeric)
    loop
        select * into charger from public.chargers where id = r.charger_id for update;
        v_key := md5(concat_ws('|', r.charger_id, r.evse_id, r.connector_id, lower(r.id_token), r.reported_at,
                               trim_scale(r.meter_start_wh)));
        loop
            select * into session from public.sessions where start_key = v_key;
            exit when session.id is null or session.stopped_at is null or r.clock_trusted;
            v_key := md5(v_key || session.transaction_id);
        end loop;
        made := session.id is null;
        if made then
            insert into public.sessions (cpo_id, station_id, charger_id, evse_id, connector_id, protocol, id_token,
                start_key, started_at, start_received_at, meter_start_wh, last_register_wh)
            values (charger.cpo_id, charger.station_id, r.charger_id, r.evse_id, r.connector_id, r.protocol,
                r.id_token, v_key, r.started_at, r.received_at, r.meter_start_wh, r.meter_start_wh)
            returning * into session;
            perform private.supersede(r.charger_id, r.evse_id, r.connector_id, r.started_at, session.id);
            update public.sessions set command_id = private.observe_start(session) where id = session.id;
            insert into public.outbox (cpo_id, topic, payload) values (charger.cpo_id, 'session.started',
                json_build_object('session_id', session.id, 'station_id', session.station_id));
        end if;
        answers := answers || json_build_object('session_id', session.id, 'transaction_id', session.transaction_id,
            'created', made, 'token', private.token_facts(charger.cpo_id, r.id_token, session.id));
    end loop;
    return array_to_json(answers);
end
$$;

-- The remote start this session answers, marked as observed. A start out of offline history answers nothing: it is
-- told soon after the charger has come back, and is old. An old start told later is news under a slow clock.
create function private.observe_start(p_session public.sessions) returns uuid
language sql set search_path = '' as $$
    update public.commands set effect = 'observed', effect_session_id = p_session.id,
        effect_at = p_session.start_received_at
    where id = (
        select m.id from public.commands m
        where m.charger_id = p_session.charger_id and m.action = 'RemoteStartTransaction'
          and m.status in ('sent', 'accepted', 'timed_out') and m.effect in ('none', 'pending')
          and lower(m.payload ->> 'idTag') = lower(p_session.id_token)
          and coalesce((m.payload ->> 'connectorId')::integer, p_session.evse_id) = p_session.evse_id
          and m.sent_at > p_session.start_received_at - interval '15 minutes'
          and (m.sent_at < p_session.started_at + interval '10 minutes'
               or exists (select 1 from public.connections k where k.charger_id = p_session.charger_id
                          and k.connected_at < m.sent_at - interval '2 minutes'))
        order by m.status = 'timed_out', m.seq limit 1)  -- one without answer only if no other asked for it
    returning id
$$;

-- [{charger_id, transaction_id, id_token, reported_at, stopped_at, received_at, meter_stop_wh, stop_reason}]
-- -> [{session_id | null, found, token: facts | null}]. Unknown ids are kept as orphans; a repeated stop changes nothing.
create function private.stop_sessions(p_rows json) returns json
language plpgsql set search_path = '' as $$
declare
    r record;
    charger public.chargers;
    session public.sessions;
    answers json[] := array[]::json[];
begin
    for r in
        select x.* from json_to_recordset(p_rows) as x(charger_id text, transaction_id bigint, id_token text,
            reported_at text, stopped_at timestamptz, received_at timestamptz, meter_stop_wh numeric, stop_reason text)
    loop
        select * into charger from public.chargers where id = r.charger_id;
        select * into session from public.sessions
        where transaction_id = r.transaction_id and charger_id = r.charger_id for update;
        if session.id is null then
            insert into public.orphan_stops (cpo_id, charger_id, transaction_id, id_token, meter_stop_wh, stopped_at,
                stop_reason, reported_at, received_at)
            values (charger.cpo_id, r.charger_id, r.transaction_id, r.id_token, r.meter_stop_wh, r.stopped_at,
                r.stop_reason, r.reported_at, r.received_at)
            on conflict do nothing;
        elsif session.stopped_at is null or session.superseded then
            perform private.close_session(session, charger.rated_power_w, greatest(r.stopped_at, session.started_at),
                                          r.received_at, r.meter_stop_wh, r.stop_reason, r.id_token,
                                          r.stopped_at < session.started_at);
        end if;
        answers := answers || json_build_object('session_id', session.id, 'found', session.id is not null,
            'token', case when r.id_token is not null
                          then private.token_facts(charger.cpo_id, r.id_token, session.id) end);
    end loop;
    return array_to_json(answers);
end
$$;

-- Ends one session, holds it when its figures cannot be true, and tells those who wait for the stop.
create function private.close_session(p_session public.sessions, p_rated_power_w integer, p_stopped_at timestamptz,
    p_received_at timestamptz, p_meter_stop_wh numeric, p_stop_reason text, p_id_token text, p_time_negative boolean)
returns void
language plpgsql set search_path = '' as $$
declare
    energy numeric := p_meter_stop_wh - p_session.meter_start_wh;
    hours numeric := extract(epoch from p_stopped_at - p_session.started_at) / 3600.0;
    -- Of a charger whose power nobody told: more than any car takes.
    most numeric := coalesce(p_rated_power_w, 1000000) * (hours + 0.05) * 1.1;
begin
    update public.sessions set
        stopped_at = p_stopped_at, stop_received_at = p_received_at, meter_stop_wh = p_meter_stop_wh,
        stop_reason = p_stop_reason, stop_id_token = p_id_token, energy_wh = greatest(energy, 0),
        last_register_wh = p_meter_stop_wh, last_power_w = 0, superseded = false,
        review_reasons = (
            select coalesce(array_agg(distinct reason), '{}') from unnest(
                array_remove(p_session.review_reasons, 'stop_missing')
                || case when energy < 0 or p_meter_stop_wh < p_session.last_register_wh then array['register_back'] else '{}' end
                || case when p_time_negative then array['negative_duration'] else '{}' end
                || case when p_session.meter_start_wh = 0 and energy > most then array['odometer_jump'] else '{}' end
                || case when energy > most then array['energy_above_rated'] else '{}' end
            ) as reason)
    where id = p_session.id;

    update public.commands set effect = 'observed', effect_session_id = p_session.id, effect_at = p_received_at
    where charger_id = p_session.charger_id and action = 'RemoteStopTransaction'
      and status in ('sent', 'accepted', 'timed_out') and effect in ('none', 'pending')
      and (payload ->> 'transactionId')::bigint = p_session.transaction_id;

    -- A superseded session leaves the day it was counted on until now.
    insert into public.outbox (cpo_id, topic, payload)
    select p_session.cpo_id, 'session.ended',
        json_build_object('session_id', p_session.id, 'station_id', p_session.station_id, 'stopped_at', stopped_at)
    from unnest(array[p_session.stopped_at, p_stopped_at]) as stopped_at where stopped_at is not null;
end
$$;
