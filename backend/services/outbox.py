"""Events that left with the facts they tell of, relayed to who reacts. Reactions are idempotent."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

from backend.database import SYSTEM, Database
from backend.domain.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

Payloads = list[dict[str, Any]]

MOST_TRIES: Final = 9
_FIRST_PAUSE_S: Final = 15  # then 30, 60, … : an hour in all
# Events of a worker that died in the midst of them wait for so long: with the start of another it must stay below 15 s.
# Of one that is merely slow they are reacted to twice, which reactions bear.
_LEASE_S: Final = 10
_BATCH: Final = 100  # what is done within that time


class GivenUp(NamedTuple):
    """An event that could not be reacted to. `created_at` and `given_up_at`: ISO 8601, UTC."""

    id: int
    topic: str
    payload: dict[str, Any]
    tries: int
    last_error: str
    created_at: str
    given_up_at: str


class Outbox:
    """Claims events under a lease, runs the reactions of their topic, and marks them as published.

    A crash between reaction and mark repeats the reaction, which must therefore be idempotent. An event whose reaction
    fails is tried again after ever longer pauses, MOST_TRIES times; then it is given up, and an alarm says so.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
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
            failed: list[dict[str, Any]] = []
            done = [number for topic, told in topics.items() for number in await self._published(topic, told, failed)]
            await self._database.call("settle_outbox", {"p_ids": done}, scope=SYSTEM)
            if failed:
                arguments = {"p_rows": failed, "p_most": MOST_TRIES, "p_first_s": _FIRST_PAUSE_S}
                await self._database.call("fail_outbox", arguments, scope=SYSTEM)
            total += len(done)
        return total

    async def given_up(self, limit: int) -> list[GivenUp]:
        """The oldest of those that are tried no more."""
        rows = await self._database.select(
            "outbox", scope=SYSTEM, columns=",".join(GivenUp._fields), where=[("given_up_at", "gt", "-infinity")],
            order=[("id", "asc")], limit=limit,
        )  # fmt: skip
        return [GivenUp(**row) for row in rows]

    async def retry(self, numbers: Sequence[int] | None) -> int:
        """Tries these again, of those that were given up (None: all); returns how many."""
        count: int = await self._database.call(
            "retry_outbox", {"p_ids": None if numbers is None else list(numbers)}, scope=SYSTEM
        )
        return count

    async def _published(self, topic: str, events: Payloads, failed: list[dict[str, Any]]) -> list[int]:
        """The numbers of those that were reacted to. One that cannot be is found by halving and put into `failed`:
        events of others do not wait for it."""
        try:
            if reaction := self._reactions.get(topic):
                await reaction([event["payload"] for event in events])
        except DatabaseUnavailable:
            raise
        except Exception as error:
            if len(events) == 1:
                [event] = events
                log.exception("event %s (%s) cannot be reacted to, try %d", event["id"], topic, event["tries"] + 1)
                told = f"{type(error).__name__}: {error}".replace("\0", "")
                failed.append({"id": event["id"], "tries": event["tries"], "error": told})
                return []
            middle = len(events) // 2
            halves = (events[:middle], events[middle:])
            return [number for half in halves for number in await self._published(topic, half, failed)]
        return [event["id"] for event in events]

    async def _claim(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = await self._database.call(
            "claim_outbox", {"p_limit": _BATCH, "p_lease_s": _LEASE_S}, scope=SYSTEM
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
