"""Local Auth List Management."""

from __future__ import annotations

from typing import Any

from ocpp.v16 import call_result

from simulator.answers.device import Device
from simulator.v16 import Answer, Handler

NO_LIST = -1
"""GetLocalListVersion of a charger that keeps none (1.6 §5.10)."""


class LocalListAnswers:
    """Handlers of the profile; a charger whose `LocalAuthListEnabled` is false keeps no list."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def table(self) -> dict[str, Handler]:
        """OCPP action → handler."""
        return {"GetLocalListVersion": self.version, "SendLocalList": self.send}

    def version(self) -> Answer:
        """1.6 §5.10."""
        enabled = self._device.configuration.flag("LocalAuthListEnabled")
        version = self._device.authorizer.local_list.version
        return Answer(call_result.GetLocalListVersion(version if enabled else NO_LIST))

    def send(
        self, list_version: int, update_type: str, local_authorization_list: list[dict[str, Any]] | None = None
    ) -> Answer:
        """1.6 §5.15."""
        configuration, rows = self._device.configuration, local_authorization_list or []
        if not configuration.flag("LocalAuthListEnabled"):
            return Answer(call_result.SendLocalList("NotSupported"))
        if len(rows) > configuration.number("SendLocalListMaxLength"):
            return Answer(call_result.SendLocalList("Failed"))
        most = configuration.number("LocalAuthListMaxLength")
        status = self._device.authorizer.local_list.update(list_version, update_type, rows, most)
        return Answer(call_result.SendLocalList(status))
