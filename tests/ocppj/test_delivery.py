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
