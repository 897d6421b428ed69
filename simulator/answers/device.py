"""The charger as its commands see it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from simulator.access import Access
from simulator.authorization import Authorizer
from simulator.books import BookedSession, Books
from simulator.charger import Charger, Connector
from simulator.clock import Clock
from simulator.configuration import Configuration
from simulator.firmware import Firmware
from simulator.quirks import Quirks
from simulator.reports import Reports
from simulator.reservations import Reservations
from simulator.security import SecurityLog
from simulator.smart_charging import ChargingProfiles
from simulator.vault import Vault


class Device(Protocol):
    """State to read and change at once, and verbs for what follows after the answer."""

    identity: str
    clock: Clock
    books: Books
    quirks: Quirks
    charger: Charger
    configuration: Configuration
    authorizer: Authorizer
    reservations: Reservations
    profiles: ChargingProfiles
    firmware: Firmware
    reports: Reports
    vault: Vault
    access: Access
    security: SecurityLog

    @property
    def connectors(self) -> dict[int, Connector]:
        """Connectors by number."""

    def session_by_transaction(self, transaction_id: int) -> BookedSession | None:
        """The open session with this id."""

    def has_session(self, connector_id: int) -> bool:
        """Whether a session is open on the connector."""

    def schedule_availability(self, connector_id: int, operative: bool) -> None:
        """Change availability when the running session ends."""

    def set_availability(self, connector_id: int, operative: bool) -> Awaitable[None]:
        """Change availability now and report it."""

    def start_remotely(
        self, connector_id: int, id_token: str, charging_profile: dict[str, Any] | None = None
    ) -> Awaitable[None]:
        """Start, or wait for the cable."""

    def stop(self, connector_id: int, cause: str = "Local", id_token: str | None = None) -> Awaitable[Any]:
        """End the session of a connector."""

    def reboot(self, kind: str) -> Awaitable[None]:
        """Restart ("Soft" or "Hard")."""

    def report(self) -> Awaitable[None]:
        """Tell every status that was not yet told."""

    def trigger(self, message: str, connector_id: int | None) -> Awaitable[None]:
        """Send the message of Core that was asked for."""

    def come_in_anew(self) -> Awaitable[None]:
        """Hang up and connect with the present credentials."""

    def request_certificate(self) -> Awaitable[None]:
        """Send SignCertificate."""
