"""Events that left with the facts they tell of, relayed to who reacts. Reactions are idempotent."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from backend.database import SYSTEM, Database
from backend.domain.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

Payloads = list[dict[str, Any]]


class Outbox:
    """Claims events under a lease, runs the reactions of their topic, and marks them as published.

    A crash between reaction and mark repeats the reaction, which must therefore be idempotent.
    """

    def __init__(self, database: Database, *, batch: int = 500, lease_s: int = 30) -> None:
        self._database = database
        self._batch = batch
        self._lease_s = lease_s
        self._reactions: dict[str, Callable[[Payloads], Awaitable[None]]] = {
            "session.started": self._meet_drivers,
            "session.ended": self._refresh_station_days,
            "session.judged": self._after_judgement,
            "charger.booted": self._begin_templates,
        }

    def react(self, topic: str, reaction: Callable[[Payloads], Awaitable[None]]) -> None:
        """Names who reacts to a topic; `reaction` takes the payloads of several events and must bear repetition."""
        self._reactions[topic] = reaction

    async def relay(self) -> int:
        """Relays what waits; returns how many events were published."""
        total = 0
        while events := await self._claim():
            topics: dict[str, Payloads] = defaultdict(list)
            for event in events:
                topics[event["topic"]].append(event)
            done = [number for topic, told in topics.items() for number in await self._published(topic, told)]
            await self._database.call("settle_outbox", {"p_ids": done}, scope=SYSTEM)
            total += len(done)
        return total

    async def _published(self, topic: str, events: Payloads) -> list[int]:
        """The numbers of those that were reacted to. One that cannot be is found by halving, and comes again when its
        lease is over: events of others do not wait for it."""
        try:
            if reaction := self._reactions.get(topic):
                await reaction([event["payload"] for event in events])
        except DatabaseUnavailable:
            raise
        except Exception:
            if len(events) == 1:
                log.exception("event %s (%s) cannot be reacted to", events[0]["id"], topic)
                return []
            middle = len(events) // 2
            return [*await self._published(topic, events[:middle]), *await self._published(topic, events[middle:])]
        return [event["id"] for event in events]

    async def _claim(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = await self._database.call(
            "claim_outbox", {"p_limit": self._batch, "p_lease_s": self._lease_s}, scope=SYSTEM
        )
        return events

    async def _refresh_station_days(self, payloads: Payloads) -> None:
        rows = [{"station_id": p["station_id"], "stopped_at": p["stopped_at"]} for p in payloads if p["station_id"]]
        if rows:
            await self._database.call("refresh_station_days", {"p_rows": rows}, scope=SYSTEM)

    async def _after_judgement(self, payloads: Payloads) -> None:
        await self._refresh_station_days(payloads)
        ids = [payload["session_id"] for payload in payloads]
        await self._database.call("count_session_quirks", {"p_session_ids": ids}, scope=SYSTEM)

    async def _meet_drivers(self, payloads: Payloads) -> None:
        ids = [payload["session_id"] for payload in payloads]
        await self._database.call("meet_drivers", {"p_session_ids": ids}, scope=SYSTEM)

    async def _begin_templates(self, payloads: Payloads) -> None:
        await self._database.call("begin_templates", {"p_rows": payloads}, scope=SYSTEM)
