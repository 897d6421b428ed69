-- Tenants, people and machines, and the rules that keep one tenant from another.
--
-- Every tenant table carries `cpo_id`. Who asks is in `request.jwt.claims`:
--   {"role": "authenticated", "sub": <user or key id>, "app_metadata": {"cpo_id": …, "role": …}}
-- The direct transport sets it in the transaction; over HTTP `private.pre_request` makes it from headers.

create schema private;
grant usage on schema private to anon, authenticated, service_role, authenticator;
grant usage on schema public to anon, authenticated, service_role;

create function private.claims() returns jsonb
language sql stable set search_path = '' as $$
    select coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb, '{}')
$$;

create function private.cpo_id() returns uuid
language sql stable set search_path = '' as $$
    select nullif(private.claims() #>> '{app_metadata,cpo_id}', '')::uuid
$$;

create function private.user_id() returns uuid
language sql stable set search_path = '' as $$
    select nullif(private.claims() ->> 'sub', '')::uuid
$$;

create function private.role() returns text
language sql stable set search_path = '' as $$
    select coalesce(private.claims() #>> '{app_metadata,role}', '')
$$;

-- EMSV people look at the whole nation; only its administrator changes it.
create function private.sees_all() returns boolean
language sql stable set search_path = '' as $$
    select private.role() in ('emsv_admin', 'noc_analyst')
$$;

create function private.writes_all() returns boolean
language sql stable set search_path = '' as $$
    select private.role() = 'emsv_admin'
$$;

grant execute on function private.claims(), private.cpo_id(), private.user_id(), private.role(),
    private.sees_all(), private.writes_all() to anon, authenticated, service_role;

-- PostgREST runs this before each request (`pgrst.db_pre_request`): the service key of the platform steps
-- down to the caller named in the headers. A person's own JWT is never changed by a header.
create function private.pre_request() returns void
language plpgsql set search_path = '' as $$
declare
    headers jsonb := coalesce(nullif(current_setting('request.headers', true), '')::jsonb, '{}');
    caller_role text := headers ->> 'x-user-role';
begin
    if caller_role is null or current_setting('role') <> 'service_role' then
        return;
    end if;
    perform set_config('request.jwt.claims', jsonb_build_object(
        'role', 'authenticated',
        'sub', (headers ->> 'x-user-id')::uuid,
        'app_metadata', jsonb_build_object('cpo_id', (headers ->> 'x-cpo-id')::uuid, 'role', caller_role)
    )::text, true);
    perform set_config('role', 'authenticated', true);
end
$$;
grant execute on function private.pre_request() to anon, authenticated, service_role, authenticator;
alter role authenticator set pgrst.db_pre_request = 'private.pre_request';

-- One shape of row policy for every tenant table: read your own (or all, for EMSV); write your own when
-- your role is among `p_writers`. Sub-selects make PostgreSQL evaluate the claims once per statement.
create procedure private.protect(p_table regclass, p_writers text[])
language plpgsql set search_path = '' as $$
declare
    may_read constant text := '(cpo_id = (select private.cpo_id()) or (select private.sees_all()))';
    may_write constant text := format(
        '((select private.writes_all()) or (cpo_id = (select private.cpo_id()) and (select private.role()) = any (%L)))',
        p_writers);
begin
    execute format('alter table %s enable row level security', p_table);
    execute format('create policy tenant_reads on %s for select to authenticated using %s', p_table, may_read);
    execute format('create policy tenant_inserts on %s for insert to authenticated with check %s', p_table, may_write);
    execute format('create policy tenant_updates on %s for update to authenticated using %s with check %s',
                   p_table, may_write, may_write);
    execute format('create policy tenant_deletes on %s for delete to authenticated using %s', p_table, may_write);
end
$$;

-- What the code expects of the database; raised by each migration that code depends on.
create function public.schema_version() returns integer
language sql immutable set search_path = '' as $$ select 1 $$;
revoke execute on function public.schema_version() from public;
grant execute on function public.schema_version() to anon, authenticated, service_role;

create table public.cpos (
    id uuid primary key default gen_random_uuid(),
    name text not null unique check (length(name) between 1 and 120),
    status text not null default 'active' check (status in ('active', 'suspended', 'closed')),
    concurrent_sessions boolean not null default false,  -- may one id token charge twice at once?
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
comment on column public.cpos.concurrent_sessions is 'May one id token run several sessions at once?';

create table public.users (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid references public.cpos (id),  -- null: EMSV
    email text not null check (email = lower(email) and position('@' in email) > 1),
    name text not null,
    role text not null check (role in ('emsv_admin', 'noc_analyst', 'cpo_admin', 'cpo_operator')),
    password_hash text not null,
    active boolean not null default true,
    locale text not null default 'id' check (locale in ('id', 'en')),
    last_login_at timestamptz,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (email),
    check ((cpo_id is null) = (role in ('emsv_admin', 'noc_analyst')))
);
create index users_cpo on public.users (cpo_id);

-- Refresh tokens rotate: using one twice reveals a theft and revokes its family.
create table public.refresh_tokens (
    token_hash text primary key,
    family uuid not null,
    user_id uuid not null references public.users (id) on delete cascade,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz,
    revoked_at timestamptz
);
create index refresh_tokens_family on public.refresh_tokens (family);
create index refresh_tokens_user on public.refresh_tokens (user_id);

create table public.api_keys (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid references public.cpos (id),
    name text not null,
    role text not null default 'integrator' check (role in ('integrator', 'emsv_admin', 'noc_analyst')),
    prefix text not null,
    key_hash text not null unique,
    created_by uuid,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    check ((cpo_id is null) = (role <> 'integrator'))
);
create index api_keys_cpo on public.api_keys (cpo_id);

alter table public.cpos enable row level security;
create policy tenant_reads on public.cpos for select to authenticated
    using (id = (select private.cpo_id()) or (select private.sees_all()));
create policy tenant_writes on public.cpos for all to authenticated
    using ((select private.writes_all())) with check ((select private.writes_all()));
call private.protect('public.users', array['cpo_admin']);
call private.protect('public.api_keys', array['cpo_admin']);
alter table public.refresh_tokens enable row level security;  -- no policy: the platform alone

grant select, insert, update, delete on public.cpos, public.users, public.refresh_tokens, public.api_keys to service_role;
grant select, insert, update on public.cpos to authenticated;
-- Password and key hashes can be written but never read by people.
grant select (id, cpo_id, email, name, role, active, locale, last_login_at, created_at, updated_at),
    insert, update, delete on public.users to authenticated;
grant select (id, cpo_id, name, role, prefix, created_by, created_at, expires_at, last_used_at, revoked_at),
    insert, update, delete on public.api_keys to authenticated;
