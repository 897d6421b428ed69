"""The network cut for half of the fleet; what happened meanwhile is told afterwards in random order."""

from __future__ import annotations

import asyncio
import contextlib
import random

from drills.books import books_agree
from drills.checks import Check, Drill, Stage
from drills.crew import Crew
from drills.platform import Platform, until
from drills.relay import Relay
from simulator import SimulatedCharger, Unreachable

_DELAY_S = 0.3
_DELIVERED_WITHIN_S = 300.0
_CONNECTED = "select count(*) as n from public.charger_live where connected"


async def run(stage: Stage) -> list[Check]:
    """Slow, reset, cut: then back, with the history shuffled. The other half must not notice anything."""
    size = stage.size
    async with Platform.running(stage.directory, size["chargers"]) as platform, Relay.to(platform.ocpp_port) as relay:
        crew = Crew(lambda number: relay.url if number % 2 else platform.url, size["chargers"], seed=stage.seed,
                    speed=size["speed"], lasts_s=2 * size["cut_s"] + 400, sample_s=size["sample_s"],
                    visit_s=size["visit_s"])  # fmt: skip
        async with crew.living():
            await crew.present()
            crew.work()
            cut_off, others = crew.chargers[1::2], crew.chargers[0::2]
            await _slow_and_reset(stage, relay)
            steady = sum(one.books.connections for one in others)
            waiting = await _cut(stage, relay, cut_off)
            stage.say(f"network back; {waiting:,} messages of {len(cut_off)} chargers wait, in random order")
            took = await crew.finish(_DELIVERED_WITHIN_S)
            moved = sum(one.books.connections for one in others) - steady
            checks = [
                Check("the other half keeps its sockets", moved == 0, f"{moved} reconnected"),
                Check("the history is delivered", waiting > 0, f"{waiting:,} messages in {took:.1f} s"),
                await _all_connected(platform, size["chargers"]),
            ]
            stage.figures |= {"waiting": waiting, "delivered_s": round(took, 1), "sessions": len(crew.sessions)}
        return [*checks, *await books_agree(platform, crew)]


async def _slow_and_reset(stage: Stage, relay: Relay) -> None:
    stage.say(f"answers take {2 * _DELAY_S:g} s longer for half of the fleet")
    relay.delay_s = _DELAY_S
    await asyncio.sleep(stage.size["slow_s"])
    stage.say("all their connections are reset")
    relay.reset()
    await asyncio.sleep(stage.size["slow_s"])
    relay.delay_s = 0.0


async def _cut(stage: Stage, relay: Relay, cut_off: list[SimulatedCharger]) -> int:
    """Cut, wait, shuffle, mend; returns how many messages waited. Half of them notice at once, half never."""
    chance = random.Random(stage.seed)
    stage.say("the network is cut for half of the fleet")
    relay.cut()
    for charger in cut_off[::2]:
        charger.drop_connection()
    await asyncio.sleep(stage.size["cut_s"])
    for charger in cut_off:
        charger.drop_connection()
        charger.shuffle_history(chance)
    waiting = sum(charger.queued for charger in cut_off)
    relay.mend()
    for charger in cut_off:
        charger.start_task(_reconnect(charger))
        await asyncio.sleep(0.005)
    return waiting


async def _reconnect(charger: SimulatedCharger) -> None:
    with contextlib.suppress(Unreachable):  # it goes on trying by itself
        await charger.reconnect()


async def _all_connected(platform: Platform, chargers: int) -> Check:
    """The platform knows each charger by its newest socket, though the old ones never said goodbye."""

    async def known() -> bool:
        [row] = await platform.rows(_CONNECTED)
        return bool(row["n"] == chargers)

    took = await until(known, "every charger is shown as connected", 60)
    return Check("every charger is shown as connected", True, f"{chargers} after {took:.1f} s")


DRILL = Drill(
    name="network",
    what="network cut for half of the fleet, history replayed in random order",
    must="sessions and energy equal the meters",
    full={"chargers": 500, "cut_s": 90, "slow_s": 15, "speed": 10.0, "sample_s": 60, "visit_s": (150, 400)},
    short={"chargers": 24, "cut_s": 5, "slow_s": 1, "speed": 40.0, "sample_s": 20, "visit_s": (40, 100)},
    run=run,
)
