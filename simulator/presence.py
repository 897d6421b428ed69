"""A charger's presence at the platform: connected, booted, its statuses known, beating, coming back when
lost.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from ocpp.v16 import call

from simulator.books import Books
from simulator.charger import Charger
from simulator.clock import Clock
from simulator.configuration import Configuration
from simulator.link import IdentityRefused, Link, Unreachable
from simulator.outbox import CallRefused, NotDelivered, Outbox, Unanswered
from simulator.quirks import Quirks

FAILURES = (NotDelivered, Unanswered, CallRefused)
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
BOOT_RETRY_S = 30
FIRST_VERSION = "1.0.0"

StatusKey = tuple[str, str]


class Presence:
    """Everything about being there. Nothing here knows of sessions; the outbox carries those.

    `boot_status` is the registration the platform gave (None before any); `problem` says in words why there
    is no connection, `refused_with` the HTTP status of a refusal; `cable_in` is the network cable;
    `firmware_version` what BootNotification says. `unreachable` is told of every connection that failed.
    """

    def __init__(
        self,
        charger: Charger,
        clock: Clock,
        configuration: Configuration,
        books: Books,
        link: Link,
        outbox: Outbox,
        quirks: Callable[[], Quirks],
        unreachable: Callable[[Unreachable], None],
    ) -> None:
        self._unreachable = unreachable
        self.firmware_version = FIRST_VERSION
        self.charger, self.clock, self.configuration = charger, clock, configuration
        self.books, self.link, self.outbox, self._quirks = books, link, outbox, quirks
        self.boot_status: str | None = None
        self.problem: str | None = None
        self.refused_with: int | None = None
        self.cable_in = True
        self.heartbeat_due: datetime | None = None
        self.boot_due: datetime | None = None
        self._reported: dict[int, StatusKey] = {}
        self._reporting = asyncio.Lock()
        self._changed = asyncio.Event()
        self._random = random.Random(link.identity)

    @property
    def ready(self) -> bool:
        """Connected and accepted: ordinary messages may leave."""
        return self.link.up and self.boot_status == "Accepted"

    # --- connection -------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Open the WebSocket; raises Unreachable or IdentityRefused."""
        try:
            await self.link.connect()
        except Unreachable as error:
            self.problem = str(error)
            self.refused_with = error.status if isinstance(error, IdentityRefused) else None
            self._unreachable(error)
            raise
        self.link.access.worked()
        self.problem = self.refused_with = None

    async def come_back(self) -> str:
        """Connect if needed, then boot (after power-up) or carry on (after a mere loss of network)."""
        if not self.link.up:
            await self.connect()
        if self.boot_status != "Accepted":
            return await self.boot()
        await self._carry_on()
        return self.boot_status

    async def boot(self) -> str:
        """Send BootNotification and act on the answer; returns Accepted, Pending or Rejected."""
        if not self.link.up:
            await self.connect()
        status, interval_s = "Accepted", self.configuration.number("HeartbeatInterval")
        if self._quirks().boots:
            answer = await self.link.ask(self._boot_notification())
            status, interval_s = str(answer.status), int(answer.interval)
        self.boot_status = status
        if status == "Accepted":
            self.books.boots += 1
            self.boot_due = None
            if interval_s > 0:
                self.configuration.set("HeartbeatInterval", interval_s)
            self._reported.clear()
            await self._carry_on()
        else:
            self.boot_due = self.clock.now() + timedelta(seconds=interval_s or BOOT_RETRY_S)
        return status

    def _boot_notification(self) -> Any:
        spec = self.charger.spec
        return call.BootNotification(
            charge_point_model=spec.model[:20],
            charge_point_vendor=spec.vendor[:20],
            charge_point_serial_number=f"SIM-{self.link.identity}"[:25],
            firmware_version=self.firmware_version,
            meter_type=f"{spec.current_type} {spec.rated_power_w} W"[:25],
        )

    async def _carry_on(self) -> None:
        if self.boot_status != "Accepted":
            return
        self._next_heartbeat()
        await self.report()
        if self.ready:
            self.outbox.open()

    def lost(self) -> None:
        """The connection has ended (called by the link)."""
        self.outbox.close()
        self.boot_due = None
        self.nudge()

    def nudge(self) -> None:
        """Something changed that `keep_up` waits for."""
        self._changed.set()

    def drop(self) -> None:
        """Pull the network cable."""
        self.cable_in = False
        self.outbox.close()
        self.link.drop()

    def forget_boot(self) -> None:
        """Power-up follows: the next connection begins with BootNotification."""
        self.boot_status = None
        self._reported.clear()
        self.heartbeat_due = self.boot_due = None

    async def keep_up(self) -> None:
        """Connect and reconnect for ever, with back-off and jitter, while cable and mains are there."""
        pause_s = FIRST_PAUSE_S
        while True:
            while self.link.up or not self.cable_in or not self.charger.powered:
                self._changed.clear()
                await self._changed.wait()
            try:
                await self.come_back()
                pause_s = FIRST_PAUSE_S
            except (Unreachable, *FAILURES) as error:
                self.problem = self.problem or str(error) or type(error).__name__
                await self.link.close()
                await asyncio.sleep(self._random.uniform(pause_s / 2, pause_s))
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    # --- messages outside transactions ------------------------------------------------------------------

    async def ask(self, payload: Any) -> Any | None:
        """Send an ordinary call; None when the charger may not talk or gets no answer. Counted in the
        books.
        """
        if not self.ready:
            return None
        try:
            return await self.link.ask(payload)
        except FAILURES:
            return None

    async def heartbeat(self) -> None:
        """Send a Heartbeat and set the next one."""
        self._next_heartbeat()
        await self.ask(call.Heartbeat())

    def _next_heartbeat(self) -> None:
        interval_s = self.configuration.number("HeartbeatInterval")
        self.heartbeat_due = self.clock.now() + timedelta(seconds=interval_s) if interval_s else None

    @property
    def stale(self) -> bool:
        """A status differs from what the platform was told."""
        return any(self._reported.get(number) != key for number, key in self._statuses().items())

    def _statuses(self) -> dict[int, StatusKey]:
        unit = self.charger
        found: dict[int, StatusKey] = {0: (unit.status, unit.fault.code if unit.fault else "NoError")}
        for number, connector in unit.connectors.items():
            found[number] = (connector.status, connector.fault.code if connector.fault else "NoError")
        return found

    async def report(self) -> None:
        """Tell the platform every status that it was not yet told."""
        async with self._reporting:
            for number, key in self._statuses().items():
                if self.ready and self._reported.get(number) != key:
                    await self.report_one(number)

    async def report_one(self, connector_id: int) -> None:
        """Send one StatusNotification (0 is the unit), told before or not."""
        status, code = key = self._statuses()[connector_id]
        fault = self.charger.fault if connector_id == 0 else self.charger.connectors[connector_id].fault
        self._reported[connector_id] = key
        answer = await self.ask(
            call.StatusNotification(
                connector_id=connector_id,
                error_code=code,
                status=status,
                timestamp=self._quirks().timestamp(self.clock.now()),
                info=fault.info if fault else None,
                vendor_id=self.charger.spec.vendor if fault and fault.vendor_code else None,
                vendor_error_code=fault.vendor_code if fault else None,
            )
        )
        if answer is None:
            self._reported.pop(connector_id, None)
