-- What follows from a charger's answer to a command, and from what it reports of its own accord: rows in two tables
-- name the function, so that a new noun adds a row and changes nothing here.

-- The newest migration that was applied. Code that is newer than the schema says so at its start and stops.
-- Runs as its owner, because nobody else may look into the list of migrations.
drop function public.schema_version();
create function public.schema_version() returns bigint
language sql stable security definer set search_path = '' as $$
    select coalesce(max(version::bigint), 0) from supabase_migrations.schema_migrations
$$;
revoke execute on function public.schema_version() from public;
grant execute on function public.schema_version() to anon, authenticated, service_role;

-- ---------------------------------------------------------------- answers

-- `reaction` takes the settled command, whatever its outcome, in the transaction that settles it:
-- function (p_command public.commands) returns void. It must bear any content: chargers answer what they like.
create table private.answer_reactions (
    action text primary key,
    reaction regprocedure not null
);
grant select on private.answer_reactions to service_role;

-- The answer to a sent command. A second or late answer changes nothing. With the answer that accepts a new
-- password the old one is refused (security whitepaper A01).
create or replace function public.settle_command(p_id uuid, p_status text, p_response jsonb, p_error_code text,
    p_error_description text, p_expects_effect boolean, p_password_hash text) returns void
language plpgsql set search_path = '' as $$
declare
    command public.commands;
    v_reaction regprocedure;
begin
    update public.commands set status = p_status, answered_at = clock_timestamp(), response = p_response,
        error_code = p_error_code, error_description = p_error_description,
        effect = case when effect = 'observed' then effect
                      when p_status = 'accepted' and p_expects_effect then 'pending' else 'none' end
    where id = p_id and status = 'sent' returning * into command;
    if not found then
        return;
    end if;
    update public.chargers set password_hash = p_password_hash, updated_at = now()
    where id = command.charger_id and p_password_hash is not null;
    select reaction into v_reaction from private.answer_reactions where action = command.action;
    if found then
        execute format('select %s($1)', v_reaction::regproc) using command;
    end if;
end
$$;

-- ---------------------------------------------------------------- reports

-- What a charger tells unasked besides Core: firmware, diagnostics and log jobs, security events, certificate
-- requests. `reaction`: function (p_charger_id text, p_payload jsonb, p_received_at timestamptz) returns void.
create table private.report_reactions (
    action text primary key,
    reaction regprocedure not null
);
grant select on private.report_reactions to service_role;

-- [{charger_id, action, payload, received_at}], in the order they were told. Reactions bear repetition.
-- A report that nobody reacts to is kept in the message log alone; that of a deleted charger is dropped.
create function private.record_reports(p_rows json) returns void
language plpgsql set search_path = '' as $$
declare
    r record;
begin
    for r in
        select x.charger_id, x.payload, x.received_at, t.reaction
        from json_to_recordset(p_rows) as x(charger_id text, action text, payload jsonb, received_at timestamptz)
        join private.report_reactions t on t.action = x.action
        join public.chargers c on c.id = x.charger_id
    loop
        execute format('select %s($1, $2, $3)', r.reaction::regproc) using r.charger_id, r.payload, r.received_at;
    end loop;
end
$$;

-- The one door of group commit (see readings.sql), now with reports.
drop function public.intake(json, json, json, json, json, json, json, json, json);
create function public.intake(p_gates json default null, p_connects json default null, p_boots json default null,
    p_statuses json default null, p_tokens json default null, p_starts json default null, p_stops json default null,
    p_readings json default null, p_disconnects json default null, p_reports json default null) returns json
language plpgsql set search_path = ''
    set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set jit = off
    set plan_cache_mode = force_generic_plan as $$
declare
    gates json; boots json; tokens json; starts json; stops json;
begin
    if p_gates is not null then gates := private.gate_chargers(p_gates); end if;
    if p_connects is not null then perform private.open_connections(p_connects); end if;
    if p_boots is not null then boots := private.record_boots(p_boots); end if;
    if p_statuses is not null then perform private.record_statuses(p_statuses); end if;
    if p_tokens is not null then tokens := private.check_tokens(p_tokens); end if;
    if p_starts is not null then starts := private.start_sessions(p_starts); end if;
    if p_stops is not null then stops := private.stop_sessions(p_stops); end if;
    if p_readings is not null then perform private.record_readings(p_readings); end if;
    if p_reports is not null then perform private.record_reports(p_reports); end if;
    if p_disconnects is not null then perform private.close_connections(p_disconnects); end if;
    if coalesce(gates, boots, tokens, starts, stops) is null then return '{}'; end if;
    return json_build_object('gates', gates, 'boots', boots, 'tokens', tokens, 'starts', starts, 'stops', stops);
end
$$;

revoke execute on function private.record_reports(json),
    public.intake(json, json, json, json, json, json, json, json, json, json) from public;
grant execute on function private.record_reports(json),
    public.intake(json, json, json, json, json, json, json, json, json, json) to service_role;
