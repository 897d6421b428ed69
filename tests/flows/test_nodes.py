"""Several OCPP servers over one database: each process is a node of its own, whatever it is called."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backend.database import SYSTEM, DirectDatabase
from backend.ocppj.server import Pace
from backend.settings import Settings
from tests.flows.raw import RawCharger, plugged
from tests.flows.running import CHARGER, Running, running

OPEN = "select node from public.connections where charger_id = $1 and disconnected_at is null"


@pytest.fixture
async def first(database: DirectDatabase, settings: Settings, dsn: str) -> AsyncIterator[Running]:
    """A server whose life signs come quickly."""
    async with running(database, settings, dsn, pace=Pace(tell_every=0.1)) as platform:
        yield platform


@pytest.fixture
async def second(first: Running) -> AsyncIterator[Running]:
    """Another one, of the same host name and port setting."""
    other = Running(first.database, first.settings, first.dsn, first.pace)
    other.store = first.store
    await other.start()
    yield other
    await other.server.stop()


async def answers(platform: Running, charger_id: str, charger: RawCharger) -> None:
    """A command finds the charger, whichever server holds it."""
    command = await platform.ask("ClearCache", {}, charger_id=charger_id)
    message_id, _ = await charger.asked("ClearCache")
    await charger.reply(message_id, {"status": "Accepted"})
    await platform.command(command, "status = 'accepted'")


async def test_two_servers_of_one_host_name_and_port_do_not_take_each_others_chargers(first: Running) -> None:
    await first.register("CP-2")
    async with first.plugged() as one:
        before = await first.until(OPEN, CHARGER)
        other = Running(first.database, first.settings, first.dsn, first.pace)
        other.store = first.store
        await other.start()
        async with plugged(f"{other.url}/CP-2") as two:
            node = await first.until(OPEN, "CP-2")
            await answers(first, CHARGER, one)
            await answers(other, "CP-2", two)
            assert await first.row(OPEN, CHARGER) == before != node
        await other.server.stop()
        assert await first.row(OPEN, CHARGER) == before
        assert await first.rows("select 1 from public.nodes where name = $1", node["node"]) == []


async def test_the_sockets_of_a_server_that_was_killed_are_released_by_the_others(
    first: Running, second: Running
) -> None:
    await first.store_execute("insert into public.nodes (name, started_at, seen_at) values ('dead', now(), now())")
    row = {"charger_id": CHARGER, "connection_id": "33333333-0000-0000-0000-000000000001", "node": "dead",
           "protocol": "ocpp1.6", "remote_address": None, "at": "2026-01-01T00:00:00Z", "security_profile": 0,
           "password_hash": None, "certificate_id": None}  # fmt: skip
    await first.database.call("intake", {"p_connects": [row]}, scope=SYSTEM)
    refusal = {"charger_id": CHARGER, "reason": "password", "node": "dead", "refused_count": 3,
               "first_at": "2026-01-01T00:00:00Z", "last_at": "2026-01-02T00:00:00Z", "last_address": "a"}  # fmt: skip
    await first.database.call("record_refusals", {"p_rows": [refusal]}, scope=SYSTEM)
    await first.store_execute(
        "update public.nodes set steady_since = now() - interval '1 hour' where name <> 'dead';"
        "update public.nodes set seen_at = now() - interval '31 seconds' where name = 'dead'"
    )

    await first.until("select 1 as gone where not exists (select from public.nodes where name = 'dead')")

    assert await first.rows(OPEN, CHARGER) == []
    assert await first.row("select count(*) from public.nodes") == {"count": 2}
    assert await first.row("select node, refused_count from public.gate_refusals") == {"node": "", "refused_count": 3}


async def test_after_the_database_was_away_no_server_believes_the_others_dead(first: Running, second: Running) -> None:
    await first.store_execute(
        "update public.nodes set steady_since = now() - interval '1 hour', seen_at = now() - interval '1 minute'"
    )

    await first.until("select 1 as heard from public.nodes having bool_and(seen_at > now() - interval '10 seconds')")

    assert await first.row("select count(*), min(now() - steady_since) < '10 s' as anew from public.nodes") == {
        "count": 2, "anew": True,
    }  # fmt: skip


async def test_a_server_that_was_believed_dead_keeps_its_chargers(first: Running) -> None:
    async with first.plugged() as charger:
        await first.until(OPEN, CHARGER)
        await first.store_execute("select private.forget_nodes(array(select name from public.nodes))")

        await first.until(OPEN, CHARGER)
        await answers(first, CHARGER, charger)
    await first.until(
        "select 1 as closed from public.connections where charger_id = $1 and disconnected_at is not null", CHARGER
    )
