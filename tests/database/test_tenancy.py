"""Rows of one's own cannot be hung on another's, and the ordinary way stays open. The walk over all tables is in
tests/walls."""

from collections.abc import AsyncIterator

import pytest

from backend.database import Database, Scope
from backend.domain.errors import Forbidden
from tests.support.stores import TRANSPORTS, open_store
from tests.support.tenancy import FOREIGNER, OWNER, PERSON, Relation, found_nation

FOREIGN_ADMIN = Scope("cpo_admin", user_id=PERSON, cpo_id=FOREIGNER)
OWN_ADMIN = Scope("cpo_admin", user_id=PERSON, cpo_id=OWNER)


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
