-- A reservation that waits for its charger ends in the queue: it was sent after its own end, the charger kept the connector
-- for nobody, and ours, being over, could not be cancelled. Nor could one be taken back before it left.

-- ReserveNow, whichever door asked, is not sent after the end of what it asks for. One whose end is past when it is asked
-- goes out as it is: what the charger thinks of it is the charger's answer.
create function private.reserve_in_time() returns trigger
language plpgsql set search_path = '' as $$
declare
    v_until constant timestamptz := private.moment_of(new.payload ->> 'expiryDate');
begin
    if v_until > now() then
        new.expires_at := least(new.expires_at, v_until);
    end if;
    return new;
end
$$;
create trigger reserved_in_time before insert on public.commands for each row
    when (new.action = 'ReserveNow') execute function private.reserve_in_time();

-- Takes back a reservation that no charger has heard of yet: its command is not sent any more. True if it is taken back,
-- also when that was done before; false: it was sent, or is no concern of the caller's. Runs as the owner, because people
-- change neither commands nor reservations.
create function public.withdraw_reservation(p_reservation_id uuid) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
    kept public.reservations;
begin
    select * into kept from public.reservations where id = p_reservation_id and ((select private.writes_all())
        or cpo_id = (select private.cpo_id()) and (select private.role()) in ('cpo_admin', 'cpo_operator', 'integrator'));
    if kept.status = 'cancelled' and kept.reason = 'withdrawn' then
        return true;
    end if;
    update public.commands set status = 'expired', expires_at = least(expires_at, now()),
        error_description = 'Withdrawn before it was sent.'
    where id = kept.command_id and kept.status = 'requested' and status in ('queued', 'expired');
    if not found then
        return false;
    end if;
    update public.reservations set status = 'cancelled', reason = 'withdrawn', ended_at = now() where id = kept.id;
    return true;
end
$$;

-- The charger keeps a connector for a reservation that has ended here: it is asked to free it, within a day, unless the
-- number stands for another one meanwhile.
create function private.free_late_reservation(p_command_id uuid) returns void
language plpgsql set search_path = '' as $$
declare
    late public.reservations;
    v_cancel_id constant uuid := gen_random_uuid();
begin
    select * into late from public.reservations r
    where r.command_id = p_command_id and r.status in ('expired', 'cancelled') and r.cancel_answer is distinct from 'Accepted'
      and not exists (select 1 from public.reservations n where n.charger_id = r.charger_id and n.id <> r.id
                      and n.reservation_id = r.reservation_id and n.status in ('requested', 'active'));
    if not found then
        return;
    end if;
    insert into public.commands (id, cpo_id, charger_id, action, payload, expires_at)
    values (v_cancel_id, late.cpo_id, late.charger_id, 'CancelReservation',
        jsonb_build_object('reservationId', late.reservation_id), now() + interval '1 day');
    update public.reservations set cancel_command_id = v_cancel_id, cancel_answer = null where id = late.id;
    perform pg_notify('uniev_commands', late.charger_id);
end
$$;

-- ReserveNow: the same number again replaces what it stood for (§5.13). Without an answer it stays open whether the
-- charger keeps the connector. A yes that comes after the end does not make it active any more.
create or replace function private.answer_reservation(p_command public.commands) returns void
language plpgsql set search_path = '' as $$
begin
    update public.reservations set
        status = case p_command.status when 'accepted' then case when expires_at > p_command.answered_at then 'active' else 'expired' end
                 when 'timed_out' then 'requested' else 'rejected' end,
        reason = case p_command.status when 'accepted' then null when 'timed_out' then 'no_answer'
                 else private.answer_word(p_command) end,
        ended_at = case p_command.status when 'accepted' then case when expires_at <= p_command.answered_at then expires_at end
                   when 'timed_out' then null else p_command.answered_at end
    where command_id = p_command.id and status = 'requested';
    if p_command.status = 'accepted' then
        update public.reservations o set status = 'cancelled', reason = 'replaced', ended_at = p_command.answered_at
        from public.reservations n
        where n.command_id = p_command.id and o.charger_id = n.charger_id and o.reservation_id = n.reservation_id
          and o.id <> n.id and o.created_at <= n.created_at and o.status in ('requested', 'active');
        perform private.free_late_reservation(p_command.id);
    end if;
end
$$;

-- CancelReservation: a charger that knows of no such reservation leaves ours as it is, with its word; so does one that
-- ended before.
create or replace function private.answer_cancellation(p_command public.commands) returns void
language sql set search_path = '' as $$
    update public.reservations set cancel_answer = private.answer_word(p_command),
        status = case when p_command.status = 'accepted' and status in ('requested', 'active') then 'cancelled' else status end,
        ended_at = case when p_command.status = 'accepted' and status in ('requested', 'active') then p_command.answered_at else ended_at end
    where cancel_command_id = p_command.id
$$;

-- The clock's part: what is past its time, and what was never sent. Returns how many changed.
create or replace function public.expire_reservations() returns integer
language sql set search_path = '' as $$
    with unsent as (
        update public.reservations r set status = 'rejected', reason = 'not_sent', ended_at = now()
        from public.commands m
        where m.id = r.command_id and r.status = 'requested'
          and (m.status = 'expired' or m.status = 'queued' and m.expires_at <= now()) returning r.id
    ), over as (
        update public.reservations set status = 'expired', ended_at = expires_at
        where status in ('requested', 'active') and expires_at <= now() and id not in (select id from unsent) returning 1
    )
    select (select count(*) from unsent)::integer + (select count(*) from over)::integer
$$;

revoke execute on function private.reserve_in_time(), public.withdraw_reservation(uuid),
    private.free_late_reservation(uuid) from public;
grant execute on function public.withdraw_reservation(uuid) to authenticated, service_role;
grant execute on function private.free_late_reservation(uuid) to service_role;
