-- Drivers come by invitation, as everybody does: it names the driver whose login it makes.

alter table public.invitations
    add column driver_id uuid references public.drivers (id) on delete cascade,
    drop constraint invitations_role_check,
    add constraint invitations_role_check check (role in ('emsv_admin', 'emsv_finance', 'noc_analyst', 'cpo_admin',
        'cpo_operator', 'cpo_technician', 'cpo_finance', 'driver')),
    add constraint invitations_driver_check check ((driver_id is not null) = (role = 'driver'));
create index invitations_driver on public.invitations (driver_id) where driver_id is not null;
grant select (driver_id) on public.invitations to authenticated;

-- What asks for a new password by a person's address goes before the person does.
insert into private.driver_data (place, relation, belongs, shown, erased) values
(86, 'invitations', 'r.driver_id = $1', 'r.email, r.name, r.locale, r.created_at, r.expires_at, r.accepted_at, r.revoked_at', 'delete'),
(87, 'one_time_codes', 'r.email = (select u.email from public.users u where u.id = $3)', 'r.email, r.expires_at, r.asked_at', 'delete');

-- As before, but that a driver is invited by one open invitation, whatever its address, and only without a login.
-- Errors: driver_not_found, driver_login_exists.
create or replace function public.invite(p_invitation jsonb, p_mail jsonb) returns void
language plpgsql set search_path = '' as $$
declare
    wanted constant public.invitations := jsonb_populate_record(null::public.invitations, p_invitation);
begin
    if exists (select 1 from public.invitations where id = wanted.id) then
        return;  -- the answer to the first was lost on the way
    end if;
    if wanted.driver_id is not null then
        perform private.refuse_invited_driver(wanted.driver_id);
    end if;
    update public.invitations set revoked_at = now()
    where accepted_at is null and revoked_at is null and driver_id is not distinct from wanted.driver_id
      and (driver_id is not null or (email = wanted.email and cpo_id is not distinct from wanted.cpo_id));
    insert into public.invitations (id, cpo_id, driver_id, email, name, role, locale, token_hash, invited_by, invited_by_name,
        expires_at)
    values (wanted.id, wanted.cpo_id, wanted.driver_id, wanted.email, wanted.name, wanted.role, wanted.locale, wanted.token_hash,
        wanted.invited_by, wanted.invited_by_name, wanted.expires_at);
    perform private.queue_mail(p_mail);
end
$$;

-- Refuses unless this driver may be given a login; until the transaction ends nobody erases the driver or gives another.
-- Runs as its owner, as the one below: they serve the functions here, nobody else.
create function private.refuse_invited_driver(p_driver_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
declare
    driver public.drivers;
begin
    select * into driver from public.drivers where id = p_driver_id and erased_at is null for update;
    if not found then
        perform private.refuse_driver();
    end if;
    if driver.user_id is not null then
        raise exception using errcode = 'P0001', hint = 'driver_login_exists', message = 'This driver has a login already.';
    end if;
end
$$;

-- The login is this driver's from now on.
create function private.join_driver(p_driver_id uuid, p_user_id uuid) returns void
language sql security definer set search_path = '' as $$
    update public.drivers set user_id = p_user_id, updated_at = now() where id = p_driver_id;
    select private.note_driver(p_driver_id, 'join_login')
$$;

-- As before, but that an invited driver's login is joined with the driver, in the same transaction.
-- Errors: invitation_not_found, user_exists, driver_login_exists.
create or replace function public.accept_invitation(p_token_hash text, p_name text, p_password_hash text, p_now timestamptz)
    returns uuid
language plpgsql set search_path = '' as $$
declare
    found_one public.invitations;
    v_driver_id uuid;
    v_user_id uuid;
begin
    -- The driver's row first, as erasure takes them.
    select driver_id into v_driver_id from public.invitations where token_hash = p_token_hash;
    if v_driver_id is not null then
        perform private.refuse_invited_driver(v_driver_id);
    end if;
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
    if v_driver_id is not null then
        perform private.join_driver(v_driver_id, v_user_id);
    end if;
    return v_user_id;
end
$$;

-- As before, but that nobody is joined with a login otherwise.
create or replace function private.set_driver(p_driver_id uuid, p_values jsonb) returns void
language plpgsql security definer set search_path = '' as $$
begin
    update public.drivers set updated_at = now(),
        name = case when p_values ? 'name' then p_values ->> 'name' else name end,
        car = case when p_values ? 'car' then p_values ->> 'car' else car end,
        battery_wh = case when p_values ? 'battery_wh' then (p_values ->> 'battery_wh')::integer else battery_wh end
    where id = p_driver_id;
    if p_values ? 'contact' then
        delete from public.driver_contacts where driver_id = p_driver_id;
        insert into public.driver_contacts (driver_id, contact)
        select p_driver_id, p_values ->> 'contact' where p_values ->> 'contact' is not null;
    end if;
end
$$;

revoke execute on function private.refuse_invited_driver(uuid), private.join_driver(uuid, uuid) from public;
grant execute on function private.refuse_invited_driver(uuid), private.join_driver(uuid, uuid) to service_role;
