"""Reservations and local lists as a charger keeps them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ocpp.v16 import call

from simulator import ChargerSpec, SimulatedCharger, StepClock
from simulator.charger import Charger, Fault
from simulator.reservations import Reservation, Reservations
from simulator.tags import LocalList, TagInfo
from simulator.vehicle import Vehicle
from tests.simulator.csms import Csms

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def unit(plugs: int = 2) -> tuple[Charger, Reservations]:
    """A charger's physics and its reservations."""
    charger = Charger(ChargerSpec("AC", 22_000, plugs), NOON)
    return charger, Reservations(charger)


def held(number: int, connector_id: int = 1, tag: str = "TAG", parent: str | None = None, hours: float = 1) -> Any:
    """A reservation that ends `hours` after noon."""
    return Reservation(number, connector_id, tag, parent, NOON + timedelta(hours=hours))


def test_a_reserved_plug_is_kept_for_its_tag_and_its_group() -> None:
    charger, reservations = unit()
    assert reservations.add(held(1, parent="GROUP")) == "Accepted"
    assert [plug.status for plug in charger.connectors.values()] == ["Reserved", "Available"]
    assert reservations.bars(1, "OTHER", None) and not reservations.bars(2, "OTHER", None)
    assert not reservations.bars(1, "tag", None) and not reservations.bars(1, "OTHER", "group")
    assert reservations.use(1, "OTHER", "GROUP") == 1
    assert charger.connectors[1].status == "Available"


def test_a_reservation_of_the_charger_keeps_the_last_free_plug() -> None:
    charger, reservations = unit()
    assert reservations.add(held(1, 0)) == "Accepted"
    assert not reservations.bars(1, "OTHER", None)
    charger.plug_in(1, Vehicle.at_soc(20), NOON)
    assert not reservations.expire(NOON)
    assert charger.connectors[2].status == "Reserved"
    assert reservations.bars(2, "OTHER", None) and not reservations.bars(2, "TAG", None)
    assert reservations.add(held(2, 0, "TWO")) == "Occupied"


def test_what_is_in_the_way_is_said() -> None:
    charger, reservations = unit(4)
    charger.set_fault(1, NOON, Fault("OtherError"))
    charger.plug_in(2, Vehicle.at_soc(20), NOON)
    charger.set_operative(3, NOON, False)
    said = [reservations.add(held(number, number)) for number in (1, 2, 3, 4)]
    assert said == ["Faulted", "Occupied", "Unavailable", "Accepted"]
    assert reservations.add(held(9, 4, "OTHER")) == "Occupied"
    assert reservations.add(held(4, 4, "OTHER")) == "Accepted", "the same number replaces"
    charger.set_fault(0, NOON, Fault("OtherError"))
    assert reservations.add(held(5, 0)) == "Faulted"


def test_time_and_faults_end_reservations() -> None:
    charger, reservations = unit()
    reservations.add(held(1, 1, hours=1))
    reservations.add(held(2, 2, hours=2))
    assert reservations.next_expiry == NOON + timedelta(hours=1)
    assert reservations.expire(NOON + timedelta(hours=1)) and not reservations.cancel(1)
    charger.set_fault(2, NOON, Fault("OtherError"))
    assert reservations.expire(NOON) and len(reservations) == 0
    assert not reservations.expire(NOON)


def row(tag: str, status: str | None = "Accepted") -> dict[str, Any]:
    """An entry; without a status it is to be removed."""
    return {"id_tag": tag, **({"id_tag_info": {"status": status}} if status else {})}


def test_a_local_list_changes_as_a_whole_or_not_at_all() -> None:
    known = LocalList()
    assert known.update(3, "Full", [row("A"), row("B")], 2) == "Accepted"
    assert known.update(4, "Differential", [row("C")], 2) == "Failed"
    assert known.update(3, "Differential", [row("C")], 9) == "VersionMismatch"
    assert known.update(0, "Full", [], 9) == "Failed"
    assert known.update(9, "Full", [row("C", None)], 9) == "Failed"
    assert (known.version, len(known), known.find("a") is not None) == (3, 2, True)
    assert known.update(4, "Differential", [row("A", None), row("b", "Blocked")], 9) == "Accepted"
    assert (known.find("A"), known.find("B")) == (None, TagInfo("Blocked"))
    assert (known.update(2, "Full", [], 9), known.version, len(known)) == ("Accepted", 0, 0)


def test_what_was_accepted_expires() -> None:
    info = TagInfo.read({"status": "Accepted", "expiryDate": "2026-03-02T12:00:00Z", "parentIdTag": "G"})
    assert (info.at(NOON - timedelta(seconds=1)), info.at(NOON), info.parent) == ("Accepted", "Expired", "G")
    assert TagInfo.read(None).status == "Invalid"
    assert TagInfo.read({"status": "Accepted", "expiryDate": "soon"}).expires_at is None


@pytest.fixture
async def charger(csms: Csms) -> AsyncIterator[SimulatedCharger]:
    """A booted charger with one plug."""
    async with SimulatedCharger(csms.url, "SIM-1", clock=StepClock()) as made:
        await made.boot()
        yield made


async def ask(csms: Csms, payload: Any) -> Any:
    """The answer to a command."""
    return await csms.point("SIM-1").call(payload, suppress=False)


async def test_a_stranger_meets_a_reserved_plug_and_remote_start_obeys_it(
    csms: Csms, charger: SimulatedCharger
) -> None:
    expiry = (charger.clock.now() + timedelta(hours=1)).isoformat()
    assert (await ask(csms, call.ReserveNow(1, expiry, "TAG-1", 7))).status == "Accepted"
    await csms.until(lambda: csms.state.statuses()[-1] == "Reserved")
    await charger.plug_in()
    assert await charger.tap(1, "TAG-2") == "Reserved"
    assert (await ask(csms, call.RemoteStartTransaction("TAG-2", 1))).status == "Rejected"
    assert (await ask(csms, call.RemoteStartTransaction("TAG-1", 1))).status == "Accepted"
    await csms.until(lambda: csms.state.payloads("StartTransaction"))
    assert csms.state.payloads("StartTransaction")[0]["reservation_id"] == 7


async def test_connector_zero_only_where_it_is_supported(csms: Csms, charger: SimulatedCharger) -> None:
    charger.configuration.set("ReserveConnectorZeroSupported", "false")
    expiry = (charger.clock.now() + timedelta(hours=1)).isoformat()
    assert (await ask(csms, call.ReserveNow(0, expiry, "TAG-1", 7))).status == "Rejected"
    assert (await ask(csms, call.ReserveNow(9, expiry, "TAG-1", 7))).status == "Rejected"


async def test_a_group_member_may_end_a_session_and_a_stranger_may_not(csms: Csms, charger: SimulatedCharger) -> None:
    rows = [{"id_tag": tag, "id_tag_info": {"status": "Accepted", "parent_id_tag": group}}
            for tag, group in (("TAG-1", "G"), ("TAG-2", "G"), ("SIM-TAG-1", "H"))]  # fmt: skip
    assert (await ask(csms, call.SendLocalList(1, "Full", rows))).status == "Accepted"
    await charger.plug_in()
    assert await charger.tap(1, "TAG-1") == "Accepted"
    assert await charger.tap(1, "SIM-TAG-1") == "Invalid"
    assert await charger.tap(1, "TAG-2") == "Accepted"
    assert not charger.has_session(1)
