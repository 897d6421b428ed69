"""Reservation (TC_046 to TC_053)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from simulator import QUIRKS
from tests.flows.octt.lab import Lab, Station, present

pytestmark = pytest.mark.asyncio(loop_scope="package")
ACCEPTED = {"status": "Accepted"}


def wanted(station: Station, reservation_id: int, **changes: Any) -> dict[str, Any]:
    """ReserveNow of connector 1 for the station's tag, for five minutes."""
    expiry = station.charger.clock.now() + timedelta(minutes=5)
    payload = {"connectorId": 1, "expiryDate": expiry.strftime("%Y-%m-%dT%H:%M:%SZ"), "idTag": station.tag,
               "reservationId": reservation_id}  # fmt: skip
    return payload | changes


async def booked(station: Station) -> list[tuple[int, str, str | None]]:
    """Number, status and reason of the charger's reservations as the platform has them, oldest first."""
    found = await station.get("/api/reservations", charger_id=station.id)
    return [(row["reservation_id"], row["status"], row["reason"]) for row in reversed(found["items"])]


async def reserved(station: Station, reservation_id: int, **changes: Any) -> None:
    """The charger accepts, and shows the connector as reserved."""
    await station.expect("ReserveNow", wanted(station, reservation_id, **changes), ACCEPTED)
    await station.until_told("StatusNotification", "Reserved")
    await station.until_state("reserved", changes.get("connectorId") or 1)
    assert await booked(station) == [(reservation_id, "active", None)]


async def test_tc_046_reservation_of_a_connector_transaction(lab: Lab) -> None:
    async with lab.station(clock=present()) as station:
        await reserved(station, 46)
        await station.charger.plug_in()
        assert await station.charger.tap(1, "NOBODY") == "Invalid"
        assert await station.charger.tap(1, station.tag) == "Accepted"
        assert station.told("StartTransaction", "reservationId") == [46]
        await station.charger.tap(1, station.tag)
        await station.charger.unplug()
        assert await station.state() == "available"
        await station.assert_billed("Local")
        assert await booked(station) == [(46, "used", None)]


async def test_tc_047_reservation_of_a_connector_expire(lab: Lab) -> None:
    async with lab.station(clock=present()) as station:
        await reserved(station, 47)
        await station.charger.pass_time(301)
        assert station.told("StatusNotification")[-1] == "Available"
        assert await station.state() == "available"
        await station.expect("CancelReservation", {"reservationId": 47}, {"status": "Rejected"})


async def test_tc_048_1_reservation_of_a_connector_faulted(lab: Lab) -> None:
    async with lab.station(clock=present()) as station:
        await station.charger.raise_fault(1, "OtherError")
        await station.expect("ReserveNow", wanted(station, 481), {"status": "Faulted"})
        assert await booked(station) == [(481, "rejected", "Faulted")]


async def test_tc_048_2_reservation_of_a_connector_occupied(lab: Lab) -> None:
    async with lab.station(clock=present()) as station:
        await station.charger.plug_in()
        await station.expect("ReserveNow", wanted(station, 482), {"status": "Occupied"})
        assert await booked(station) == [(482, "rejected", "Occupied")]


async def test_tc_048_3_reservation_of_a_connector_unavailable(lab: Lab) -> None:
    async with lab.station(clock=present()) as station:
        await station.expect("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}, ACCEPTED)
        await station.until_state("unavailable")
        await station.expect("ReserveNow", wanted(station, 483), {"status": "Unavailable"})
        assert await booked(station) == [(483, "rejected", "Unavailable")]


async def test_tc_048_4_reservation_of_a_connector_rejected(lab: Lab) -> None:
    async with lab.station(clock=present(), quirks=QUIRKS["reservations-rejected"]) as station:
        await station.expect("ReserveNow", wanted(station, 484), {"status": "Rejected"})
        assert await booked(station) == [(484, "rejected", "Rejected")]
        assert await station.state() == "available"


async def test_tc_049_reservation_of_a_charge_point_transaction(lab: Lab) -> None:
    async with lab.station(clock=present(), connectors=2) as station:
        await station.expect("ReserveNow", wanted(station, 49, connectorId=0), ACCEPTED)
        await lab.platform.token("GUEST-49")
        await station.charger.plug_in(1)
        assert await station.charger.tap(1, "GUEST-49") == "Accepted", "one of two connectors is enough to keep"
        await station.charger.plug_in(2)
        await station.charger.tap(2, station.tag)
        starts = [payload.get("reservationId") for payload, _answer in station.said("StartTransaction")]
        assert starts == [None, 49]
        assert await booked(station) == [(49, "used", None)]
        assert len(station.charger.reservations) == 0
        assert {row["id_token"] for row in await station.sessions()} == {"GUEST-49", station.tag}


async def test_tc_051_cancel_reservation(lab: Lab) -> None:
    async with lab.station(clock=present()) as station:
        await reserved(station, 51)
        await station.expect("CancelReservation", {"reservationId": 51}, ACCEPTED)
        await station.until_told("StatusNotification", "Available")
        await station.until_state("available")
        assert await booked(station) == [(51, "cancelled", None)]


async def test_tc_052_cancel_reservation_rejected(lab: Lab) -> None:
    async with lab.station(clock=present()) as station:
        await reserved(station, 52)
        await station.expect("CancelReservation", {"reservationId": 53}, {"status": "Rejected"})
        assert await station.state() == "reserved"
        assert await booked(station) == [(52, "active", None)]


async def test_tc_053_use_a_reserved_connector_with_parent_id_tag(lab: Lab) -> None:
    async with lab.station(clock=present()) as station:
        await reserved(station, 53, parentIdTag=station.group)
        await station.charger.plug_in()
        assert await station.charger.tap(1, station.other_tag) == "Accepted"
        [(authorize, answer)] = station.said("Authorize")
        assert authorize["idTag"] == station.other_tag
        assert (answer or {})["idTagInfo"]["parentIdTag"] == station.group
        assert station.told("StartTransaction", "reservationId") == [53]
        row = await station.session()
        assert row["id_token"] == station.other_tag
        assert await booked(station) == [(53, "used", None)]
