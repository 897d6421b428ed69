"""Firmware updates: fetched over HTTP, verified when signed, installed with a restart (1.6 §4.5, whitepaper §5.1)."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ocpp.v16 import call

from simulator.host import Errand, Host, attempt, wait_for
from simulator.transfers import TransferFailed, download
from simulator.vault import Untrusted, verify

STEP = timedelta(seconds=2)
"""Simulated time that installing takes."""

_VERSION = re.compile(r"(\d+(?:\.\d+){1,3})")


@dataclass(frozen=True, slots=True)
class Update:
    """One order. `certificate` (PEM) and `signature` (base64) make it a signed one."""

    errand: Errand
    fetch_at: datetime | None = None
    install_at: datetime | None = None
    certificate: str = ""
    signature: str = ""

    @property
    def signed(self) -> bool:
        """Ordered by SignedUpdateFirmware."""
        return bool(self.certificate)


class Firmware:
    """The update under way. `status` is the last one told; "Idle" when at rest."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.status = "Idle"
        self.current: Update | None = None

    async def update(self, order: Update) -> None:
        """Carry out an order; a newer one takes its place."""
        self.current = order
        clock = self._host.clock
        if order.signed and order.fetch_at and order.fetch_at > clock.now():
            await self._tell(order, "DownloadScheduled")
        await wait_for(clock, order.fetch_at)
        data = await self._fetch(order)
        if data is not None and await self._trusted(order, data):
            await self._install(order, data)
        if self.current is order:
            self.current, self.status = None, "Idle"

    async def _fetch(self, order: Update) -> bytes | None:
        await self._tell(order, "Downloading")
        data: bytes | None = await attempt(self._host.clock, order.errand, lambda: self._download(order))
        await self._tell(order, "DownloadFailed" if data is None else "Downloaded")
        return data

    async def _download(self, order: Update) -> bytes:
        if self._host.quirks.firmware_ends == "DownloadFailed":
            raise TransferFailed("as its quirk wants it")
        data = await download(order.errand.location, self._host.vault)
        if not data:
            raise TransferFailed("the file is empty")
        return data

    async def _trusted(self, order: Update, data: bytes) -> bool:
        if not order.signed:
            return True
        try:
            signature = base64.b64decode(order.signature, validate=True)
            verify(data, signature, self._host.vault.check_signer(order.certificate))
        except (Untrusted, binascii.Error) as error:
            await self._tell(order, "InvalidSignature")
            self._host.security.tell("InvalidFirmwareSignature", str(error))
            return False
        await self._tell(order, "SignatureVerified")
        return True

    async def _install(self, order: Update, data: bytes) -> None:
        host = self._host
        if order.install_at and order.install_at > host.clock.now():
            await self._tell(order, "InstallScheduled")
        await wait_for(host.clock, order.install_at)
        await host.until_idle()
        await self._tell(order, "Installing")
        await host.clock.sleep_until(host.clock.now() + STEP)
        if host.quirks.firmware_ends == "InstallationFailed":
            await self._tell(order, "InstallationFailed")
            return
        if order.signed:
            await self._tell(order, "InstallRebooting")
        version = host.presence.firmware_version = version_of(order.errand.location, data)
        await host.reboot("Soft")
        host.queue(notification("Installed", order))
        host.security.tell("FirmwareUpdated", version)

    async def _tell(self, order: Update, status: str) -> None:
        if self.current is order:
            self.status = status
            await self._host.presence.ask(notification(status, order))

    async def trigger(self, *, signed: bool) -> None:
        """Say how the update stands ("Idle" when there is none)."""
        order = self.current or (Update(Errand(""), certificate="-") if signed else None)
        await self._host.presence.ask(notification(self.status, order if signed else None))


def notification(status: str, order: Update | None) -> Any:
    """The message that tells a status: the signed kind for a signed order."""
    if order is None or not order.signed:
        return call.FirmwareStatusNotification(status)
    return call.SignedFirmwareStatusNotification(status, order.errand.request_id)


def version_of(location: str, data: bytes) -> str:
    """The version a file brings: a first line `version=1.2.3`, else the number in its name, else its checksum."""
    head = data[:200].decode(errors="replace").splitlines()[:1]
    stated = _VERSION.search(head[0]) if head and head[0].lower().startswith("version") else None
    named = _VERSION.search(location.rsplit("/", 1)[-1])
    found = stated or named
    return found[1] if found else f"crc-{binascii.crc32(data):08x}"
