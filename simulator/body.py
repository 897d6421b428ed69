"""The parts of a simulated charger put together, its life cycle, and its network verbs.

`SimulatedCharger` (in `simulator.device`) is what to use; this is the lower half of it.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from dataclasses import replace
from datetime import datetime
from random import Random
from types import TracebackType
from typing import Any, Self

from simulator.access import Access
from simulator.authorization import Authorizer
from simulator.books import BookedSession, Books
from simulator.charger import Charger, ChargerSpec, Connector, Reading
from simulator.clock import Clock, RunningClock
from simulator.configuration import Configuration
from simulator.firmware import Firmware
from simulator.link import Link, LinkOptions, Unreachable
from simulator.outbox import Message, Outbox
from simulator.presence import FAILURES, Presence
from simulator.quirks import Quirks
from simulator.reports import Reports
from simulator.reservations import Reservations
from simulator.security import SecurityLog
from simulator.sessions import Sessions
from simulator.smart_charging import ChargingProfiles
from simulator.tags import TagInfo
from simulator.v16 import Handler
from simulator.vault import Vault

LOG = logging.getLogger("simulator")


class Body(ABC):
    """Physics, link, outbox, presence and sessions of one charger."""

    def __init__(
        self,
        url: str,
        identity: str,
        *,
        password: str | bytes | None = None,
        spec: ChargerSpec | None = None,
        clock: Clock | None = None,
        quirks: Quirks | None = None,
        options: LinkOptions | None = None,
        configuration: dict[str, str | int] | None = None,
        registers_wh: tuple[int, ...] = (),
        autonomous: bool = False,
        keep_readings: bool = True,
    ) -> None:
        self.identity = identity
        self.clock: Clock = clock or RunningClock()
        self.quirks = quirks or Quirks()
        self.books = Books()
        spec = spec or ChargerSpec()
        self.configuration = Configuration(**({"NumberOfConnectors": spec.connector_count} | (configuration or {})))
        self.charger = Charger(spec, self.clock.now(), registers_wh)
        options = replace(options or LinkOptions(), password=password, counted_ids=self.quirks.reuses_message_ids)
        self._tasks: set[asyncio.Future[Any]] = set()
        self.vault = Vault(identity, self.configuration, options.ca_file, options.check_hostname)
        if options.certificate:
            self.vault.adopt(*options.certificate)
        self.access = Access(identity, url, options.secure_url, self.configuration, self.vault)
        self.access.begin(options.password)
        self._link = Link(self.access, options, self.books, self.handlers, self._lost, self.start_task)
        self._outbox = Outbox(
            self._link.ask,
            lambda: self.configuration.number("TransactionMessageAttempts"),
            lambda: self.configuration.number("TransactionMessageRetryInterval"),
        )
        self._assemble(keep_readings)
        self._autonomous = autonomous
        self._expected: dict[int, tuple[str, datetime]] = {}
        self._availability_later: dict[int, bool] = {}
        self._sample_due: dict[int, datetime] = {}
        self._profile_later: dict[int, dict[str, Any]] = {}

    def _assemble(self, keep_readings: bool) -> None:
        """The parts that lean on link and outbox, in the order they need each other."""
        self.presence = Presence(
            self.charger,
            self.clock,
            self.configuration,
            self.books,
            self._link,
            self._outbox,
            lambda: self.quirks,
            lambda error: self.access.failed(error, self.security),
        )
        self.sessions = Sessions(
            self.identity,
            self.charger,
            self.books,
            self._outbox,
            self.configuration,
            lambda: self.quirks,
            self._started,
            keep_readings,
        )
        self.authorizer = Authorizer(self.configuration, self.presence, self.clock, lambda: self.quirks)
        self.reservations = Reservations(self.charger)
        self.profiles = ChargingProfiles(self.charger, self._session_facts)
        self.security = SecurityLog(self.clock, self.queue, lambda: self.quirks)
        self.firmware = Firmware(self)
        self.reports = Reports(self)

    # --- what the upper half provides -------------------------------------------------------------------

    @abstractmethod
    def handlers(self) -> dict[str, Handler]:
        """Handlers of the platform's calls by action."""

    @abstractmethod
    async def live(self) -> None:
        """Watch the clock for ever: measure, beat, report."""

    @abstractmethod
    def _started(self, session: BookedSession, info: TagInfo) -> None:
        """StartTransaction was answered, `info` is what was said of the tag."""

    @abstractmethod
    async def reboot(self, kind: str = "Soft") -> None:
        """Restart."""

    # --- life cycle -------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self.start_task(self._outbox.run())
        if self._autonomous:
            self.start_task(self.presence.keep_up())
            self.start_task(self.live())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End everything: tasks and connection. Open sessions stay open in the books."""
        self.sessions.catch_up(self.clock.now())
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._link.close()

    def start_task(self, work: Awaitable[None]) -> None:
        """Run `work` beside the verbs; what the network does to it is not an error."""
        task = asyncio.ensure_future(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Awaitable[None]) -> None:
        try:
            await work
        except (Unreachable, *FAILURES) as error:
            LOG.debug("%s: %r", self.identity, error)
        except Exception:
            LOG.exception("%s: a task of the charger failed", self.identity)

    def _lost(self) -> None:
        self.presence.lost()

    def _session_facts(self, connector_id: int) -> tuple[datetime, int | None] | None:
        session = self.sessions.open.get(connector_id)
        return (session.started_at, session.transaction_id) if session else None

    # --- what can be seen -------------------------------------------------------------------------------

    @property
    def connectors(self) -> dict[int, Connector]:
        """The plugs by number, 1..n."""
        return self.charger.connectors

    @property
    def connected(self) -> bool:
        """A WebSocket stands."""
        return self._link.up

    @property
    def boot_status(self) -> str | None:
        """Registration given by the platform: Accepted, Pending, Rejected; None before any."""
        return self.presence.boot_status

    @property
    def problem(self) -> str | None:
        """Why there is no connection, in words; None while there is no complaint."""
        return self.presence.problem

    @property
    def queued(self) -> int:
        """Transaction messages not yet answered."""
        return len(self._outbox)

    def status(self, connector_id: int = 1) -> str:
        """OCPP 1.6 status of a connector (0: the unit) now."""
        self.charger.advance(self.clock.now())
        return self.charger.status if connector_id == 0 else self.connectors[connector_id].status

    def reading(self, connector_id: int = 1) -> Reading:
        """The true meter of a connector now; sends nothing."""
        return self.charger.read(connector_id, self.clock.now())

    # --- network ----------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Open the WebSocket and nothing more; raises Unreachable or IdentityRefused."""
        await self.presence.connect()

    async def boot(self) -> str:
        """Connect if needed, send BootNotification, then the statuses; returns the registration status."""
        return await self.presence.boot()

    def drop_connection(self) -> None:
        """Pull the network cable: the connection dies without a close frame; nothing reconnects."""
        self.presence.drop()

    async def reconnect(self) -> None:
        """Put the network cable back; returns when statuses and queue are through. Raises Unreachable.

        An autonomous charger reconnects by itself a moment later, so the call returns at once.
        """
        self.presence.cable_in = True
        self.presence.nudge()
        if not self._autonomous:
            await self.presence.come_back()
            await self._outbox.settled()

    async def settle(self) -> None:
        """Wait until no queued message can be delivered now: all answered, offline, or waiting for a
        retry.
        """
        await self._outbox.settled()

    def shuffle_history(self, chance: Random) -> None:
        """What waits for the platform leaves in another order; only while the connection is down."""
        self._outbox.shuffle(chance)

    async def emptied(self) -> None:
        """Wait until every queued message was answered or given up, however long the platform is away."""
        await self._outbox.emptied()

    async def until_idle(self) -> None:
        """Wait until no session is open."""
        await self.sessions.idle.wait()

    def queue(self, payload: Any) -> None:
        """Send a call as soon as the platform can be reached, in order with what waits already."""
        self._outbox.put(Message(lambda: payload, lambda _answer: None, lambda: None))

    async def send_call(self, payload: Any) -> Any:
        """Send any call of `ocpp.v16.call`; returns the answer, raises NotDelivered, Unanswered,
        CallRefused.
        """
        return await self._link.ask(payload)

    async def send_text(self, text: str) -> None:
        """Put any text on the wire, well formed or not; raises NotDelivered."""
        await self._link.send_text(text)
