"""Delivery's own loop; whole commands are in tests/flows/test_commands.py."""

import asyncio

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
