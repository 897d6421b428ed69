"""What a charger does as time goes by: measure, beat, give up waiting for a cable, report what changed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any

from ocpp.v16 import call

from simulator.body import Body
from simulator.samples import meter_value

LOOK = timedelta(seconds=5)
"""How often (simulated) a charger looks at itself for status changes."""


class Routine(Body):
    """The time-driven half of a charger."""

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
        dues += [due for due in (self.presence.heartbeat_due, self.presence.boot_due) if due]
        return max(now, min([now + LOOK, *dues]))

    async def _look(self) -> None:
        now = self.clock.now()
        self.charger.advance(now)
        self._measure_due(now)
        for connector_id, (_tag, deadline) in list(self._expected.items()):
            if deadline <= now:
                del self._expected[connector_id]
                self.charger.expect(connector_id, now, False)
        for connector_id in [number for number in self.sessions.open if self.connectors[number].fault]:
            await self._errand(self.stop(connector_id, "Other"))
        await self._chores(now)

    def _measure_due(self, now: datetime) -> None:
        for connector_id, due in list(self._sample_due.items()):
            if due <= now:
                self.sessions.measure(connector_id, now)
                interval = timedelta(seconds=max(1, self.configuration.number("MeterValueSampleInterval")))
                self._sample_due[connector_id] = max(due, now - interval) + interval

    async def _chores(self, now: datetime) -> None:
        presence = self.presence
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
