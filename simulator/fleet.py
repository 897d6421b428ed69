"""Many chargers in one process, each living by itself, and one summary of all their books.

    fleet = Fleet("ws://127.0.0.1:9000", members("SIM-", 200), "city-day", id_tokens=["TAG-1"], speed=60,
                  duration_s=300, seed=1)
    summary = await fleet.run()          # a dict; see `simulator.summary`

Time on the wire is simulated time. With a `duration_s` it begins `duration_s * (speed - 1)` seconds in the
past and reaches the present at the end; without one (endless) it begins in the present at speed 1, and a
day in the past at a higher speed, and goes on at the pace of life once it has caught up. So no timestamp is
ever in the future, and no session has more energy than its rated power allows in its time.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from simulator.charger import ChargerSpec
from simulator.clock import RunningClock
from simulator.device import SimulatedCharger
from simulator.link import LinkOptions
from simulator.memory import Memory
from simulator.quirks import QUIRKS, Quirks
from simulator.scenarios import HELP, SCENARIOS, Mix, find
from simulator.summary import summarise
from simulator.visits import Visit

LOG = logging.getLogger("simulator")

LOCAL = timedelta(hours=7)
"""The curve of arrivals is read in western Indonesian time (WIB)."""

FLEET_LINK = LinkOptions(checked=False, compression=False, keep_frames=False)
"""How chargers of a fleet connect: nothing is checked or kept that costs."""

WIND_DOWN_S = 15.0
_CONNECTS_PER_SECOND = 100
_SLICE_S = 60
_OPENING = timedelta(seconds=3)
_METERS_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)

_SPECS = (
    ChargerSpec("AC", 7_400, 1),
    ChargerSpec("AC", 22_000, 2),
    ChargerSpec("DC", 60_000, 1),
    ChargerSpec("AC", 22_000, 1),
    ChargerSpec("DC", 120_000, 2),
    ChargerSpec("DC", 50_000, 1),
    ChargerSpec("DC", 200_000, 2),
)


@dataclass(frozen=True, slots=True)
class Member:
    """One charger of a fleet; `id_tokens` are known to its operator (empty: the fleet's are used)."""

    identity: str
    spec: ChargerSpec
    password: str | None = None
    id_tokens: tuple[str, ...] = ()


def members(prefix: str, count: int) -> list[Member]:
    """`count` chargers `<prefix>0001` …, of the usual kinds in turn."""
    return [Member(f"{prefix}{number:04d}", _SPECS[number % len(_SPECS)]) for number in range(1, count + 1)]


def lifetime_registers(spec: ChargerSpec, at: datetime) -> tuple[int, ...]:
    """Registers of a charger that has worked at a quarter of its power since 2026 began.

    A later run thus begins above where an earlier one ended, as a lifetime meter must.
    """
    hours = max(0.0, (at - _METERS_BEGAN).total_seconds() / 3600)
    return (int(spec.rated_power_w * hours / 4),) * spec.connector_count


class Fleet:
    """See the module. `scenario` names a row of SCENARIOS (played again and again at every plug, or `once`)
    or of MIXES; `quirk` makes every charger misbehave; `state` is a file in which open sessions, registers
    and unsent messages survive; `sample_interval_s` overrides the scenario's; `options` the connection's;
    `configuration` initial values of OCPP keys.
    """

    def __init__(
        self,
        url: str,
        chargers: Sequence[Member],
        scenario: str = "normal",
        *,
        id_tokens: Sequence[str] = ("TAG-1",),
        speed: float = 1.0,
        duration_s: float = 0.0,
        seed: int = 1,
        once: bool = False,
        quirk: str = "none",
        sample_interval_s: int | None = None,
        options: LinkOptions | None = None,
        configuration: dict[str, str | int] | None = None,
        state: Path | None = None,
    ) -> None:
        self.url, self.chargers, self.scenario = url, list(chargers), scenario
        self.id_tokens = list(id_tokens)
        self._own_tags = {member.identity: member.id_tokens for member in chargers}
        self.duration_s, self.speed, self.seed, self.once = duration_s, speed, seed, once
        self.clock = self._clock()
        self._chance = random.Random(seed)
        self._plan = find(scenario)
        self._quirk = quirk
        self._sample_interval_s = sample_interval_s
        self._options = options or FLEET_LINK
        self._configuration = configuration or {}
        self._memory = Memory(state)
        self._stopping = asyncio.Event()
        self._tags_in_use: set[str] = set()
        self.running: list[SimulatedCharger] = []
        self.began_at = datetime.now(UTC)
        self.simulated_from = self.clock.now()

    def _clock(self) -> RunningClock:
        if self.duration_s:
            return RunningClock.ending_now(self.speed, self.duration_s)
        back = timedelta(days=1) if self.speed > 1 else timedelta()
        return RunningClock(self.speed, datetime.now(UTC) - back)

    def stop(self) -> None:
        """End at once, leaving sessions open (a signal asked for it)."""
        self._stopping.set()

    async def run(self) -> dict[str, Any]:
        """Run until the duration is over, every plug has had its visit (`once`), or `stop`."""
        self.running = [self._charger(member) for member in self.chargers]
        recalled = [self._memory.recall(charger) for charger in self.running]
        self._tags_in_use = set().union(*recalled)
        lives = [
            asyncio.create_task(self._life(number / _CONNECTS_PER_SECOND, charger, tags))
            for number, (charger, tags) in enumerate(zip(self.running, recalled, strict=True))
        ]
        keeper = asyncio.create_task(self._keep_memory())
        await self._until_over(lives)
        for task in (*lives, keeper):
            task.cancel()
        for ended in await asyncio.gather(*lives, keeper, return_exceptions=True):
            if isinstance(ended, Exception):
                LOG.error("a charger of the fleet failed", exc_info=ended)
        if not self._stopping.is_set():
            await self._wind_down()
        self._memory.save(self.running)
        await asyncio.gather(*(charger.close() for charger in self.running))
        return summarise(self)

    async def _until_over(self, lives: list[asyncio.Task[None]]) -> None:
        async def over() -> None:
            await (asyncio.gather(*lives) if self.once else asyncio.Event().wait())

        await self._unless_stopped(over(), self.duration_s or None)

    async def _unless_stopped(self, work: Coroutine[Any, Any, None], timeout_s: float | None) -> None:
        """Do `work` until it is done, `timeout_s` has passed, or `stop` was called."""
        waiting = {asyncio.create_task(work), asyncio.create_task(self._wait_for_stop())}
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)

    async def _wait_for_stop(self) -> None:
        await self._stopping.wait()

    async def _wind_down(self) -> None:
        async def leave(charger: SimulatedCharger) -> None:
            if not charger.charger.powered:
                await charger.power_on()
            await charger.reconnect()
            for connector_id in list(charger.sessions.open):
                await charger.stop(connector_id)
            await charger.emptied()

        async def leave_all() -> None:
            await asyncio.gather(*(leave(charger) for charger in self.running))

        await self._unless_stopped(leave_all(), WIND_DOWN_S)

    async def _keep_memory(self) -> None:
        while True:
            await asyncio.sleep(10)
            self._memory.save(self.running)

    # --- one charger ------------------------------------------------------------------------------------

    def _charger(self, member: Member) -> SimulatedCharger:
        interval_s = self._sample_interval_s or (self._plan.sample_interval_s if isinstance(self._plan, Mix) else 60)
        registers_wh = self._memory.registers(member.identity) or lifetime_registers(member.spec, datetime.now(UTC))
        return SimulatedCharger(
            self.url,
            member.identity,
            password=member.password,
            spec=member.spec,
            clock=self.clock,
            quirks=self._quirks_of_next(),
            options=self._options,
            configuration={"MeterValueSampleInterval": interval_s, **self._configuration},
            registers_wh=registers_wh,
            autonomous=True,
            keep_readings=False,
        )

    def _quirks_of_next(self) -> Quirks:
        if self._quirk != "none":
            return QUIRKS[self._quirk]
        if not isinstance(self._plan, Mix):
            return QUIRKS[self._plan.quirk]
        drawn = self._chance.random()
        for name, share in self._plan.quirks.items():
            if drawn < share:
                return QUIRKS[name]
            drawn -= share
        return QUIRKS["none"]

    async def _life(self, delay_s: float, charger: SimulatedCharger, recalled: set[str]) -> None:
        await asyncio.sleep(delay_s)
        await charger.__aenter__()
        chance = random.Random(f"{self.seed}/{charger.identity}")
        plugs = [self._plug(charger, number, random.Random(chance.random())) for number in charger.connectors]
        if isinstance(self._plan, Mix) and self._plan.helpful:
            plugs.append(self._help(charger, chance))
        plugs.append(self._return_tags(charger, recalled))
        await asyncio.gather(*plugs)

    async def _plug(self, charger: SimulatedCharger, connector_id: int, chance: random.Random) -> None:
        plan = self._plan
        while isinstance(plan, Mix):
            eager = await self._arrival(plan, chance)
            drawn = chance.choices(list(plan.weights), list(plan.weights.values()))[0]
            name = "normal" if eager else drawn
            await self._visit(charger, connector_id, name, chance, plan.pace, eager)
        while True:
            await charger.pass_time(chance.uniform(1, 30))
            await self._visit(charger, connector_id, self.scenario, chance)
            if self.once:
                return
            await charger.pass_time(chance.uniform(60, 600))

    async def _arrival(self, plan: Mix, chance: random.Random) -> bool:
        """Wait for the next driver; True for one of those who are there when the fleet begins."""
        if self.clock.now() - self.simulated_from < _OPENING * self.speed and chance.random() < plan.opening:
            await asyncio.sleep(chance.uniform(0, _OPENING.total_seconds()))
            return True
        while True:
            await self.clock.sleep_until(self.clock.now() + timedelta(seconds=_SLICE_S))
            hour = (self.clock.now() + LOCAL).hour
            if chance.random() < plan.arrivals_per_hour[hour] * _SLICE_S / 3600:
                return False

    async def _visit(
        self,
        charger: SimulatedCharger,
        connector_id: int,
        name: str,
        chance: random.Random,
        pace: float = 1.0,
        eager: bool = False,
    ) -> None:
        plug = charger.connectors[connector_id]
        if plug.vehicle or plug.expecting or plug.fault:
            return
        scenario = SCENARIOS[name]
        id_token = self._borrow_tag(charger.identity, chance) if scenario.good_tag else _strange_tag(chance)
        if id_token is None:
            return
        try:
            await Visit(charger, connector_id, id_token, chance, pace, eager).play(scenario)
        finally:
            self._tags_in_use.discard(id_token)

    def _borrow_tag(self, identity: str, chance: random.Random) -> str | None:
        """A tag nobody drives with now (a platform lets a tag begin one session at a time).

        None when all tags of the charger's operator are on the road; the fleet's own are then shared.
        """
        own = self._own_tags[identity]
        free = [tag for tag in own or self.id_tokens if tag not in self._tags_in_use]
        if not free and own:
            return None
        tag = chance.choice(free or self.id_tokens)
        self._tags_in_use.add(tag)
        return tag

    async def _return_tags(self, charger: SimulatedCharger, tags: set[str]) -> None:
        """Tags of sessions from before a restart are free once the platform knows how those ended."""
        await charger.emptied()
        self._tags_in_use -= tags

    async def _help(self, charger: SimulatedCharger, chance: random.Random) -> None:
        """Bring a car to a plug that somebody started remotely, and take it away later."""
        while True:
            await charger.pass_time(3)
            for number, plug in charger.connectors.items():
                if plug.expecting and plug.vehicle is None:
                    await Visit(charger, number, "", chance).play(HELP)


def _strange_tag(chance: random.Random) -> str:
    return f"UNKNOWN-{chance.randint(1000, 9999)}"
