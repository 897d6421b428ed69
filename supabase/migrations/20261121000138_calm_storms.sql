-- What a charger that comes costs. Thousands come at once, beside commands to those who are here: so a socket's row is
-- written once, rows are found by their keys whatever plan was made while the tables were empty, and whoever opened a
-- socket hears whether anything waits for it, instead of looking through the queue.

-- [{charger_id, connection_id, node, protocol, remote_address, at, security_profile, certificate_id}]: the newest socket
-- of a charger wins. `at` is the database's time as its server knows it (migration 103): what lies in the future, or
-- ended, yields to any. A charger that was passed over would get no command until it connects again.
create or replace function private.keep_connections(p_rows json) returns void
language plpgsql set search_path = '' as $$
begin
    with incoming as materialized (
        select distinct on (r.charger_id) r.*, c.cpo_id, b.connection_id as former_id, b.disconnected_at is null as former_open
        from json_to_recordset(p_rows) as r(charger_id text, connection_id uuid, node text, protocol text,
            remote_address text, at timestamptz, security_profile smallint, certificate_id uuid)
        cross join lateral (select h.cpo_id from public.chargers h where h.id = r.charger_id limit 1) c
        left join lateral (
            select k.connection_id, k.disconnected_at from public.connections k
            where k.charger_id = r.charger_id limit 1) b on true
        order by r.charger_id, r.at desc
    ), opened as (
        insert into public.connections as k (charger_id, cpo_id, connection_id, node, protocol, remote_address,
            connected_at, last_seen_at, security_profile, certificate_id)
        select charger_id, cpo_id, connection_id, node, protocol, remote_address, at, at, security_profile, certificate_id
        from incoming
        on conflict (charger_id) do update set
            cpo_id = excluded.cpo_id, connection_id = excluded.connection_id, node = excluded.node,
            protocol = excluded.protocol, remote_address = excluded.remote_address,
            connected_at = excluded.connected_at, last_seen_at = excluded.last_seen_at, disconnected_at = null,
            security_profile = excluded.security_profile, certificate_id = excluded.certificate_id
        where k.connected_at <= excluded.connected_at or k.disconnected_at is not null
           or k.connected_at > clock_timestamp()
        returning k.charger_id, k.connected_at
    )
    insert into public.charger_events (at, cpo_id, charger_id, kind, event, detail)
    select o.connected_at, i.cpo_id, i.charger_id, 'connection', 'connected', jsonb_strip_nulls(jsonb_build_object(
        'protocol', i.protocol, 'remote_address', i.remote_address,
        'replaced', case when i.former_id is not null and i.former_open then true end))
    from opened o join incoming i on i.charger_id = o.charger_id
    where i.former_id is distinct from i.connection_id;

    -- The operator's last wish, if the charger never heard it, is told now.
    insert into public.commands (cpo_id, charger_id, action, payload, requested_by, requested_by_name, expires_at)
    select m.cpo_id, m.charger_id, m.action, m.payload, m.requested_by, m.requested_by_name, now() + interval '15 minutes'
    from (select distinct charger_id from json_to_recordset(p_rows) as j(charger_id text)) r
    cross join lateral (
        select * from public.commands w
        where w.charger_id = r.charger_id and w.action = 'ChangeAvailability' and w.payload ->> 'connectorId' = '0'
        order by w.seq desc limit 1) m
    cross join lateral (select h.cpo_id, h.availability from public.chargers h where h.id = m.charger_id limit 1) c
    where m.status in ('expired', 'timed_out', 'failed') and m.cpo_id is not distinct from c.cpo_id
      and (m.payload ->> 'type' = 'Inoperative') = (c.availability = 'inoperative');
end
$$;

-- As before (migration 82), but what a socket proved stands in its row already.
create or replace function private.note_credentials(p_rows json) returns void
language plpgsql set search_path = '' as $$
declare
    r record;
begin
    for r in
        select k.charger_id, k.password_hash, k.seq, k.id
        from json_to_recordset(p_rows) as x(charger_id text, password_hash text)
        cross join lateral (
            select * from public.charger_keys o
            where o.charger_id = x.charger_id and o.password_hash = x.password_hash order by o.seq) k
        order by k.seq
    loop
        update public.chargers set password_hash = r.password_hash, updated_at = now() where id = r.charger_id;
        delete from public.charger_keys where charger_id = r.charger_id and seq <= r.seq;
        update public.commands set effect = 'observed', effect_at = now() where id = r.id and effect <> 'observed';
        perform private.note_security(r.charger_id, 'PasswordChanged', 'The charger uses its new password.');
    end loop;
    for r in
        update public.chargers c set security_profile = c.wanted_profile, wanted_profile = null,
            wanted_profile_state = null, wanted_profile_at = now(), wanted_profile_command_id = null, updated_at = now()
        from json_to_recordset(p_rows) as x(charger_id text, security_profile smallint)
        where c.id = x.charger_id and c.wanted_profile <= x.security_profile
          and c.wanted_profile > c.security_profile and c.wanted_profile_state <> 'rejected'
          and (c.wanted_profile = 3 or c.password_hash is not null)
        returning c.id, c.security_profile
    loop
        perform private.note_security(r.id, 'SecurityProfileRaised', 'The charger uses profile ' || r.security_profile || '.');
    end loop;
    update public.certificates t set last_used_at = x.at, state = 'installed',
        state_at = case when t.state = 'installed' then t.state_at else x.at end
    from json_to_recordset(p_rows) as x(certificate_id uuid, at timestamptz)
    where t.id = x.certificate_id and t.state in ('issued', 'installed')
      and (t.state = 'issued' or t.last_used_at is null or t.last_used_at < x.at - interval '1 hour');
end
$$;

-- [{charger_id}] -> [whether a command waits to be sent]. Each looks for its own: `exists` may be planned as a hash of the
-- whole queue.
create function private.awaited_connections(p_rows json) returns json
language sql stable set search_path = '' as $$
    select json_agg((select true from public.commands m
                     where m.charger_id = r.value ->> 'charger_id' and m.status = 'queued' limit 1) is not null
                    order by r.ordinality)
    from json_array_elements(p_rows) with ordinality r
$$;

-- As before; a charger of which no firmware was ever asked, as nearly all are, is told so at once.
create or replace function private.observe_firmware() returns trigger
language plpgsql set search_path = '' as $$
begin
    if not exists (select from public.firmware_jobs where charger_id = new.id) then
        return null;
    end if;
    update public.firmware_jobs j set version_after = new.firmware_version, effect = 'observed', effect_at = new.last_boot_at,
        status = 'installed', error = null, updated_at = new.last_boot_at
    from public.commands m
    where j.id = private.firmware_job_of(new.id, null) and m.id = j.command_id and j.status <> 'replaced'
      and j.version_before is distinct from new.firmware_version
      and (j.effect = 'pending' or (j.effect = 'none' and m.status <> 'accepted' and j.deadline_at > new.last_boot_at)
           or (j.effect = 'no_effect' and (m.status = 'accepted' or j.version_wanted = new.firmware_version)));
    return null;
end
$$;

-- The one door of group commit, as before; `connects` tells whether commands wait.
create or replace function public.intake(p_gates json default null, p_connects json default null, p_boots json default null,
    p_statuses json default null, p_tokens json default null, p_starts json default null, p_stops json default null,
    p_readings json default null, p_disconnects json default null, p_reports json default null) returns json
language plpgsql set search_path = ''
    set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set jit = off
    set plan_cache_mode = force_generic_plan as $$
declare
    gates json; connects json; boots json; tokens json; starts json; stops json;
begin
    if p_gates is not null then gates := private.gate_chargers(p_gates); end if;
    if p_connects is not null then
        perform private.open_connections(p_connects);
        connects := private.awaited_connections(p_connects);
    end if;
    if p_boots is not null then boots := private.record_boots(p_boots); end if;
    if p_statuses is not null then perform private.record_statuses(p_statuses); end if;
    if p_tokens is not null then tokens := private.check_tokens(p_tokens); end if;
    if p_starts is not null then starts := private.start_sessions(p_starts); end if;
    if p_stops is not null then stops := private.stop_sessions(p_stops); end if;
    if p_readings is not null then perform private.record_readings(p_readings); end if;
    if p_reports is not null then perform private.record_reports(p_reports); end if;
    if p_disconnects is not null then perform private.close_connections(p_disconnects); end if;
    if coalesce(gates, connects, boots, tokens, starts, stops) is null then return '{}'; end if;
    return json_build_object('gates', gates, 'connects', connects, 'boots', boots, 'tokens', tokens, 'starts', starts,
                             'stops', stops);
end
$$;

-- The answer to a sent command. A second or late answer changes nothing. Returns whether another waits for that charger.
drop function public.settle_command(uuid, text, jsonb, text, text, boolean);
create function public.settle_command(p_id uuid, p_status text, p_response jsonb, p_error_code text,
    p_error_description text, p_expects_effect boolean) returns boolean
language plpgsql set search_path = '' as $$
declare
    command public.commands;
    v_reaction regprocedure;
begin
    update public.commands set status = p_status, answered_at = clock_timestamp(), response = p_response,
        error_code = p_error_code, error_description = p_error_description,
        effect = case when effect = 'observed' then effect
                      when p_status = 'accepted' and p_expects_effect then 'pending' else 'none' end
    -- The clock gives up on commands whose server seems to have died; an answer that could not be stored till now counts.
    where id = p_id and (status = 'sent' or status = 'timed_out' and answered_at is null) returning * into command;
    if found then
        for v_reaction in select reaction from private.answer_reactions where action = command.action order by reaction::text loop
            execute format('select %s($1)', v_reaction::regproc) using command;
        end loop;
    end if;
    return exists (
        select from public.commands n
        where n.status = 'queued' and n.charger_id = (select m.charger_id from public.commands m where m.id = p_id));
end
$$;
revoke execute on function private.awaited_connections(json),
    public.settle_command(uuid, text, jsonb, text, text, boolean) from public;
grant execute on function private.awaited_connections(json),
    public.settle_command(uuid, text, jsonb, text, text, boolean) to service_role;
