-- Energy is billed once: a session that begins below the last stop of its connector is judged knowing it. And a clock that
-- was not set when a session began is known by the day its charger was registered.

-- As before, but the session that follows on the connector is judged again, too, if it begins below this stop: history
-- comes late and out of order.
create or replace function private.close_session(p_session public.sessions, p_claimed_at timestamptz, p_received_at timestamptz,
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

    -- The one that follows was judged without knowing that it begins below this stop.
    update public.sessions set verdict = null, billable_energy_wh = null, billable_started_at = null,
        billable_stopped_at = null, revision = revision + 1
    where id = (select n.id from public.sessions n
                where n.charger_id = p_session.charger_id and n.evse_id = p_session.evse_id
                  and n.connector_id = p_session.connector_id and n.id <> p_session.id
                  and n.started_at >= p_session.started_at
                order by n.started_at, n.id limit 1)
      and verdict in ('ok', 'held') and meter_start_wh < p_meter_stop_wh;

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

-- Facts of the sessions that wait for their judgement, oldest first. Numbers are texts, because money is made of them.
-- `points`: [measured_at, register in Wh | null], thinned evenly to about p_points if there are more. `other_stops`:
-- [stopped_at, register in Wh] of stops that came after the one that counts. `registered_at`: since when its charger is
-- known. `previous`: the session that was the last to end on the connector when it began (with the minute of overlap that
-- is tolerated), with both registers; null if there is none.
create or replace function public.sessions_to_judge(p_limit integer, p_points integer) returns json
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
        'other_stops', (
            select coalesce(json_agg(json_build_array(o.stopped_at, o.meter_stop_wh::text) order by o.received_at, o.id), '[]')
            from public.orphan_stops o
            where o.charger_id = s.charger_id and o.transaction_id = s.transaction_id and o.meter_stop_wh is not null
              and o.received_at > s.stop_received_at),
        'overlaps', (
            select coalesce(json_agg(json_build_object('session_id', o.id, 'transaction_id', o.transaction_id,
                                'started_at', o.started_at, 'stopped_at', o.stopped_at) order by o.started_at, o.id), '[]')
            from public.sessions o
            where o.charger_id = s.charger_id and o.evse_id = s.evse_id and o.connector_id = s.connector_id
              and o.id <> s.id and o.started_at > s.started_at - interval '7 days' and o.started_at < s.stopped_at
              and (o.stopped_at is null or o.stopped_at > s.started_at) and o.verdict is distinct from 'void'),
        'registered_at', c.created_at,
        'previous', (
            select json_build_object('stopped_at', o.stopped_at, 'meter_start_wh', o.meter_start_wh::text,
                                     'meter_stop_wh', o.meter_stop_wh::text)
            from public.sessions o
            where o.charger_id = s.charger_id and o.evse_id = s.evse_id and o.connector_id = s.connector_id
              and (o.started_at, o.transaction_id) < (s.started_at, s.transaction_id)
              and o.stopped_at <= s.started_at + interval '1 minute'
              and o.meter_stop_wh is not null and o.verdict is distinct from 'void'
            order by o.started_at desc, o.id desc limit 1),
        'decided', case when v.decision is not null then json_build_object('decision', v.decision,
            'meter_energy_wh', v.meter_energy_wh::text, 'proposed_energy_wh', v.proposed_energy_wh::text) end
        ) order by s.stopped_at, s.id), '[]')
    from (select * from public.sessions where stopped_at is not null and verdict is null
          order by stopped_at, id limit p_limit) s
    join public.chargers c on c.id = s.charger_id
    left join public.session_reviews v on v.session_id = s.id
$$;
