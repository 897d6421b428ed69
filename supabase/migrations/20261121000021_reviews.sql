-- Judgements of ended sessions, what people decide about those that are held, and what is counted meanwhile.

-- ---------------------------------------------------------------- judging

-- Facts of the sessions that wait for their judgement, oldest first. Numbers are texts, because money is made of them.
-- `points`: [measured_at, register in Wh | null], thinned evenly to about p_points if there are more.
create function public.sessions_to_judge(p_limit integer, p_points integer) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(json_build_object(
        'session_id', s.id, 'revision', s.revision, 'rated_power_w', c.rated_power_w,
        'meter_start_wh', s.meter_start_wh::text, 'meter_stop_wh', s.meter_stop_wh::text,
        'started_at', s.started_at, 'start_received_at', s.start_received_at, 'stopped_at', s.stopped_at,
        'stop_received_at', s.stop_received_at,
        'stop_claimed_at', coalesce(s.stop_claimed_at, case when 'negative_duration' = any (s.review_reasons)
                                                            then s.started_at - interval '1 second' end, s.stopped_at),
        'closed_by_us', case when s.abandoned then 'silence' when s.superseded then 'next_session' end,
        'points', (
            select coalesce(json_agg(json_build_array(p.measured_at, p.energy_wh::text) order by p.n), '[]')
            from (select m.measured_at, m.energy_wh, count(*) over () as total,
                      row_number() over (order by m.measured_at, m.energy_wh, m.digest) as n
                  from public.meter_values m where m.session_id = s.id) p
            where p.n = p.total
               or (p.n - 1) % greatest(1, ceil(p.total::numeric / greatest(p_points - 1, 1))::bigint) = 0),
        'overlaps', (
            select coalesce(json_agg(json_build_object('session_id', o.id, 'transaction_id', o.transaction_id,
                                'started_at', o.started_at, 'stopped_at', o.stopped_at) order by o.started_at, o.id), '[]')
            from public.sessions o
            where o.charger_id = s.charger_id and o.evse_id = s.evse_id and o.connector_id = s.connector_id
              and o.id <> s.id and o.started_at > s.started_at - interval '7 days' and o.started_at < s.stopped_at
              and (o.stopped_at is null or o.stopped_at > s.started_at) and o.verdict is distinct from 'void'),
        'decided', case when v.decision is not null then json_build_object('decision', v.decision,
            'meter_energy_wh', v.meter_energy_wh::text, 'proposed_energy_wh', v.proposed_energy_wh::text) end
        ) order by s.stopped_at, s.id), '[]')
    from (select * from public.sessions where stopped_at is not null and verdict is null
          order by stopped_at, id limit p_limit) s
    join public.chargers c on c.id = s.charger_id
    left join public.session_reviews v on v.session_id = s.id
$$;

-- [{session_id, revision, verdict, reasons, evidence, proposal}]: `ok`, `held`, or the decision that still stands.
-- A judgement of older facts than there are is passed over. Returns how many were settled.
create function public.settle_judgements(p_rows json) returns integer
language sql set search_path = '' as $$
    with incoming as (
        select * from json_to_recordset(p_rows) as r(session_id uuid, revision integer, verdict text, reasons text[],
                                                     evidence jsonb, proposal jsonb)
    ), due as (  -- in one order for all, so that two workers never wait for each other in a ring
        select s.id from public.sessions s join incoming r on r.session_id = s.id and r.revision = s.revision
        where s.stopped_at is not null and s.verdict is null order by s.id for update of s
    ), judged as (
        update public.sessions s set verdict = r.verdict, review_reasons = r.reasons,
            billable_energy_wh = case r.verdict when 'ok' then coalesce(s.energy_wh, 0) when 'held' then null else v.billable_energy_wh end,
            billable_started_at = case r.verdict when 'ok' then s.started_at when 'held' then null else v.billable_started_at end,
            billable_stopped_at = case r.verdict when 'ok' then s.stopped_at when 'held' then null else v.billable_stopped_at end
        from due join incoming r on r.session_id = due.id left join public.session_reviews v on v.session_id = due.id
        where s.id = due.id
        returning s.id, s.cpo_id, s.station_id, s.stopped_at, s.billable_stopped_at, r.verdict, r.reasons, r.evidence,
            r.proposal, v.decision as undone, v.billable_energy_wh as undone_wh
    ), held as (
        insert into public.session_reviews as v (session_id, cpo_id, evidence, proposal)
        select id, cpo_id, evidence, proposal from judged where verdict = 'held'
        on conflict (session_id) do update set
            evidence = excluded.evidence, proposal = excluded.proposal,
            held_at = case when v.decision is null then v.held_at else now() end,
            previous = case when v.decision is null then v.previous else jsonb_build_object('decision', v.decision,
                'decided_at', v.decided_at, 'decided_by_name', v.decided_by_name, 'note', v.note,
                'billable_energy_wh', v.billable_energy_wh) end,
            decision = null, decided_at = null, decided_by = null, decided_by_name = null, note = null,
            meter_energy_wh = null, proposed_energy_wh = null, billable_energy_wh = null,
            billable_started_at = null, billable_stopped_at = null
    ), cleared as (  -- a late stop explained it, and nobody had decided
        delete from public.session_reviews v using judged j where v.session_id = j.id and j.verdict = 'ok'
    ), audited as (
        insert into public.audit_log (cpo_id, actor_name, actor_role, action, object_type, object_id, before, after)
        select cpo_id, 'platform', 'worker', 'session.reopen', 'session', id::text,
            jsonb_build_object('decision', undone, 'billable_energy_wh', undone_wh),
            jsonb_build_object('billing_state', verdict, 'review_reasons', reasons)
        from judged where verdict = 'held' and undone is not null
    ), told as (
        insert into public.outbox (cpo_id, topic, payload)
        select cpo_id, 'session.judged', json_build_object('session_id', id, 'station_id', station_id,
            'stopped_at', coalesce(billable_stopped_at, stopped_at), 'billing_state', verdict)
        from judged)
    select count(*)::integer from judged
$$;

-- ---------------------------------------------------------------- deciding

-- What a person decides about a session that is or was held: approve (the meter's figure stands), correct (p_energy_wh,
-- and times where given), void. With its audit row, in one transaction; the same decision again changes nothing.
-- p_revision, if given: what the person saw. Runs as its owner because nobody else writes sessions.
-- Errors: session_not_found, review_conflict.
create function public.decide_session(p_session_id uuid, p_revision integer, p_decision text, p_energy_wh numeric,
    p_started_at timestamptz, p_stopped_at timestamptz, p_note text, p_actor_name text, p_request_id text) returns void
language plpgsql security definer set search_path = '' as $$
declare
    session public.sessions;
    review public.session_reviews;
    wanted public.session_reviews;
begin
    select * into session from public.sessions
    where id = p_session_id and ((select private.writes_all())
        or (cpo_id = (select private.cpo_id()) and (select private.role()) = 'cpo_admin'))
    for update;
    if not found then
        raise exception using errcode = 'P0001', message = 'There is no such session.', hint = 'session_not_found';
    end if;
    select * into review from public.session_reviews where session_id = p_session_id;
    if not found or session.verdict is null or session.verdict = 'ok' then
        raise exception using errcode = 'P0001', hint = 'review_conflict',
            message = 'The session is not held for review, or is just being checked again.';
    end if;
    wanted := review;
    wanted.decision := p_decision;
    wanted.note := p_note;
    wanted.decided_by := private.user_id();
    wanted.billable_energy_wh := case p_decision when 'approve' then coalesce(session.energy_wh, 0) when 'correct' then p_energy_wh else 0 end;
    wanted.billable_started_at := case p_decision when 'correct' then coalesce(p_started_at, session.started_at) else session.started_at end;
    wanted.billable_stopped_at := case p_decision when 'correct' then coalesce(p_stopped_at, session.stopped_at) else session.stopped_at end;
    if wanted is not distinct from review then
        return;  -- the answer to the first was lost on the way
    end if;
    if p_revision <> session.revision then
        raise exception using errcode = 'P0001', hint = 'review_conflict',
            message = 'The session has changed since it was looked at. Look again before deciding.';
    end if;
    update public.session_reviews set decision = p_decision, decided_at = now(), decided_by = wanted.decided_by,
        decided_by_name = p_actor_name, note = p_note, meter_energy_wh = session.energy_wh,
        proposed_energy_wh = (proposal ->> 'energy_wh')::numeric, billable_energy_wh = wanted.billable_energy_wh,
        billable_started_at = wanted.billable_started_at, billable_stopped_at = wanted.billable_stopped_at
    where session_id = p_session_id;
    update public.sessions set revision = revision + 1, billable_energy_wh = wanted.billable_energy_wh,
        billable_started_at = wanted.billable_started_at, billable_stopped_at = wanted.billable_stopped_at,
        verdict = case p_decision when 'approve' then 'approved' when 'correct' then 'corrected' else p_decision end
    where id = p_session_id;
    insert into public.audit_log (cpo_id, actor_id, actor_name, actor_role, action, object_type, object_id, before, after,
        request_id)
    select session.cpo_id, wanted.decided_by, p_actor_name, private.role(), 'session.' || p_decision, 'session', p_session_id::text,
        jsonb_build_object('billing_state', session.billing_state, 'review_reasons', session.review_reasons,
            'energy_wh', session.energy_wh, 'billable_energy_wh', session.billable_energy_wh,
            'started_at', coalesce(session.billable_started_at, session.started_at),
            'stopped_at', coalesce(session.billable_stopped_at, session.stopped_at)),
        jsonb_build_object('billing_state', s.billing_state, 'billable_energy_wh', s.billable_energy_wh,
            'started_at', s.billable_started_at, 'stopped_at', s.billable_stopped_at, 'reason', p_note),
        p_request_id
    from public.sessions s where s.id = p_session_id;
    insert into public.outbox (cpo_id, topic, payload)
    select session.cpo_id, 'session.judged', json_build_object('session_id', session.id, 'station_id', session.station_id,
        'stopped_at', at, 'billing_state', (select s.billing_state from public.sessions s where s.id = p_session_id))
    from unnest(array[coalesce(session.billable_stopped_at, session.stopped_at), wanted.billable_stopped_at]) as at group by at;
end
$$;

-- ---------------------------------------------------------------- what people look at

create or replace view public.session_details with (security_invoker = true) as
select s.id, s.transaction_id, s.cpo_id, s.station_id, p.name as station_name, p.timezone as station_timezone,
    s.charger_id, s.evse_id, s.connector_id, s.protocol, s.id_token, lower(s.id_token) as token_key, s.parent_token, s.started_at, s.stopped_at,
    s.stopped_at is null as open,
    extract(epoch from coalesce(s.stopped_at, now()) - s.started_at)::integer as duration_s,
    s.meter_start_wh, s.meter_stop_wh,
    coalesce(s.energy_wh, greatest(s.last_register_wh - s.meter_start_wh, 0)) as energy_wh,
    s.last_power_w, s.last_soc_percent, s.last_reading_at, s.stop_reason,
    s.review_reasons, s.command_id,
    s.billing_state, s.billable_energy_wh, s.billable_started_at, s.billable_stopped_at, s.revision,
    case when s.billing_state in ('open', 'pending') then null when s.review_reasons = '{}' then array['ok']
         else s.review_reasons end as plausibility
from public.sessions s
left join public.stations p on p.id = s.station_id;

-- `reason_words`: the reasons between blanks, to be searched for one of them.
create view public.session_review_details with (security_invoker = true) as
select d.*, ' ' || array_to_string(d.review_reasons, ' ') || ' ' as reason_words, c.rated_power_w,
    v.held_at, v.evidence, v.proposal, v.decision, v.decided_at, v.decided_by_name, v.note, v.previous
from public.session_reviews v
join public.session_details d on d.id = v.session_id
join public.chargers c on c.id = d.charger_id;

-- How many sessions a list holds. Every filter may be null.
drop function public.count_sessions(uuid, uuid, text, text, boolean, timestamptz, timestamptz);
create function public.count_sessions(p_cpo_id uuid, p_station_id uuid, p_charger_id text, p_id_token text, p_open boolean,
    p_from timestamptz, p_to timestamptz, p_billing_state text) returns bigint
language sql stable set search_path = '' as $$
    select count(*) from public.sessions s
    where (p_cpo_id is null or s.cpo_id = p_cpo_id)
      and (p_station_id is null or s.station_id = p_station_id)
      and (p_charger_id is null or s.charger_id = p_charger_id)
      and (p_id_token is null or lower(s.id_token) = lower(p_id_token))
      and (p_open is null or (s.stopped_at is null) = p_open)
      and (p_from is null or s.started_at >= p_from)
      and (p_to is null or s.started_at < p_to)
      and (p_billing_state is null or s.billing_state = p_billing_state)
$$;

create function public.count_reviews(p_cpo_id uuid, p_station_id uuid, p_charger_id text, p_reason text,
    p_billing_state text) returns bigint
language sql stable set search_path = '' as $$
    select count(*) from public.session_reviews v join public.sessions s on s.id = v.session_id
    where (p_cpo_id is null or v.cpo_id = p_cpo_id)
      and (p_station_id is null or s.station_id = p_station_id)
      and (p_charger_id is null or s.charger_id = p_charger_id)
      and (p_reason is null or p_reason = any (s.review_reasons))
      and (p_billing_state is null or s.billing_state = p_billing_state)
$$;

-- ---------------------------------------------------------------- what is counted

-- `sessions` and `energy_wh` are what may be billed; what is held, or not judged yet, stands apart; void is nowhere.
alter table public.station_days
    add column held_sessions integer not null default 0,
    add column held_energy_wh numeric(15, 3) not null default 0;

-- Recounts closed days from their sessions, so it may run any number of times: [{station_id, stopped_at}]
create or replace function public.refresh_station_days(p_rows json) returns void
language sql set search_path = '' as $$
    insert into public.station_days (station_id, day, cpo_id, sessions, energy_wh, held_sessions, held_energy_wh)
    select t.station_id, t.day, t.cpo_id,
        count(s.id) filter (where s.verdict in ('ok', 'approved', 'corrected')),
        coalesce(sum(s.billable_energy_wh), 0),
        count(s.id) filter (where s.verdict is null or s.verdict = 'held'),
        coalesce(sum(s.energy_wh) filter (where s.verdict is null or s.verdict = 'held'), 0)
    from (select distinct r.station_id, (r.stopped_at at time zone p.timezone)::date as day, p.cpo_id, p.timezone
          from json_to_recordset(p_rows) as r(station_id uuid, stopped_at timestamptz)
          join public.stations p on p.id = r.station_id) t
    left join public.sessions s on s.station_id = t.station_id and s.stopped_at is not null
        and coalesce(s.billable_stopped_at, s.stopped_at) >= t.day::timestamp at time zone t.timezone
        and coalesce(s.billable_stopped_at, s.stopped_at) < (t.day + 1)::timestamp at time zone t.timezone
    group by t.station_id, t.day, t.cpo_id
    on conflict (station_id, day) do update set sessions = excluded.sessions, energy_wh = excluded.energy_wh,
        held_sessions = excluded.held_sessions, held_energy_wh = excluded.held_energy_wh, updated_at = now()
$$;

-- The overview of one CPO (or of the nation, with null): counts now, and today in each station's own zone.
create or replace function public.dashboard_overview(p_cpo_id uuid) returns json
language sql stable set search_path = '' as $$
    with live as materialized (
        select * from public.connector_live where p_cpo_id is null or cpo_id = p_cpo_id
    ), places as (
        select * from public.stations where p_cpo_id is null or cpo_id = p_cpo_id
    ), today as (
        select coalesce(sum(d.energy_wh), 0) as energy_wh, coalesce(sum(d.sessions + d.held_sessions), 0) as ended,
            coalesce(sum(d.held_energy_wh), 0) as held_energy_wh
        from places p join public.station_days d on d.station_id = p.id and d.day = (now() at time zone p.timezone)::date
    ), begun as (
        select count(*) as n from places p join public.sessions s on s.station_id = p.id
            and s.started_at >= date_trunc('day', now() at time zone p.timezone) at time zone p.timezone
    )
    select json_build_object(
        'as_of', now(),
        'connectors', (select coalesce(json_object_agg(state, n), '{}') from (select state, count(*) n from live group by state) c),
        'chargers', (select json_build_object('total', count(*), 'connected', count(*) filter (where connected))
                     from public.charger_live where (p_cpo_id is null or cpo_id = p_cpo_id) and registration = 'accepted'),
        'sessions', json_build_object('active', (select count(*) from live where session_id is not null),
            'started_today', (select n from begun), 'ended_today', (select ended from today),
            'held', (select count(*) from public.sessions where verdict = 'held' and (p_cpo_id is null or cpo_id = p_cpo_id))),
        'energy_today_wh', (select energy_wh from today) + (select coalesce(sum(energy_wh), 0) from live),
        'energy_held_today_wh', (select held_energy_wh from today),
        'power_now_w', (select coalesce(sum(power_w), 0) from live where connected),
        'log', json_build_object('dropped_total', (select coalesce(sum((stats ->> 'log_dropped')::bigint), 0) from public.nodes)),
        'stations', (select coalesce(json_agg(json_build_object('id', p.id, 'name', p.name, 'city', p.city,
            'province', p.province, 'latitude', p.latitude, 'longitude', p.longitude, 'timezone', p.timezone,
            'connectors', coalesce(g.states, '{}'), 'power_w', coalesce(g.power_w, 0)) order by p.name), '[]')
            from places p left join (
                select station_id, json_object_agg(state, n) as states, sum(power_w) as power_w
                from (select station_id, state, count(*) as n, sum(power_w) as power_w from live group by station_id, state) x
                group by station_id) g on g.station_id = p.id))
$$;

-- Energy and sessions of the last days: one row a day, days without sessions included. The last day is today where
-- the easternmost of the stations stands.
create or replace function public.daily_energy(p_cpo_id uuid, p_days integer) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(json_build_object('day', d.day, 'energy_wh', coalesce(t.energy_wh, 0),
        'sessions', coalesce(t.sessions, 0), 'held_energy_wh', coalesce(t.held_energy_wh, 0),
        'held_sessions', coalesce(t.held_sessions, 0)) order by d.day), '[]')
    from (select (coalesce(z.today, (now() at time zone 'Asia/Jakarta')::date) - n) as day
          from generate_series(0, least(p_days, 366) - 1) as n,
               (select max((now() at time zone timezone)::date) as today from public.stations
                where p_cpo_id is null or cpo_id = p_cpo_id) z) d
    left join (select day, sum(energy_wh) as energy_wh, sum(sessions) as sessions,
                   sum(held_energy_wh) as held_energy_wh, sum(held_sessions) as held_sessions
               from public.station_days
               where p_cpo_id is null or cpo_id = p_cpo_id group by day) t on t.day = d.day
$$;

-- ---------------------------------------------------------------- commands whose effect is there already

-- An availability that the charger (0) or the connector already has: no status will follow the answer (OCPP 1.6 §5.2).
create function private.availability_already(p_command public.commands) returns void
language sql set search_path = '' as $$
    update public.commands m set effect = 'observed', effect_at = m.answered_at
    where m.id = p_command.id and m.effect = 'pending'
      and (select bool_and((x.status = 'Unavailable') = (p_command.payload ->> 'type' = 'Inoperative'))
           from public.connectors x
           where x.charger_id = p_command.charger_id and x.status is not null
             and p_command.payload ->> 'connectorId' in ('0', x.evse_id::text))
$$;
insert into private.answer_reactions values ('ChangeAvailability', 'private.availability_already(public.commands)');

revoke execute on function
    private.close_session(public.sessions, timestamptz, timestamptz, numeric, text, text),
    private.availability_already(public.commands), public.close_silent_sessions(integer, integer),
    public.sessions_to_judge(integer, integer), public.settle_judgements(json),
    public.decide_session(uuid, integer, text, numeric, timestamptz, timestamptz, text, text, text),
    public.count_sessions(uuid, uuid, text, text, boolean, timestamptz, timestamptz, text),
    public.count_reviews(uuid, uuid, text, text, text) from public;
grant execute on function
    private.close_session(public.sessions, timestamptz, timestamptz, numeric, text, text),
    private.availability_already(public.commands), public.close_silent_sessions(integer, integer),
    public.sessions_to_judge(integer, integer), public.settle_judgements(json) to service_role;
grant execute on function
    public.decide_session(uuid, integer, text, numeric, timestamptz, timestamptz, text, text, text) to authenticated;
grant execute on function
    public.count_sessions(uuid, uuid, text, text, boolean, timestamptz, timestamptz, text),
    public.count_reviews(uuid, uuid, text, text, text) to authenticated, service_role;
grant select on public.session_review_details to authenticated, service_role;
