"""Events and those who react to them."""

from __future__ import annotations

from backend.database import SYSTEM, DirectDatabase
from backend.services.outbox import Outbox, Payloads


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
