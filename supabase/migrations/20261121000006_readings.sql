-- Readings of many chargers in one call, and the one door through which the OCPP server commits.

-- [{charger_id, evse_id, connector_id, transaction_id, measured_at, clock_trusted, received_at, context, energy_wh, power_w,
--   current_a, voltage_v, soc_percent, temperature_c, samples, digest}]
-- A reading belongs to the session its transaction id names on this charger; without a usable id (absent, 0,
-- foreign) to the session that ran on that connector at that time, if any (OCPP 1.6 §4.7).
create function private.record_readings(p_rows json) returns void
language plpgsql set search_path = '' as $$
begin
    with incoming as (
        select r.*, c.cpo_id, coalesce(named.id, running.id) as session_id
        from json_to_recordset(p_rows) as r(charger_id text, evse_id integer, connector_id integer,
            transaction_id bigint, measured_at timestamptz, clock_trusted boolean, received_at timestamptz, context text, energy_wh numeric,
            power_w numeric, current_a numeric, voltage_v numeric, soc_percent numeric, temperature_c numeric,
            samples json, digest bigint)
        join public.chargers c on c.id = r.charger_id
        left join public.sessions named
            on named.transaction_id = r.transaction_id and named.charger_id = r.charger_id
        left join lateral (
            select s.id, s.stopped_at from public.sessions s
            where named.id is null and r.evse_id > 0
              and s.charger_id = r.charger_id and s.evse_id = r.evse_id and s.connector_id = r.connector_id
              and s.started_at <= r.measured_at
            order by s.started_at desc limit 1) running on running.stopped_at is null or running.stopped_at >= r.measured_at
    ), stored as (
        insert into public.meter_values (cpo_id, charger_id, evse_id, connector_id, session_id, measured_at,
            received_at, context, energy_wh, power_w, current_a, voltage_v, soc_percent, temperature_c, samples, digest)
        select cpo_id, charger_id, evse_id, connector_id, session_id, measured_at, received_at, context, energy_wh,
            power_w, current_a, voltage_v, soc_percent, temperature_c, samples, digest
        from incoming i
        -- Without a believable clock `measured_at` is the time of receipt, so a repetition is known by its content.
        where clock_trusted or not exists (
            select 1 from public.meter_values m
            where m.session_id is not distinct from i.session_id and m.digest = i.digest
              and m.measured_at > i.received_at - interval '1 day')
        on conflict (session_id, measured_at, digest) do nothing
        returning session_id, measured_at, energy_wh, power_w, soc_percent
    ), latest as (  -- per session: the newest value of each measurand, and whether the register went back
        select session_id, max(measured_at) as measured_at,
            (array_agg(energy_wh order by measured_at desc) filter (where energy_wh is not null))[1] as energy_wh,
            (array_agg(power_w order by measured_at desc) filter (where power_w is not null))[1] as power_w,
            (array_agg(soc_percent order by measured_at desc) filter (where soc_percent is not null))[1] as soc_percent,
            min(energy_wh) as lowest_wh, bool_or(energy_wh < before_wh) as fell
        from (select *, lag(energy_wh) over (partition by session_id order by measured_at) as before_wh
              from stored where session_id is not null) as ordered
        group by session_id
    )
    update public.sessions s set
        last_reading_at = l.measured_at,
        last_register_wh = coalesce(l.energy_wh, s.last_register_wh),
        -- A charger that reports only energy: the power is the slope of its register.
        last_power_w = coalesce(l.power_w, case
            when l.energy_wh > s.last_register_wh and l.measured_at > coalesce(s.last_reading_at, s.started_at)
            then least(999999999, (l.energy_wh - s.last_register_wh) * 3600
                 / greatest(extract(epoch from l.measured_at - coalesce(s.last_reading_at, s.started_at)), 1))
            else s.last_power_w end),
        last_soc_percent = coalesce(l.soc_percent, s.last_soc_percent),
        review_reasons = case
            when (l.fell or l.lowest_wh < s.meter_start_wh
                  or (l.lowest_wh < s.last_register_wh and s.last_reading_at < l.measured_at))
                 and not 'register_back' = any (s.review_reasons)
            -- A thousandth of what was expected is kWh under the label Wh; either way it is not billed unseen.
            then s.review_reasons || array['register_back']
                 || case when l.lowest_wh * 1000 between s.meter_start_wh * 0.99 and s.meter_start_wh + 1000000
                         then array['unit_suspect'] else '{}' end
            else s.review_reasons end
    from latest l
    where s.id = l.session_id and s.stopped_at is null
      and (s.last_reading_at is null or s.last_reading_at <= l.measured_at);
end
$$;

-- One transaction for what many chargers said in the last few milliseconds: an array of rows per kind, null for
-- none. Chargers speak one message at a time, so no two rows depend on each other. Answers stand under the kinds
-- that have some, in the order of the rows.
-- A batch is a handful of rows whatever the number of chargers, and the planner cannot know it: nested loops over
-- indexes are always right here, a hash of all chargers never is.
create function public.intake(p_gates json default null, p_connects json default null, p_boots json default null,
    p_statuses json default null, p_tokens json default null, p_starts json default null, p_stops json default null,
    p_readings json default null, p_disconnects json default null) returns json
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
    if p_disconnects is not null then perform private.close_connections(p_disconnects); end if;
    if coalesce(gates, boots, tokens, starts, stops) is null then return '{}'; end if;
    return json_build_object('gates', gates, 'boots', boots, 'tokens', tokens, 'starts', starts, 'stops', stops);
end
$$;

-- Every frame, in bulk, apart from the business lane: [{at, charger_id, direction, kind, action, pair_id, latency_ms, payload}]
create function public.log_messages(p_rows json) returns void
language sql set search_path = '' as $$
    insert into public.ocpp_messages (at, cpo_id, charger_id, direction, kind, action, pair_id, latency_ms, payload)
    select r.at, c.cpo_id, r.charger_id, r.direction, r.kind, r.action, r.pair_id, r.latency_ms, r.payload
    from json_to_recordset(p_rows) as r(at timestamptz, charger_id text, direction text, kind text, action text,
                                        pair_id text, latency_ms real, payload text)
    left join public.chargers c on c.id = r.charger_id
$$;

revoke execute on all functions in schema private from public;
revoke execute on function public.discover_charger(text, text),
    public.touch_connections(text, json, timestamptz), public.beat_node(text, boolean, jsonb),
    public.intake(json, json, json, json, json, json, json, json, json), public.log_messages(json) from public;
grant execute on function public.discover_charger(text, text),
    public.touch_connections(text, json, timestamptz), public.beat_node(text, boolean, jsonb),
    public.intake(json, json, json, json, json, json, json, json, json), public.log_messages(json) to service_role;
grant execute on function private.gate_chargers(json), private.open_connections(json), private.close_connections(json),
    private.record_boots(json), private.record_statuses(json), private.token_facts(uuid, text, uuid),
    private.check_tokens(json), private.supersede(text, integer, integer, timestamptz, uuid),
    private.start_sessions(json), private.observe_start(public.sessions), private.stop_sessions(json),
    private.close_session(public.sessions, integer, timestamptz, timestamptz, numeric, text, text, boolean),
    private.record_readings(json) to service_role;
