-- People who charge, and their rights (UU PDP, law 27/2022): who they are, which tokens they hold since when, what they
-- agreed to. A CPO sees of a driver the name, the car and its battery, the contact if the driver agreed, and what was
-- charged at its own stations; of drivers it never met, nothing.

create table public.drivers (
    id uuid primary key default gen_random_uuid(),
    user_id uuid unique references public.users (id) on delete set null,
    registered_by uuid references public.cpos (id),  -- null: the EMSV
    name text check (length(name) between 1 and 120),
    car text check (length(car) between 1 and 120),
    battery_wh integer check (battery_wh between 1 and 2000000),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    erased_at timestamptz,
    check ((erased_at is null) = (name is not null)),
    check (erased_at is null or num_nonnulls(user_id, registered_by, car, battery_wh) = 0)
);
create index drivers_newest on public.drivers (created_at desc, id desc);

-- Apart from the driver, because it has a reader's rule of its own.
create table public.driver_contacts (
    driver_id uuid primary key references public.drivers (id) on delete cascade,
    contact text not null check (length(contact) between 3 and 200)  -- e-mail address or telephone number
);

-- Rows are only ever added; the latest of a purpose holds.
create table public.driver_consents (
    id bigint generated always as identity primary key,
    driver_id uuid not null references public.drivers (id) on delete cascade,
    purpose text not null check (purpose in ('service', 'contact_sharing', 'notifications', 'marketing')),
    text_version text not null check (length(text_version) between 1 and 40),  -- of the words that were shown
    given boolean not null,             -- false: withdrawn
    at timestamptz not null default now(),
    method text not null check (method in ('app', 'web', 'paper', 'telephone')),
    recorded_by uuid,
    recorded_by_name text
);
create index driver_consents_latest on public.driver_consents (driver_id, purpose, id desc);

-- Who held a token when: a card that changes hands takes no history with it. `cpo_id` and `token_key` as the token's, which
-- may be gone by now.
create table public.driver_tokens (
    id uuid primary key default gen_random_uuid(),
    driver_id uuid not null references public.drivers (id) on delete cascade,
    id_token_id uuid references public.id_tokens (id) on delete set null,
    cpo_id uuid references public.cpos (id),  -- null: an EMSV's token
    token_key text not null,
    held_since timestamptz not null,
    held_until timestamptz check (held_until >= held_since)
);
create unique index driver_tokens_held on public.driver_tokens (token_key, cpo_id) nulls not distinct
    where held_until is null;
create index driver_tokens_driver on public.driver_tokens (driver_id);
create index driver_tokens_cpo on public.driver_tokens (cpo_id);
create index driver_tokens_token on public.driver_tokens (id_token_id);

-- Which CPOs have met a driver: they registered the driver, gave out a token, or charged the car.
create table public.driver_cpos (
    driver_id uuid not null references public.drivers (id) on delete cascade,
    cpo_id uuid not null references public.cpos (id),
    since timestamptz not null default now(),
    primary key (cpo_id, driver_id)
);
create index driver_cpos_driver on public.driver_cpos (driver_id);

-- What a driver is found by.
create index sessions_stop_token on public.sessions (lower(stop_id_token))
    where stop_id_token is not null and lower(stop_id_token) <> lower(id_token);
create index reservations_token on public.reservations (token_key);
create index local_list_entries_token on public.local_list_entries (token_key);
create index commands_token on public.commands (lower(payload ->> 'idTag')) where payload ->> 'idTag' is not null;
create index commands_lists on public.commands (created_at) where action = 'SendLocalList';

-- ---------------------------------------------------------------- who reads

-- The caller's own driver, if a driver asks. Runs as its owner: it is asked by the policies of the table it reads.
create function private.own_driver() returns uuid
language sql stable security definer set search_path = '' as $$
    select id from public.drivers where user_id = private.user_id() and private.role() = 'driver'
$$;

-- May a CPO have the contact? Runs as its owner: a CPO reads no consents.
create function private.shares_contact(p_driver_id uuid) returns boolean
language sql stable security definer set search_path = '' as $$
    select coalesce((select given from public.driver_consents where driver_id = p_driver_id and purpose = 'contact_sharing'
                     order by id desc limit 1), false)
$$;

create function private.met_driver(p_driver_id uuid) returns boolean
language sql stable set search_path = '' as $$
    select exists (select 1 from public.driver_cpos k where k.driver_id = p_driver_id and k.cpo_id = private.cpo_id())
$$;

-- May the caller change what is known of a driver: the EMSV's administrator, the driver, or staff of the CPO that
-- registered a driver who has no login of their own.
create function private.may_change_driver(p_driver_id uuid) returns boolean
language sql stable security definer set search_path = '' as $$
    select exists (select 1 from public.drivers d where d.id = p_driver_id and d.erased_at is null and (
        private.writes_all() or d.id = private.own_driver()
        or (d.registered_by = private.cpo_id() and d.user_id is null and private.role() in ('cpo_admin', 'cpo_operator'))))
$$;

call private.protect('public.driver_tokens', array[]::text[]);
call private.protect('public.driver_cpos', array[]::text[]);
create policy own_reads on public.driver_tokens for select to authenticated using (driver_id = (select private.own_driver()));
alter table public.drivers enable row level security;
create policy tenant_reads on public.drivers for select to authenticated using (
    (select private.sees_all()) or id = (select private.own_driver())
    or exists (select 1 from public.driver_cpos k where k.driver_id = id and k.cpo_id = (select private.cpo_id())));
alter table public.driver_contacts enable row level security;
create policy tenant_reads on public.driver_contacts for select to authenticated using (
    (select private.sees_all()) or driver_id = (select private.own_driver())
    or (exists (select 1 from public.driver_cpos k where k.driver_id = driver_contacts.driver_id
                and k.cpo_id = (select private.cpo_id())) and private.shares_contact(driver_id)));
alter table public.driver_consents enable row level security;
create policy tenant_reads on public.driver_consents for select to authenticated using (
    (select private.sees_all()) or driver_id = (select private.own_driver()));

grant select, insert, update, delete on public.drivers, public.driver_contacts, public.driver_tokens, public.driver_cpos
    to service_role;
grant select, insert on public.driver_consents to service_role;
grant select (id, name, car, battery_wh, created_at, updated_at, erased_at) on public.drivers to authenticated;
grant select on public.driver_contacts, public.driver_consents, public.driver_tokens, public.driver_cpos to authenticated;

create view public.driver_profiles with (security_invoker = true) as
select d.id, d.name, c.contact, d.car, d.battery_wh, d.created_at, d.updated_at, d.erased_at
from public.drivers d left join public.driver_contacts c on c.driver_id = d.id;
grant select on public.driver_profiles to authenticated, service_role;

-- ---------------------------------------------------------------- whose is it

-- Did this driver hold the token that a CPO's charger read at that moment? A CPO's own token goes before the EMSV's of the
-- same number. Runs as its owner: it says yes or no, whoever asks.
create function private.held_by(p_driver_id uuid, p_cpo_id uuid, p_token text, p_at timestamptz) returns boolean
language sql stable security definer set search_path = '' as $$
    select exists (
        select 1 from public.driver_tokens t
        where t.driver_id = p_driver_id and t.token_key = lower(p_token)
          and p_at >= t.held_since and (t.held_until is null or p_at < t.held_until)
          and (t.cpo_id = p_cpo_id or (t.cpo_id is null and not exists (
                select 1 from public.id_tokens k where k.token_key = lower(p_token) and k.cpo_id = p_cpo_id))))
$$;

create function private.token_keys(p_driver_id uuid) returns text[]
language sql stable security definer set search_path = '' as $$
    select coalesce(array_agg(distinct token_key), '{}') from public.driver_tokens where driver_id = p_driver_id
$$;

-- Sessions of a driver, newest first, behind (p_after_at, p_after_id): all of them for the EMSV and for the driver, those at
-- its own stations for a CPO that met the driver. Runs as its owner, because drivers read no sessions otherwise.
create function public.driver_sessions(p_driver_id uuid, p_after_at timestamptz, p_after_id uuid, p_limit integer) returns json
language plpgsql stable security definer set search_path = '' set plan_cache_mode = force_custom_plan as $$
declare
    everywhere constant boolean := coalesce(private.sees_all() or p_driver_id = private.own_driver(), false);
    own constant uuid := private.cpo_id();
begin
    if not everywhere and (own is null or not private.met_driver(p_driver_id)) then
        return '[]';
    end if;
    return (select coalesce(json_agg(t), '[]') from (
        select d.* from public.session_details d
        where d.token_key = any (private.token_keys(p_driver_id)) and (everywhere or d.cpo_id = own)
          and private.held_by(p_driver_id, d.cpo_id, d.id_token, d.started_at)
          and (p_after_at is null or (d.started_at, d.id) < (p_after_at, p_after_id))
        order by d.started_at desc, d.id desc limit least(p_limit, 1000)) t);
end
$$;

-- ---------------------------------------------------------------- changes

create function private.refuse_driver() returns void
language plpgsql set search_path = '' as $$
begin
    raise exception using errcode = 'P0001', message = 'There is no such driver.', hint = 'driver_not_found';
end
$$;

-- Into the audit log: that it was done and by whom, never what was said of the person.
create function private.note_driver(p_driver_id uuid, p_action text) returns void
language sql security definer set search_path = '' as $$
    insert into public.audit_log (cpo_id, actor_id, actor_name, actor_role, action, object_type, object_id, request_id, address)
    select private.cpo_id(), o.id, o.name, o.role, 'driver.' || p_action, 'driver', p_driver_id::text, o.request_id, o.address
    from private.origin() o
$$;

-- As before, but for drivers, whose name the log could never lose again.
create or replace function private.origin(out id uuid, out role text, out name text, out address text, out request_id text)
language plpgsql stable set search_path = '' as $$
declare
    claims constant jsonb := private.claims();
begin
    id := coalesce(nullif(claims #>> '{origin,id}', '')::uuid, nullif(claims ->> 'sub', '')::uuid);
    role := coalesce(claims #>> '{origin,role}', nullif(private.role(), ''), 'system');
    name := case role when 'driver' then 'driver'
                      else coalesce(claims #>> '{origin,name}', case when role = 'system' then 'platform' end) end;
    address := case when role <> 'driver' then claims #>> '{origin,address}' end;
    request_id := claims #>> '{origin,request_id}';
end
$$;
-- As before, but that drivers have no name and address here. Arguments: hidden columns, watched columns (empty: all), columns of the key, the noun.
create or replace function private.audit_change() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    hidden text[] := tg_argv[0]::text[];
    watched constant text[] := tg_argv[1]::text[];
    was constant jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) else '{}' end;
    becomes constant jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) else '{}' end;
    actor record;
    shown_before jsonb;
    shown_after jsonb;
    verb text;
begin
    if tg_table_name = 'users' and 'driver' in (was ->> 'role', becomes ->> 'role') then
        hidden := hidden || array['name', 'email'];
    end if;
    select jsonb_object_agg(k, private.audit_shown(k, was -> k, hidden)) filter (where was ? k),
           jsonb_object_agg(k, private.audit_shown(k, becomes -> k, hidden)) filter (where becomes ? k),
           coalesce(max(becomes ->> k) filter (where tg_op = 'UPDATE' and k in ('state', 'status', 'registration')),
                    max('revoke'::text) filter (where tg_op = 'UPDATE' and k = 'revoked_at' and was ->> k is null))
    into shown_before, shown_after, verb
    from jsonb_object_keys(was || becomes) as k
    where coalesce(was -> k, 'null') is distinct from coalesce(becomes -> k, 'null')
      and k not in ('created_at', 'updated_at', 'last_used_at', 'last_login_at')
      and (watched = '{}' or k = any (watched));
    if shown_before is null and shown_after is null then
        return null;  -- nothing that anybody asked to be told of
    end if;
    select * into actor from private.origin();
    insert into public.audit_log (cpo_id, actor_id, actor_name, actor_role, action, object_type, object_id, before, after,
        request_id, address)
    select case when tg_table_name = 'cpos' then (r ->> 'id')::uuid
                else coalesce(r ->> 'cpo_id', was ->> 'cpo_id')::uuid end,
        actor.id, actor.name, actor.role,
        tg_argv[3] || '.' || coalesce(verb, case tg_op when 'INSERT' then 'create' when 'UPDATE' then 'update' else 'delete' end),
        tg_argv[3], (select string_agg(r ->> k, '/' order by n) from unnest(tg_argv[2]::text[]) with ordinality as key(k, n)),
        shown_before, shown_after, actor.request_id, actor.address
    from (select case when tg_op = 'DELETE' then was else becomes end) as rows(r);
    return null;
end
$$;

-- The number of a card leads to who holds it.
call private.audit_changes('public.id_tokens', array['token', 'token_key', 'parent_token', 'holder_name', 'note']);

-- {name, contact, car, battery_wh, user_id}: what is sent is set, null empties. Runs as its owner, as all below: they check
-- who asks and leave no row half changed.
create function private.set_driver(p_driver_id uuid, p_values jsonb) returns void
language plpgsql security definer set search_path = '' as $$
begin
    if p_values ? 'user_id' and not exists (select 1 from public.users u
            where u.id = (p_values ->> 'user_id')::uuid and u.role = 'driver' and private.writes_all()) then
        raise exception using errcode = 'P0001', message = 'There is no such user with the role driver.',
            hint = 'user_not_found';
    end if;
    update public.drivers set updated_at = now(),
        name = case when p_values ? 'name' then p_values ->> 'name' else name end,
        car = case when p_values ? 'car' then p_values ->> 'car' else car end,
        battery_wh = case when p_values ? 'battery_wh' then (p_values ->> 'battery_wh')::integer else battery_wh end,
        user_id = case when p_values ? 'user_id' then (p_values ->> 'user_id')::uuid else user_id end
    where id = p_driver_id;
    if p_values ? 'contact' then
        delete from public.driver_contacts where driver_id = p_driver_id;
        insert into public.driver_contacts (driver_id, contact)
        select p_driver_id, p_values ->> 'contact' where p_values ->> 'contact' is not null;
    end if;
end
$$;

-- A new driver, known to the caller's CPO. The same id again changes nothing.
create function public.register_driver(p_driver_id uuid, p_values jsonb) returns void
language plpgsql security definer set search_path = '' as $$
begin
    if not (private.writes_all() or (private.cpo_id() is not null and private.role() in ('cpo_admin', 'cpo_operator'))) then
        raise exception using errcode = '42501', message = 'Your role registers no drivers.';
    end if;
    insert into public.drivers (id, name, registered_by) values (p_driver_id, p_values ->> 'name', private.cpo_id())
    on conflict (id) do nothing;
    if found then
        insert into public.driver_cpos (driver_id, cpo_id) select p_driver_id, private.cpo_id() where private.cpo_id() is not null;
        perform private.set_driver(p_driver_id, p_values);
        perform private.note_driver(p_driver_id, 'create');
    end if;
end
$$;

create function public.change_driver(p_driver_id uuid, p_values jsonb) returns void
language plpgsql security definer set search_path = '' as $$
begin
    if not private.may_change_driver(p_driver_id) then
        perform private.refuse_driver();
    end if;
    perform private.set_driver(p_driver_id, p_values);
    perform private.note_driver(p_driver_id, 'update');
end
$$;

-- The driver holds a token since p_since; whoever held it before holds it until then. Staff alone say so, for tokens of
-- their own.
create function public.hold_token(p_driver_id uuid, p_token_id uuid, p_since timestamptz) returns void
language plpgsql security definer set search_path = '' as $$
declare
    token public.id_tokens;
begin
    if private.role() = 'driver' or not private.may_change_driver(p_driver_id) then
        perform private.refuse_driver();
    end if;
    select * into token from public.id_tokens where id = p_token_id
        and (private.writes_all() or cpo_id = private.cpo_id()) for update;
    if not found then
        raise exception using errcode = 'P0001', message = 'There is no such id token.', hint = 'id_token_not_found';
    end if;
    if exists (select 1 from public.driver_tokens t where t.token_key = token.token_key and t.held_until is null
               and t.cpo_id is not distinct from token.cpo_id and t.driver_id = p_driver_id) then
        return;
    end if;
    update public.driver_tokens t set held_until = greatest(p_since, t.held_since)
    where t.token_key = token.token_key and t.cpo_id is not distinct from token.cpo_id and t.held_until is null;
    insert into public.driver_tokens (driver_id, id_token_id, cpo_id, token_key, held_since)
    values (p_driver_id, token.id, token.cpo_id, token.token_key, p_since);
    insert into public.driver_cpos (driver_id, cpo_id)
    select p_driver_id, token.cpo_id where token.cpo_id is not null
    union
    select p_driver_id, s.cpo_id from public.sessions s
    where lower(s.id_token) = token.token_key and s.cpo_id is not null and s.started_at >= p_since
      and private.held_by(p_driver_id, s.cpo_id, s.id_token, s.started_at)
    on conflict do nothing;
    perform private.note_driver(p_driver_id, 'hold_token');
end
$$;

-- The driver holds the token no longer. What was charged until now stays the driver's.
create function public.release_token(p_driver_id uuid, p_token_id uuid) returns void
language plpgsql security definer set search_path = '' as $$
begin
    if not private.may_change_driver(p_driver_id) then
        perform private.refuse_driver();
    end if;
    update public.driver_tokens set held_until = greatest(now(), held_since)
    where driver_id = p_driver_id and id_token_id = p_token_id and held_until is null;
    if found then
        perform private.note_driver(p_driver_id, 'release_token');
    end if;
end
$$;

-- What a driver agrees to, or no longer; saying the same of the same words twice adds nothing. Returns the row.
create function public.record_consent(p_driver_id uuid, p_purpose text, p_text_version text, p_given boolean, p_method text,
    p_recorded_by_name text) returns json
language plpgsql security definer set search_path = '' as $$
declare
    latest public.driver_consents;
begin
    if not private.may_change_driver(p_driver_id) then
        perform private.refuse_driver();
    end if;
    perform 1 from public.drivers where id = p_driver_id for update;  -- one after another
    select * into latest from public.driver_consents where driver_id = p_driver_id and purpose = p_purpose order by id desc limit 1;
    if not found or latest.given <> p_given or (p_given and latest.text_version <> p_text_version) then
        insert into public.driver_consents (driver_id, purpose, text_version, given, method, recorded_by, recorded_by_name)
        values (p_driver_id, p_purpose, p_text_version, p_given, p_method, private.user_id(), p_recorded_by_name)
        returning * into latest;
        perform private.note_driver(p_driver_id, case when p_given then 'consent' else 'withdraw_consent' end);
    end if;
    return row_to_json(latest);
end
$$;

-- [session ids]: the CPOs of these sessions have met the drivers who charge.
create function public.meet_drivers(p_session_ids json) returns void
language sql set search_path = '' as $$
    insert into public.driver_cpos (driver_id, cpo_id)
    select distinct t.driver_id, s.cpo_id
    from json_array_elements_text(p_session_ids) as i(id) join public.sessions s on s.id = i.id::uuid
    join public.driver_tokens t on t.token_key = lower(s.id_token)
    where s.cpo_id is not null and private.held_by(t.driver_id, s.cpo_id, s.id_token, s.started_at)
    on conflict do nothing
$$;

revoke execute on function private.own_driver(), private.shares_contact(uuid), private.met_driver(uuid),
    private.may_change_driver(uuid), private.held_by(uuid, uuid, text, timestamptz), private.token_keys(uuid),
    private.refuse_driver(), private.note_driver(uuid, text), private.set_driver(uuid, jsonb), public.driver_sessions(uuid, timestamptz, uuid, integer),
    public.register_driver(uuid, jsonb), public.change_driver(uuid, jsonb), public.hold_token(uuid, uuid, timestamptz),
    public.release_token(uuid, uuid), public.record_consent(uuid, text, text, boolean, text, text),
    public.meet_drivers(json) from public;
grant execute on function private.own_driver(), private.shares_contact(uuid), private.met_driver(uuid) to authenticated;
grant execute on function private.own_driver(), private.held_by(uuid, uuid, text, timestamptz), public.meet_drivers(json)
    to service_role;
grant execute on function public.driver_sessions(uuid, timestamptz, uuid, integer), public.register_driver(uuid, jsonb),
    public.change_driver(uuid, jsonb), public.hold_token(uuid, uuid, timestamptz), public.release_token(uuid, uuid),
    public.record_consent(uuid, text, text, boolean, text, text) to authenticated, service_role;
