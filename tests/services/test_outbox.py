"""Events and those who react to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from backend.database import SYSTEM, Database, DirectDatabase
from backend.services.outbox import MOST_TRIES, Outbox, Payloads
from tests.support.stores import TRANSPORTS, open_store


@pytest.fixture(params=TRANSPORTS)
async def store(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Database]:
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as opened:
        yield opened


@pytest.fixture
async def owner(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def test_an_event_that_nobody_could_react_to_held_up_all_others(database: DirectDatabase) -> None:
    rows = [{"topic": "t", "payload": {"n": n}} for n in range(5)] + [{"topic": "u", "payload": {"n": 9}}]
    await database.insert("outbox", rows, scope=SYSTEM, columns="")
    heard: list[int] = []

    async def react(payloads: Payloads) -> None:
        if any(payload["n"] == 3 for payload in payloads):
            raise ValueError("poison")
        heard.extend(payload["n"] for payload in payloads)

    outbox = Outbox(database)
    outbox.react("t", react)
    outbox.react("u", react)

    assert await outbox.relay() == 5
    assert sorted(heard) == [0, 1, 2, 4, 9]
    waiting = await database.select("outbox", scope=SYSTEM, columns="payload", where=[("published_at", "is", None)])
    assert [row["payload"] for row in waiting] == [{"n": 3}]


async def test_events_of_a_worker_that_died_in_the_midst_of_them_waited_half_a_minute(
    database: DirectDatabase, owner: asyncpg.Connection[Any]
) -> None:
    await database.insert("outbox", [{"topic": "t", "payload": {}}], scope=SYSTEM, columns="")
    dead, heir = Outbox(database), Outbox(database)
    stuck = asyncio.Event()

    async def die(_payloads: Payloads) -> None:
        stuck.set()
        await asyncio.Event().wait()

    dead.react("t", die)
    dying = asyncio.create_task(dead.relay())
    await stuck.wait()
    dying.cancel()

    assert await heir.relay() == 0  # it may still be at work
    left_s = "select extract(epoch from claimed_until - now()) from public.outbox"
    assert 5 < await owner.fetchval(left_s) <= 10
    await owner.execute("update public.outbox set claimed_until = now()")
    assert await heir.relay() == 1


async def test_an_event_that_cannot_be_reacted_to_was_tried_for_ever(
    store: Database, owner: asyncpg.Connection[Any]
) -> None:
    await store.insert("outbox", [{"topic": "t", "payload": {"n": n}} for n in range(3)], scope=SYSTEM, columns="")
    mended = False
    heard: list[int] = []

    async def react(payloads: Payloads) -> None:
        if not mended and any(payload["n"] == 1 for payload in payloads):
            raise ValueError("poison\0")
        heard.extend(payload["n"] for payload in payloads)

    outbox = Outbox(store)
    outbox.react("t", react)
    pauses = []
    for _ in range(MOST_TRIES):
        assert await outbox.given_up(10) == []
        await outbox.relay()
        assert await outbox.relay() == 0  # not before its pause is over
        pauses.append(await owner.fetchval(
            "update public.outbox set claimed_until = now() where published_at is null returning "
            "(select round(extract(epoch from o.claimed_until - now()) / 5) * 5 from public.outbox o "
            "where o.published_at is null)"))  # fmt: skip
    [event] = await outbox.given_up(10)
    assert heard == [0, 2]
    assert [int(pause) for pause in pauses[:4]] == [15, 30, 60, 120]
    assert (event.topic, event.payload, event.tries, event.last_error) == ("t", {"n": 1}, 9, "ValueError: poison")
    assert await outbox.relay() == 0

    alarm = "select count, detail::text, closed_at is null as open from public.alarms where kind = 'event_given_up'"
    [told] = await owner.fetch(alarm)
    assert dict(told) == {"count": 1, "detail": f'{{"topic": "t", "event_id": {event.id}}}', "open": True}

    assert await outbox.retry([event.id + 1]) == 0
    assert (await owner.fetchrow(alarm))["open"]
    mended = True
    assert await outbox.retry(None) == 1
    assert await outbox.relay() == 1
    assert heard == [0, 2, 1]
    assert not (await owner.fetchrow(alarm))["open"]


async def test_a_failure_that_is_told_twice_counts_once(store: Database) -> None:
    [row] = await store.insert("outbox", [{"topic": "t", "payload": {}}], scope=SYSTEM, columns="id")
    for _ in range(2):  # the transport repeats a call whose answer was lost
        failed = [{"id": row["id"], "tries": 0, "error": "e"}]
        await store.call("fail_outbox", {"p_rows": failed, "p_most": 9, "p_first_s": 15}, scope=SYSTEM)

    [found] = await store.select("outbox", scope=SYSTEM, columns="tries,given_up_at")
    assert found == {"tries": 1, "given_up_at": None}
