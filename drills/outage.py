"""What the outside sees while the database, or its disk, is away: /ready, the API, the chargers' sockets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import httpx

from drills.checks import Check
from drills.crew import Crew
from drills.platform import Platform, TookTooLong, until

TOLD_WITHIN_S = 10.0
RECOVERY_S = 15.0
_PATIENCE_S = 35.0  # of a client of the API; the platform gives up on a database that hangs before


@dataclass(slots=True)
class Seen:
    """What was answered, and when it was first said that something is wrong (seconds after it was)."""

    ready: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    api: list[tuple[int, str]] = field(default_factory=list)
    told_after_s: float | None = None


async def watch(platform: Platform, token: str, seconds: float) -> Seen:
    """Asks `/ready` and the API again and again for so long."""
    seen, began = Seen(), perf_counter()

    async def ask_ready() -> None:
        while perf_counter() - began < seconds:
            status, document = await platform.readiness()
            seen.ready.append((status, document))
            if status == httpx.codes.SERVICE_UNAVAILABLE and seen.told_after_s is None:
                seen.told_after_s = perf_counter() - began
            await asyncio.sleep(0.5)

    async def ask_api() -> None:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(timeout=_PATIENCE_S, trust_env=False, headers=headers) as http:
            while perf_counter() - began < seconds:
                try:
                    reply = await http.get(f"{platform.api_url}/api/stations")
                    seen.api.append((reply.status_code, reply.headers.get("Retry-After", "")))
                except httpx.HTTPError as error:
                    seen.api.append((0, type(error).__name__))
                await asyncio.sleep(0.5)

    await asyncio.gather(ask_ready(), ask_api())
    return seen


def said_so(seen: Seen, how: str, within_s: float = TOLD_WITHIN_S) -> list[Check]:
    """`/ready` says it soon; the API refuses with a time to come back, never with a crash."""
    told = seen.told_after_s
    refused = [one for one in seen.api if one[0] >= httpx.codes.INTERNAL_SERVER_ERROR or not one[0]]
    polite = [one for one in refused if one[0] in (503, 504) and one[1]]
    return [
        Check(f"{how}: /ready says so", told is not None and told <= within_s,
              "never" if told is None else f"after {told:.1f} s"),
        Check(f"{how}: the API asks to come back", len(polite) == len(refused) > 0,
              f"{len(polite)} of {len(refused)} refusals are 503 or 504 with Retry-After"),
    ]  # fmt: skip


def sockets_stayed(crew: Crew, connections: int, unanswered: int, how: str) -> list[Check]:
    """No charger lost its socket, and none waited in vain: a CALLERROR or the answer came."""
    lost, vain = crew.connections - connections, crew.counted("unanswered") - unanswered
    return [
        Check(f"{how}: sockets stay", lost == 0 and crew.present_share() == 1.0, f"{lost} reconnected"),
        Check(f"{how}: every call is answered within 30 s", vain == 0, f"{vain} were not"),
    ]


async def recovered(platform: Platform, crew: Crew, how: str, within_s: float = RECOVERY_S) -> Check:
    """Ready again, and what chargers say is acknowledged again."""
    before = crew.acknowledged

    async def again() -> bool:
        return crew.acknowledged > before and await platform.is_ready()

    try:
        took = await until(again, "the platform works again", 4 * within_s)
    except TookTooLong as late:
        return Check(f"{how}: works again within {within_s:g} s", False, f"{late}\n{platform.words()}")
    return Check(f"{how}: works again within {within_s:g} s", took <= within_s, f"after {took:.1f} s")
