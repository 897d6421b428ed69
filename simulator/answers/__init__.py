"""What a charger answers when the platform asks: every command of OCPP 1.6 and of the security extension.

One file a profile. Each handler decides at once and truthfully; what follows from it happens after the answer has
left. A profile that `SupportedFeatureProfiles` does not name is not served.
"""

from __future__ import annotations

from typing import Any

from ocpp.exceptions import NotSupportedError
from ocpp.v16 import call_result

from simulator.answers.core import VENDOR_ID, CoreAnswers
from simulator.answers.device import Device
from simulator.answers.firmware import FirmwareAnswers
from simulator.answers.local_list import LocalListAnswers
from simulator.answers.reservation import ReservationAnswers
from simulator.answers.security import SecurityAnswers
from simulator.answers.smart_charging import SmartChargingAnswers
from simulator.answers.trigger import TriggerAnswers
from simulator.v16 import Answer, Handler

__all__ = ["VENDOR_ID", "Answers", "Device"]


class Answers:
    """Handlers by action; they take the members of the payload in snake case."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def handlers(self) -> dict[str, Handler]:
        """OCPP action → handler, each of which also counts the command and obeys the charger's quirks."""
        device = self._device
        profiles = {
            "Core": CoreAnswers(device).table(),
            "FirmwareManagement": FirmwareAnswers(device).table(),
            "LocalAuthListManagement": LocalListAnswers(device).table(),
            "Reservation": ReservationAnswers(device).table(),
            "SmartCharging": SmartChargingAnswers(device).table(),
            "RemoteTrigger": TriggerAnswers(device).table(),
            "Security": SecurityAnswers(device).table(),
        }
        return {
            action: self._governed(profile, action, handler)
            for profile, table in profiles.items()
            for action, handler in table.items()
        }

    def _governed(self, profile: str, action: str, handler: Handler) -> Handler:
        device = self._device

        def governed(**payload: Any) -> Answer:
            device.books.commands[action] += 1
            if profile not in device.configuration.names("SupportedFeatureProfiles"):
                raise NotSupportedError(description="not served by this charger")
            if action in device.quirks.unanswered:
                return Answer(None)
            if (members := device.quirks.answers.get(action)) is not None:
                return Answer(getattr(call_result, action)(**members))
            return handler(**payload)

        return governed
