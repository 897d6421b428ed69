-- Whom an issuer of single sign-on sends to another house; who has no password; who is nobody here.

-- As before, but that claims which name another house than the person's (the EMSV, or another CPO) let nobody in: the role
-- was meant for there. They gave it in the person's own CPO, and left who had been moved away the role of before. An
-- identifier of a CPO is that CPO's, whatever another calls itself.
create or replace function public.sso_user(p_issuer text, p_subject text, p_email text, p_verified boolean, p_name text, p_role text, p_cpo text)
    returns uuid
language plpgsql set search_path = '' as $$
declare
    person public.users;
    v_cpo_id uuid := (select id from public.cpos where id::text = p_cpo or name = p_cpo order by id::text = p_cpo desc limit 1);
begin
    select u.* into person from public.sso_identities i join public.users u on u.id = i.user_id
    where i.issuer = p_issuer and i.subject = p_subject;
    if person.id is null and p_verified then
        select * into person from public.users where email = p_email;
        if person.id is null and p_role is not null then
            if p_role like 'cpo\_%' and v_cpo_id is null then
                return null;
            end if;
            insert into public.users (cpo_id, email, name, role)
            values (case when p_role like 'cpo\_%' then v_cpo_id end, p_email, p_name, p_role)
            on conflict (email) do nothing;
            select * into person from public.users where email = p_email;
        end if;
        insert into public.sso_identities (issuer, subject, user_id)
        select p_issuer, p_subject, person.id where person.id is not null on conflict do nothing;
    end if;
    if person.id is null or not person.active or (p_role is null and person.password_hash is null) then
        return null;
    end if;
    if p_role is null or person.role = 'driver' then  -- a driver stays one
        return person.id;
    end if;
    if (p_role like 'cpo\_%') <> (person.cpo_id is not null)
        or (person.cpo_id is not null and p_cpo is not null and v_cpo_id is distinct from person.cpo_id) then
        return null;
    end if;
    update public.users set role = p_role, updated_at = now() where id = person.id and role <> p_role;
    return person.id;
end
$$;

-- As before, but that who has no password (single sign-on alone lets them in) gets none by a forgotten one: it would
-- outlast their leave from the issuer.
create or replace function public.ask_reset(p_email text, p_code_hash text, p_life_s integer, p_most integer, p_mails jsonb,
    p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
declare
    recent timestamptz[];
begin
    delete from public.one_time_codes where expires_at < p_now - interval '1 day';
    insert into public.one_time_codes (email, code_hash, expires_at) values (p_email, '', p_now) on conflict do nothing;
    select array(select t from unnest(asked_at) as t where t > p_now - interval '1 hour') into recent
    from public.one_time_codes where email = p_email for update;
    if cardinality(recent) >= p_most then
        return;
    end if;
    update public.one_time_codes set code_hash = p_code_hash, expires_at = p_now + p_life_s * interval '1 second', failures = 0,
        asked_at = recent || p_now
    where email = p_email;
    perform private.queue_mail(p_mails -> u.locale) from public.users u
    where u.email = p_email and u.active and u.password_hash is not null;
end
$$;

-- As before, but that claims without a role are nobody's: whoever may sign up at a project wrote into the platform's log.
create or replace function public.record_audit(p_event_id uuid, p_cpo_id uuid, p_action text, p_object_type text,
    p_object_id text, p_before jsonb, p_after jsonb) returns void
language plpgsql security definer set search_path = '' as $$
declare
    actor record;
begin
    if current_setting('role') = 'authenticated' and private.role() = '' then
        raise exception using errcode = '42501', message = 'Nobody known acts here.';
    end if;
    select * into actor from private.origin();
    insert into public.audit_log (event_id, cpo_id, actor_id, actor_name, actor_role, action, object_type, object_id, before,
        after, request_id, address)
    values (p_event_id, case when private.sees_all() or current_setting('role') <> 'authenticated' then p_cpo_id
                             else private.cpo_id() end,
        actor.id, actor.name, actor.role, p_action, p_object_type, p_object_id, p_before, p_after, actor.request_id,
        actor.address)
    on conflict (event_id) where event_id is not null do nothing;
end
$$;
