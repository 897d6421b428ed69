"""A CPO with chargers for campaigns, over either transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from backend.database import SYSTEM, Database
from backend.services.directory import Directory, build_directory
from tests.services.campaigns.acts import ADMIN, CHARGERS, connect
from tests.support.stores import TRANSPORTS, open_store


@pytest.fixture(params=TRANSPORTS)
async def store(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Database]:
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as opened:
        yield opened


@pytest.fixture
def services(store: Database) -> Directory:
    return build_directory(store, "a secret of the tests, long enough")


@pytest.fixture
async def cpo_id(services: Directory, store: Database) -> str:
    """A CPO with six chargers, all connected and idle, each with a password."""
    cpo = await services.cpos.create(ADMIN, "Nusantara")
    station = await services.stations.create(ADMIN, {"name": "Here"}, cpo.id)
    for identity in CHARGERS:
        charger = {"id": identity, "current_type": "AC", "rated_power_w": 22_000, "station_id": station.id}
        await services.chargers.create(ADMIN, charger, 1, "a password of 16 and more")
    await store.call("beat_node", {"p_node": "n", "p_started": False, "p_stats": {}}, scope=SYSTEM)
    await connect(store, *CHARGERS)
    return cpo.id


@pytest.fixture
async def owner(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()
