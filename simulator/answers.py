"""What a charger answers when the platform asks: the nine commands of OCPP 1.6 Core, and TriggerMessage.

Each handler decides at once and truthfully; what follows from it happens after the answer has left.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from ocpp.v16 import call_result

from simulator.books import BookedSession, Books
from simulator.charger import Connector
from simulator.configuration import Configuration
from simulator.v16 import Answer, Handler

VENDOR_ID = "id.uniev.simulator"


class Device(Protocol):
    """The charger as its commands see it."""

    books: Books
    configuration: Configuration

    @property
    def connectors(self) -> dict[int, Connector]:
        """Connectors by number."""

    def session_by_transaction(self, transaction_id: int) -> BookedSession | None:
        """The open session with this id."""

    def has_session(self, connector_id: int) -> bool:
        """Whether a session is open on the connector."""

    def forget_tokens(self) -> None:
        """Empty the authorisation cache."""

    def set_password(self, value: str) -> None:
        """Use another Basic password from the next connection on."""

    def schedule_availability(self, connector_id: int, operative: bool) -> None:
        """Change availability when the running session ends."""

    def set_availability(self, connector_id: int, operative: bool) -> Awaitable[None]:
        """Change availability now and report it."""

    def start_remotely(self, connector_id: int, id_token: str) -> Awaitable[None]:
        """Start, or wait for the cable."""

    def stop(self, connector_id: int, cause: str = "Local", id_token: str | None = None) -> Awaitable[Any]:
        """End the session of a connector."""

    def reboot(self, kind: str) -> Awaitable[None]:
        """Restart ("Soft" or "Hard")."""

    def trigger(self, message: str, connector_id: int | None) -> Awaitable[None]:
        """Send the message that was asked for."""


class Answers:
    """Handlers by action; they take the members of the payload in snake case."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def handlers(self) -> dict[str, Handler]:
        """OCPP action → handler, each of which also counts the command."""
        table: dict[str, Handler] = {
            "ChangeAvailability": self.change_availability,
            "ChangeConfiguration": self.change_configuration,
            "ClearCache": self.clear_cache,
            "DataTransfer": self.data_transfer,
            "GetConfiguration": self.get_configuration,
            "RemoteStartTransaction": self.remote_start,
            "RemoteStopTransaction": self.remote_stop,
            "Reset": self.reset,
            "TriggerMessage": self.trigger_message,
            "UnlockConnector": self.unlock_connector,
        }
        return {action: self._counted(action, handler) for action, handler in table.items()}

    def _counted(self, action: str, handler: Handler) -> Handler:
        def counted(**payload: Any) -> Answer:
            self._device.books.commands[action] += 1
            return handler(**payload)

        return counted

    def change_availability(self, connector_id: int, type: str) -> Answer:
        """1.6 §5.2: Scheduled while a session runs; connector 0 means all."""
        device, operative = self._device, type == "Operative"
        if connector_id != 0 and connector_id not in device.connectors:
            return Answer(call_result.ChangeAvailability("Rejected"))
        targets = list(device.connectors) if connector_id == 0 else [connector_id]
        busy = [number for number in targets if device.has_session(number)]
        for number in busy:
            device.schedule_availability(number, operative)

        async def apply() -> None:
            for number in targets:
                if number not in busy:
                    await device.set_availability(number, operative)

        return Answer(call_result.ChangeAvailability("Scheduled" if busy else "Accepted"), apply)

    def change_configuration(self, key: str, value: str) -> Answer:
        """1.6 §5.3."""
        status = self._device.configuration.change(key, value)
        if key == "AuthorizationKey" and status == "Accepted":
            self._device.set_password(value)
        return Answer(call_result.ChangeConfiguration(status))

    def clear_cache(self) -> Answer:
        """1.6 §5.4: Rejected by a charger whose cache is switched off."""
        if not self._device.configuration.flag("AuthorizationCacheEnabled"):
            return Answer(call_result.ClearCache("Rejected"))
        self._device.forget_tokens()
        return Answer(call_result.ClearCache("Accepted"))

    def data_transfer(self, vendor_id: str, message_id: str | None = None, data: str | None = None) -> Answer:
        """1.6 §5.6: knows its own vendor and the message "echo" only."""
        if vendor_id != VENDOR_ID:
            return Answer(call_result.DataTransfer("UnknownVendorId"))
        if message_id != "echo":
            return Answer(call_result.DataTransfer("UnknownMessageId"))
        return Answer(call_result.DataTransfer("Accepted", data))

    def get_configuration(self, key: list[str] | None = None) -> Answer:
        """1.6 §5.8."""
        known, unknown = self._device.configuration.show(key)
        return Answer(call_result.GetConfiguration(known, unknown or None))

    def remote_start(
        self, id_tag: str, connector_id: int | None = None, charging_profile: dict[str, Any] | None = None
    ) -> Answer:
        """1.6 §5.11; without a connector the one with a car, else any free one. Profiles are not
        supported.
        """
        chosen = self._free_connector(connector_id)
        if chosen is None or charging_profile is not None:
            return Answer(call_result.RemoteStartTransaction("Rejected"))
        return Answer(
            call_result.RemoteStartTransaction("Accepted"),
            lambda: self._device.start_remotely(chosen, id_tag),
        )

    def _free_connector(self, wanted: int | None) -> int | None:
        free = [
            plug
            for number, plug in self._device.connectors.items()
            if wanted in (None, number)
            and plug.status in {"Available", "Preparing", "Finishing"}
            and not plug.expecting
        ]
        free.sort(key=lambda plug: plug.vehicle is None)
        return free[0].connector_id if free else None

    def remote_stop(self, transaction_id: int) -> Answer:
        """1.6 §5.12: Rejected for a transaction that does not run here."""
        session = self._device.session_by_transaction(transaction_id)
        if session is None:
            return Answer(call_result.RemoteStopTransaction("Rejected"))
        connector_id = session.connector_id
        return Answer(call_result.RemoteStopTransaction("Accepted"), lambda: self._device.stop(connector_id, "Remote"))

    def reset(self, type: str) -> Answer:
        """1.6 §5.14."""
        return Answer(call_result.Reset("Accepted"), lambda: self._device.reboot(type))

    def unlock_connector(self, connector_id: int) -> Answer:
        """1.6 §5.18: a running session is ended first; a jammed lock fails."""
        connector = self._device.connectors.get(connector_id)
        if connector is None:
            return Answer(call_result.UnlockConnector("NotSupported"))
        if connector.lock_jammed:
            return Answer(call_result.UnlockConnector("UnlockFailed"))
        return Answer(call_result.UnlockConnector("Unlocked"), lambda: self._device.stop(connector_id, "UnlockCommand"))

    def trigger_message(self, requested_message: str, connector_id: int | None = None) -> Answer:
        """1.6 §5.17, for the messages of the Core profile."""
        if connector_id is not None and connector_id not in {0, *self._device.connectors}:
            return Answer(call_result.TriggerMessage("Rejected"))
        if requested_message not in {"BootNotification", "Heartbeat", "MeterValues", "StatusNotification"}:
            return Answer(call_result.TriggerMessage("NotImplemented"))
        return Answer(
            call_result.TriggerMessage("Accepted"),
            lambda: self._device.trigger(requested_message, connector_id),
        )
