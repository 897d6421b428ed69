-- The steps of an application and of a CPO, and what it means to be suspended or closed:
--   suspended: nobody of the CPO can log in, what they hold ends, its API keys are refused; its chargers stay connected,
--              running sessions go on, are stored and billed, but every id token is Blocked: no new session begins.
--   closed:    besides, its keys are revoked, its chargers are rejected and let in no more. For good; not while a session runs.

-- One step, its history and its mails in one transaction; the same p_step_id once. The rules were judged before on what
-- stood then: `from` and `revision` (null: no application) must still hold. p_step: {id, cpo_id, step, from, to, revision,
-- message, party, actor_name, checklist}; p_mails: rows for private.queue_mail.
-- Errors: application_not_found, step_conflict.
create function public.take_cpo_step(p_step jsonb, p_mails jsonb) returns void
language plpgsql set search_path = '' as $$
declare
    v_cpo_id constant uuid := (p_step ->> 'cpo_id')::uuid;
    application public.cpo_applications;
begin
    select * into application from public.cpo_applications where cpo_id = v_cpo_id for update;
    perform from public.cpo_steps where id = (p_step ->> 'id')::uuid;
    if found then
        return;  -- the answer to the first was lost on the way
    end if;
    if application.state is distinct from p_step ->> 'from' or application.revision <> (p_step ->> 'revision')::integer then
        raise exception using errcode = 'P0001', hint = 'step_conflict',
            message = 'Somebody took a step meanwhile. Look again before deciding.';
    end if;
    update public.cpo_applications set state = p_step ->> 'to', revision = revision + 1, updated_at = now(),
        submitted_at = case when p_step ->> 'step' in ('submit', 'answer') then now() else submitted_at end,
        checklist = coalesce(array(select jsonb_array_elements_text(p_step -> 'checklist')), checklist)
    where cpo_id = v_cpo_id;
    perform private.tell_cpo_step(p_step, p_mails);
end
$$;

create function private.tell_cpo_step(p_step jsonb, p_mails jsonb) returns void
language sql set search_path = '' as $$
    insert into public.cpo_steps (id, cpo_id, step, state, message, party, actor_name)
    select s.id, s.cpo_id, s.step, p_step ->> 'to', s.message, s.party, s.actor_name
    from jsonb_populate_record(null::public.cpo_steps, p_step) s;
    select private.queue_mail(mail) from jsonb_array_elements(p_mails) as mail;
$$;

-- Approval: the CPO, its first administrator (who sets a password with the mailed code), and what it pays.
-- Errors: besides those of take_cpo_step: cpo_exists (the name is taken), user_exists (the address has a login).
create function public.approve_cpo(p_step jsonb, p_mails jsonb, p_code_hash text, p_code_life_s integer, p_no_password text)
    returns void
language plpgsql set search_path = '' as $$
declare
    application public.cpo_applications;
begin
    perform from public.cpo_steps where id = (p_step ->> 'id')::uuid;
    if found then
        return;
    end if;
    perform public.take_cpo_step(p_step, p_mails);
    select * into application from public.cpo_applications where cpo_id = (p_step ->> 'cpo_id')::uuid;
    if exists (select from public.cpos where name = application.company) then
        raise exception using errcode = 'P0001', hint = 'cpo_exists', message = 'A CPO with this name exists already.';
    end if;
    if exists (select from public.users where email = application.email) then
        raise exception using errcode = 'P0001', hint = 'user_exists', message = 'The applicant''s address has a login already.';
    end if;
    insert into public.cpos (id, name) values (application.cpo_id, application.company);
    insert into public.users (cpo_id, email, name, role, password_hash, locale)
    values (application.cpo_id, application.email, application.contact_name, 'cpo_admin', p_no_password, application.language);
    insert into public.cpo_registrations (email, details, code_hash, code_expires_at)
    values (application.email, '{}', p_code_hash, now() + make_interval(secs => p_code_life_s))
    on conflict (email) do update set code_hash = excluded.code_hash, code_expires_at = excluded.code_expires_at,
        failures = 0;
end
$$;

-- The first password of the applicant who became administrator: once. False if there is one already, or none to set.
create function public.set_first_password(p_cpo_id uuid, p_email text, p_password_hash text, p_no_password text) returns boolean
language plpgsql set search_path = '' as $$
begin
    update public.users set password_hash = p_password_hash, updated_at = now()
    where cpo_id = p_cpo_id and email = p_email and password_hash in (p_no_password, p_password_hash);
    return found;
end
$$;

-- Suspended, back again, or closed; p_step as for take_cpo_step, `from` being the CPO's status.
-- Errors: cpo_not_found, step_conflict, sessions_conflict (one still runs).
create function public.change_cpo_standing(p_step jsonb, p_mails jsonb) returns void
language plpgsql set search_path = '' as $$
declare
    v_cpo_id constant uuid := (p_step ->> 'cpo_id')::uuid;
    v_status text;
begin
    select status into v_status from public.cpos where id = v_cpo_id for update;
    if not found then
        raise exception using errcode = 'P0001', hint = 'cpo_not_found', message = 'There is no such CPO.';
    end if;
    perform from public.cpo_steps where id = (p_step ->> 'id')::uuid;
    if found then
        return;
    end if;
    if v_status <> p_step ->> 'from' then
        raise exception using errcode = 'P0001', hint = 'step_conflict',
            message = 'Somebody took a step meanwhile. Look again before deciding.';
    end if;
    if p_step ->> 'to' = 'closed' and exists (select from public.sessions where cpo_id = v_cpo_id and stopped_at is null) then
        raise exception using errcode = 'P0001', hint = 'sessions_conflict',
            message = 'A session still runs. Suspend the CPO, and close it when all have ended.';
    end if;
    update public.cpos set status = p_step ->> 'to', updated_at = now() where id = v_cpo_id;
    update public.cpo_applications set state = p_step ->> 'to', revision = revision + 1, updated_at = now()
    where cpo_id = v_cpo_id;
    if p_step ->> 'to' <> 'active' then
        delete from public.refresh_tokens where user_id in (select id from public.users where cpo_id = v_cpo_id);
    end if;
    if p_step ->> 'to' = 'closed' then
        update public.api_keys set revoked_at = now() where cpo_id = v_cpo_id and revoked_at is null;
        update public.chargers set registration = 'rejected', updated_at = now() where cpo_id = v_cpo_id;
    end if;
    perform private.tell_cpo_step(p_step, p_mails);
end
$$;

revoke execute on function public.take_cpo_step(jsonb, jsonb), private.tell_cpo_step(jsonb, jsonb),
    public.approve_cpo(jsonb, jsonb, text, integer, text), public.set_first_password(uuid, text, text, text),
    public.change_cpo_standing(jsonb, jsonb) from public;
grant execute on function public.take_cpo_step(jsonb, jsonb), private.tell_cpo_step(jsonb, jsonb),
    public.approve_cpo(jsonb, jsonb, text, integer, text), public.set_first_password(uuid, text, text, text),
    public.change_cpo_standing(jsonb, jsonb) to service_role;

-- ---------------------------------------------------------------- chargers of a CPO that may not work

-- As before, but at a charger of a CPO that is not active every id token is blocked.
create or replace function private.token_facts(p_cpo_id uuid, p_id_token text, p_except_session uuid) returns json
language sql stable set search_path = '' as $$
    select json_build_object(
        'status', case when o.status <> 'active' then 'blocked' else t.status end,
        'expires_at', t.expires_at, 'parent_token', t.parent_token,
        'parent_status', g.status, 'parent_expires_at', g.expires_at,
        'open_sessions', (select count(*) from public.sessions s
                          where lower(s.id_token) = lower(p_id_token)
                            and coalesce(s.stopped_at, 'infinity'::timestamptz) = 'infinity'::timestamptz
                            and s.id is distinct from p_except_session
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

-- As before, but chargers of a closed CPO are not registered here.
create or replace function private.gate_chargers(p_rows json) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(
        case when c.id is null or o.status = 'closed' then null else json_build_object(
            'cpo_id', c.cpo_id, 'registration', c.registration, 'password_hash', c.password_hash,
            'security_profile', c.security_profile,
            'pending_hashes', (select coalesce(json_agg(k.password_hash order by k.seq), '[]')
                               from public.charger_keys k where k.charger_id = c.id),
            'certificate_id', (select t.id from public.certificates t
                               where t.charger_id = c.id and t.fingerprint = r.fingerprint
                                 and t.kind = 'ChargePointCertificate' and t.state in ('issued', 'installed')
                                 and now() between t.not_before and t.not_after)) end
        order by r.position), '[]')
    from (select value ->> 'charger_id' as charger_id, value ->> 'fingerprint' as fingerprint, ordinality as position
          from json_array_elements(p_rows) with ordinality) r
    left join public.chargers c on c.id = r.charger_id
    left join public.cpos o on o.id = c.cpo_id
$$;

-- As before, but chargers of a closed CPO count among those that are registered no more: their sockets are closed.
create or replace function public.touch_connections(p_node text, p_charger_ids json, p_at timestamptz) returns json
language sql set search_path = '' as $$
    with free as (
        select k.charger_id from json_array_elements_text(p_charger_ids) as t(charger_id)
        join public.connections k on k.charger_id = t.charger_id and k.node = p_node and k.disconnected_at is null
        for no key update of k skip locked
    ), touched as (
        update public.connections k set last_seen_at = p_at from free where k.charger_id = free.charger_id)
    select coalesce(json_agg(t.charger_id), '[]') from json_array_elements_text(p_charger_ids) as t(charger_id)
    where not exists (select 1 from public.chargers c left join public.cpos o on o.id = c.cpo_id
                      where c.id = t.charger_id and o.status is distinct from 'closed')
       or exists (select 1 from public.connections k join public.certificates r on r.id = k.certificate_id
                  where k.charger_id = t.charger_id and k.node = p_node and r.state = 'revoked')
$$;
