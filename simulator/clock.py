"""Clocks of the simulation: the charger asks "what time is it" and "wake me at", and nothing else.

Simulated time is the time on the wire. It never passes the real present, because the platform compares what
a charger claims with its own clock: a simulation that runs faster than life therefore begins in the past.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What a charger needs to know about time."""

    def now(self) -> datetime:
        """Simulated time, aware, UTC."""

    async def sleep_until(self, moment: datetime) -> None:
        """Return when `now()` has reached `moment`, give or take what a timer errs."""


class RunningClock:
    """Time that runs by itself, `speed` times as fast as life, until it has caught up with the present.

    `start` is the first simulated moment (default: the present). Once the present is reached the clock goes
    on at the pace of life: timestamps are never in the future.
    """

    def __init__(self, speed: float = 1.0, start: datetime | None = None) -> None:
        if speed < 1:
            raise ValueError("the speed of a simulation is 1 or more")
        self.speed = speed
        self._real_start = datetime.now(UTC)
        self._tick_start = time.monotonic()
        self.start = min(start or self._real_start, self._real_start)

    @classmethod
    def ending_now(cls, speed: float, duration_s: float) -> RunningClock:
        """A clock that runs `duration_s` real seconds at `speed` and reaches the present at their end."""
        return cls(speed, datetime.now(UTC) - timedelta(seconds=duration_s * (speed - 1)))

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._tick_start

    def now(self) -> datetime:
        """Simulated time, aware, UTC; never later than the present."""
        elapsed = self._elapsed_s()
        simulated = self.start + timedelta(seconds=elapsed * self.speed)
        return min(simulated, self._real_start + timedelta(seconds=elapsed))

    def real_seconds_until(self, moment: datetime) -> float:
        """Real seconds from now until `now()` reaches `moment` (0 if it has)."""
        fast = (moment - self.start).total_seconds() / self.speed
        real = (moment - self._real_start).total_seconds()
        return max(0.0, max(fast, real) - self._elapsed_s())

    async def sleep_until(self, moment: datetime) -> None:
        """Sleep for the real time that the simulated span takes."""
        await asyncio.sleep(self.real_seconds_until(moment))


class StepClock:
    """Time that moves only when somebody waits for it: for scripts and tests that must not depend on pace.

    `start` defaults to a day ago, so that a script may let a whole day pass without reaching the future.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)

    def now(self) -> datetime:
        """Simulated time, aware, UTC."""
        return self._now

    async def sleep_until(self, moment: datetime) -> None:
        """Jump to `moment` (never back), and let other tasks run once."""
        self._now = max(self._now, moment)
        await asyncio.sleep(0)
