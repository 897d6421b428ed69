"""Remote Trigger: TriggerMessage of 1.6; the security extension's sibling is in `simulator.answers.security`."""

from __future__ import annotations

from ocpp.v16 import call_result

from simulator.answers.device import Device
from simulator.v16 import Answer, Effect, Handler

CORE = {"BootNotification", "Heartbeat", "MeterValues", "StatusNotification"}


class TriggerAnswers:
    """Handlers of the profile."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def table(self) -> dict[str, Handler]:
        """OCPP action → handler."""
        return {"TriggerMessage": self.trigger}

    def trigger(self, requested_message: str, connector_id: int | None = None) -> Answer:
        """1.6 §5.17."""
        if not knows(self._device, connector_id):
            return Answer(call_result.TriggerMessage("Rejected"))
        effect = self._effect(requested_message, connector_id)
        return Answer(call_result.TriggerMessage("Accepted" if effect else "NotImplemented"), effect)

    def _effect(self, message: str, connector_id: int | None) -> Effect | None:
        device = self._device
        if message in CORE:
            return lambda: device.trigger(message, connector_id)
        if "FirmwareManagement" not in device.configuration.names("SupportedFeatureProfiles"):
            return None
        if message == "FirmwareStatusNotification":
            return lambda: device.firmware.trigger(signed=False)
        if message == "DiagnosticsStatusNotification":
            return lambda: device.reports.trigger(log=False)
        return None


def knows(device: Device, connector_id: int | None) -> bool:
    """Whether the connector of a trigger exists; none and 0 do."""
    return connector_id is None or connector_id in {0, *device.connectors}
