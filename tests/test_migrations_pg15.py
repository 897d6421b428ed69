"""The migrations and the functions they bring, on the oldest PostgreSQL that is supported."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from backend.database import SYSTEM, DirectDatabase, Scope
from backend.migrate import list_migrations, migrate
from tests.support.postgres15 import running_postgres15
from tests.support.tenancy import FOREIGNER, PERSON, found_nation
from tests.support.tools import require_tool
from tests.support.walls import misread, people, relations_of


@pytest.fixture(scope="module")
def server15() -> Iterator[str]:
    """DSN of an empty PostgreSQL 15."""
    with running_postgres15(require_tool("postgres15")) as address:
        yield address


async def test_migrations_policies_and_a_session_work_on_postgresql_15(server15: str) -> None:
    connection = await asyncpg.connect(server15)
    assert connection.get_server_version().major == 15
    await connection.close()
    assert await migrate(server15) == [migration.version for migration in list_migrations()]
    assert await migrate(server15) == []

    connection = await asyncpg.connect(server15)
    relations = await relations_of(connection, await found_nation(server15))
    await connection.close()
    database = await DirectDatabase.open(server15)
    assert [line for scope in people() for line in await misread(database, relations, scope)] == []
    assert await _charge(database) == 1500.0
    await database.call("maintain_partitions", {"p_days_ahead": 2, "p_keep_days": 30}, scope=SYSTEM)
    overview = await database.call("dashboard_overview", {"p_cpo_id": None}, scope=Scope("noc_analyst", user_id=PERSON))
    assert overview["chargers"]["total"] == 2
    await database.close()


async def _charge(database: DirectDatabase) -> float:
    """One session from start to stop through the OCPP server's door; its energy in Wh."""
    begun = datetime(2026, 11, 21, 4, tzinfo=UTC)
    place = {"charger_id": "FOREIGN", "evse_id": 1, "connector_id": 1}
    started = await _intake(
        database,
        "starts",
        place
        | {"protocol": "ocpp1.6", "id_token": "TAG", "reported_at": "x", "clock_trusted": True}
        | {"started_at": begun, "received_at": begun, "meter_start_wh": 1000},
    )
    later = begun + timedelta(hours=1)
    transaction = {"transaction_id": started["transaction_id"], "received_at": later}
    await _intake(
        database,
        "readings",
        place | transaction | {"measured_at": later, "clock_trusted": True, "energy_wh": 2400, "digest": 7},
    )
    stopped = await _intake(
        database,
        "stops",
        transaction
        | {"charger_id": "FOREIGN", "id_token": None, "reported_at": "y", "stopped_at": later}
        | {"meter_stop_wh": 2500, "stop_reason": "Local"},
    )
    assert stopped["session_id"] == started["session_id"]
    [session] = await database.select("session_details", scope=SYSTEM, where=[("id", "eq", started["session_id"])])
    assert (session["open"], session["cpo_id"], session["review_reasons"]) == (False, FOREIGNER, [])
    energy: float = session["energy_wh"]
    return energy


async def _intake(database: DirectDatabase, kind: str, row: dict[str, Any]) -> dict[str, Any]:
    answers = await database.call("intake", {f"p_{kind}": [row]}, scope=SYSTEM)
    return dict(answers[kind][0]) if answers.get(kind) else {}
