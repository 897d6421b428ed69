"""Where the simulated chargers of the screen live: one background thread with an event loop, shared by all viewers.

Streamlit reruns scripts in threads of its own; chargers must outlive them. Everything that touches a charger runs
in the garage's loop; the screen gets copies (`BayView`).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from simulator import ChargerSpec, RunningClock, SimulatedCharger
from simulator.books import Frame
from simulator.outbox import NotDelivered
from simulator.scenarios import SCENARIOS
from simulator.visits import Visit

T = TypeVar("T")

WAIT_S = 8.0
SAMPLES_KEPT = 900
EVENTS_KEPT = 300
PAST_KEPT = 20
BACK = timedelta(hours=12)
"""How far in the past a charger begins whose time runs faster than life."""


class Taken(Exception):
    """A charger with this identity is in the garage already."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done at the screen or by a script; `what` is a verb, `answer` what came of it."""

    at: datetime
    what: str
    detail: str = ""
    answer: str = ""


@dataclass(frozen=True, slots=True)
class PlugView:
    """One connector as it is now. Energies in Wh; `car_soc_percent` is the car's own figure.

    `reserved_for` names the tags of its reservations; `limit_w` is what charging profiles let through (None: all).
    """

    connector_id: int
    status: str
    fault: str | None
    car: str | None
    car_soc_percent: int | None
    power_w: int
    register_wh: int
    session_wh: int | None
    transaction_id: int | None
    id_token: str | None
    ev_suspended: bool
    reserved_for: str
    limit_w: int | None
    lock_jammed: bool


@dataclass(frozen=True, slots=True)
class BayView:
    """A charger as it is now, copied for one drawing of the screen.

    `jobs` are statuses of firmware, diagnostics and log that are not at rest; `list_version` is the local list's.
    """

    identity: str
    url: str
    now: datetime
    speed: float
    connected: bool
    boot_status: str | None
    problem: str | None
    refused_with: int | None
    cable_in: bool
    powered: bool
    queued: int
    temperature_c: int
    script: str | None
    firmware_version: str
    jobs: dict[str, str]
    security_profile: int
    list_version: int
    profiles: int
    plugs: tuple[PlugView, ...]
    frames: tuple[Frame, ...]
    events: tuple[Event, ...]
    samples: dict[int, tuple[dict[str, Any], ...]]
    sessions: tuple[dict[str, Any], ...]


@dataclass(slots=True)
class Bay:
    """A charger in the garage, with its history; touched in the loop only."""

    charger: SimulatedCharger
    url: str
    speed: float
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT))
    samples: dict[int, deque[dict[str, Any]]] = field(default_factory=dict)
    script: str | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def note(self, what: str, detail: str = "", answer: str = "") -> None:
        """Enter an event."""
        self.events.append(Event(datetime.now(UTC), what, detail, answer))


class Garage:
    """Starts, drives and ends chargers from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="garage", daemon=True)
        self._thread.start()
        self._bays: dict[str, Bay] = {}
        self._past: deque[BayView] = deque(maxlen=PAST_KEPT)

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    def identities(self) -> list[str]:
        """Chargers in the garage, in the order they came."""
        return list(self._bays)

    def start(
        self, identity: str, url: str, spec: ChargerSpec, *, password: str | None = None, speed: float = 1.0
    ) -> None:
        """Switch a charger on; it connects and boots by itself, again and again if it must. Raises Taken."""
        self._run(self._start(identity, url, spec, password, speed))

    async def _start(self, identity: str, url: str, spec: ChargerSpec, password: str | None, speed: float) -> None:
        if identity in self._bays:
            raise Taken(identity)
        clock = RunningClock(speed, datetime.now(UTC) - BACK if speed > 1 else None)
        charger = SimulatedCharger(
            url,
            identity,
            password=password,
            spec=spec,
            clock=clock,
            configuration={"MeterValueSampleInterval": 10},
            autonomous=True,
        )
        await charger.__aenter__()
        bay = self._bays[identity] = Bay(charger, url, speed)
        bay.note("start", url)
        self._spawn(bay, self._sample(bay))

    def _spawn(self, bay: Bay, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        bay.tasks.add(task)
        task.add_done_callback(bay.tasks.discard)

    async def _sample(self, bay: Bay) -> None:
        while True:
            await asyncio.sleep(1)
            for number, plug in bay.charger.connectors.items():
                reading = bay.charger.reading(number)
                row = {
                    "measured_at": reading.measured_at.isoformat(),
                    "power_w": reading.power_w,
                    "soc_percent": plug.vehicle.soc_percent if plug.vehicle else None,
                }
                bay.samples.setdefault(number, deque(maxlen=SAMPLES_KEPT)).append(row)

    def remove(self, identity: str) -> None:
        """Switch a charger off and take it out; unknown identities are ignored."""
        self._run(self._remove(identity))

    async def _remove(self, identity: str) -> None:
        bay = self._bays.get(identity)
        if bay is None:
            return
        bay.note("remove")
        self._past.append(_look(identity, bay))
        del self._bays[identity]
        for task in list(bay.tasks):
            task.cancel()
        await bay.charger.close()

    def do(self, identity: str, verb: str, *arguments: Any, **named: Any) -> str:
        """Call a verb of the charger by name and note it; returns its answer as text ("" for none).

        A verb that waits longer than the network deserves goes on in the background.
        """
        return self._run(self._do(identity, verb, arguments, named))

    async def _do(self, identity: str, verb: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> str:
        bay = self._bays[identity]
        answer = getattr(bay.charger, verb)(*arguments, **named)
        if asyncio.iscoroutine(answer):
            work = asyncio.ensure_future(answer)
            done, _pending = await asyncio.wait({work}, timeout=WAIT_S / 2)
            answer = _outcome(work) if done else "…"
        shown = " ".join(str(argument) for argument in arguments if isinstance(argument, str | int))
        bay.note(verb, shown, answer or "")
        return answer or ""

    def play(self, identity: str, scenario: str, connector_id: int, id_token: str, pace: float) -> bool:
        """Play a scenario of the table at a plug, in the background. False while another one is under way."""
        return self._run(self._play(identity, scenario, connector_id, id_token, pace))

    async def _play(self, identity: str, scenario: str, connector_id: int, id_token: str, pace: float) -> bool:
        bay = self._bays[identity]
        if bay.script is not None:
            return False
        bay.script = scenario
        self._spawn(bay, self._follow(bay, scenario, connector_id, id_token, pace))
        return True

    async def _follow(self, bay: Bay, name: str, connector_id: int, id_token: str, pace: float) -> None:
        row = SCENARIOS[name]
        token = id_token if row.good_tag else f"UNKNOWN-{random.randint(1000, 9999)}"
        bay.note("play", name)
        try:
            await Visit(bay.charger, connector_id, token, random.Random(), pace).play(row)
            bay.note("played", name)
        finally:
            bay.script = None

    def view(self, identity: str) -> BayView | None:
        """A copy of everything the screen shows of a charger; None if it is not here."""
        return self._run(self._view(identity))

    async def _view(self, identity: str) -> BayView | None:
        bay = self._bays.get(identity)
        return _look(identity, bay) if bay else None

    def past(self) -> list[BayView]:
        """The last looks at chargers that were switched off."""
        return list(self._past)

    def close(self) -> None:
        """Switch everything off and end the thread."""
        for identity in self.identities():
            self.remove(identity)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_S)
        self._loop.close()


def _look(identity: str, bay: Bay) -> BayView:
    charger = bay.charger
    now = charger.clock.now()
    charger.sessions.catch_up(now)
    return BayView(
        identity=identity,
        url=bay.url,
        now=now,
        speed=bay.speed,
        connected=charger.connected,
        boot_status=charger.boot_status,
        problem=charger.problem,
        refused_with=charger.presence.refused_with,
        cable_in=charger.presence.cable_in,
        powered=charger.charger.powered,
        queued=charger.queued,
        temperature_c=charger.charger.temperature_milli_c // 1000,
        script=bay.script,
        firmware_version=charger.presence.firmware_version,
        jobs=_jobs(charger),
        security_profile=charger.access.profile,
        list_version=charger.authorizer.local_list.version,
        profiles=len(charger.profiles),
        plugs=tuple(_plug(charger, number) for number in charger.connectors),
        frames=tuple(charger.books.frames),
        events=tuple(bay.events),
        samples={number: tuple(rows) for number, rows in bay.samples.items()},
        sessions=tuple(session.as_dict() for session in charger.books.sessions),
    )


def _jobs(charger: SimulatedCharger) -> dict[str, str]:
    statuses = {
        "firmware": charger.firmware.status,
        "diagnostics": charger.reports.diagnostics_status,
        "log": charger.reports.log_status,
    }
    return {name: status for name, status in statuses.items() if status != "Idle"}


def _outcome(work: asyncio.Future[Any]) -> str:
    error = work.exception()
    if isinstance(error, NotDelivered):
        return "offline"
    return str(error) if error else work.result()


def _plug(charger: SimulatedCharger, connector_id: int) -> PlugView:
    plug = charger.connectors[connector_id]
    session = charger.sessions.open.get(connector_id)
    return PlugView(
        connector_id=connector_id,
        status=charger.status(connector_id),
        fault=plug.fault.code if plug.fault else None,
        car=plug.vehicle.model if plug.vehicle else None,
        car_soc_percent=plug.vehicle.soc_percent if plug.vehicle else None,
        power_w=plug.power_w,
        register_wh=plug.energy_wh,
        session_wh=session.energy_wh if session else None,
        transaction_id=session.transaction_id if session else None,
        id_token=session.id_token if session else None,
        ev_suspended=plug.ev_suspended,
        reserved_for=", ".join(row.id_token for row in charger.reservations if row.connector_id in {0, connector_id}),
        limit_w=plug.limit_w,
        lock_jammed=plug.lock_jammed,
    )


_ONE_AT_A_TIME = threading.Lock()


@cache
def _garage() -> Garage:
    return Garage()


def garage() -> Garage:
    """The one garage of this process."""
    with _ONE_AT_A_TIME:
        return _garage()


def close_garage() -> None:
    """End the garage of this process, if there is one; the next call of `garage` opens another."""
    with _ONE_AT_A_TIME:
        if _garage.cache_info().currsize:
            _garage().close()
            _garage.cache_clear()


@contextlib.asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """Lifespan of the Streamlit server: chargers hang up properly when it ends."""
    try:
        yield
    finally:
        close_garage()
