"""Rests of the event loop: what comes in one is committed together, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from backend.database import DirectDatabase
from backend.ocppj.moderation import Moderation
from backend.services.intake.lane import Lane

MANY = 5000


@asynccontextmanager
async def moderated(lane: Lane, connections: int, waiting: int = 0) -> AsyncIterator[list[int]]:
    """With this many connections, and some at the door; the list's length is the number of sockets there ever were."""
    newcomers: list[int] = []
    moderation = Moderation(
        lane,
        connections=lambda: connections,
        newcomers=lambda: len(newcomers),
        waiting=lambda: waiting,
        hurries=lambda: False,
    )
    moderation.start()
    try:
        yield newcomers
    finally:
        moderation.stop()


def token(number: int) -> dict[str, Any]:
    """A row that needs nothing in the database."""
    return {"charger_id": "CP-1", "id_token": f"TAG-{number}"}


async def test_what_is_asked_between_two_looks_is_one_batch(database: DirectDatabase) -> None:
    lane = Lane(database)
    async with moderated(lane, MANY):
        await lane.submit("tokens", [token(0)])  # answered, so a whole look is over
        before = lane.batches
        asked = []
        for number in range(20):
            asked.append(asyncio.ensure_future(lane.submit("tokens", [token(number)])))
            await asyncio.sleep(0)
        answers = await asyncio.gather(*asked)

    assert len(answers) == 20
    assert lane.batches - before <= 6  # twenty passes of the loop, five of which make a look


async def test_few_are_served_at_once(database: DirectDatabase) -> None:
    lane = Lane(database)
    async with moderated(lane, 10):
        for number in range(5):
            await lane.submit("tokens", [token(number)])

    assert lane.batches == 5


async def test_newcomers_end_the_rest_and_what_had_gathered_goes(database: DirectDatabase) -> None:
    lane = Lane(database)
    async with moderated(lane, MANY) as newcomers:
        await lane.submit("tokens", [token(0)])
        storm = asyncio.create_task(arriving(newcomers))
        await asyncio.gather(*(lane.submit("tokens", [token(number)]) for number in range(5)))
        storm.cancel()

    assert lane.batches >= 2


async def arriving(newcomers: list[int]) -> None:
    """Sockets come without end."""
    while True:
        newcomers.append(1)
        await asyncio.sleep(0)


async def test_while_some_wait_at_the_door_nobody_rests_and_what_comes_is_still_gathered(
    database: DirectDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    lane = Lane(database)
    async with moderated(lane, MANY, waiting=8):
        await lane.submit("tokens", [token(0)])
        before = lane.batches
        monkeypatch.setattr(time, "sleep", rests.append)
        asked = []
        for number in range(40):
            asked.append(asyncio.ensure_future(lane.submit("tokens", [token(number)])))
            await asyncio.sleep(0)
        await asyncio.gather(*asked)

    assert rests == []
    assert lane.batches - before <= 10


async def test_nobody_rests_while_the_batch_of_a_storm_is_on_its_way(
    database: DirectDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One restless charger makes a storm every few looks: the good ones' answers waited for the rest after each."""
    rested: list[float] = []
    lane = Lane(database)

    def sleep(seconds: float) -> None:
        if lane.is_committing:
            rested.append(seconds)

    async with moderated(lane, MANY) as newcomers:
        await lane.submit("tokens", [token(0)])
        monkeypatch.setattr(time, "sleep", sleep)
        for number in range(10):
            newcomers.append(1)
            await lane.submit("tokens", [token(number)])

    assert rested
    assert max(rested) < 0.01


async def test_the_end_of_moderation_keeps_nothing_back(database: DirectDatabase) -> None:
    lane = Lane(database)
    async with moderated(lane, MANY):
        await lane.submit("tokens", [token(0)])
        waiting = asyncio.ensure_future(lane.submit("tokens", [token(1)]))
        await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await waiting

    assert (lane.is_committing, lane.batches) == (False, 2)


async def test_a_lane_that_gathers_waits_for_the_word(database: DirectDatabase) -> None:
    lane = Lane(database)
    lane.gather(True)
    waiting = [lane.enqueue("tokens", [token(number)]) for number in range(3)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert (lane.is_committing, lane.batches) == (False, 0)

    lane.commit()
    assert lane.is_committing
    await asyncio.gather(*waiting)
    assert lane.batches == 1
