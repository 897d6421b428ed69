"""What is particular to the direct transport: round trips, healing, listening."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from backend.database import SYSTEM, DirectDatabase, Scope, open_database
from backend.domain.errors import DatabaseTimeout, DatabaseUnavailable
from backend.settings import Settings, load_settings
from tests.database.rows import ranked
from tests.support.postgres import execute
from tests.support.relay import Relay
from tests.support.stores import SCRATCH
from tests.support.waiting import eventually

CUT_ALL = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
"""


@pytest.fixture
async def relay(dsn: str) -> AsyncIterator[Relay]:
    """Stands between the client and PostgreSQL: counts what is sent, and can go silent."""
    await execute(dsn, SCRATCH)
    async with Relay.to(dsn) as relay:
        yield relay


async def test_a_call_of_the_platform_costs_one_round_trip(relay: Relay) -> None:
    database = await DirectDatabase.open(relay.dsn, pool_size=1)
    await database.call("scratch_add", {"p_a": 1}, scope=SYSTEM)  # prepared once
    relay.requests = 0
    for n in range(10):
        assert await database.call("scratch_add", {"p_a": n}, scope=SYSTEM) == n + 5
    assert relay.requests == 10
    await database.close()


async def test_a_call_of_a_person_costs_four_round_trips(relay: Relay) -> None:
    """Begin, step down, call, commit."""
    database = await DirectDatabase.open(relay.dsn, pool_size=1)
    person = Scope("noc_analyst")
    await database.call("scratch_who", scope=person)
    relay.requests = 0
    await database.call("scratch_who", scope=person)
    assert relay.requests == 4
    await database.close()


async def test_cut_connections_are_replaced_without_an_error(dsn: str, database: DirectDatabase) -> None:
    await asyncio.gather(*(database.call("schema_version", scope=SYSTEM) for _ in range(10)))
    for _ in range(3):
        await execute(dsn, CUT_ALL)
        versions = await asyncio.gather(*(database.call("schema_version", scope=SYSTEM) for _ in range(10)))
        assert len(versions) == 10


async def test_what_may_not_be_repeated_says_that_the_connection_was_lost(dsn: str, database: DirectDatabase) -> None:
    """An insert whose connection broke may have happened, so it is not repeated behind the caller's back."""
    await execute(dsn, SCRATCH)
    await execute(
        dsn,
        """create function public.scratch_cut() returns trigger language plpgsql security definer as $$
        begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(5); return new; end $$;
        create trigger cut before insert on public.things for each row execute function public.scratch_cut()""",
    )
    with pytest.raises(DatabaseUnavailable):
        await database.insert("things", ranked(1), scope=SYSTEM)
    assert await database.select("things", scope=SYSTEM) == []


async def test_a_server_that_goes_silent_is_given_up(relay: Relay) -> None:
    """A cut cable sends no farewell: the statement's time is up on our side, too."""
    database = await DirectDatabase.open(relay.dsn, pool_size=1, statement_timeout_s=0.5)
    relay.silent = True
    with pytest.raises(DatabaseTimeout):
        await database.insert("things", ranked(1), scope=SYSTEM)
    relay.silent = False
    assert await database.insert("things", ranked(1), scope=SYSTEM, columns="rank") == [{"rank": 1}]
    await database.close()


async def test_callers_share_few_connections_fairly(dsn: str) -> None:
    """Who waits for a connection gets the next that is given back, although two are kept at hand."""
    await execute(dsn, SCRATCH)
    database = await DirectDatabase.open(dsn, pool_size=1)
    answers = [database.call("scratch_add", {"p_a": n}, scope=SYSTEM) for n in range(50)]
    assert await asyncio.wait_for(asyncio.gather(*answers), 5) == [n + 5 for n in range(50)]
    await database.close()


async def test_a_cancelled_call_leaves_its_connection_usable(dsn: str) -> None:
    await execute(dsn, SCRATCH)
    await execute(dsn, "alter function public.scratch_sleep reset all")
    database = await DirectDatabase.open(dsn, pool_size=1)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(database.call("scratch_sleep", {"p_seconds": 30}, scope=SYSTEM), 0.05)
        assert await database.call("scratch_add", {"p_a": 1}, scope=SYSTEM) == 6
    await database.close()


async def test_a_migration_while_running_is_noticed(dsn: str, database: DirectDatabase) -> None:
    await execute(dsn, SCRATCH)
    assert await database.select("things", scope=SYSTEM) == []
    assert await database.call("scratch_add", {"p_a": 1}, scope=SYSTEM) == 6
    await execute(
        dsn,
        """alter table public.things add column colour text;
        drop function public.scratch_add(integer, integer);
        create function public.scratch_add(p_a bigint, p_b text default 'x') returns text
        language sql as 'select p_b || p_a';
        grant execute on function public.scratch_add(bigint, text) to service_role""",
    )
    [row] = await database.insert("things", ranked(1, colour="red"), scope=SYSTEM, columns="colour")
    assert row == {"colour": "red"}
    assert await database.call("scratch_add", {"p_a": 1}, scope=SYSTEM) == "x1"


async def test_notifications_arrive_and_end(dsn: str, database: DirectDatabase) -> None:
    heard: list[str] = []
    listener = await database.listen("news", heard.append)
    await execute(dsn, "notify news, 'one'")
    await eventually(lambda: heard == ["", "one"], "the notification")
    await execute(dsn, CUT_ALL)
    await eventually(lambda: heard == ["", "one", ""], "listening again")
    await listener.stop()
    await listener.stop()
    connection = await asyncpg.connect(dsn)
    listening = "select count(*) from pg_stat_activity where application_name = 'uniev listen news'"
    while await connection.fetchval(listening):  # the server notices the closed connection a moment later
        await connection.execute("select pg_stat_clear_snapshot()")
    await connection.close()
    assert heard == ["", "one", ""]


async def test_open_database_takes_the_url_first(settings: Settings) -> None:
    assert settings.database_url is not None
    both = load_settings(
        _env_file=None, database_url=settings.database_url, supabase_url="https://x.test", supabase_key="k"
    )
    database = await open_database(both)
    assert isinstance(database, DirectDatabase)
    await database.close()


async def test_an_unreachable_url_is_said_in_one_sentence() -> None:
    settings = load_settings(_env_file=None, database_url="postgresql://nobody:pw@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable, match="The database cannot be reached"):
        await open_database(settings)


async def test_the_transaction_pooler_is_refused_with_the_remedy() -> None:
    settings = load_settings(_env_file=None, database_url="postgresql://a:b@pooler.supabase.test:6543/postgres")
    with pytest.raises(DatabaseUnavailable, match="session pooler"):
        await open_database(settings)
