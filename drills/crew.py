"""Chargers of the simulator that work without pause: cars come, charge and go; the books remember everything."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter

from bench.messages import id_tag, identity
from drills.platform import TookTooLong, until
from simulator import BookedSession, ChargerSpec, LinkOptions, RunningClock, SimulatedCharger

RATED_W = 22_000
_ATTEMPTS = 100_000
_LEAVING_AT_ONCE = 50


class Crew:
    """`count` chargers. `url_of(number)`: where each connects. `lasts_s`: how long the drill may take, in real
    seconds: simulated time begins so far in the past that it never catches up with the present."""

    def __init__(self, url_of: Callable[[int], str], count: int, *, seed: int, speed: float, lasts_s: float,
                 sample_s: int = 60, visit_s: tuple[float, float] = (300, 900)) -> None:  # fmt: skip
        back = timedelta(seconds=lasts_s * (speed - 1))
        self.clock = RunningClock(speed, datetime.now(UTC) - back)
        self._chance = random.Random(seed)
        self._visit_s = visit_s
        self._lives: list[asyncio.Task[None]] = []
        settings: dict[str, str | int] = {
            "MeterValueSampleInterval": sample_s, "TransactionMessageAttempts": _ATTEMPTS,
            "TransactionMessageRetryInterval": 1, "AllowOfflineTxForUnknownId": "true",
        }  # fmt: skip
        options = LinkOptions(checked=False, compression=False, keep_frames=False)
        self.chargers = [
            SimulatedCharger(
                url_of(number), identity(number), clock=self.clock, spec=ChargerSpec("AC", RATED_W, 1), options=options,
                configuration=dict(settings), registers_wh=(number * 1000,), autonomous=True,
            )
            for number in range(count)
        ]  # fmt: skip

    @contextlib.asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Connects them, a hundred a second; they reconnect as long as the block lasts."""
        async with contextlib.AsyncExitStack() as stack:
            for number, charger in enumerate(self.chargers):
                await stack.enter_async_context(charger)
                if number % 10 == 9:
                    await asyncio.sleep(0.1)
            try:
                yield
            finally:
                for life in self._lives:
                    life.cancel()
                await asyncio.gather(*self._lives, return_exceptions=True)

    def present_share(self) -> float:
        """How many are connected and accepted, of one."""
        return sum(charger.presence.ready for charger in self.chargers) / len(self.chargers)

    async def present(self, share: float = 1.0, within_s: float = 120.0) -> float:
        """Waits until so many are there; the seconds it took."""

        async def there() -> bool:
            return self.present_share() >= share

        return await until(there, f"{share:.0%} of the chargers are there", within_s)

    def work(self) -> None:
        """From now on cars come and go at every charger."""
        self._lives = [
            asyncio.create_task(self._life(number, random.Random(self._chance.random())))
            for number in range(len(self.chargers))
        ]

    async def _life(self, number: int, chance: random.Random) -> None:
        charger = self.chargers[number]
        await charger.pass_time(chance.uniform(1, 120))
        while True:
            await charger.plug_in()
            await charger.tap(1, id_tag(number))
            await charger.pass_time(chance.uniform(*self._visit_s))
            await charger.unplug()
            await charger.pass_time(chance.uniform(30, 120))

    async def finish(self, within_s: float) -> float:
        """The cars leave and every message is delivered; the seconds that took. Raises TookTooLong."""
        began = perf_counter()
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)
        few = asyncio.Semaphore(_LEAVING_AT_ONCE)

        async def leave(charger: SimulatedCharger) -> None:
            async with few:
                if charger.connectors[1].vehicle is not None:
                    await charger.unplug()
            await charger.emptied()

        try:
            async with asyncio.timeout(within_s):
                await asyncio.gather(*map(leave, self.chargers))
        except TimeoutError:
            waiting = sum(charger.queued for charger in self.chargers)
            raise TookTooLong(f"{waiting} messages of chargers were not delivered within {within_s:g} s") from None
        return perf_counter() - began

    @property
    def sessions(self) -> list[BookedSession]:
        """The books."""
        return [session for charger in self.chargers for session in charger.books.sessions]

    @property
    def acknowledged(self) -> int:
        """Starts, readings and stops that the platform has acknowledged."""
        return sum(one.start_acknowledged + one.stop_acknowledged + one.readings_acknowledged for one in self.sessions)

    def counted(self, what: str) -> int:
        """The sum over the chargers of one of their counters: sent, answered, errors, unanswered."""
        return sum(charger.books.messages[what] for charger in self.chargers)

    @property
    def connections(self) -> int:
        """How often they have connected."""
        return sum(charger.books.connections for charger in self.chargers)
