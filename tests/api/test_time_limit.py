"""A handler's whole time is bounded: what a slow database does to answers, and what it may never do to data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import asyncpg
import httpx
import pytest

from backend.api import timely
from backend.api.application import equip
from backend.api.timely import Timely
from backend.database import SYSTEM, DirectDatabase
from backend.services.directory import build_directory
from tests.api.conftest import SECRET, World
from tests.support.relay import Relay
from tests.support.waiting import eventually, eventually_found

_NOBODY_WAITS = """
select count(*) = 0 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
"""
START = "/api/client/remote-start"


@pytest.fixture
async def relay(world: World, dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Relay]:
    """The application's own way to the database; it can fall silent. Answers have a second to begin."""
    await world.connect(world.own.charger_id)
    async with Relay.to(dsn) as relay:
        database = await DirectDatabase.open(relay.dsn, pool_size=2, statement_timeout_s=60)
        equip(world.app, build_directory(database, SECRET), SECRET)
        await (await world.client("cpo_operator")).get("/api/stations")  # connected and prepared
        monkeypatch.setattr(timely, "ANSWER_TIME_S", 1.0)
        yield relay
        monkeypatch.undo()
        await database.close()


async def _commands(world: World) -> list[dict[str, Any]]:
    where = [("idempotency_key", "eq", "tap-1")]
    return await world.database.select("commands", scope=SYSTEM, where=where)


async def _until_answered(client: httpx.AsyncClient, **request: Any) -> httpx.Response:
    """Repeated, as the problem says, until the way to the database is free again."""
    async with asyncio.timeout(60):
        while (reply := await client.request(**request)).status_code >= 500:
            pass
    return reply


def _is_given_up(reply: httpx.Response) -> None:
    assert (reply.status_code, reply.json()["code"]) == (503, "answer_too_slow"), reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["retry-after"] and reply.json()["request_id"] == reply.headers["x-request-id"]
    assert reply.headers["x-frame-options"] == "DENY"


async def test_a_silent_database_does_not_keep_a_caller_waiting(world: World, relay: Relay) -> None:
    client = await world.client("cpo_operator")
    relay.silent = True
    _is_given_up(await client.get("/api/stations"))
    relay.silent = False
    assert (await _until_answered(client, method="GET", url="/api/stations")).status_code == 200


async def test_what_waits_for_a_lock_is_undone_and_the_same_key_does_it_once(
    world: World, relay: Relay, dsn: str
) -> None:
    client = await world.client("cpo_operator")
    order: dict[str, Any] = {
        "method": "POST", "url": START, "headers": {"Idempotency-Key": "tap-1"},
        "json": {"charger_id": world.own.charger_id, "id_token": "CARD-1"},
    }  # fmt: skip
    other = await asyncpg.connect(dsn)
    async with other.transaction():
        await other.execute("lock table public.commands in access exclusive mode")
        _is_given_up(await client.request(**order))
        await eventually_found(lambda: other.fetchval(_NOBODY_WAITS), "the statement to be cancelled")
    await other.close()
    assert await _commands(world) == []
    assert (await _until_answered(client, **order)).status_code == 202
    assert len(await _commands(world)) == 1


async def test_what_was_committed_before_the_answer_was_lost_is_found_by_the_same_key(
    world: World, relay: Relay
) -> None:
    client = await world.client("cpo_operator")
    order: dict[str, Any] = {
        "method": "POST", "url": START, "headers": {"Idempotency-Key": "tap-1"},
        "json": {"charger_id": world.own.charger_id, "id_token": "CARD-1"},
    }  # fmt: skip
    relay.hold_commit_of = b"tap-1"
    _is_given_up(await client.request(**order))
    (made,) = await _commands(world)
    again = await _until_answered(client, **order)
    assert (again.status_code, again.json()["command"]["id"]) == (202, made["id"])
    assert len(await _commands(world)) == 1


async def test_an_answer_that_has_begun_and_a_body_that_comes_slowly_are_no_matter_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exports and files go on; uploads have bounds of their own."""
    monkeypatch.setattr(timely, "ANSWER_TIME_S", 0.1)

    async def past_the_limit() -> None:
        ends = monotonic() + 2 * timely.ANSWER_TIME_S
        await eventually(lambda: monotonic() > ends, "the limit to pass")

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(3):
            await past_the_limit()
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def body() -> AsyncIterator[bytes]:
        await past_the_limit()
        yield b"late"

    transport = httpx.ASGITransport(app=Timely(slow))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        reply = await client.post("/", content=body())
    assert (reply.status_code, reply.text) == (200, "xxx")
