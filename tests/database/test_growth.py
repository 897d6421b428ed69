"""What a message costs the database does not grow with the number of sessions: rows are found by their keys, never
by scans, also under the plans that a connection made while the tables were still empty."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

CPO = "11111111-0000-0000-0000-000000000001"
CHARGERS = 150
MOST = 15  # rows that one message may read, of all tables that grow

_READ = """
select sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::bigint from pg_stat_xact_user_tables
where relname in ('sessions', 'connectors', 'id_tokens', 'commands', 'reservations', 'connections', 'chargers',
                  'charger_keys')
"""


@pytest.fixture
async def store(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """One connection, as the platform's own, to a CPO with many chargers and as many tokens."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("insert into public.cpos (id, name) values ($1, 'C')", CPO)
    for statement in (
        "insert into public.chargers (id, cpo_id) select 'CP-' || n, $1 from generate_series(1, $2::int) n",
        "insert into public.id_tokens (cpo_id, token) select $1, 'TAG-' || n from generate_series(1, $2::int) n",
    ):
        await connection.execute(statement, CPO, CHARGERS)
    await connection.execute("set role service_role")
    yield connection
    await connection.close()


async def _told(store: asyncpg.Connection[Any], kind: str, row: dict[str, Any]) -> tuple[Any, int]:
    """The answer to one message, and how many rows it read."""
    async with store.transaction():
        before = await store.fetchval(_READ) or 0
        answer = json.loads(await store.fetchval(f"select public.intake(p_{kind} => $1)", json.dumps([row])))
        return answer.get(kind), int(await store.fetchval(_READ)) - before


def _place(number: int) -> dict[str, Any]:
    return {"charger_id": f"CP-{number}", "evse_id": 1, "connector_id": 1, "received_at": "2026-11-21T10:00:01Z"}


def _start(number: int) -> dict[str, Any]:
    return {**_place(number), "protocol": "ocpp1.6", "id_token": f"tag-{number}", "reported_at": "2026-11-21T10:00:00Z",
            "clock_trusted": True, "started_at": "2026-11-21T10:00:00Z", "meter_start_wh": "1000"}  # fmt: skip


def _reading(number: int, transaction_id: int, *, clock_trusted: bool) -> dict[str, Any]:
    return {**_place(number), "transaction_id": transaction_id, "measured_at": "2026-11-21T10:01:00Z",
            "clock_trusted": clock_trusted, "energy_wh": "1100", "digest": number}  # fmt: skip


async def test_rows_are_found_by_their_keys_however_many_sessions_are_open(store: asyncpg.Connection[Any]) -> None:
    read: dict[str, list[int]] = {"starts": [], "statuses": [], "tokens": [], "readings": [], "stops": []}
    numbers: list[int] = []
    for number in range(1, CHARGERS + 1):
        [started], rows = await _told(store, "starts", _start(number))
        numbers.append(started["transaction_id"])
        read["starts"].append(rows)
        _, rows = await _told(store, "statuses", {**_place(number), "status": "Charging", "error_code": "NoError"})
        read["statuses"].append(rows)
        _, rows = await _told(store, "tokens", {"charger_id": f"CP-{number}", "id_token": f"TAG-{number}"})
        read["tokens"].append(rows)
    for number, transaction_id in enumerate(numbers, 1):
        _, rows = await _told(store, "readings", _reading(number, transaction_id, clock_trusted=number % 2 == 0))
        read["readings"].append(rows)
    for number, transaction_id in enumerate(numbers, 1):
        stop = {**_place(number), "transaction_id": transaction_id, "id_token": f"TAG-{number}", "stop_reason": "Local",
                "reported_at": "x", "stopped_at": "2026-11-21T11:00:00Z", "meter_stop_wh": "2000"}  # fmt: skip
        _, rows = await _told(store, "stops", stop)
        read["stops"].append(rows)

    assert {kind: max(rows) for kind, rows in read.items() if max(rows) > MOST} == {}


async def test_whoever_comes_is_found_by_its_keys_however_many_are_here(dsn: str) -> None:
    """The plans are made while there is nobody at all, as in the first storm after an installation."""
    store = await asyncpg.connect(dsn)
    await store.execute("set role service_role")
    for kind in ("connects", "gates"):
        await _told(store, kind, _coming(0))
    await store.execute("reset role")
    await store.execute("insert into public.cpos (id, name) values ($1, 'C')", CPO)
    chargers = "insert into public.chargers (id, cpo_id) select 'CP-' || n, $1 from generate_series(1, $2::int) n"
    await store.execute(chargers, CPO, CHARGERS)
    await store.execute("set role service_role")
    read: dict[str, list[int]] = {"gates": [], "connects": []}
    for number in range(1, CHARGERS + 1):
        for kind, rows in read.items():
            rows.append((await _told(store, kind, _coming(number)))[1])
    await store.close()

    assert {kind: max(rows) for kind, rows in read.items() if max(rows) > MOST} == {}


def _coming(number: int) -> dict[str, Any]:
    return {"charger_id": f"CP-{number}", "connection_id": str(uuid4()), "node": "n", "protocol": "ocpp1.6",
            "at": "2026-11-21T10:00:00Z", "security_profile": 0}  # fmt: skip
