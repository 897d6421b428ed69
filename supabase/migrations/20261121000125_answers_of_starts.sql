-- A start that is told again, or late, is answered as if it had been told as it happened. Else a card that expired meanwhile,
-- or that somebody uses elsewhere by now, would make the charger end a session that was begun by right.

alter table public.sessions add column token_at_start jsonb;
comment on column public.sessions.token_at_start is
    'Facts of the id token by which its start was answered; without the group, which stands beside';

-- When a session began, for the rights of its token: by the charger's clock, unless the start was told more than a day
-- later. A clock that was not set would make a card valid that has expired since, and every session the first.
create function private.begun_at(p_session public.sessions) returns timestamptz
language sql stable set search_path = '' as $$
    select case when p_session.start_received_at - p_session.started_at <= interval '1 day'
                then p_session.started_at else p_session.start_received_at end
$$;
revoke execute on function private.begun_at(public.sessions) from public;
grant execute on function private.begun_at(public.sessions) to service_role;

-- As before, but of the sessions that a token runs only those count that began before `p_except_session`: a later one is no
-- reason to end it. Null: all count.
create or replace function private.token_facts(p_cpo_id uuid, p_id_token text, p_except_session uuid) returns json
language sql stable set search_path = '' as $$
    select json_build_object(
        'status', case when o.status <> 'active' then 'blocked' else t.status end,
        'expires_at', t.expires_at, 'parent_token', t.parent_token,
        'parent_status', g.status, 'parent_expires_at', g.expires_at,
        'open_sessions', (select count(*) from public.sessions s
                          where lower(s.id_token) = lower(p_id_token)
                            and coalesce(s.stopped_at, 'infinity'::timestamptz) = 'infinity'::timestamptz
                            and (p_except_session is null or (private.begun_at(s), s.transaction_id) < (
                                select private.begun_at(e), e.transaction_id from public.sessions e
                                where e.id = p_except_session))
                            and s.cpo_id is not distinct from p_cpo_id and private.still_charges(s)),
        'concurrent_sessions', o.concurrent_sessions)
    from (select 1) as one
    left join public.cpos o on o.id = p_cpo_id
    left join lateral (
        select k.status, k.expires_at, k.parent_token from public.id_tokens k
        where k.token_key = lower(p_id_token) and (k.cpo_id = p_cpo_id or k.cpo_id is null)
        order by k.cpo_id nulls last limit 1) t on true
    left join lateral (
        select k.status, k.expires_at from public.id_tokens k
        where k.token_key = lower(t.parent_token) and (k.cpo_id = p_cpo_id or k.cpo_id is null)
        order by k.cpo_id nulls last limit 1) g on true
$$;


-- [{charger_id, evse_id, connector_id, protocol, id_token, reported_at, clock_trusted, started_at, received_at,
--   meter_start_wh, reservation_id}] -> [{session_id, transaction_id, created, begun_at, token: facts}]
-- The same charger, connector, token, reported time and meter is the same session (OCPP 1.6 retries), unless
-- that session is over and the clock cannot be believed: a charger whose clock is stuck starts anew.
-- It gets the answer that the first one got, and is judged as of `begun_at`: whoever repeats a start has begun long ago.
create or replace function private.start_sessions(p_rows json) returns json
language plpgsql set search_path = '' as $$
declare
    r record;
    charger public.chargers;
    session public.sessions;
    v_key text;
    made boolean;
    facts json;
    answers json[] := array[]::json[];
begin
    for r in
        select x.* from json_to_recordset(p_rows) as x(charger_id text, evse_id integer, connector_id integer,
            protocol text, id_token text, reported_at text, clock_trusted boolean, started_at timestamptz,
            received_at timestamptz, meter_start_wh numeric, reservation_id integer)
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
                start_key, started_at, start_received_at, meter_start_wh, last_register_wh, reservation_id)
            values (charger.cpo_id, charger.station_id, r.charger_id, r.evse_id, r.connector_id, r.protocol,
                r.id_token, v_key, r.started_at, r.received_at, r.meter_start_wh, r.meter_start_wh, r.reservation_id)
            returning * into session;
            perform private.supersede(r.charger_id, r.evse_id, r.connector_id, r.started_at, session.id);
        end if;
        facts := case when session.token_at_start is null then private.token_facts(charger.cpo_id, r.id_token, session.id)
            else (session.token_at_start || jsonb_build_object('parent_token', session.parent_token))::json end;
        if made then
            update public.sessions set command_id = private.observe_start(session), parent_token = facts ->> 'parent_token',
                token_at_start = jsonb_strip_nulls(facts::jsonb - 'parent_token')
            where id = session.id;
            perform private.use_reservation(session, facts ->> 'parent_token');
            insert into public.outbox (cpo_id, topic, payload) values (charger.cpo_id, 'session.started',
                json_build_object('session_id', session.id, 'station_id', session.station_id));
        end if;
        answers := answers || json_build_object('session_id', session.id, 'transaction_id', session.transaction_id,
            'created', made, 'begun_at', private.begun_at(session), 'token', facts);
    end loop;
    return array_to_json(answers);
end
$$;
