-- What a Supabase project provides and a plain PostgreSQL lacks: roles, schemas, the auth functions.
-- Applied by the platform to the embedded server and to a plain DATABASE_URL; never a migration.
-- Grants nothing by default on purpose: hosted projects no longer do, so a missing grant must show here.

do $$
begin
  if to_regrole('anon') is null then create role anon nologin noinherit; end if;
  if to_regrole('authenticated') is null then create role authenticated nologin noinherit; end if;
  if to_regrole('service_role') is null then create role service_role nologin noinherit bypassrls; end if;
  if to_regrole('authenticator') is null then create role authenticator login noinherit; end if;
  grant anon, authenticated, service_role to authenticator;
  -- PostgREST applies these to each request, as a hosted project does.
  alter role anon set statement_timeout = '3s';
  alter role authenticated set statement_timeout = '8s';
  alter role authenticator set statement_timeout = '8s';
end
$$;

create schema if not exists auth;
create schema if not exists extensions;
create schema if not exists supabase_migrations;
grant usage on schema public, auth, extensions to anon, authenticated, service_role;

create table if not exists supabase_migrations.schema_migrations (
  version text primary key,
  statements text[],
  name text
);

create or replace function auth.jwt() returns jsonb language sql stable set search_path = '' as
$$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb $$;

create or replace function auth.uid() returns uuid language sql stable set search_path = '' as
$$ select nullif(auth.jwt() ->> 'sub', '')::uuid $$;

create or replace function auth.role() returns text language sql stable set search_path = '' as
$$ select nullif(auth.jwt() ->> 'role', '') $$;

grant execute on function auth.jwt(), auth.uid(), auth.role() to anon, authenticated, service_role;
