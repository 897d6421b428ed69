-- The final roles of people, and which of them the row policies let write what. The table is backend/domain/roles.py.

alter table public.users drop constraint users_role_check, drop constraint users_check,
    add constraint users_role_check check (role in ('emsv_admin', 'emsv_finance', 'noc_analyst', 'cpo_admin',
        'cpo_operator', 'cpo_technician', 'cpo_finance', 'driver')),
    -- EMSV staff and drivers belong to no CPO.
    add constraint users_cpo_check check ((cpo_id is not null) = (role in ('cpo_admin', 'cpo_operator', 'cpo_technician', 'cpo_finance')));

create or replace function private.sees_all() returns boolean
language sql stable set search_path = '' as $$
    select private.role() in ('emsv_admin', 'emsv_finance', 'noc_analyst')
$$;

-- Lets other roles of a CPO write a table that `protect` guards already.
create procedure private.let_write(p_table regclass, p_writers text[])
language plpgsql set search_path = '' as $$
declare
    may_write constant text := format(
        '((select private.writes_all()) or (cpo_id = (select private.cpo_id()) and (select private.role()) = any (%L)))',
        p_writers);
begin
    execute format('alter policy tenant_inserts on %s with check %s', p_table, may_write);
    execute format('alter policy tenant_updates on %s using %s with check %s', p_table, may_write, may_write);
    execute format('alter policy tenant_deletes on %s using %s', p_table, may_write);
end
$$;
revoke execute on procedure private.let_write(regclass, text[]) from public;

call private.let_write('public.commands', array['cpo_admin', 'cpo_operator', 'cpo_technician', 'integrator']);
call private.let_write('public.configuration_templates', array['cpo_admin', 'cpo_technician']);
call private.let_write('public.charger_templates', array['cpo_admin', 'cpo_technician']);
call private.let_write('public.audit_log', array['cpo_admin', 'cpo_operator', 'cpo_technician', 'cpo_finance', 'integrator']);

-- What a person decides about a session that is or was held: approve (the meter's figure stands), correct (p_energy_wh,
-- and times where given), void. With its audit row, in one transaction; the same decision again changes nothing.
-- p_revision, if given: what the person saw. Runs as its owner because nobody else writes sessions.
-- Errors: session_not_found, review_conflict.
create or replace function public.decide_session(p_session_id uuid, p_revision integer, p_decision text, p_energy_wh numeric,
    p_started_at timestamptz, p_stopped_at timestamptz, p_note text, p_actor_name text, p_request_id text) returns void
language plpgsql security definer set search_path = '' as $$
declare
    session public.sessions;
    review public.session_reviews;
    wanted public.session_reviews;
begin
    select * into session from public.sessions
    where id = p_session_id and ((select private.role()) in ('emsv_admin', 'emsv_finance')
        or (cpo_id = (select private.cpo_id()) and (select private.role()) in ('cpo_admin', 'cpo_finance')))
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
