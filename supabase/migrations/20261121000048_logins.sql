-- Logins as rows that people can see and end, refresh tokens that rotate, failed attempts that are remembered for all
-- processes, and the second factor.

alter table public.users
    alter column password_hash drop not null,  -- invited, or known by single sign-on alone
    add column demo boolean not null default false,
    add column totp_sealed text,
    add column totp_confirmed_at timestamptz,
    add column totp_last_step bigint,
    add column second_factor boolean not null generated always as (totp_confirmed_at is not null) stored,
    add column credentials_version integer not null default 1;
grant select (second_factor) on public.users to authenticated;
comment on column public.users.demo is 'Made by seed-demo: exempt from the second factor.';
comment on column public.users.totp_sealed is 'Secret of the second factor, sealed by the vault; it counts once confirmed.';
comment on column public.users.totp_last_step is 'Newest time step whose code was used: none at or before it is accepted again.';

-- What the second factor rests on is written by the platform alone, whoever else may write users.
create function private.keep_second_factor() returns trigger
language plpgsql set search_path = '' as $$
begin
    if current_setting('role') = 'authenticated' and (tg_op = 'INSERT' and (new.demo or new.totp_sealed is not null)
        or tg_op = 'UPDATE' and (new.demo, new.totp_sealed, new.totp_confirmed_at, new.totp_last_step, new.credentials_version)
            is distinct from (old.demo, old.totp_sealed, old.totp_confirmed_at, old.totp_last_step, old.credentials_version)) then
        raise exception using errcode = '42501', message = 'The second factor is kept by the platform.';
    end if;
    return new;
end
$$;
create trigger a_second_factor before insert or update on public.users
    for each row execute function private.keep_second_factor();  -- before the trigger that counts versions

create table public.recovery_codes (
    code_hash text primary key,
    user_id uuid not null references public.users (id) on delete cascade,
    created_at timestamptz not null default now(),
    used_at timestamptz
);
create index recovery_codes_user on public.recovery_codes (user_id);

-- One row a login; its refresh tokens are a family that bears its id.
create table public.login_sessions (
    id uuid primary key,
    user_id uuid not null references public.users (id) on delete cascade,
    method text not null default 'password' check (method in ('password', 'sso')),
    second_factor boolean not null default false,
    address text,
    agent text check (length(agent) <= 300),
    created_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    ended_at timestamptz,
    end_reason text check (end_reason in ('logout', 'revoked', 'reused', 'changed'))
);
create index login_sessions_user on public.login_sessions (user_id, seen_at desc);
insert into public.login_sessions (id, user_id, created_at, seen_at, ended_at, end_reason)
select family, (array_agg(user_id))[1], min(created_at), max(created_at), max(revoked_at),
    case when max(revoked_at) is not null then 'revoked' end
from public.refresh_tokens group by family;
alter table public.refresh_tokens add column parent_hash text,
    add constraint refresh_tokens_login foreign key (family) references public.login_sessions (id) on delete cascade;
create index refresh_tokens_parent on public.refresh_tokens (parent_hash);

create table public.login_attempts (
    key text primary key,  -- hash of what is counted: an account, an address, or both together
    failures integer not null,
    last_at timestamptz not null,
    blocked_until timestamptz
);
create index login_attempts_age on public.login_attempts (last_at);

alter table public.recovery_codes enable row level security;  -- no policies: the platform alone
alter table public.login_sessions enable row level security;
alter table public.login_attempts enable row level security;
grant select, insert, update, delete on public.recovery_codes, public.login_sessions, public.login_attempts to service_role;

-- ---------------------------------------------------------------- logins

-- Whoever gets another password, role or CPO, is made inactive or loses the second factor is logged out, whichever way it
-- was changed. `uniev.kept_login` names the one login that may go on: that of a person who changed the own password.
create function private.end_logins_of_changed_user() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    if new.password_hash is distinct from old.password_hash or new.role <> old.role or new.active <> old.active
        or new.cpo_id is distinct from old.cpo_id
        or (old.totp_confirmed_at is not null and new.totp_confirmed_at is null) then
        new.credentials_version := old.credentials_version + 1;
        update public.login_sessions set ended_at = now(), end_reason = 'changed'
        where user_id = new.id and ended_at is null
            and id::text is distinct from nullif(current_setting('uniev.kept_login', true), '');
    end if;
    return new;
end
$$;
create trigger users_changed before update of password_hash, role, active, cpo_id, totp_confirmed_at on public.users
    for each row execute function private.end_logins_of_changed_user();

-- A login with its first refresh token; the same call again changes nothing. Logins that ended or fell silent a quarter
-- of a year ago are forgotten.
create function public.open_login(p_id uuid, p_user_id uuid, p_method text, p_second_factor boolean, p_address text,
    p_agent text, p_token_hash text, p_expires_at timestamptz, p_now timestamptz) returns void
language plpgsql set search_path = '' as $$
begin
    delete from public.login_sessions where user_id = p_user_id and coalesce(ended_at, seen_at) < p_now - interval '90 days';
    insert into public.login_sessions (id, user_id, method, second_factor, address, agent, created_at, seen_at)
    values (p_id, p_user_id, p_method, p_second_factor, p_address, left(p_agent, 300), p_now, p_now) on conflict do nothing;
    insert into public.refresh_tokens (token_hash, family, user_id, created_at, expires_at)
    values (p_token_hash, p_id, p_user_id, p_now, p_expires_at) on conflict do nothing;
    update public.users set last_login_at = p_now where id = p_user_id;
end
$$;

-- Ends one login, or (p_id null) all of a person but p_except. Returns how many ended.
create function public.end_logins(p_user_id uuid, p_id uuid, p_except uuid, p_reason text) returns integer
language plpgsql set search_path = '' as $$
declare
    n integer;
begin
    update public.login_sessions set ended_at = now(), end_reason = p_reason
    where user_id = p_user_id and ended_at is null and (p_id is null or id = p_id) and id is distinct from p_except;
    get diagnostics n = row_count;
    return n;
end
$$;

-- Uses a refresh token up and puts its successor in its place. At most one token of a login is good at any time: whoever
-- asks again with the same token within p_leeway_s (the answer was lost) gets another successor, and the first is void.
-- Any other use of a token that was used or made void shows that two hold it, and ends the login.
-- Returns {outcome: ok | invalid | reused, user_id, family, second_factor}.
create function public.rotate_refresh_token(p_token_hash text, p_successor_hash text, p_expires_at timestamptz,
    p_leeway_s integer, p_address text, p_now timestamptz) returns json
language plpgsql set search_path = '' as $$
declare
    token public.refresh_tokens;
    login public.login_sessions;
begin
    select s.* into login from public.login_sessions s join public.refresh_tokens t on t.family = s.id
    where t.token_hash = p_token_hash for update of s;  -- uses of one login's tokens wait for one another
    select * into token from public.refresh_tokens where token_hash = p_token_hash;
    if login.id is null or login.ended_at is not null or token.expires_at <= p_now then
        return json_build_object('outcome', 'invalid');
    end if;
    if token.revoked_at is not null or p_now - token.used_at > p_leeway_s * interval '1 second'
        or exists (select 1 from public.refresh_tokens where parent_hash = p_token_hash and used_at is not null) then
        perform public.end_logins(login.user_id, login.id, null, 'reused');
        return json_build_object('outcome', 'reused');
    end if;
    update public.refresh_tokens set revoked_at = p_now
    where parent_hash = p_token_hash and token_hash <> p_successor_hash and revoked_at is null;
    update public.refresh_tokens set used_at = coalesce(used_at, p_now) where token_hash = p_token_hash;
    insert into public.refresh_tokens (token_hash, family, user_id, created_at, expires_at, parent_hash)
    values (p_successor_hash, login.id, login.user_id, p_now, p_expires_at, p_token_hash) on conflict do nothing;
    update public.login_sessions set seen_at = p_now, address = coalesce(p_address, address) where id = login.id;
    return json_build_object('outcome', 'ok', 'user_id', login.user_id, 'family', login.id,
        'second_factor', login.second_factor);
end
$$;

-- May the holder of an access token still act? False for a person made inactive, whose CPO is not active, or whose login
-- has ended; p_login_id null: the token belongs to no login.
create function public.login_stands(p_user_id uuid, p_login_id uuid) returns boolean
language sql stable set search_path = '' as $$
    select exists (
        select 1 from public.users u left join public.cpos c on c.id = u.cpo_id
        where u.id = p_user_id and u.active and (u.cpo_id is null or c.status = 'active')
            and (p_login_id is null or exists (select 1 from public.login_sessions s
                where s.id = p_login_id and s.user_id = u.id and s.ended_at is null)))
$$;

-- ---------------------------------------------------------------- attempts

-- Counts one attempt against each key before it is made, so that many at once cannot slip through, unless a key is blocked
-- now: then returns the seconds to wait, and nothing is counted. From p_free[i] attempts on each one doubles the wait,
-- from p_first_s up to p_cap_s[i]. A day without an attempt forgets. Keys come in one order, so two never wait for
-- each other.
create function public.begin_attempt(p_keys text[], p_free integer[], p_cap_s integer[], p_first_s integer,
    p_now timestamptz) returns integer
language plpgsql set search_path = '' as $$
declare
    wait_s integer;
begin
    delete from public.login_attempts where key in (
        select key from public.login_attempts where last_at < p_now - interval '1 day' limit 20 for update skip locked);
    insert into public.login_attempts (key, failures, last_at)
    select k, 0, p_now from unnest(p_keys) as k order by k on conflict do nothing;
    perform 1 from public.login_attempts where key = any (p_keys) order by key for update;
    select ceil(extract(epoch from max(blocked_until) - p_now)) into wait_s
    from public.login_attempts where key = any (p_keys) and blocked_until > p_now;
    if wait_s is not null then
        return greatest(wait_s, 1);
    end if;
    update public.login_attempts a set last_at = p_now, failures = a.failures + 1,
        blocked_until = case when a.failures + 1 >= w.free then p_now + interval '1 second'
            * least(w.cap_s, p_first_s * 2.0 ^ least(a.failures + 1 - w.free, 20)) end
    from unnest(p_keys, p_free, p_cap_s) as w(key, free, cap_s) where a.key = w.key;
    return 0;
end
$$;

-- The attempt was right: the first key is forgotten, the others lose what this attempt had added.
create function public.attempt_succeeded(p_keys text[]) returns void
language plpgsql set search_path = '' as $$
begin
    delete from public.login_attempts where key = p_keys[1];
    update public.login_attempts set failures = greatest(failures - 1, 0), blocked_until = null where key = any (p_keys[2:]);
end
$$;

-- ---------------------------------------------------------------- second factor

-- A fresh secret, not yet confirmed. False when one is confirmed already.
create function public.begin_totp(p_user_id uuid, p_sealed text) returns boolean
language plpgsql set search_path = '' as $$
begin
    update public.users set totp_sealed = p_sealed, totp_last_step = null where id = p_user_id and totp_confirmed_at is null;
    return found;
end
$$;

-- The first right code: the factor counts from now on, with its recovery codes; p_login_id has proven it, other logins end.
-- False when it was confirmed before, or the secret has been changed meanwhile.
create function public.confirm_totp(p_user_id uuid, p_sealed text, p_step bigint, p_recovery_hashes text[], p_login_id uuid)
    returns boolean
language plpgsql set search_path = '' as $$
begin
    update public.users set totp_confirmed_at = now(), totp_last_step = p_step
    where id = p_user_id and totp_sealed = p_sealed and totp_confirmed_at is null;
    if not found then  -- the answer to the first may have been lost on the way
        return exists (select 1 from public.users where id = p_user_id and totp_sealed = p_sealed and totp_last_step = p_step
            and totp_confirmed_at is not null);
    end if;
    delete from public.recovery_codes where user_id = p_user_id;
    insert into public.recovery_codes (code_hash, user_id) select h, p_user_id from unnest(p_recovery_hashes) as h;
    update public.login_sessions set second_factor = true where id = p_login_id and user_id = p_user_id;
    perform public.end_logins(p_user_id, null, p_login_id, 'changed');
    return true;
end
$$;

-- Uses the code of a time step: true once for a step, and never for one at or before a used one.
create function public.use_totp_step(p_user_id uuid, p_step bigint) returns boolean
language plpgsql set search_path = '' as $$
begin
    update public.users set totp_last_step = p_step
    where id = p_user_id and totp_confirmed_at is not null and (totp_last_step is null or totp_last_step < p_step);
    return found;
end
$$;

-- Takes the second factor away. Their logins end by the trigger.
create function public.reset_totp(p_user_id uuid) returns void
language plpgsql set search_path = '' as $$
begin
    update public.users set totp_sealed = null, totp_confirmed_at = null, totp_last_step = null where id = p_user_id;
    delete from public.recovery_codes where user_id = p_user_id;
end
$$;

do $$
declare
    f text;
begin
    for f in select p.oid::regprocedure::text from pg_proc p where p.pronamespace = 'public'::regnamespace and p.proname in (
        'open_login', 'end_logins', 'rotate_refresh_token', 'login_stands', 'begin_attempt', 'attempt_succeeded',
        'begin_totp', 'confirm_totp', 'use_totp_step', 'reset_totp')
    loop
        execute format('revoke execute on function %s from public; grant execute on function %s to service_role', f, f);
    end loop;
end
$$;
