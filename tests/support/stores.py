"""The same database through either transport, with scratch objects to try the verbs on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backend.database import Database, DirectDatabase
from backend.database.hosted import SupabaseDatabase
from tests.support.postgrest import PROJECT_URL, PostgREST

TRANSPORTS = ("direct", "supabase")

SCRATCH = """
create table public.things (
    id uuid primary key default gen_random_uuid(),
    cpo_id uuid,
    rank integer not null unique,
    name text check (length(name) < 200),
    amount numeric(15, 3),
    at timestamptz not null default now(),
    day date,
    active boolean not null default true,
    tags text[] not null default '{}',
    document jsonb,
    parent_rank integer references public.things (rank)
);
call private.protect('public.things', array['cpo_admin']);
grant select, insert, update, delete on public.things to service_role, authenticated;

create function public.scratch_add(p_a integer, p_b integer default 5) returns integer
language sql set search_path = '' as 'select p_a + p_b';
create function public.scratch_nothing() returns void language sql set search_path = '' as 'select 1';
create function public.scratch_null() returns text language sql set search_path = '' as 'select null::text';
create function public.scratch_none() returns setof integer
language sql set search_path = '' as 'select 1 where false';
create function public.scratch_numbers() returns setof integer
language sql set search_path = '' as 'select generate_series(1, 3)';
create function public.scratch_things(p_least integer) returns setof public.things
language sql set search_path = '' as 'select * from public.things where rank >= p_least order by rank';
create function public.scratch_table() returns table (n integer, word text)
language sql set search_path = '' as $$ values (1, 'one'), (2, 'two') $$;
create function public.scratch_echo(p_rows json, p_at timestamptz, p_tags text[]) returns json
language sql set search_path = '' as
$$ select json_build_object('rows', p_rows, 'at', p_at, 'tags', p_tags) $$;
create function public.scratch_who() returns json language sql stable set search_path = '' as
$$ select json_build_object('role', current_user, 'claims', private.claims()) $$;
create function public.scratch_refuse(p_message text, p_code text) returns void
language plpgsql set search_path = '' as $$
begin
    raise exception using errcode = 'P0001', message = p_message, hint = p_code;
end
$$;
create function public.scratch_fail(p_sqlstate text) returns void
language plpgsql set search_path = '' as $$
begin
    raise exception using errcode = p_sqlstate, message = 'as asked';
end
$$;
create function public.scratch_sleep(p_seconds double precision) returns void
language sql set search_path = '' set statement_timeout = '100ms' as 'select pg_sleep(p_seconds)';
create function public.scratch_time_limit() returns text
language sql set search_path = '' as $$ select current_setting('statement_timeout') $$;
create function public.scratch_platform_only() returns integer
language sql set search_path = '' as 'select 1';
revoke execute on all functions in schema public from public;
grant execute on all functions in schema public to service_role;
grant execute on function public.scratch_who(), public.scratch_time_limit() to authenticated;
"""


@asynccontextmanager
async def open_store(transport: str, dsn: str, postgrest: PostgREST | None) -> AsyncIterator[Database]:
    """A Database over the named transport."""
    store: Database
    if transport == "direct":
        store = await DirectDatabase.open(dsn, pool_size=4)
    else:
        assert postgrest is not None
        store = await SupabaseDatabase.open(PROJECT_URL, postgrest.key(), transport=postgrest.transport())
    try:
        yield store
    finally:
        await store.close()
