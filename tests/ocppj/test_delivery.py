"""Delivery's own loop; whole commands are in tests/flows/test_commands.py."""

import asyncio

import asyncpg
import pytest

from backend.database import DirectDatabase
from backend.ocppj.delivery import Delivery
from backend.ocppj.registry import Registry
from backend.services.dispatch import Dispatch


@pytest.mark.parametrize("passes_between", range(4))
async def test_a_stop_that_came_together_with_news_was_lost(database: DirectDatabase, passes_between: int) -> None:
    delivery = Delivery(Dispatch(database, "node"), Registry())

    async def wait_for_ever() -> None:
        while True:
            await delivery._wait(30)

    waiting = asyncio.create_task(wait_for_ever())
    await asyncio.sleep(0)
    delivery.wake()
    for _ in range(passes_between):
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting}, timeout=2)
    assert waiting.cancelled()


@pytest.mark.parametrize(("announced", "another", "looks_again"), [
    ("CP-1", False, True), ("", False, True), ("CP-2", False, False), ("CP-1", True, True), (None, True, True),
    (None, False, False),
])  # fmt: skip
async def test_the_next_command_of_a_charger_that_was_busy_is_looked_for(
    database: DirectDatabase, announced: str | None, another: bool, looks_again: bool
) -> None:
    async def delivered() -> bool:
        return another

    delivery = Delivery(Dispatch(database, "node"), Registry())
    task = asyncio.create_task(delivered())
    delivery._busy["CP-1"] = task
    if announced is not None:
        delivery.wake(announced)  # a claim that is made now passes over the busy one
        delivery._news.clear()
    await task
    delivery._done("CP-1", task)

    assert delivery.hurries == looks_again
    assert not delivery._asked_again


@pytest.mark.parametrize(("announced", "awaited", "looks"), [
    ("CP-1", False, True), ("", False, True), ("CP-2", False, False), (None, True, True), (None, False, False),
])  # fmt: skip
async def test_a_command_that_came_while_its_charger_was_being_stored_waited_for_the_clock(
    database: DirectDatabase, announced: str | None, awaited: bool, looks: bool
) -> None:
    delivery = Delivery(Dispatch(database, "node"), Registry())
    delivery.arrives("CP-1")
    if announced is not None:
        delivery.wake(announced)  # a claim that is made now does not see the charger
        delivery._news.clear()
    delivery.arrived("CP-1", awaited)

    assert delivery.hurries == looks
    assert not (delivery._asked_again or delivery._arriving)


async def test_more_commands_than_are_claimed_at_once_waited_for_the_clock(database: DirectDatabase, dsn: str) -> None:
    owner = await asyncpg.connect(dsn)
    for statement in (
        "insert into public.cpos (id, name) values ('11111111-0000-0000-0000-000000000001', 'C')",
        "insert into public.nodes (name, started_at, seen_at) values ('node', now(), now())",
        "insert into public.chargers (id, cpo_id) select 'CP-' || n, '11111111-0000-0000-0000-000000000001' "
        "from generate_series(1, 250) n",
        "insert into public.connections (charger_id, cpo_id, connection_id, node, protocol, connected_at, "
        "last_seen_at) select id, cpo_id, gen_random_uuid(), 'node', 'ocpp1.6', now(), now() from public.chargers",
        "insert into public.commands (cpo_id, charger_id, action, payload, requested_by_name, expires_at) "
        "select cpo_id, id, 'Reset', '{}', 'N', now() + interval '1 hour' from public.chargers",
    ):
        await owner.execute(statement)
    await owner.close()
    delivery = Delivery(Dispatch(database, "node"), Registry())
    counts = []
    while delivery.hurries or not counts:
        delivery._news.clear()
        counts.append(await delivery._claim())
    for task in delivery._busy.values():
        task.cancel()

    assert counts == [100, 100, 50]


async def test_a_defect_in_a_delivery_is_logged(database: DirectDatabase, caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> bool:
        raise RuntimeError("defect")

    delivery = Delivery(Dispatch(database, "node"), Registry())
    task = asyncio.create_task(broken())
    await asyncio.wait({task})
    delivery._done("CP-1", task)

    assert delivery.hurries
    assert "delivery to CP-1 failed" in caplog.text and "defect" in caplog.text
