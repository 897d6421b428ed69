-- Single sign-on: which person of an issuer is which user, and sign-ons under way.

create table public.sso_identities (
    issuer text not null,
    subject text not null,
    user_id uuid not null references public.users (id) on delete cascade,
    created_at timestamptz not null default now(),
    primary key (issuer, subject)
);
create index sso_identities_user on public.sso_identities (user_id);

create table public.sso_flows (
    state_hash text primary key,
    content_sealed text not null,  -- nonce, PKCE verifier, where the browser comes back to
    expires_at timestamptz not null
);
alter table public.sso_identities enable row level security;  -- no policies: the platform alone
alter table public.sso_flows enable row level security;
grant select, insert, update, delete on public.sso_identities, public.sso_flows to service_role;

-- Keeps a sign-on until the browser comes back; forgets those that never did.
create function public.begin_sso(p_state_hash text, p_content_sealed text, p_expires_at timestamptz, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    delete from public.sso_flows where expires_at < p_now;
    insert into public.sso_flows (state_hash, content_sealed, expires_at)
    values (p_state_hash, p_content_sealed, p_expires_at) on conflict do nothing;
end
$$;

-- A sign-on is taken once; null if there is none.
create function public.take_sso(p_state_hash text, p_now timestamptz) returns text
language plpgsql set search_path = '' as $$
declare
    sealed text;
begin
    delete from public.sso_flows where state_hash = p_state_hash and expires_at > p_now returning content_sealed into sealed;
    return sealed;
end
$$;

-- Who p_subject of p_issuer is here: the user linked before; else, if the issuer has verified the address, the one with that
-- address; else a new one, if the claims give a role and, for a role of a CPO, the CPO by id or name. A role in the claims
-- is taken over, within the same house. Who is known by single sign-on alone and has no role in the claims any more is
-- nobody, as are inactive people: null.
create function public.sso_user(p_issuer text, p_subject text, p_email text, p_verified boolean, p_name text, p_role text, p_cpo text)
    returns uuid
language plpgsql set search_path = '' as $$
declare
    person public.users;
    v_cpo_id uuid;
begin
    select u.* into person from public.sso_identities i join public.users u on u.id = i.user_id
    where i.issuer = p_issuer and i.subject = p_subject;
    if person.id is null and p_verified then
        select * into person from public.users where email = p_email;
        if person.id is null and p_role is not null then
            if p_role like 'cpo\_%' then
                select id into v_cpo_id from public.cpos where id::text = p_cpo or name = p_cpo;
                if v_cpo_id is null then
                    return null;
                end if;
            end if;
            insert into public.users (cpo_id, email, name, role) values (v_cpo_id, p_email, p_name, p_role)
            on conflict (email) do nothing;
            select * into person from public.users where email = p_email;
        end if;
        insert into public.sso_identities (issuer, subject, user_id)
        select p_issuer, p_subject, person.id where person.id is not null on conflict do nothing;
    end if;
    if person.id is null or not person.active or (p_role is null and person.password_hash is null) then
        return null;
    end if;
    if p_role <> person.role and (p_role like 'cpo\_%') = (person.cpo_id is not null) then
        update public.users set role = p_role, updated_at = now() where id = person.id;
    end if;
    return person.id;
end
$$;

do $$
declare
    f text;
begin
    for f in select p.oid::regprocedure::text from pg_proc p
             where p.pronamespace = 'public'::regnamespace and p.proname in ('begin_sso', 'take_sso', 'sso_user')
    loop
        execute format('revoke execute on function %s from public; grant execute on function %s to service_role', f, f);
    end loop;
end
$$;
