"""The migration runner: in order, once, whole, and in agreement with `supabase db push`."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from backend.database import SCHEMA_VERSION, SYSTEM, DirectDatabase, check_schema
from backend.database.hosted import SupabaseDatabase
from backend.domain.errors import DatabaseUnavailable, SchemaOutdated, UnknownFunction
from backend.embedded import EmbeddedPostgres
from backend.migrate import ensure_database, latest_version, list_migrations, migrate
from tests.support.postgres import execute, fresh_database
from tests.support.postgrest import PROJECT_URL, PostgREST
from tests.support.waiting import eventually_found


@pytest.fixture
def empty(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """A database without anything in it."""
    with fresh_database(postgres_server, template="template0") as address:
        yield address


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two small migrations."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "20260101_first.sql").write_text("create table public.a (n integer);")
    (folder / "20260102_second.sql").write_text("insert into public.a values (1); insert into public.a values (2);")
    return folder


async def value(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_files_are_applied_once_and_in_order(empty: str, folder: Path) -> None:
    assert await migrate(empty, folder) == ["20260101", "20260102"]
    assert await migrate(empty, folder) == []
    assert await value(empty, "select sum(n) from public.a") == 3


async def test_the_book_is_the_one_supabase_keeps(empty: str, folder: Path) -> None:
    await migrate(empty, folder)
    connection = await asyncpg.connect(empty)
    book = await connection.fetch("select * from supabase_migrations.schema_migrations order by version")
    await connection.close()
    assert [(row["version"], row["name"]) for row in book] == [("20260101", "first"), ("20260102", "second")]
    assert book[0]["statements"] == ["create table public.a (n integer);"]


async def test_what_supabase_applied_is_not_applied_again(empty: str, folder: Path) -> None:
    await execute(
        empty,
        """create schema supabase_migrations;
        create table supabase_migrations.schema_migrations
            (version text primary key, statements text[], name text);
        insert into supabase_migrations.schema_migrations values ('20260101', array['…'], 'first');
        create table public.a (n integer)""",
    )
    assert await migrate(empty, folder) == ["20260102"]


async def test_a_file_that_fails_is_rolled_back_whole_and_named(empty: str, folder: Path) -> None:
    (folder / "20260103_bad.sql").write_text("insert into public.a values (9); insert into public.b values (1);")
    with pytest.raises(SchemaOutdated, match=r'20260103_bad\.sql fails: relation "public\.b" does not exist'):
        await migrate(empty, folder)
    assert await value(empty, "select sum(n) from public.a") == 3
    (folder / "20260103_bad.sql").write_text("insert into public.a values (9);")
    assert await migrate(empty, folder) == ["20260103"]


async def test_a_file_older_than_the_newest_applied_is_refused(empty: str, folder: Path) -> None:
    await migrate(empty, folder)
    (folder / "20251231_late.sql").write_text("select 1")
    with pytest.raises(SchemaOutdated, match=r"20251231_late\.sql is older"):
        await migrate(empty, folder)


async def test_a_database_from_a_newer_program_is_refused(empty: str, folder: Path) -> None:
    await migrate(empty, folder)
    (folder / "20260102_second.sql").unlink()
    with pytest.raises(SchemaOutdated, match="does not know \\(20260102\\)"):
        await migrate(empty, folder)


def test_a_name_that_supabase_would_skip_is_refused(folder: Path) -> None:
    (folder / "third.sql").write_text("select 1")
    with pytest.raises(SchemaOutdated, match=r"third\.sql is not named"):
        list_migrations(folder)


async def test_processes_may_migrate_at_the_same_time(empty: str, folder: Path) -> None:
    applied = await asyncio.gather(*(migrate(empty, folder) for _ in range(4)))
    assert sorted(applied) == [[], [], [], ["20260101", "20260102"]]
    assert await value(empty, "select sum(n) from public.a") == 3


async def test_what_another_database_of_the_server_changes_meanwhile_is_waited_for(empty: str, folder: Path) -> None:
    """Roles are the server's: "tuple concurrently updated" ended the start of one of two platforms on it."""
    await migrate(empty, folder)
    alter = "alter role authenticator set pgrst.db_pre_request = 'private.pre_request'"
    (folder / "20260103_role.sql").write_text(alter)
    other = await asyncpg.connect(empty)
    try:
        begun = other.transaction()
        await begun.start()
        await other.execute(alter)
        migrating = asyncio.create_task(migrate(empty, folder))
        waiting = partial(other.fetchval, "select 1 from pg_locks where not granted limit 1")
        await eventually_found(waiting, "the migration waits for the role")
        await begun.commit()
        assert await migrating == ["20260103"]
    finally:
        await other.close()


async def test_databases_of_one_server_may_be_made_at_the_same_time(
    postgres_server: EmbeddedPostgres, folder: Path
) -> None:
    """The roles of a project, which plain PostgreSQL lacks, are the server's, too."""
    with ExitStack() as made:
        databases = [made.enter_context(fresh_database(postgres_server, template="template0")) for _ in range(4)]
        applied = await asyncio.gather(*(migrate(database, folder) for database in databases))
    assert applied == [["20260101", "20260102"]] * 4


async def test_processes_may_create_the_database_at_the_same_time(postgres_server: EmbeddedPostgres) -> None:
    server = postgres_server.dsn("postgres")
    await asyncio.gather(*(ensure_database(server, "test_created_once") for _ in range(4)))
    try:
        assert await value(postgres_server.dsn("test_created_once"), "select current_database()") == (
            "test_created_once"
        )
    finally:
        await execute(server, "drop database test_created_once with (force)")


async def test_what_a_supabase_project_brings_is_left_alone(empty: str, folder: Path) -> None:
    await execute(
        empty,
        "create schema auth; create function auth.jwt() returns jsonb language sql as $$ select '\"theirs\"'::jsonb $$",
    )
    await migrate(empty, folder)
    assert await value(empty, "select auth.jwt()") == '"theirs"'
    assert await value(empty, "select to_regprocedure('auth.uid()')") is None


async def test_an_unreachable_database_is_named() -> None:
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        await migrate("postgresql://nobody@127.0.0.1:1/none")


async def test_postgrest_learns_of_new_functions_at_once(dsn: str, postgrest: PostgREST, tmp_path: Path) -> None:
    """Without the runner's `notify` it would answer PGRST202 until it is restarted."""
    store = await SupabaseDatabase.open(PROJECT_URL, postgrest.key(), transport=postgrest.transport())
    with pytest.raises(UnknownFunction):
        await store.call("brand_new", scope=SYSTEM)
    for migration in list_migrations():
        (tmp_path / migration.path.name).write_text(migration.path.read_text())
    (tmp_path / "99991231_new.sql").write_text(
        """create function public.brand_new() returns integer language sql as 'select 7';
        grant execute on function public.brand_new() to service_role"""
    )
    assert await migrate(dsn, tmp_path) == ["99991231"]
    assert await eventually_found(partial(known, store), "PostgREST knows the new function") == 7
    await store.close()


async def known(store: SupabaseDatabase) -> int | None:
    try:
        answer: int = await store.call("brand_new", scope=SYSTEM)
    except UnknownFunction:
        return None
    return answer


# -- the real migrations -------------------------------------------------------------------------------------


async def test_the_program_and_its_migrations_agree_on_the_version(database: DirectDatabase) -> None:
    assert await database.call("schema_version", scope=SYSTEM) == SCHEMA_VERSION
    await check_schema(database)


async def test_the_template_holds_every_migration(dsn: str) -> None:
    newest = await value(dsn, "select max(version) from supabase_migrations.schema_migrations")
    assert newest == latest_version()


async def test_a_supabase_project_without_migrations_says_what_to_run(dsn: str, postgrest: PostgREST) -> None:
    await execute(dsn, "drop function public.schema_version(); notify pgrst, 'reload schema'")
    store = await SupabaseDatabase.open(PROJECT_URL, postgrest.key(), transport=postgrest.transport())
    with pytest.raises(SchemaOutdated, match="supabase db push"):
        await check_schema(store)
    await store.close()


FORBIDDEN_IN_MIGRATIONS = ("create index concurrently", "create extension", "auth.users", "security definer view")


@pytest.mark.parametrize("words", FORBIDDEN_IN_MIGRATIONS)
def test_migrations_keep_to_what_every_guise_can_do(words: str) -> None:
    for migration in list_migrations():
        assert words not in migration.path.read_text().lower(), migration.path.name


LAX_FUNCTIONS = """
select array_agg(p.oid::regprocedure::text) from pg_proc p
where p.pronamespace::regnamespace::text in ('public', 'private')
  and (p.proconfig is null or not p.proconfig @> array['search_path=""'])
"""
EXECUTABLE_BY_ANYONE = """
select array_agg(p.oid::regprocedure::text) from pg_proc p
where p.pronamespace::regnamespace::text in ('public', 'private')
  and exists (select 1 from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0)
"""
# Who holds no key but the public one learns the version of the schema, and nothing else.
EXECUTABLE_WITHOUT_LOGIN = """
select array_agg(p.oid::regprocedure::text) from pg_proc p
where p.pronamespace = 'public'::regnamespace and has_function_privilege('anon', p.oid, 'execute')
  and p.proname <> 'schema_version'
"""
OVERLOADED = """
select array_agg(proname) from (select proname from pg_proc where pronamespace = 'public'::regnamespace
                                group by proname having count(*) > 1) o
"""
WITHOUT_POLICIES = """
select array_agg(c.relname) from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relrowsecurity
"""
DEFINER_VIEWS = """
select array_agg(c.relname) from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind = 'v'
  and not coalesce(c.reloptions @> array['security_invoker=true'], false)
"""
# A hosted project cuts rows past a thousand without a word (`max_rows`); one JSON value it leaves whole.
CUT_AT_MAX_ROWS = """
select array_agg(oid::regprocedure::text) from pg_proc where pronamespace = 'public'::regnamespace and proretset
"""
# Numbers travel as JSON, and the Supabase client reads them as floats: fifteen digits survive that.
NUMBERS_PAST_FLOATS = """
select array_agg(format('%s.%s', attrelid::regclass, attname)) from pg_attribute join pg_class c on c.oid = attrelid
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and atttypid = 'numeric'::regtype
  and (atttypmod = -1 or (atttypmod - 4) >> 16 > 15)
"""


@pytest.mark.parametrize(
    "query",
    [LAX_FUNCTIONS, EXECUTABLE_BY_ANYONE, EXECUTABLE_WITHOUT_LOGIN, OVERLOADED, WITHOUT_POLICIES, DEFINER_VIEWS,
     CUT_AT_MAX_ROWS, NUMBERS_PAST_FLOATS],
    ids=["search_path", "public execute", "anon execute", "overloads", "row security", "security_invoker",
         "rows cut at max_rows", "numbers past floats"],
)  # fmt: skip
async def test_the_schema_keeps_the_rules_of_safety(dsn: str, query: str) -> None:
    assert await value(dsn, query) is None
