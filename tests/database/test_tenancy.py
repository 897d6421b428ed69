"""No CPO sees or changes anything of another: every table with a cpo_id, both transports, all four verbs."""

from collections.abc import AsyncIterator

import pytest

from backend.database import Database, Scope
from backend.domain.errors import Forbidden
from tests.support.postgres import execute
from tests.support.stores import TRANSPORTS, open_store
from tests.support.tenancy import (
    FOREIGNER,
    OWNER,
    PERSON,
    STRANGERS,
    Relation,
    contents,
    found_nation,
    trespasses,
    writes,
)

ANALYST = Scope("noc_analyst", user_id=PERSON)
FOREIGN_ADMIN = Scope("cpo_admin", user_id=PERSON, cpo_id=FOREIGNER)
OWN_ADMIN = Scope("cpo_admin", user_id=PERSON, cpo_id=OWNER)
PLATFORM_ONLY = ("outbox", "meter_values_", "ocpp_messages_", "charger_events_")  # all but the first are partitions
APPLICATIONS = ("cpo_applications", "cpo_steps", "cpo_documents")  # bank accounts are no business of the NOC


@pytest.fixture
async def relations(dsn: str) -> list[Relation]:
    """The nation is founded; all relations that carry tenants' rows."""
    return await found_nation(dsn)


@pytest.fixture(params=TRANSPORTS)
async def store(request: pytest.FixtureRequest, dsn: str, relations: list[Relation]) -> AsyncIterator[Database]:
    """Both transports over the founded nation."""
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as opened:
        yield opened


@pytest.mark.parametrize("stranger", STRANGERS, ids=lambda scope: f"{scope.role}-{bool(scope.cpo_id)}")
async def test_a_foreign_tenant_sees_and_changes_nothing(
    store: Database, dsn: str, relations: list[Relation], stranger: Scope
) -> None:
    before = await contents(dsn, relations)
    assert await trespasses(store, relations, stranger) == []
    assert await contents(dsn, relations) == before


async def test_a_tenant_sees_its_own_rows_everywhere(store: Database, relations: list[Relation]) -> None:
    for relation in relations:
        if not relation.name.startswith(PLATFORM_ONLY):
            rows = await store.select(relation.name, scope=OWN_ADMIN, columns="cpo_id")
            assert {row["cpo_id"] for row in rows} == {OWNER}, relation.name


async def test_the_noc_analyst_reads_everything_and_writes_nothing(
    store: Database, dsn: str, relations: list[Relation]
) -> None:
    before = await contents(dsn, relations)
    for relation in relations:
        if not relation.name.startswith((*PLATFORM_ONLY, *APPLICATIONS)):
            rows = await store.select(relation.name, scope=ANALYST, columns="cpo_id")
            assert OWNER in [row["cpo_id"] for row in rows], relation.name
        if relation.writable:
            assert await writes(store, relation, ANALYST) == [], relation.name
    assert await contents(dsn, relations) == before


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("alter table public.stations disable row level security", "cpo_admin sees stations"),
        ("alter table public.stations disable row level security", "cpo_admin may update stations"),
        ("drop policy tenant_reads on public.sessions", None),
        (
            "alter policy tenant_reads on public.sessions using (true)",
            "cpo_admin sees sessions",
        ),
        (
            "alter policy tenant_inserts on public.id_tokens with check (true)",
            "cpo_admin may insert into id_tokens",
        ),
        ("alter view public.charger_live set (security_invoker = false)", "cpo_admin sees charger_live"),
    ],
)
async def test_the_search_finds_a_hole(dsn: str, relations: list[Relation], damage: str, expected: str | None) -> None:
    """The tests above would notice: a damaged policy shows, and a dropped one hides even one's own rows."""
    await execute(dsn, damage)
    async with open_store("direct", dsn, None) as store:
        if expected is None:
            assert await store.select("sessions", scope=OWN_ADMIN) == []
        else:
            assert expected in await trespasses(store, relations, FOREIGN_ADMIN)


async def test_a_foreign_key_does_not_reach_over_the_fence(store: Database, relations: list[Relation]) -> None:
    """Rows of one's own that name another tenant's station or charger."""
    for table, row in (
        ("chargers", {"id": "SPY", "cpo_id": FOREIGNER, "station_id": OWNER}),
        ("connectors", {"cpo_id": FOREIGNER, "charger_id": "OWN", "evse_id": 2, "connector_id": 1}),
        (
            "commands",
            {
                "cpo_id": FOREIGNER,
                "charger_id": "OWN",
                "action": "Reset",
                "payload": {},
                "expires_at": "2030-01-01",
            },
        ),
        ("charger_templates", {"cpo_id": FOREIGNER, "charger_id": "OWN", "template_id": FOREIGNER}),
        ("charger_templates", {"cpo_id": FOREIGNER, "charger_id": "FOREIGN", "template_id": OWNER}),
    ):
        with pytest.raises(Forbidden):
            await store.insert(table, [row], scope=FOREIGN_ADMIN, columns="")
    with pytest.raises(Forbidden):
        await store.update(
            "chargers",
            {"station_id": OWNER},
            scope=FOREIGN_ADMIN,
            where=[("id", "eq", "FOREIGN")],
            columns="id",
        )


async def test_a_tenant_may_write_what_is_its_own(store: Database, relations: list[Relation]) -> None:
    """The fences leave the ordinary way open."""
    await store.insert("chargers", [{"id": "NEW", "cpo_id": OWNER, "station_id": OWNER}], scope=OWN_ADMIN, columns="id")
    connector = {"cpo_id": OWNER, "charger_id": "NEW", "evse_id": 1, "connector_id": 1}
    await store.insert("connectors", [connector], scope=OWN_ADMIN, columns="")
    changed = await store.update(
        "chargers", {"name": "Renamed"}, scope=OWN_ADMIN, where=[("id", "eq", "NEW")], columns="name"
    )
    assert changed == [{"name": "Renamed"}]
