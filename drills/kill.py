"""Each process killed with -9 at random while chargers work at speed."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from time import perf_counter

from drills.books import books_agree
from drills.checks import Check, Drill, Stage
from drills.crew import Crew
from drills.platform import Platform, until

VICTIMS = ("ocpp", "api", "worker", "postgres")
RECOVERY_S = 15.0
_GIVEN_UP_S = 120.0
_BACK_SHARE = 0.95


async def run(stage: Stage) -> list[Check]:
    """Kills, waits until the platform is whole again, rests a moment, kills again; in the end compares the books."""
    size, chance = stage.size, random.Random(stage.seed)
    async with Platform.running(stage.directory, size["chargers"]) as platform:
        crew = Crew(lambda _: platform.url, size["chargers"], seed=stage.seed, speed=size["speed"],
                    lasts_s=2 * size["seconds"] + 240, sample_s=size["sample_s"], visit_s=size["visit_s"])  # fmt: skip
        async with crew.living():
            await crew.present()
            crew.work()
            took = await _rampage(stage, platform, crew, chance)
            stage.say(f"{len(took)} killed; the cars leave")
            await crew.finish(240)
        stage.figures |= {"killed": len(took), "recovery_s": took, "messages": crew.counted("answered"),
                          "sessions": len(crew.sessions), "acknowledged": crew.acknowledged}  # fmt: skip
        worst, victim = max((seconds, name) for name, seconds in took)
        held = Check(f"recovery within {RECOVERY_S:g} s", worst <= RECOVERY_S,
                     f"{len(took)} killed, the slowest {worst:.1f} s ({victim})")  # fmt: skip
        return [held, *await books_agree(platform, crew)]


async def _rampage(stage: Stage, platform: Platform, crew: Crew, chance: random.Random) -> list[tuple[str, float]]:
    """Who was killed, and the seconds until the platform was whole again."""
    took: list[tuple[str, float]] = []
    ends = perf_counter() + stage.size["seconds"]
    while perf_counter() < ends or len(took) < len(VICTIMS):
        await asyncio.sleep(chance.uniform(*stage.size["rest_s"]))
        # Everybody once, then at random: a short run must not leave one out.
        victim = VICTIMS[len(took)] if len(took) < len(VICTIMS) else chance.choice(VICTIMS)
        seconds, parts = await _recovery(platform, crew, victim)
        took.append((victim, round(seconds, 2)))
        stage.say(f"{victim} killed, whole again after {seconds:.1f} s {parts}; {crew.acknowledged:,} acknowledged")
    return took


async def _recovery(platform: Platform, crew: Crew, victim: str) -> tuple[float, dict[str, float]]:
    """Whole again: ready, the chargers back, what they say acknowledged, events relayed."""
    killed_at, began = datetime.now(UTC), perf_counter()
    platform.kill(victim)
    if victim != "postgres":  # which those that use it revive
        platform.start(victim)

    async def relayed() -> bool:
        late = "select 1 from public.outbox where published_at is null and created_at < $1 limit 1"
        try:
            return not await platform.rows(late, killed_at)
        except Exception:
            return False

    took = {"ready": await until(platform.is_ready, f"the platform is ready after {victim} was killed", _GIVEN_UP_S)}
    took["chargers"] = await crew.present(_BACK_SHARE, _GIVEN_UP_S)
    before = crew.acknowledged

    async def acknowledges() -> bool:
        return crew.acknowledged > before

    took["acknowledged"] = await until(acknowledges, "something new is acknowledged", _GIVEN_UP_S)
    took["events"] = await until(relayed, "the events from before are relayed", _GIVEN_UP_S)
    return perf_counter() - began, {name: round(seconds, 1) for name, seconds in took.items()}


DRILL = Drill(
    name="kill",
    what="each process killed with -9 at random",
    must="no acknowledged row lost or doubled; energy equals the meters; recovery ≤ 15 s",
    full={"chargers": 1000, "seconds": 600, "speed": 10.0, "sample_s": 120, "visit_s": (600, 1200), "rest_s": (3, 20)},
    short={"chargers": 40, "seconds": 8, "speed": 20.0, "sample_s": 30, "visit_s": (100, 200), "rest_s": (0.5, 1.5)},
    run=run,
)
