"""Firmware Management: UpdateFirmware and GetDiagnostics."""

from __future__ import annotations

from ocpp.v16 import call_result

from simulator.answers.device import Device
from simulator.firmware import Update
from simulator.host import Errand
from simulator.reports import Order
from simulator.tags import read_time
from simulator.v16 import Answer, Handler


class FirmwareAnswers:
    """Handlers of the profile."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def table(self) -> dict[str, Handler]:
        """OCPP action → handler."""
        return {"GetDiagnostics": self.diagnostics, "UpdateFirmware": self.update}

    def update(
        self, location: str, retrieve_date: str, retries: int | None = None, retry_interval: int | None = None
    ) -> Answer:
        """1.6 §5.19."""
        order = Update(Errand(location, retries or 0, retry_interval or 0), read_time(retrieve_date))
        return Answer(call_result.UpdateFirmware(), lambda: self._device.firmware.update(order))

    def diagnostics(
        self,
        location: str,
        retries: int | None = None,
        retry_interval: int | None = None,
        start_time: str | None = None,
        stop_time: str | None = None,
    ) -> Answer:
        """1.6 §5.9."""
        order = Order(
            Errand(location, retries or 0, retry_interval or 0),
            None,
            read_time(start_time) if start_time else None,
            read_time(stop_time) if stop_time else None,
        )
        name = self._device.reports.file_name(order)
        return Answer(call_result.GetDiagnostics(name), lambda: self._device.reports.deliver(order, name))
