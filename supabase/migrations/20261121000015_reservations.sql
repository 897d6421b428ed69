-- Reservations: a connector kept free for a token (OCPP 1.6 §5.1, §5.13), from the request to the session.

create sequence public.reservation_number as integer minvalue 1 cycle;
grant usage on sequence public.reservation_number to authenticated, service_role;

-- One row per ReserveNow, whichever door asked: `requested` until the charger answered, then `active`, and in the end
-- `used`, `expired`, `cancelled` or `rejected`.
create table public.reservations (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid references public.cpos (id),
    charger_id text not null references public.chargers (id) on delete cascade,
    reservation_id integer not null,          -- the number on the wire
    connector_id integer not null,            -- as numbered on the charger; 0: any of them
    id_token text not null,
    token_key text not null generated always as (lower(id_token)) stored,
    parent_token text,
    expires_at timestamptz not null,
    status text not null default 'requested'
        check (status in ('requested', 'active', 'used', 'expired', 'cancelled', 'rejected')),
    reason text,                              -- of the end: the charger's word, or ours
    cancel_answer text,                       -- the charger's word on the last CancelReservation
    session_id uuid,                          -- that used it
    other_session_id uuid,                    -- that another token began on the reserved connector
    command_id uuid unique,
    cancel_command_id uuid,
    requested_by_name text,
    created_at timestamptz not null default now(),
    ended_at timestamptz
) with (fillfactor = 80);
create index reservations_cpo on public.reservations (cpo_id, created_at desc, id desc);
create index reservations_newest on public.reservations (created_at desc, id desc);
create index reservations_number on public.reservations (charger_id, reservation_id, created_at desc);
create index reservations_live on public.reservations (charger_id, connector_id) where status in ('requested', 'active');
create index reservations_due on public.reservations (expires_at) where status in ('requested', 'active');
create index reservations_cancelling on public.reservations (cancel_command_id) where cancel_command_id is not null;

call private.protect('public.reservations', array[]::text[]);
grant select, insert, update, delete on public.reservations to service_role;
grant select on public.reservations to authenticated;

-- Every ReserveNow makes a row, every CancelReservation is noted with the rows it aims at. Runs as the owner: people
-- order reservations through commands, and write no row themselves.
create function private.follow_reservations() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if new.action = 'ReserveNow' then
        insert into public.reservations (cpo_id, charger_id, reservation_id, connector_id, id_token, parent_token,
            expires_at, command_id, requested_by_name, created_at)
        select new.cpo_id, new.charger_id, w.number, w.connector, new.payload ->> 'idTag', new.payload ->> 'parentIdTag',
            w.until, new.id, new.requested_by_name, new.created_at
        from (select private.int32_of(new.payload -> 'reservationId') as number,
                     private.int32_of(new.payload -> 'connectorId') as connector,
                     private.moment_of(new.payload ->> 'expiryDate') as until) w
        where w.number is not null and w.connector is not null and w.until is not null
          and new.payload ->> 'idTag' is not null;
    else
        update public.reservations set cancel_command_id = new.id, cancel_answer = null
        where charger_id = new.charger_id and reservation_id = private.int32_of(new.payload -> 'reservationId')
          and status in ('requested', 'active');
    end if;
    return null;
end
$$;
create trigger followed_by_reservations after insert on public.commands for each row
    when (new.action in ('ReserveNow', 'CancelReservation')) execute function private.follow_reservations();

-- ---------------------------------------------------------------- asking

-- Asks for a reservation under a number that the charger has not had yet. The same idempotency key from the same
-- caller is the same reservation. Errors: charger_not_found, idempotency_conflict, charger_offline.
create function public.reserve_connector(p_charger_id text, p_connector_id integer, p_id_token text, p_parent_token text,
    p_expires_at timestamptz, p_idempotency_key text, p_queue boolean, p_expires_in_s integer,
    p_requested_by_name text) returns uuid
language plpgsql set search_path = '' as $$
declare
    wish jsonb := jsonb_strip_nulls(jsonb_build_object('connectorId', p_connector_id, 'idTag', p_id_token,
        'parentIdTag', p_parent_token, 'expiryDate', private.wire_time(p_expires_at)));
    earlier public.commands;
    number integer;
    v_command_id uuid;
begin
    perform from public.chargers where id = p_charger_id;
    if not found then
        raise exception using errcode = 'P0001', message = 'There is no such charger.', hint = 'charger_not_found';
    end if;
    select * into earlier from public.commands
    where requested_by is not distinct from private.user_id() and idempotency_key = p_idempotency_key;
    if earlier.id is not null and (earlier.charger_id, earlier.action, earlier.payload - 'reservationId')
        is distinct from (p_charger_id, 'ReserveNow', wish) then
        raise exception using errcode = 'P0001', hint = 'idempotency_conflict',
            message = 'This Idempotency-Key was used for another command.';
    end if;
    v_command_id := earlier.id;
    if v_command_id is null then
        loop
            number := nextval('public.reservation_number');
            perform from public.reservations where charger_id = p_charger_id and reservation_id = number;
            exit when not found;
        end loop;
        v_command_id := (public.enqueue_command(p_charger_id, 'ReserveNow',
            wish || jsonb_build_object('reservationId', number), p_idempotency_key, p_queue, p_expires_in_s,
            p_requested_by_name) ->> 'id')::uuid;
    end if;
    return (select id from public.reservations where command_id = v_command_id);
end
$$;

-- ---------------------------------------------------------------- what follows

-- Why a command did not succeed, in the charger's word or ours.
create function private.answer_word(p_command public.commands) returns text
language sql immutable set search_path = '' as $$
    select left(coalesce(p_command.response ->> 'status', p_command.error_code, p_command.status), 50)
$$;

-- ReserveNow: the same number again replaces what it stood for (§5.13). Without an answer it stays open whether the
-- charger keeps the connector.
create function private.answer_reservation(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
begin
    update public.reservations set
        status = case p_command.status when 'accepted' then 'active' when 'timed_out' then 'requested' else 'rejected' end,
        reason = case p_command.status when 'accepted' then null when 'timed_out' then 'no_answer'
                 else private.answer_word(p_command) end,
        ended_at = case when p_command.status in ('accepted', 'timed_out') then null else p_command.answered_at end
    where command_id = p_command.id and status = 'requested';
    if p_command.status = 'accepted' then
        update public.reservations o set status = 'cancelled', reason = 'replaced', ended_at = p_command.answered_at
        from public.reservations n
        where n.command_id = p_command.id and o.charger_id = n.charger_id and o.reservation_id = n.reservation_id
          and o.id <> n.id and o.created_at <= n.created_at and o.status in ('requested', 'active');
    end if;
end
$$;

-- CancelReservation: a charger that knows of no such reservation leaves ours as it is, with its word.
create function private.answer_cancellation(p_command public.commands) returns void
language sql set search_path = '' as $$
    update public.reservations set cancel_answer = private.answer_word(p_command),
        status = case when p_command.status = 'accepted' then 'cancelled' else status end,
        ended_at = case when p_command.status = 'accepted' then p_command.answered_at else ended_at end
    where cancel_command_id = p_command.id and status in ('requested', 'active')
$$;
insert into private.answer_reactions values
    ('ReserveNow', 'private.answer_reservation(public.commands)'),
    ('CancelReservation', 'private.answer_cancellation(public.commands)');

-- A session began. The number it tells ends its reservation, even one that seemed over: the start may come out of
-- offline history. Numbers are used again by some, so the reservation that was there when the session began goes
-- first. Without a number the reserved token (or its group) on the reserved connector uses it, and another is noted.
create function private.use_reservation(p_session public.sessions, p_parent_token text) returns void
language plpgsql set search_path = '' as $$
declare
    kept public.reservations;
begin
    if p_session.reservation_id is not null then
        select * into kept from public.reservations r
        where r.charger_id = p_session.charger_id and r.reservation_id = p_session.reservation_id and r.status <> 'used'
        order by r.created_at <= p_session.started_at + interval '10 minutes' desc, r.created_at desc limit 1;
    end if;
    if kept.id is null then
        select * into kept from public.reservations r
        where r.charger_id = p_session.charger_id and r.connector_id in (0, p_session.evse_id)
          and r.status in ('requested', 'active', 'expired')
          and r.created_at <= p_session.started_at + interval '10 minutes' and r.expires_at > p_session.started_at
          and (lower(r.id_token) = lower(p_session.id_token) or lower(r.parent_token) = lower(p_parent_token))
        order by r.connector_id desc, r.created_at desc limit 1;
    end if;
    if kept.id is not null then
        update public.reservations set status = 'used', reason = null, session_id = p_session.id,
            ended_at = p_session.started_at
        where id = kept.id;
    else
        update public.reservations set other_session_id = p_session.id
        where charger_id = p_session.charger_id and connector_id = p_session.evse_id and status = 'active'
          and created_at <= p_session.started_at and expires_at > p_session.started_at;
    end if;
end
$$;

alter table public.sessions add column reservation_id integer;
comment on column public.sessions.reservation_id is 'Number of the reservation it used, as the charger told';

-- [{charger_id, evse_id, connector_id, protocol, id_token, reported_at, clock_trusted, started_at, received_at,
--   meter_start_wh, reservation_id}] -> [{session_id, transaction_id, created, token: facts}]
-- The same charger, connector, token, reported time and meter is the same session (OCPP 1.6 retries), unless
-- that session is over and the clock cannot be believed: a charger whose clock is stuck starts anew.
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
        facts := private.token_facts(charger.cpo_id, r.id_token, session.id);
        if made then
            update public.sessions set command_id = private.observe_start(session), parent_token = facts ->> 'parent_token'
            where id = session.id;
            perform private.use_reservation(session, facts ->> 'parent_token');
            insert into public.outbox (cpo_id, topic, payload) values (charger.cpo_id, 'session.started',
                json_build_object('session_id', session.id, 'station_id', session.station_id));
        end if;
        answers := answers || json_build_object('session_id', session.id, 'transaction_id', session.transaction_id,
            'created', made, 'token', facts);
    end loop;
    return array_to_json(answers);
end
$$;

-- A fault, or being taken out of service, ends the charger's reservations (§5.13).
create function private.lose_reservations() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    machine text := to_jsonb(new) ->> case tg_table_name when 'chargers' then 'id' else 'charger_id' end;
begin
    update public.reservations set status = 'cancelled', reason = new.status, ended_at = now()
    where charger_id = machine and status = 'active'
      and (tg_table_name = 'chargers' or connector_id = (to_jsonb(new) ->> 'evse_id')::integer);
    return null;
end
$$;
create trigger reservations_lost after update of status on public.connectors for each row
    when (new.status in ('Faulted', 'Unavailable') and new.status is distinct from old.status)
    execute function private.lose_reservations();
create trigger reservations_lost after update of status on public.chargers for each row
    when (new.status in ('Faulted', 'Unavailable') and new.status is distinct from old.status)
    execute function private.lose_reservations();

-- The clock's part: what is past its time, and what was never sent. Returns how many changed.
create function public.expire_reservations() returns integer
language sql set search_path = '' as $$
    with unsent as (
        update public.reservations r set status = 'rejected', reason = 'not_sent', ended_at = now()
        from public.commands m
        where m.id = r.command_id and m.status = 'expired' and r.status = 'requested' returning r.id
    ), over as (
        update public.reservations set status = 'expired', ended_at = expires_at
        where status in ('requested', 'active') and expires_at <= now() and id not in (select id from unsent) returning 1
    )
    select (select count(*) from unsent)::integer + (select count(*) from over)::integer
$$;

revoke execute on function public.reserve_connector(text, integer, text, text, timestamptz, text, boolean, integer, text),
    private.follow_reservations(), private.answer_word(public.commands), private.answer_reservation(public.commands),
    private.answer_cancellation(public.commands), private.use_reservation(public.sessions, text),
    private.lose_reservations(), public.expire_reservations() from public;
grant execute on function public.reserve_connector(text, integer, text, text, timestamptz, text, boolean, integer, text)
    to authenticated, service_role;
grant execute on function private.answer_word(public.commands), private.answer_reservation(public.commands),
    private.answer_cancellation(public.commands), private.use_reservation(public.sessions, text),
    public.expire_reservations() to service_role;
