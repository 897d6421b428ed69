"""What a charger does as time goes by: measure, beat, give up waiting for a cable, report what changed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any

from ocpp.v16 import call

from simulator.body import Body
from simulator.samples import meter_value

_MIDNIGHT = datetime(2020, 1, 1, tzinfo=UTC)

LOOK = timedelta(seconds=5)
"""How often (simulated) a charger looks at itself for status changes."""


class Routine(Body):
    """The time-driven half of a charger."""

    _aligned_due: datetime | None = None

    @abstractmethod
    async def stop(self, connector_id: int = 1, cause: str = "Local", id_token: str | None = None) -> None:
        """End the session of a connector, if there is one."""

    async def meter(self, connector_id: int | None = None, context: str = "Sample.Periodic") -> None:
        """Send readings now: of one connector, or of all that have a session.

        A connector without a session sends its register without a transaction id.
        """
        now = self.clock.now()
        numbers = list(self.sessions.open) if connector_id is None else [connector_id]
        for number in numbers:
            if number in self.sessions.open:
                self.sessions.measure(number, now, context)
            else:
                await self._meter_idle(number, context)
        if self.quirks.main_meter:
            await self._meter_idle(0, context)
        await self._outbox.settled()

    async def _meter_idle(self, connector_id: int, context: str) -> None:
        reading = self.charger.read(connector_id or 1, self.clock.now())
        energy_wh = reading.energy_wh if connector_id else self.charger.energy_wh
        value = meter_value(
            reading,
            energy_wh,
            context=context,
            measurands=["Energy.Active.Import.Register"],
            quirks=self.quirks,
        )
        await self.presence.ask(call.MeterValues(connector_id, [value]))

    async def pass_time(self, seconds: float) -> None:
        """Let simulated seconds pass; readings, heartbeats and time-outs that fall due happen in between."""
        end = self.clock.now() + timedelta(seconds=seconds)
        if self._autonomous:
            await self.clock.sleep_until(end)
        else:
            while self.clock.now() < end:
                await self.clock.sleep_until(min(end, self._next_look()))
                await self._look()
        await self._outbox.settled()

    async def live(self) -> None:
        """Watch the clock for ever: measure, beat, report."""
        while True:
            await self.clock.sleep_until(self._next_look())
            await self._look()

    def _next_look(self) -> datetime:
        now = self.clock.now()
        dues: list[datetime] = [
            *self._sample_due.values(),
            *(deadline for _tag, deadline in self._expected.values()),
        ]
        own = (self.presence.heartbeat_due, self.presence.boot_due, self.reservations.next_expiry, self._aligned_due)
        dues += [due for due in own if due]
        return max(now, min([now + LOOK, *dues]))

    async def _look(self) -> None:
        now = self.clock.now()
        self.charger.advance(now)
        self._measure_due(now)
        for connector_id, (_tag, deadline) in list(self._expected.items()):
            if deadline <= now:
                del self._expected[connector_id]
                self._profile_later.pop(connector_id, None)
                self.charger.expect(connector_id, now, False)
        if self.reservations:
            self.reservations.expire(now)
        for connector_id in [number for number in self.sessions.open if self.connectors[number].fault]:
            await self._errand(self.stop(connector_id, "Other"))
        await self._chores(now)

    def _measure_due(self, now: datetime) -> None:
        for connector_id, due in list(self._sample_due.items()):
            if due <= now:
                self.sessions.measure(connector_id, now)
                interval = timedelta(seconds=max(1, self.configuration.number("MeterValueSampleInterval")))
                self._sample_due[connector_id] = max(due, now - interval) + interval

    def _align(self, now: datetime) -> None:
        """Set when the next clock-aligned reading is due (1.6 §9.1.5): multiples of the interval since midnight."""
        interval_s = self.configuration.number("ClockAlignedDataInterval")
        if not interval_s:
            self._aligned_due = None
        elif self._aligned_due is None:
            step = timedelta(seconds=interval_s)
            self._aligned_due = _MIDNIGHT + ((now - _MIDNIGHT) // step + 1) * step

    async def _measure_aligned(self) -> None:
        self._aligned_due = None
        for number in [0, *self.connectors]:
            await self._meter_idle(number, "Sample.Clock")

    async def _chores(self, now: datetime) -> None:
        presence = self.presence
        if self._aligned_due and self._aligned_due <= now:
            await self._errand(self._measure_aligned())
        self._align(now)
        if presence.boot_due and presence.boot_due <= now:
            presence.boot_due = None
            await self._errand(presence.boot())
        if presence.heartbeat_due and presence.heartbeat_due <= now:
            await self._errand(presence.heartbeat())
        if presence.ready and presence.stale:
            await self._errand(presence.report())

    async def _errand(self, work: Awaitable[Any]) -> None:
        if self._autonomous:
            self.start_task(work)
        else:
            await work
