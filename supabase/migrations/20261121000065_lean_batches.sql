-- What thousands of chargers cost while nothing happens: life signs and readings touch the rows that they are about,
-- whatever the number of chargers. A batch is a thousand rows at most, and the planner cannot know it: nested loops over
-- indexes are always right here (as in `public.intake`).

-- It was read when a node starts, and misled the planner at each life sign.
drop index public.connections_node;

-- These chargers were heard of by p_at. Returns those that are registered no more (their connections went with them),
-- those of a closed CPO, and those whose certificate was revoked: their sockets have to close.
create or replace function public.touch_connections(p_node text, p_charger_ids json, p_at timestamptz) returns json
language plpgsql set search_path = ''
    set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off set jit = off
    set plan_cache_mode = force_generic_plan as $$
declare
    told constant text[] := array(select json_array_elements_text(p_charger_ids));
    free text[];
begin
    free := array(  -- who is busy with one is saying that it lives
        select k.charger_id from public.connections k
        where k.charger_id = any (told) and k.node = p_node and k.disconnected_at is null
        for no key update skip locked);
    update public.connections set last_seen_at = p_at where charger_id = any (free);
    return (
        select coalesce(json_agg(t.charger_id), '[]') from unnest(told) as t(charger_id)
        left join public.connections k on k.charger_id = t.charger_id
        where (k.charger_id is null and not exists (select 1 from public.chargers c where c.id = t.charger_id))
           or exists (select 1 from public.cpos o where o.id = k.cpo_id and o.status = 'closed')
           or (k.certificate_id is not null and k.node = p_node
               and exists (select 1 from public.certificates r where r.id = k.certificate_id and r.state = 'revoked')));
end
$$;

-- [{charger_id, evse_id | null, connector_id | null, transaction_id, measured_at, clock_trusted, received_at, context,
--   energy_wh, power_w, current_a, voltage_v, soc_percent, temperature_c, samples, digest}]
-- A reading belongs to the session its transaction id names on this charger; without a usable id (absent, 0,
-- foreign) to the session that ran on that connector at that time, if any (OCPP 1.6 §4.7). Without a connector (the
-- data in a StopTransaction) it stands at that of its session.
create or replace function private.record_readings(p_rows json) returns void
language plpgsql set search_path = '' as $$
begin
    with incoming as (
        select r.charger_id, coalesce(r.evse_id, named.evse_id, 0) as evse_id,
            coalesce(r.connector_id, named.connector_id, 0) as connector_id, r.measured_at, r.clock_trusted,
            r.received_at, r.context, r.energy_wh, r.power_w, r.current_a, r.voltage_v, r.soc_percent,
            r.temperature_c, r.samples, r.digest, coalesce(named.cpo_id, c.cpo_id) as cpo_id,
            coalesce(named.id, running.id) as session_id
        from json_to_recordset(p_rows) as r(charger_id text, evse_id integer, connector_id integer,
            transaction_id bigint, measured_at timestamptz, clock_trusted boolean, received_at timestamptz, context text, energy_wh numeric,
            power_w numeric, current_a numeric, voltage_v numeric, soc_percent numeric, temperature_c numeric,
            samples json, digest bigint)
        left join public.sessions named
            on named.transaction_id = r.transaction_id and named.charger_id = r.charger_id
        left join lateral (  -- who names a session need not be looked up
            select h.id, h.cpo_id from public.chargers h where named.id is null and h.id = r.charger_id) c on true
        left join lateral (
            select s.id, s.stopped_at from public.sessions s
            where named.id is null and r.evse_id > 0
              and s.charger_id = r.charger_id and s.evse_id = r.evse_id and s.connector_id = r.connector_id
              and s.started_at <= r.measured_at
            order by s.started_at desc limit 1) running on running.stopped_at is null or running.stopped_at >= r.measured_at
        where named.id is not null or c.id is not null
    ), stored as (
        insert into public.meter_values (cpo_id, charger_id, evse_id, connector_id, session_id, measured_at,
            received_at, context, energy_wh, power_w, current_a, voltage_v, soc_percent, temperature_c, samples, digest)
        select cpo_id, charger_id, evse_id, connector_id, session_id, measured_at, received_at, context, energy_wh,
            power_w, current_a, voltage_v, soc_percent, temperature_c, samples, digest
        from incoming i
        -- Without a believable clock `measured_at` is the time of receipt, so a repetition is known by its content.
        -- Two questions, because only an equality finds its place in the index; those without a session are many.
        where clock_trusted or not case when i.session_id is null
            then exists (select 1 from public.meter_values m
                         where m.session_id is null and m.digest = i.digest
                           and m.measured_at > i.received_at - interval '1 hour')
            else exists (select 1 from public.meter_values m
                         where m.session_id = i.session_id and m.digest = i.digest
                           and m.measured_at > i.received_at - interval '1 day') end
        on conflict (session_id, measured_at, digest) do nothing
        returning session_id, measured_at, energy_wh, power_w, soc_percent
    ), latest as (  -- per session: the newest value of each measurand
        select session_id, max(measured_at) as measured_at,
            (array_agg(energy_wh order by measured_at desc) filter (where energy_wh is not null))[1] as energy_wh,
            (array_agg(power_w order by measured_at desc) filter (where power_w is not null))[1] as power_w,
            (array_agg(soc_percent order by measured_at desc) filter (where soc_percent is not null))[1] as soc_percent
        from stored where session_id is not null
        group by session_id
    )
    -- One statement for running and ended sessions: who ends it at this very moment is waited for, and then seen.
    update public.sessions s set
        last_reading_at = greatest(s.last_reading_at, l.measured_at),
        last_register_wh = case when s.stopped_at is null then coalesce(l.energy_wh, s.last_register_wh) else s.last_register_wh end,
        -- A charger that reports only energy: the power is the slope of its register.
        last_power_w = case when s.stopped_at is not null then s.last_power_w else coalesce(l.power_w, case
            when l.energy_wh > s.last_register_wh and l.measured_at > coalesce(s.last_reading_at, s.started_at)
            then least(999999999, (l.energy_wh - s.last_register_wh) * 3600
                 / greatest(extract(epoch from l.measured_at - coalesce(s.last_reading_at, s.started_at)), 1))
            else s.last_power_w end) end,
        last_soc_percent = coalesce(l.soc_percent, s.last_soc_percent),
        -- News of a session that was judged already: it is judged again.
        verdict = null, billable_energy_wh = null, billable_started_at = null, billable_stopped_at = null,
        revision = s.revision + (s.stopped_at is not null)::integer
    from latest l
    where s.id = l.session_id
      and (s.stopped_at is not null or s.last_reading_at is null or s.last_reading_at <= l.measured_at);
end
$$;
