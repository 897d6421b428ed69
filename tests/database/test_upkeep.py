"""What the clock does to tables, beside those who write them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from backend.database import SYSTEM, DirectDatabase
from backend.services.upkeep import Upkeep

CPO, STATION = "11111111-0000-0000-0000-000000000001", "22222222-0000-0000-0000-000000000001"


async def partitions(store: asyncpg.Connection[Any]) -> int:
    """How many partitions the big tables have, besides the default ones."""
    found = await store.fetchval("select count(*) from pg_inherits i join pg_class c on c.oid = i.inhrelid "
                                 "where c.relkind = 'r' and c.relname ~ '\\d{6,8}$'")  # fmt: skip
    return int(found)


@pytest.fixture
async def store(dsn: str) -> Any:
    """The database's owner, with two chargers."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("insert into public.cpos (id, name) values ($1, 'C')", CPO)
    await connection.execute("insert into public.stations (id, cpo_id, name) values ($1, $2, 'S')", STATION, CPO)
    for identity in ("CP-1", "CP-2"):
        await connection.execute("insert into public.chargers (id, cpo_id) values ($1, $2)", identity, CPO)
        await connection.execute("insert into public.connections (charger_id, connection_id, node, protocol, "
                                 "connected_at, last_seen_at) values ($1, gen_random_uuid(), 'n', 'x', now(), "
                                 "now() - interval '1 hour')", identity)  # fmt: skip
    yield connection
    await connection.close()


async def test_the_first_rows_find_their_partition_before_any_worker_ran(store: asyncpg.Connection[Any]) -> None:
    for table in ("ocpp_messages", "meter_values"):
        column = "at" if table == "ocpp_messages" else "measured_at"
        plan = await store.fetchval(
            "select count(*) from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = $1::regclass "
            "and pg_get_expr(c.relpartbound, c.oid) like $2",
            f"public.{table}",
            f"%FROM ('{datetime.now(UTC):%Y-%m}-{'01' if column == 'measured_at' else f'{datetime.now(UTC):%d}'}%",
        )
        assert plan == 1, table


async def test_rows_in_a_default_partition_do_not_lock_the_table_every_hour(
    store: asyncpg.Connection[Any], database: DirectDatabase, dsn: str
) -> None:
    await Upkeep(database).maintain_partitions()
    newest = await store.fetchval("select max(relname) from pg_class where relname ~ '^ocpp_messages_\\d{8}$'")
    await store.execute(f"drop table public.{newest}")
    day = datetime.strptime(newest[-8:], "%Y%m%d").replace(tzinfo=UTC)
    await store.execute("insert into public.ocpp_messages (at, charger_id, direction, kind, payload) "
                        "values ($1, 'CP-1', 'in', 'call', '')", day + timedelta(hours=1))  # fmt: skip
    before = await partitions(store)
    async with store.transaction():  # someone who reads the log: no upkeep may wait for them, and intake for upkeep
        await store.fetch("select * from public.ocpp_messages")
        await asyncio.wait_for(Upkeep(database).maintain_partitions(), 5)
    assert await partitions(store) == before


async def test_life_signs_wait_for_nobody_who_changes_connections(
    store: asyncpg.Connection[Any], database: DirectDatabase
) -> None:
    touch = {"p_node": "n", "p_charger_ids": ["CP-2", "CP-1"], "p_at": datetime.now(UTC).isoformat()}
    async with store.transaction():
        await store.execute("update public.connections set protocol = 'y' where charger_id = 'CP-1'")
        await asyncio.wait_for(database.call("touch_connections", touch, scope=SYSTEM), 5)
        await store.execute("update public.connections set protocol = 'y' where charger_id = 'CP-2'")

    seen = await store.fetch("select charger_id from public.connections where last_seen_at > now() - interval '1 m'")
    assert [row["charger_id"] for row in seen] == ["CP-2"]


async def test_the_last_day_is_today_where_the_stations_stand(
    store: asyncpg.Connection[Any], database: DirectDatabase
) -> None:
    zones = [f"Etc/GMT{offset:+d}" for offset in range(-14, 13)]
    found = await store.fetchrow("select z, (now() at time zone z)::date as day from unnest($1::text[]) as z "
                                 "where (now() at time zone z)::date <> (now() at time zone 'Asia/Jakarta')::date",
                                 zones)  # fmt: skip
    await store.execute("update public.stations set timezone = $1", found["z"])

    days = await database.call("daily_energy", {"p_cpo_id": CPO, "p_days": 3}, scope=SYSTEM)
    assert [day["day"] for day in days] == [str(found["day"] - timedelta(days=back)) for back in (2, 1, 0)]
