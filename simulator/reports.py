"""Diagnostics and logs handed in on request: 1.6 §5.9 GetDiagnostics and the whitepaper's GetLog."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ocpp.v16 import call

from simulator.host import Errand, Host, attempt
from simulator.transfers import TransferFailed, stamp, upload

SECURITY_LOG = "SecurityLog"
_SECRET = "AuthorizationKey"


@dataclass(frozen=True, slots=True)
class Order:
    """What to hand in: `kind` is None for GetDiagnostics, else the logType; the window bounds what it covers."""

    errand: Errand
    kind: str | None
    since: datetime | None = None
    until: datetime | None = None


class Reports:
    """The uploads of one charger; `diagnostics_status` and `log_status` are the last ones told, "Idle" at rest."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.diagnostics_status = self.log_status = "Idle"
        self.current: Order | None = None

    def file_name(self, order: Order) -> str:
        """What the file will be called."""
        kind = "security" if order.kind == SECURITY_LOG else "diagnostics"
        return f"{kind}-{self._host.identity}-{stamp(self._host.clock.now())}.txt"

    async def deliver(self, order: Order, name: str) -> None:
        """Hand it in, telling how it goes; a newer order of a log takes the place of an older one."""
        self.current = order
        await self._tell(order, "Uploading")
        data = "\n".join(self._lines(order)).encode() + b"\n"
        passed = await attempt(self._host.clock, order.errand, lambda: self._send(order, name, data))
        failed = "UploadFailed" if order.kind is None else "UploadFailure"
        await self._tell(order, "Uploaded" if passed else failed)
        if self.current is order:
            self.current = None
        self._keep(order, "Idle")

    async def _send(self, order: Order, name: str, data: bytes) -> bool:
        if self._host.quirks.uploads_fail:
            raise TransferFailed("as its quirk wants it")
        await upload(order.errand.location, name, data, self._host.vault)
        return True

    async def _tell(self, order: Order, status: str) -> None:
        self._keep(order, status)
        if order.kind is None:
            await self._host.presence.ask(call.DiagnosticsStatusNotification(status))
        elif self.current is order:
            await self._host.presence.ask(call.LogStatusNotification(status, order.errand.request_id))

    def _keep(self, order: Order, status: str) -> None:
        if order.kind is None:
            self.diagnostics_status = status
        else:
            self.log_status = status

    async def trigger(self, *, log: bool) -> None:
        """Say how the last upload stands."""
        if log:
            current = self.current.errand.request_id if self.current else None
            await self._host.presence.ask(call.LogStatusNotification(self.log_status, current))
        else:
            await self._host.presence.ask(call.DiagnosticsStatusNotification(self.diagnostics_status))

    def _lines(self, order: Order) -> Iterator[str]:
        host = self._host
        yield f"{host.identity} {host.clock.now().isoformat()}"
        if order.kind == SECURITY_LOG:
            for event in host.security.events:
                if _within(order, event.at):
                    yield f"{event.at.isoformat()} {event.kind} {event.info or ''}".rstrip()
            return
        for frame in host.books.frames:
            if _within(order, frame.at) and _SECRET not in frame.text:
                yield f"{frame.at.isoformat()} {frame.direction} {frame.text}"


def _within(order: Order, at: datetime) -> bool:
    return (order.since is None or at >= order.since) and (order.until is None or at <= order.until)
