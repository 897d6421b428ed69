"""Reservation."""

from __future__ import annotations

from ocpp.v16 import call_result

from simulator.answers.device import Device
from simulator.reservations import ANY, Reservation
from simulator.tags import read_time
from simulator.v16 import Answer, Handler


class ReservationAnswers:
    """Handlers of the profile."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def table(self) -> dict[str, Handler]:
        """OCPP action → handler."""
        return {"CancelReservation": self.cancel, "ReserveNow": self.reserve}

    def reserve(
        self, connector_id: int, expiry_date: str, id_tag: str, reservation_id: int, parent_id_tag: str | None = None
    ) -> Answer:
        """1.6 §5.13; connector 0 only where `ReserveConnectorZeroSupported`."""
        device = self._device
        zero = device.configuration.flag("ReserveConnectorZeroSupported")
        if connector_id not in device.connectors and not (connector_id == ANY and zero):
            return Answer(call_result.ReserveNow("Rejected"))
        device.charger.advance(device.clock.now())
        expires_at = read_time(expiry_date)
        status = device.reservations.add(Reservation(reservation_id, connector_id, id_tag, parent_id_tag, expires_at))
        return Answer(call_result.ReserveNow(status), device.report if status == "Accepted" else None)

    def cancel(self, reservation_id: int) -> Answer:
        """1.6 §5.2."""
        found = self._device.reservations.cancel(reservation_id)
        status = "Accepted" if found else "Rejected"
        return Answer(call_result.CancelReservation(status), self._device.report if found else None)
