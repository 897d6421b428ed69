-- Plausibility before money. Whatever ends a session, or says more of one that has ended, leaves it `pending` in the
-- same transaction; the worker judges it (backend/domain/plausibility.py) and settles the judgement here, unless newer
-- facts came meanwhile (`revision`). What is not `ok` is held until a person decides. Meter values stay as they came:
-- what may be billed stands beside them.

alter table public.sessions
    add column abandoned boolean not null default false,  -- closed by us because nothing more was heard of it
    add column stop_claimed_at timestamptz,               -- the stop as claimed, also when it lies before the start
    add column revision integer not null default 0,       -- rises with every fact or decision that touches money
    add column verdict text check (verdict in ('ok', 'held', 'approved', 'corrected', 'void')),  -- null: not judged
    add column billable_energy_wh numeric(15, 3) check (billable_energy_wh >= 0),
    add column billable_started_at timestamptz,
    add column billable_stopped_at timestamptz check (billable_stopped_at >= billable_started_at);
alter table public.sessions
    add column billing_state text not null generated always as (
        case when stopped_at is null then 'open' else coalesce(verdict, 'pending') end) stored,
    add constraint judged_after_the_stop check (verdict is null or stopped_at is not null),
    add constraint billable_when_judged check (
        (coalesce(verdict, 'held') <> 'held') = (billable_energy_wh is not null)
        and (billable_energy_wh is null) = (billable_started_at is null)
        and (billable_energy_wh is null) = (billable_stopped_at is null));
create index sessions_pending on public.sessions (stopped_at, id) where stopped_at is not null and verdict is null;
create index sessions_held on public.sessions (cpo_id, started_at desc, id desc) where verdict = 'held';
create index sessions_station_billed on public.sessions (station_id, (coalesce(billable_stopped_at, stopped_at)));
drop index public.sessions_station_stop;

-- Why a session is or was held, what would mend it, and what somebody decided.
create table public.session_reviews (
    session_id uuid primary key references public.sessions (id) on delete cascade,
    cpo_id uuid references public.cpos (id),
    held_at timestamptz not null default now(),
    evidence jsonb not null,
    proposal jsonb not null,
    decision text check (decision in ('approve', 'correct', 'void')),
    decided_at timestamptz,
    decided_by uuid,
    decided_by_name text,
    note text,
    meter_energy_wh numeric(15, 3),        -- what the meter said, and what was proposed, when it was decided:
    proposed_energy_wh numeric(15, 3),     -- facts that come later and change neither leave the decision alone
    billable_energy_wh numeric(15, 3),
    billable_started_at timestamptz,
    billable_stopped_at timestamptz,
    previous jsonb                         -- the decision that later facts have opened again
);
create index session_reviews_newest on public.session_reviews (held_at desc, session_id desc);
create index session_reviews_cpo on public.session_reviews (cpo_id, held_at desc, session_id desc);
call private.protect('public.session_reviews', array[]::text[]);
grant select, insert, update, delete on public.session_reviews to service_role;
grant select on public.session_reviews to authenticated;

-- ---------------------------------------------------------------- facts that end a session or follow its end

-- Ends one session, which is then to be judged, and tells those who wait for the stop. A stop that lies before the
-- start ends it at the start; what was claimed is kept.
drop function private.close_session(public.sessions, integer, timestamptz, timestamptz, numeric, text, text, boolean);
create function private.close_session(p_session public.sessions, p_claimed_at timestamptz, p_received_at timestamptz,
    p_meter_stop_wh numeric, p_stop_reason text, p_id_token text) returns void
language plpgsql set search_path = '' as $$
declare
    ended_at constant timestamptz := greatest(p_claimed_at, p_session.started_at);
begin
    update public.sessions set
        stopped_at = ended_at, stop_claimed_at = p_claimed_at, stop_received_at = p_received_at,
        meter_stop_wh = p_meter_stop_wh, stop_reason = p_stop_reason, stop_id_token = p_id_token,
        energy_wh = greatest(p_meter_stop_wh - p_session.meter_start_wh, 0), last_register_wh = p_meter_stop_wh,
        last_power_w = 0, superseded = false, abandoned = false, verdict = null, billable_energy_wh = null,
        billable_started_at = null, billable_stopped_at = null, revision = revision + 1
    where id = p_session.id;

    -- A neighbour that overlaps was judged without knowing it.
    update public.sessions set verdict = null, billable_energy_wh = null, billable_started_at = null,
        billable_stopped_at = null, revision = revision + 1
    where charger_id = p_session.charger_id and evse_id = p_session.evse_id and connector_id = p_session.connector_id
      and id <> p_session.id and verdict in ('ok', 'held')
      and started_at between p_session.started_at - interval '7 days' and ended_at
      and stopped_at > p_session.started_at and started_at < ended_at;

    update public.commands set effect = 'observed', effect_session_id = p_session.id, effect_at = p_received_at
    where charger_id = p_session.charger_id and action = 'RemoteStopTransaction'
      and status in ('sent', 'accepted', 'timed_out') and effect in ('none', 'pending')
      and (payload ->> 'transactionId')::bigint = p_session.transaction_id;

    -- A session that we had closed leaves the day it was counted on until now.
    insert into public.outbox (cpo_id, topic, payload)
    select p_session.cpo_id, 'session.ended',
        json_build_object('session_id', p_session.id, 'station_id', p_session.station_id, 'stopped_at', stopped_at)
    from unnest(array[p_session.stopped_at, p_session.billable_stopped_at, ended_at]) as stopped_at
    where stopped_at is not null group by stopped_at;
end
$$;

-- [{charger_id, transaction_id, id_token, reported_at, stopped_at, received_at, meter_stop_wh, stop_reason}]
-- -> [{session_id | null, found, token: facts | null}]. Unknown ids are kept as orphans; a repeated stop changes
-- nothing; one of a session that we had closed ourselves corrects it.
create or replace function private.stop_sessions(p_rows json) returns json
language plpgsql set search_path = '' as $$
declare
    r record;
    charger_cpo uuid;
    session public.sessions;
    answers json[] := array[]::json[];
begin
    for r in
        select x.* from json_to_recordset(p_rows) as x(charger_id text, transaction_id bigint, id_token text,
            reported_at text, stopped_at timestamptz, received_at timestamptz, meter_stop_wh numeric, stop_reason text)
    loop
        select cpo_id into charger_cpo from public.chargers where id = r.charger_id;
        select * into session from public.sessions
        where transaction_id = r.transaction_id and charger_id = r.charger_id for update;
        if session.id is null then
            insert into public.orphan_stops (cpo_id, charger_id, transaction_id, id_token, meter_stop_wh, stopped_at,
                stop_reason, reported_at, received_at)
            values (charger_cpo, r.charger_id, r.transaction_id, r.id_token, r.meter_stop_wh, r.stopped_at,
                r.stop_reason, r.reported_at, r.received_at)
            on conflict do nothing;
        elsif session.stopped_at is null or session.superseded or session.abandoned then
            perform private.close_session(session, r.stopped_at, r.received_at, r.meter_stop_wh, r.stop_reason,
                                          r.id_token);
        end if;
        answers := answers || json_build_object('session_id', session.id, 'found', session.id is not null,
            'token', case when r.id_token is not null
                          then private.token_facts(charger_cpo, r.id_token, session.id) end);
    end loop;
    return array_to_json(answers);
end
$$;

-- A connector runs one session. When it begins another, the one before has ended without telling us: close
-- it with the last thing its meter said. Its StopTransaction may still come (stop_sessions).
create or replace function private.supersede(p_charger_id text, p_evse_id integer, p_connector_id integer,
                                             p_started_at timestamptz, p_except uuid) returns void
language sql set search_path = '' as $$
    with closed as (
        update public.sessions set
            stopped_at = greatest(started_at, least(p_started_at, coalesce(last_reading_at, p_started_at))),
            stop_received_at = now(), meter_stop_wh = coalesce(last_register_wh, meter_start_wh),
            energy_wh = greatest(coalesce(last_register_wh, meter_start_wh) - meter_start_wh, 0),
            stop_reason = 'Other', superseded = true, last_power_w = 0, revision = revision + 1
        where charger_id = p_charger_id and evse_id = p_evse_id and connector_id = p_connector_id
          and stopped_at is null and started_at < p_started_at and id <> p_except
        returning *)
    insert into public.outbox (cpo_id, topic, payload)
    select cpo_id, 'session.ended', json_build_object('session_id', id, 'station_id', station_id, 'stopped_at', stopped_at)
    from closed
$$;

-- Sessions of which nothing was heard for so long that their StopTransaction will hardly come: closed with the last
-- register. A charger that is heard of and says that it charges goes on, even without readings. Returns how many.
create function public.close_silent_sessions(p_silent_s integer, p_limit integer) returns integer
language sql set search_path = '' as $$
    with silent as (
        select s.id from public.sessions s
        where s.stopped_at is null
          and greatest(s.start_received_at, s.last_reading_at) < now() - make_interval(secs => p_silent_s)
          -- `last_reading_at` is by the charger's clock, which may be slow.
          and not exists (select 1 from public.meter_values m where m.session_id = s.id
                          and m.received_at >= now() - make_interval(secs => p_silent_s))
          and not exists (select 1 from public.connections k join public.connectors x on x.charger_id = k.charger_id
                          where k.charger_id = s.charger_id and x.evse_id = s.evse_id and x.connector_id = s.connector_id
                            and k.last_seen_at >= now() - make_interval(secs => p_silent_s)
                            and x.status in ('Charging', 'SuspendedEV', 'SuspendedEVSE'))
        order by s.start_received_at limit p_limit for update of s skip locked
    ), closed as (
        update public.sessions s set
            stopped_at = greatest(s.started_at, s.last_reading_at), stop_received_at = now(),
            meter_stop_wh = coalesce(s.last_register_wh, s.meter_start_wh),
            energy_wh = greatest(coalesce(s.last_register_wh, s.meter_start_wh) - s.meter_start_wh, 0),
            stop_reason = 'Other', abandoned = true, last_power_w = 0, revision = s.revision + 1
        from silent where s.id = silent.id returning s.*
    ), told as (
        insert into public.outbox (cpo_id, topic, payload)
        select cpo_id, 'session.ended', json_build_object('session_id', id, 'station_id', station_id, 'stopped_at', stopped_at)
        from closed)
    select count(*)::integer from closed
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
            r.temperature_c, r.samples, r.digest, c.cpo_id, coalesce(named.id, running.id) as session_id
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

-- ---------------------------------------------------------------- drivers are not locked out

-- Does this session, which nobody ended, still charge, as far as its charger lets us know? One that fell silent, whose
-- connector says otherwise, or whose charger is gone must not lock its driver out of all others.
create function private.still_charges(p_session public.sessions) returns boolean
language sql stable set search_path = '' as $$
    select greatest(p_session.start_received_at, p_session.last_reading_at) > now() - interval '24 hours'
       and not exists (select 1 from public.connectors x
                       where x.charger_id = p_session.charger_id and x.evse_id = p_session.evse_id
                         and x.connector_id = p_session.connector_id and x.status_received_at > p_session.start_received_at
                         and x.status in ('Available', 'Finishing', 'Reserved', 'Unavailable', 'Faulted'))
       and not exists (select 1 from public.connections k
                       where k.charger_id = p_session.charger_id
                         and coalesce(k.disconnected_at, k.last_seen_at) < now() - interval '15 minutes')
$$;

revoke execute on function private.still_charges(public.sessions) from public;
grant execute on function private.still_charges(public.sessions) to service_role;
