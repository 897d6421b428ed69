"""The nine commands of OCPP 1.6 Core."""

from __future__ import annotations

from typing import Any

from ocpp.v16 import call_result

from simulator.answers.device import Device
from simulator.answers.smart_charging import readable
from simulator.smart_charging import SESSION
from simulator.v16 import Answer, Handler

VENDOR_ID = "id.uniev.simulator"


class CoreAnswers:
    """Handlers of the Core profile."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def table(self) -> dict[str, Handler]:
        """OCPP action → handler."""
        return {
            "ChangeAvailability": self.change_availability,
            "ChangeConfiguration": self.change_configuration,
            "ClearCache": self.clear_cache,
            "DataTransfer": self.data_transfer,
            "GetConfiguration": self.get_configuration,
            "RemoteStartTransaction": self.remote_start,
            "RemoteStopTransaction": self.remote_stop,
            "Reset": self.reset,
            "UnlockConnector": self.unlock_connector,
        }

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
        """1.6 §5.3; a new password or security profile is used at once, on a new connection."""
        device = self._device
        if key == "SecurityProfile":
            status = device.access.change_profile(value)
        else:
            status = device.configuration.change(key, value)
        if status != "Accepted" or key not in {"AuthorizationKey", "SecurityProfile"}:
            return Answer(call_result.ChangeConfiguration(status))
        device.security.note("ReconfigurationOfSecurityParameters", key)
        if key == "AuthorizationKey":
            device.access.change_password(value)
            if device.access.profile not in {1, 2}:
                return Answer(call_result.ChangeConfiguration(status))
        return Answer(call_result.ChangeConfiguration(status), device.come_in_anew)

    def clear_cache(self) -> Answer:
        """1.6 §5.4: Rejected by a charger whose cache is switched off."""
        if not self._device.configuration.flag("AuthorizationCacheEnabled"):
            return Answer(call_result.ClearCache("Rejected"))
        self._device.authorizer.forget()
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
        """1.6 §5.11; without a connector the one with a car, else any free one. Its profile must be a TxProfile."""
        chosen = self._free_connector(connector_id, id_tag)
        if chosen is None or not self._fitting(charging_profile):
            return Answer(call_result.RemoteStartTransaction("Rejected"))
        return Answer(
            call_result.RemoteStartTransaction("Accepted"),
            lambda: self._device.start_remotely(chosen, id_tag, charging_profile),
        )

    def _fitting(self, charging_profile: dict[str, Any] | None) -> bool:
        if charging_profile is None:
            return True
        profile = readable(self._device, 1, charging_profile)
        return profile is not None and profile.purpose == SESSION

    def _free_connector(self, wanted: int | None, id_tag: str) -> int | None:
        device = self._device
        parent = device.authorizer.parent(id_tag)
        free = [
            plug
            for number, plug in device.connectors.items()
            if wanted in (None, number)
            and plug.status in {"Available", "Preparing", "Finishing", "Reserved"}
            and not plug.expecting
            and not device.reservations.bars(number, id_tag, parent)
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
        """1.6 §5.18: a running session is ended first; a jammed lock fails, a fixed cable has none."""
        connector = self._device.connectors.get(connector_id)
        if connector is None or self._device.charger.spec.fixed_cable:
            return Answer(call_result.UnlockConnector("NotSupported"))
        if connector.lock_jammed:
            return Answer(call_result.UnlockConnector("UnlockFailed"))
        return Answer(call_result.UnlockConnector("Unlocked"), lambda: self._device.stop(connector_id, "UnlockCommand"))
