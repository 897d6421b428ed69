"""Live stations in pages, the map and the operators' figures: counted by the database, however large the fleet."""

from __future__ import annotations

from typing import Any

import pytest

from backend.database import SYSTEM
from tests.api.conftest import World


@pytest.fixture
async def fleet(world: World) -> World:
    """Twelve stations of the own CPO besides its first, the first of them with a connected charger that charges."""
    for number in range(12):
        await world.add("stations", cpo_id=world.own.cpo_id, name=f"Besar {number:02d}", city="Kota Jauh")
    await world.connect(world.own.charger_id)
    await world.running_session(world.own, id_token="CARD-7")
    await _status(world, 1, "Charging", "NoError")
    await _status(world, 2, "Available", "NoError")
    return world


async def _status(world: World, evse: int, status: str, error: str) -> None:
    row = {"charger_id": world.own.charger_id, "evse_id": evse, "connector_id": 1, "status": status,
           "error_code": error, "error_info": None, "vendor_error_code": None, "at": "2026-11-21T03:00:00Z",
           "received_at": "2026-11-21T03:00:00Z"}  # fmt: skip
    await world.database.call("intake", {"p_statuses": [row]}, scope=SYSTEM)


async def _read(world: World, path: str, role: str = "cpo_operator", **params: Any) -> Any:
    reply = await (await world.client(role)).get(path, params=params)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_a_station_comes_with_its_chargers_connectors_and_power_counted(fleet: World) -> None:
    [station] = (await _read(fleet, "/api/stations/live", station_id=fleet.own.station_id))["items"]
    assert (station["chargers"], station["chargers_connected"]) == (1, 1)
    assert station["connectors"] == {"charging": 1, "available": 1}
    assert station["power_w"] == 21_500


async def test_stations_come_in_pages_by_name(fleet: World) -> None:
    names: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await _read(fleet, "/api/stations/live", limit=5, **cursor)
        names += [station["name"] for station in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert names == [*(f"Besar {number:02d}" for number in range(12)), "SPKLU Nusantara Charge"]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"q": "nusantara"}, ["SPKLU Nusantara Charge"]),
        ({"q": "JKT01-1"}, ["SPKLU Nusantara Charge"]),
        ({"q": "kota jauh", "limit": "1"}, ["Besar 00"]),
        ({"q": "100%"}, []),
        ({"state": "charging"}, ["SPKLU Nusantara Charge"]),
        ({"state": "faulted"}, []),
        ({"state": "available", "q": "besar"}, []),
    ],
)
async def test_stations_are_found_by_what_they_and_their_chargers_bear_and_by_state(
    fleet: World, params: dict[str, str], found: list[str]
) -> None:
    items = (await _read(fleet, "/api/stations/live", **params))["items"]
    assert [station["name"] for station in items] == found


async def test_chargers_are_searched_by_name_and_station_and_read_for_several_stations(fleet: World) -> None:
    by_station = await _read(fleet, "/api/chargers", q="spklu nusantara")
    assert [charger["id"] for charger in by_station["items"]] == [fleet.own.charger_id]
    stations = [fleet.own.station_id, "99999999-9999-4999-8999-999999999999"]
    several = await _read(fleet, "/api/chargers", station_id=stations)
    assert [charger["id"] for charger in several["items"]] == [fleet.own.charger_id]
    plugs = await _read(fleet, "/api/connectors", station_id=stations, state=["charging", "faulted"])
    assert [plug["evse_id"] for plug in plugs["items"]] == [1]
    assert [row["name"] for row in (await _read(fleet, "/api/stations", q="kota jauh", limit=2))["items"]] == [
        "Besar 00", "Besar 01"]  # fmt: skip


async def test_what_the_whole_charger_says_stands_beside_its_connectors(fleet: World) -> None:
    await _status(fleet, 0, "Faulted", "GroundFailure")
    plugs = (await _read(fleet, "/api/connectors", charger_id=fleet.own.charger_id))["items"]
    assert [plug["state"] for plug in plugs] == ["charging", "available"]
    assert {(plug["charger_status"], plug["charger_error_code"]) for plug in plugs} == {("Faulted", "GroundFailure")}


async def test_the_overview_leaves_the_stations_out_when_they_are_not_wanted(fleet: World) -> None:
    whole = await _read(fleet, "/api/analytics/dashboard")
    short = await _read(fleet, "/api/analytics/dashboard", stations="false")
    assert len(whole.pop("stations")) == 13
    assert short.pop("stations") == []
    assert {**short, "as_of": None} == {**whole, "as_of": None}
    assert short["connectors"] == {"charging": 1, "available": 1}
    assert (short["power_now_w"], short["sessions"]["active"]) == (21_500, 1)


async def test_the_map_holds_places_with_their_worst_state(fleet: World) -> None:
    place = {"latitude": -6.2, "longitude": 106.8}
    where = [("id", "eq", fleet.own.station_id)]
    await fleet.database.update("stations", place, scope=SYSTEM, where=where)
    items = (await _read(fleet, "/api/analytics/map"))["items"]
    assert [(station["name"], station["state"]) for station in items] == [("SPKLU Nusantara Charge", "charging")]
    await _status(fleet, 2, "Faulted", "OverVoltage")
    assert (await _read(fleet, "/api/analytics/map"))["items"][0]["state"] == "faulted"


async def test_operators_are_counted_for_those_who_may_see_them(fleet: World) -> None:
    nation = (await _read(fleet, "/api/analytics/operators", role="emsv_admin"))["items"]
    assert [row["stations"] for row in nation] == [1, 13]
    assert [row["connectors"] for row in nation] == [{"offline": 2}, {"charging": 1, "available": 1}]
    own = (await _read(fleet, "/api/analytics/operators"))["items"]
    assert [(row["cpo_id"], row["power_w"]) for row in own] == [(fleet.own.cpo_id, 21_500)]


async def test_a_person_keeps_a_language_and_a_key_has_none(world: World) -> None:
    client = await world.client("cpo_operator")
    changed = await client.patch("/api/auth/me", json={"locale": "en"})
    assert (changed.status_code, changed.json()["locale"]) == (200, "en")
    assert (await client.get("/api/auth/me")).json()["locale"] == "en"
    assert (await client.patch("/api/auth/me", json={"locale": "fr"})).status_code == 422
    made = await (await world.client("cpo_admin")).post("/api/apikeys", json={"name": "programme"})
    of_key = {"X-API-Key": made.json()["key"]}
    refused = await (await world.client(None)).patch("/api/auth/me", json={"locale": "en"}, headers=of_key)
    assert (refused.status_code, refused.json()["code"]) == (403, "people_only")
