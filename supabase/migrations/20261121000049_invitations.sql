-- People come by invitation, and come back by a mailed code when they have forgotten their password.

create table public.invitations (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid references public.cpos (id),  -- null: EMSV
    email text not null check (email = lower(email) and position('@' in email) > 1),
    name text not null,
    role text not null check (role in ('emsv_admin', 'emsv_finance', 'noc_analyst', 'cpo_admin', 'cpo_operator',
        'cpo_technician', 'cpo_finance')),
    locale text not null default 'id' check (locale in ('id', 'en')),
    token_hash text not null unique,
    invited_by uuid,
    invited_by_name text,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    accepted_at timestamptz,
    revoked_at timestamptz,
    check ((cpo_id is not null) = (role in ('cpo_admin', 'cpo_operator', 'cpo_technician', 'cpo_finance')))
);
create index invitations_cpo on public.invitations (cpo_id, created_at desc);
call private.protect('public.invitations', array[]::text[]);
-- What is open is asked of the EMSV's administrators and the CPO's: the platform writes, after it has checked who may.
create policy seen_by_who_invites on public.invitations as restrictive for select to authenticated
    using ((select private.role()) in ('emsv_admin', 'noc_analyst', 'cpo_admin'));
grant select, insert, update, delete on public.invitations to service_role;
grant select (id, cpo_id, email, name, role, locale, invited_by, invited_by_name, created_at, expires_at, accepted_at,
    revoked_at) on public.invitations to authenticated;

-- One row a person: the newest code, what is left of it. Unknown addresses have one, too, so that asking costs the same.
create table public.one_time_codes (
    email text primary key,
    code_hash text not null,
    expires_at timestamptz not null,
    failures integer not null default 0,
    asked_at timestamptz[] not null default '{}'
);
alter table public.one_time_codes enable row level security;  -- no policy: the platform alone
grant select, insert, update, delete on public.one_time_codes to service_role;

-- Invites somebody and mails it, in one transaction. An open invitation of the same CPO to the same address is replaced.
create function public.invite(p_invitation jsonb, p_mail jsonb) returns void
language plpgsql set search_path = '' as $$
declare
    wanted constant public.invitations := jsonb_populate_record(null::public.invitations, p_invitation);
begin
    if exists (select 1 from public.invitations where id = wanted.id) then
        return;  -- the answer to the first was lost on the way
    end if;
    update public.invitations set revoked_at = now()
    where email = wanted.email and cpo_id is not distinct from wanted.cpo_id and accepted_at is null and revoked_at is null;
    insert into public.invitations (id, cpo_id, email, name, role, locale, token_hash, invited_by, invited_by_name, expires_at)
    values (wanted.id, wanted.cpo_id, wanted.email, wanted.name, wanted.role, wanted.locale, wanted.token_hash, wanted.invited_by,
        wanted.invited_by_name, wanted.expires_at);
    perform private.queue_mail(p_mail);
end
$$;

-- The invited person comes, once: makes the user. Errors: invitation_not_found, user_exists.
create function public.accept_invitation(p_token_hash text, p_name text, p_password_hash text, p_now timestamptz) returns uuid
language plpgsql set search_path = '' as $$
declare
    found_one public.invitations;
    v_user_id uuid;
begin
    update public.invitations set accepted_at = p_now
    where token_hash = p_token_hash and accepted_at is null and revoked_at is null and expires_at > p_now
    returning * into found_one;
    if found_one.id is null then
        raise exception using errcode = 'P0001', hint = 'invitation_not_found',
            message = 'The invitation has expired, was used or withdrawn.';
    end if;
    insert into public.users (cpo_id, email, name, role, locale, password_hash)
    values (found_one.cpo_id, found_one.email, p_name, found_one.role, found_one.locale, p_password_hash)
    on conflict (email) do nothing returning id into v_user_id;
    if v_user_id is null then
        raise exception using errcode = 'P0001', hint = 'user_exists', message = 'This address has a login already: use that one.';
    end if;
    return v_user_id;
end
$$;

-- Somebody forgot the password of p_email: keeps a code, and mails it if somebody active has that address. At most p_most
-- codes an hour; beyond it the last one stays good and nothing is mailed.
create function public.ask_reset(p_email text, p_code_hash text, p_life_s integer, p_most integer, p_mails jsonb,
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
    perform private.queue_mail(p_mails -> u.locale) from public.users u where u.email = p_email and u.active;
end
$$;

-- The code comes back: true once, and never after p_most wrong ones; then the password is the new one, every login of the
-- person ends (by the trigger), and the failed attempts of the pair are forgotten.
create function public.reset_password(p_email text, p_code_hash text, p_password_hash text, p_most integer, p_now timestamptz)
    returns boolean
language plpgsql set search_path = '' as $$
declare
    code public.one_time_codes;
begin
    select * into code from public.one_time_codes where email = p_email for update;
    if code.email is null or code.expires_at <= p_now or code.failures >= p_most then
        return false;
    end if;
    if code.code_hash <> p_code_hash then
        update public.one_time_codes set failures = failures + 1 where email = p_email;
        return false;
    end if;
    update public.one_time_codes set expires_at = p_now, code_hash = '' where email = p_email;
    update public.users set password_hash = p_password_hash, updated_at = now() where email = p_email and active;
    return found;
end
$$;

-- A person changes the own password: all other logins end.
create function public.change_own_password(p_user_id uuid, p_password_hash text, p_login_id uuid) returns void
language plpgsql set search_path = '' as $$
begin
    perform set_config('uniev.kept_login', coalesce(p_login_id::text, ''), true);
    update public.users set password_hash = p_password_hash, updated_at = now() where id = p_user_id;
    perform set_config('uniev.kept_login', '', true);
end
$$;

do $$
declare
    f text;
begin
    for f in select p.oid::regprocedure::text from pg_proc p where p.pronamespace = 'public'::regnamespace and p.proname in (
        'invite', 'accept_invitation', 'ask_reset', 'reset_password', 'change_own_password')
    loop
        execute format('revoke execute on function %s from public; grant execute on function %s to service_role', f, f);
    end loop;
end
$$;
