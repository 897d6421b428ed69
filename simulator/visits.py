"""Plays one scenario at one plug: a car, a tag, the steps of the row."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from simulator.cars import arrive, slow_car
from simulator.device import SimulatedCharger
from simulator.outbox import NotDelivered
from simulator.scenarios import Scenario, Step, Verb

_NOTICE_S = 10


@dataclass(slots=True)
class Visit:
    """A driver at a plug. `pace` stretches every duration; `eager`: nothing takes time before charging begins."""

    charger: SimulatedCharger
    connector_id: int
    id_token: str
    chance: random.Random
    pace: float = 1.0
    eager: bool = False

    async def play(self, scenario: Scenario) -> None:
        """Play all steps. A step that no longer applies (somebody stopped the session) does nothing."""
        for step in scenario.steps:
            self.eager = self.eager and step.verb != "charge"
            seconds = 0.0 if self.eager else self.chance.uniform(*step.seconds) * self.pace
            await _VERBS[step.verb](self, step, seconds)

    @property
    def charging(self) -> bool:
        """A session is open here, whoever started it."""
        return self.connector_id in self.charger.sessions.open

    async def _pass(self, seconds: float) -> None:
        if seconds > 0:
            await self.charger.pass_time(seconds)

    async def charge(self, _step: Step, seconds: float) -> None:
        """Wait while the session is open."""
        while seconds > 0 and self.charging:
            await self._pass(min(_NOTICE_S, seconds))
            seconds -= _NOTICE_S

    async def plug_in(self, step: Step, seconds: float) -> None:
        """Bring a car, unless one is there."""
        if self.charger.connectors[self.connector_id].vehicle is None:
            direct = self.charger.charger.spec.current_type == "DC"
            car = slow_car() if step.detail == "slow" else arrive(self.chance, direct_current=direct)
            await self.charger.plug_in(self.connector_id, car)
        await self._pass(seconds)

    async def tap(self, _step: Step, seconds: float) -> None:
        """Ask for a session."""
        if self.connector_id not in self.charger.sessions.open:
            await self.charger.tap(self.connector_id, self.id_token)
        await self._pass(seconds)

    async def tap_off(self, _step: Step, seconds: float) -> None:
        """End the session with the tag that began it."""
        session = self.charger.sessions.open.get(self.connector_id)
        if session:
            await self.charger.tap(self.connector_id, session.id_token)
        await self._pass(seconds)


def _plain(act: Callable[[Visit, Step], Awaitable[Any]]) -> Callable[[Visit, Step, float], Awaitable[None]]:
    async def verb(visit: Visit, step: Step, seconds: float) -> None:
        await act(visit, step)
        if seconds > 0:
            await visit.charger.pass_time(seconds)

    return verb


async def _network_out(visit: Visit, _step: Step) -> None:
    visit.charger.drop_connection()


async def _send(visit: Visit, step: Step) -> None:
    with contextlib.suppress(NotDelivered):
        await visit.charger.send_text(step.detail)


async def _power_off(visit: Visit, _step: Step) -> None:
    visit.charger.power_off()


async def _jam(visit: Visit, step: Step) -> None:
    visit.charger.jam_lock(visit.connector_id, step.verb == "jam_lock")


async def _wait(_visit: Visit, _step: Step) -> None:
    return None


_VERBS: dict[Verb, Callable[[Visit, Step, float], Awaitable[None]]] = {
    "plug_in": Visit.plug_in,
    "tap": Visit.tap,
    "tap_off": Visit.tap_off,
    "charge": Visit.charge,
    "wait": _plain(_wait),
    "unplug": _plain(lambda visit, step: visit.charger.unplug(visit.connector_id)),
    "fault": _plain(lambda visit, step: visit.charger.raise_fault(visit.connector_id, step.detail)),
    "clear": _plain(lambda visit, step: visit.charger.clear_fault(visit.connector_id)),
    "car_pauses": _plain(lambda visit, step: visit.charger.suspend(visit.connector_id, ev=True)),
    "car_resumes": _plain(lambda visit, step: visit.charger.suspend(visit.connector_id, ev=False)),
    "network_out": _plain(_network_out),
    "network_in": _plain(lambda visit, step: visit.charger.reconnect()),
    "power_off": _plain(_power_off),
    "power_on": _plain(lambda visit, step: visit.charger.power_on()),
    "jam_lock": _plain(_jam),
    "free_lock": _plain(_jam),
    "security_event": _plain(lambda visit, step: visit.charger.security_event(step.detail)),
    "say": _plain(lambda visit, step: visit.charger.say(step.detail)),
    "send": _plain(_send),
    "reboot": _plain(lambda visit, step: visit.charger.reboot(step.detail)),
}
