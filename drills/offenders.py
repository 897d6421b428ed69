"""Slow, silent, flooding and malformed chargers among good ones: who notices, and are they named."""

from __future__ import annotations

import asyncio
from typing import Any

from bench.agent import Agent
from bench.measure import Cores
from bench.messages import identity
from drills.checks import Check, Drill, Stage
from drills.platform import Platform
from drills.rogues import ROGUES, Rogue, assembled, at_work

RATIO = 2.0
_METER_S, _HEARTBEAT_S = 10.0, 60.0
_CONNECT_RATE = 100.0
_TIMEOUT_S = 60.0
_NAMED_WITHIN_S = 60.0
_PING_S = "3"  # instead of a minute: who says nothing is known after seven seconds


async def run(stage: Stage) -> list[Check]:
    """The same metering load three times: quiet, among offenders, and quiet again."""
    size = stage.size
    good, each = size["chargers"], size["of_each"]
    count = good + each * len(ROGUES)
    async with (
        Platform.running(stage.directory, count, UNIEV_OCPP_PING_INTERVAL_S=_PING_S) as platform,
        Agent.started(Cores.of_this_machine()) as agent,
    ):
        await _fleet(agent, platform, good)
        quiet = await _metering(stage, agent, "quiet")
        async with at_work(platform.ocpp_port, good, each):
            noisy = await _metering(stage, agent, "among offenders")
            named = await _named(stage, platform, assembled(good, each), {identity(n) for n in range(good)})
        after = await _metering(stage, agent, "quiet again")
        await agent.order("close", timeout_s=5.0)
        ended = platform.ended()
    # A machine that others use is not equally quiet all the time: the slower of the two quiet times counts.
    still_ms = max(quiet["p99_ms"], after["p99_ms"])
    stage.figures |= {"quiet": quiet, "noisy": noisy, "after": after}
    return [
        Check(f"p99 of the good ones within {RATIO:g} × of quiet", noisy["p99_ms"] <= RATIO * still_ms,
              f"{noisy['p99_ms']:.1f} ms, quiet {quiet['p99_ms']:.1f} and {after['p99_ms']:.1f} ms"),
        Check("every call of the good ones is answered", noisy["missing"] == 0, f"{noisy['missing']} not"),
        *named,
        Check("no process ended", not ended, ", ".join(ended) or "all three run"),
    ]  # fmt: skip


async def _fleet(agent: Agent, platform: Platform, good: int) -> None:
    await agent.order("fleet", url=platform.url, compression=False)
    within_s = 2 * _TIMEOUT_S + good / 10
    await agent.order("connect", first=0, count=good, rate=_CONNECT_RATE, timeout_s=_TIMEOUT_S, within_s=within_s)
    await agent.order("sessions", rate=_CONNECT_RATE, timeout_s=_TIMEOUT_S, within_s=within_s)


async def _metering(stage: Stage, agent: Agent, how: str) -> dict[str, Any]:
    """p50, p99, p99.9 and the longest answer in ms, and how many calls got none."""
    size = stage.size
    report = await agent.order(
        "meter", within_s=size["warm_s"] + size["seconds"] + 60, warm_s=size["warm_s"], seconds=size["seconds"],
        meter_s=_METER_S, heartbeat_s=_HEARTBEAT_S,
    )  # fmt: skip
    answers = report["all_answers"]
    missing = report["unanswered"] + sum(report["errors"].values())
    stage.say(f"{how}: {answers['count']:,} answers, p50 {answers['p50_ms']:.1f}, p99 {answers['p99_ms']:.1f} ms; "
              f"the load itself late by {report['load_lateness']['p99_ms']:.1f} ms")  # fmt: skip
    return {**answers, "missing": missing, "load_lateness_ms": report["load_lateness"]["p99_ms"]}


async def _named(stage: Stage, platform: Platform, rogues: list[tuple[Rogue, str]], good: set[str]) -> list[Check]:
    """Each offender has an alarm of its kind; nobody else has one."""
    wanted = {(rogue.alarm, name if rogue.named else None) for rogue, name in rogues}
    found: set[tuple[str, str | None]] = set()
    async with platform.api() as api:
        for _ in range(int(_NAMED_WITHIN_S)):
            reply = await api.get("/api/alarms", params={"limit": 200})
            found = {(row["kind"], row["charger_id"]) for row in reply.raise_for_status().json()["items"]}
            if wanted <= found:
                break
            await asyncio.sleep(1)
    nameless = sorted(f"{kind} of {name or 'a stranger'}" for kind, name in wanted - found)
    wronged = sorted(name for _, name in found if name in good)
    stage.figures |= {"alarms": len(found)}
    return [
        Check("every offender is named in an alarm", not nameless,
              ", ".join(nameless) if nameless else f"{len(wanted)} of {len(wanted)}"),
        Check("no good one is named", not wronged, ", ".join(wronged) or f"{len(found)} alarms, none of them"),
    ]  # fmt: skip


DRILL = Drill(
    name="offenders",
    what="slow, silent, flooding and malformed chargers among good ones",
    must="the good ones' p99 ≤ 2 × of quiet; offenders named in an alarm",
    full={"chargers": 1000, "of_each": 5, "warm_s": 10, "seconds": 60},
    short={"chargers": 60, "of_each": 1, "warm_s": 2, "seconds": 8},
    run=run,
)
