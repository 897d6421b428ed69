"""Every table, partition and view of the schema × every role × at home, abroad, without a CPO, on both transports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from backend.database import Database
from tests.support.postgres import execute
from tests.support.stores import TRANSPORTS, open_store
from tests.support.tenancy import Relation, contents, found_nation
from tests.support.walls import Found, misread, miswritten, people, relations_of, strangers, trespasses


@pytest.fixture
async def nation(dsn: str) -> list[Relation]:
    """OWNER has a row everywhere, and a driver."""
    return await found_nation(dsn)


@pytest.fixture
async def admin(dsn: str, nation: list[Relation]) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection past all walls."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def relations(admin: asyncpg.Connection[Any], nation: list[Relation]) -> list[Found]:
    """All there are, each with its place."""
    return await relations_of(admin, nation)


@pytest.fixture(params=TRANSPORTS)
async def store(request: pytest.FixtureRequest, dsn: str, nation: list[Relation]) -> AsyncIterator[Database]:
    """Both transports over the nation."""
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as opened:
        yield opened


async def test_everybody_sees_what_is_theirs_and_nothing_else(store: Database, relations: list[Found]) -> None:
    assert len(relations) > 60
    assert [line for scope in people() for line in await misread(store, relations, scope)] == []


async def test_a_stranger_changes_nothing(
    store: Database, dsn: str, nation: list[Relation], relations: list[Found]
) -> None:
    before = await contents(dsn, nation)
    assert [line for scope in strangers() for line in await trespasses(store, relations, scope)] == []
    assert await contents(dsn, nation) == before


async def test_what_may_be_written_is_what_the_permission_table_says(
    admin: asyncpg.Connection[Any], relations: list[Found]
) -> None:
    assert [line for scope in people() for line in await miswritten(admin, relations, scope)] == []


async def test_a_table_without_a_place_fails_the_walk(
    admin: asyncpg.Connection[Any], nation: list[Relation], dsn: str
) -> None:
    await execute(dsn, "create table public.loyalty (points integer)")
    with pytest.raises(AssertionError, match="must give loyalty a place"):
        await relations_of(admin, nation)


@pytest.mark.parametrize(
    ("damage", "reading", "writing"),
    [
        ("alter table public.stations disable row level security", "cpo_admin abroad sees stations",
         "cpo_admin abroad may update stations"),
        ("drop policy tenant_reads on public.sessions", "cpo_admin at home does not see sessions", None),
        ("alter policy tenant_reads on public.sessions using (true)", "driver another sees sessions", None),
        ("alter policy tenant_inserts on public.id_tokens with check (true)", None,
         "cpo_technician at home may insert into id_tokens"),
        ("alter policy tenant_deletes on public.stations using (false)", None, "emsv_admin may not delete stations"),
        ("alter view public.charger_live set (security_invoker = false)",
         "cpo_operator abroad sees charger_live", None),
        ("alter policy tenant_reads on public.driver_contacts using (true)",
         "integrator abroad sees driver_contacts", None),
        ("create policy curious on public.driver_consents for select to authenticated using (true)",
         "cpo_admin at home sees driver_consents", None),
        ("grant select on public.mails to authenticated; create policy p on public.mails for select using (true);"
         "insert into public.mails (template, language, content_sealed) values ('t', 'id', 'x')",
         "noc_analyst sees mails", None),
    ],
)  # fmt: skip
async def test_the_walk_goes_red_when_a_policy_is_removed(
    dsn: str,
    admin: asyncpg.Connection[Any],
    relations: list[Found],
    damage: str,
    reading: str | None,
    writing: str | None,
) -> None:
    async with open_store("direct", dsn, None) as store:
        await execute(dsn, damage)
        reads = [line for scope in people() for line in await misread(store, relations, scope)]
        changes = [line for scope in people() for line in await miswritten(admin, relations, scope)]
    assert reading is None or reading in reads
    assert writing is None or writing in changes
    assert reads or changes
