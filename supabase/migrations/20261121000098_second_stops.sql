-- [{charger_id, transaction_id, id_token, reported_at, stopped_at, received_at, meter_stop_wh, stop_reason}]
-- -> [{session_id | null, found, token: facts | null}]. Unknown ids are kept as orphans; a repeated stop changes
-- nothing; one of a session that we had closed ourselves corrects it. A second stop with another register is kept, too,
-- and the session judged again: a charger that went on, or began anew under the old number, would charge for nothing.
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
        if session.id is not null and (session.stopped_at is null or session.superseded or session.abandoned) then
            perform private.close_session(session, r.stopped_at, r.received_at, r.meter_stop_wh, r.stop_reason,
                                          r.id_token);
        elsif session.id is null or r.meter_stop_wh <> session.meter_stop_wh then
            insert into public.orphan_stops (cpo_id, charger_id, transaction_id, id_token, meter_stop_wh, stopped_at,
                stop_reason, reported_at, received_at)
            values (charger_cpo, r.charger_id, r.transaction_id, r.id_token, r.meter_stop_wh, r.stopped_at,
                r.stop_reason, r.reported_at, r.received_at)
            on conflict do nothing;
            if found and session.id is not null then
                update public.sessions set verdict = null, billable_energy_wh = null, billable_started_at = null,
                    billable_stopped_at = null, revision = revision + 1
                where id = session.id;
            end if;
        end if;
        answers := answers || json_build_object('session_id', session.id, 'found', session.id is not null,
            'token', case when r.id_token is not null
                          then private.token_facts(charger_cpo, r.id_token, session.id) end);
    end loop;
    return array_to_json(answers);
end
$$;

-- Facts of the sessions that wait for their judgement, oldest first. Numbers are texts, because money is made of them.
-- `points`: [measured_at, register in Wh | null], thinned evenly to about p_points if there are more. `other_stops`:
-- [stopped_at, register in Wh] of stops that came after the one that counts.
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
        'decided', case when v.decision is not null then json_build_object('decision', v.decision,
            'meter_energy_wh', v.meter_energy_wh::text, 'proposed_energy_wh', v.proposed_energy_wh::text) end
        ) order by s.stopped_at, s.id), '[]')
    from (select * from public.sessions where stopped_at is not null and verdict is null
          order by stopped_at, id limit p_limit) s
    join public.chargers c on c.id = s.charger_id
    left join public.session_reviews v on v.session_id = s.id
$$;
