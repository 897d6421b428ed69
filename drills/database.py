"""The database stopped, then frozen, while chargers work: a server that hangs is worse than one that is gone."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable

import psutil

from bench.registry import Registry
from drills.books import books_agree
from drills.checks import Check, Drill, Stage
from drills.crew import Crew
from drills.outage import recovered, said_so, sockets_stayed, watch
from drills.platform import Platform

_STOPPED_WITHIN_S = 20


async def stop(registry: Registry) -> None:
    """A fast shutdown: connections are ended, everything is written."""
    postmaster = registry.postmaster()
    postmaster.send_signal(signal.SIGINT)
    await asyncio.to_thread(postmaster.wait, _STOPPED_WITHIN_S)


async def start(registry: Registry) -> None:
    """Starts it again."""
    await asyncio.to_thread(registry.ensure_running)


async def freeze(registry: Registry) -> None:
    """SIGSTOP to all its processes: connections stand, nothing is answered."""
    _signal(registry, signal.SIGSTOP)


async def thaw(registry: Registry) -> None:
    """They go on where they were."""
    _signal(registry, signal.SIGCONT)


def _signal(registry: Registry, number: signal.Signals) -> None:
    postmaster = registry.postmaster()
    for process in [postmaster, *postmaster.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


Act = Callable[[Registry], Awaitable[None]]
OUTAGES: tuple[tuple[str, Act, Act], ...] = (("stopped", stop, start), ("frozen", freeze, thaw))


async def run(stage: Stage) -> list[Check]:
    """Both outages one after another, with the chargers at work."""
    size = stage.size
    async with Platform.running(stage.directory, size["chargers"], own_database=False) as platform:
        crew = Crew(lambda _: platform.url, size["chargers"], seed=stage.seed, speed=size["speed"],
                    lasts_s=4 * size["away_s"] + 300, sample_s=size["sample_s"], visit_s=size["visit_s"])  # fmt: skip
        async with crew.living():
            await crew.present()
            crew.work()
            checks: list[Check] = []
            for how, away, back in OUTAGES:
                await asyncio.sleep(size["between_s"])
                checks += await _outage(stage, platform, crew, how, away, back)
            await asyncio.sleep(size["between_s"])
            stage.say("the cars leave")
            await crew.finish(120)
        stage.figures |= {"call_errors": crew.counted("errors"), "messages": crew.counted("answered"),
                          "sessions": len(crew.sessions)}  # fmt: skip
        return [*checks, *await books_agree(platform, crew)]


async def _outage(stage: Stage, platform: Platform, crew: Crew, how: str, away: Act, back: Act) -> list[Check]:
    token = await platform.registry.login(platform.api_url)
    connections, unanswered, errors = crew.connections, crew.counted("unanswered"), crew.counted("errors")
    stage.say(f"database {how}; {crew.acknowledged:,} acknowledged so far")
    await away(platform.registry)
    try:
        seen = await watch(platform, token, stage.size["away_s"])
    finally:
        await back(platform.registry)
    again = await recovered(platform, crew, how)
    told = crew.counted("errors") - errors
    stage.figures |= {f"call_errors_while_{how}": told}
    stage.say(f"database back; {told} calls were refused meanwhile; {again.figure}")
    return [*said_so(seen, how), *sockets_stayed(crew, connections, unanswered, how), again]


DRILL = Drill(
    name="database",
    what="database stopped, then frozen",
    must="sockets stay; chargers get CALLERROR or wait, then replay; nothing acknowledged is lost",
    full={"chargers": 500, "away_s": 60, "between_s": 10, "speed": 5.0, "sample_s": 60, "visit_s": (300, 600)},
    short={"chargers": 20, "away_s": 5, "between_s": 1, "speed": 20.0, "sample_s": 30, "visit_s": (60, 120)},
    run=run,
)
