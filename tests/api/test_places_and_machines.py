"""CPOs, stations, chargers and connectors over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from backend.database import SYSTEM
from backend.domain.charger_password import verify
from tests.api.conftest import World

NEW_CHARGER = {"current_type": "DC", "rated_power_w": 120_000, "connector_count": 2}


async def test_emsv_registers_a_cpo_once(world: World) -> None:
    client = await world.client("emsv_admin")
    made = await client.post("/api/cpos", json={"name": "Sulawesi Daya"})
    again = await client.post("/api/cpos", json={"name": "Sulawesi Daya"})
    assert (made.status_code, made.json()["status"]) == (201, "active")
    assert (again.status_code, again.json()["code"]) == (409, "cpo_exists")
    assert (await client.get(f"/api/cpos/{made.json()['id']}")).json() == made.json()


async def test_a_station_lives_from_creation_to_deletion(world: World) -> None:
    client = await world.client("cpo_admin")
    place = {"name": "SPKLU Losari", "city": "Kota Makassar", "latitude": -5.14, "longitude": 119.41}
    made = (await client.post("/api/stations", json={**place, "timezone": "Asia/Makassar"})).json()
    assert (made["cpo_id"], made["charger_count"], made["latitude"]) == (world.own.cpo_id, 0, -5.14)
    path = f"/api/stations/{made['id']}"
    changed = (await client.put(path, json={"address": "Jl. Penghibur 1"})).json()
    assert (changed["address"], changed["name"], changed["timezone"]) == (
        "Jl. Penghibur 1",
        "SPKLU Losari",
        "Asia/Makassar",
    )
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_a_station_in_use_stays(world: World) -> None:
    client = await world.client("cpo_admin")
    reply = await client.delete(f"/api/stations/{world.own.station_id}")
    assert (reply.status_code, reply.json()["code"]) == (409, "station_in_use")


async def test_two_stations_of_a_cpo_cannot_share_a_name(world: World) -> None:
    client = await world.client("cpo_admin")
    taken = {"name": "SPKLU Nusantara Charge"}
    made = await client.post("/api/stations", json=taken)
    other = (await client.post("/api/stations", json={"name": "Other"})).json()
    renamed = await client.put(f"/api/stations/{other['id']}", json=taken)
    assert [(r.status_code, r.json()["code"]) for r in (made, renamed)] == [(409, "station_exists")] * 2


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({"name": ""}, "name"),
        ({"name": "A", "latitude": 91}, "latitude"),
        ({"name": "A", "timezone": "Asia/Nowhere"}, "timezone"),
        ({"name": "A", "color": "red"}, "color"),
        ({}, "name"),
    ],
)
async def test_a_station_that_does_not_fit_names_the_member(world: World, body: dict[str, Any], member: str) -> None:
    client = await world.client("cpo_admin")
    reply = await client.post("/api/stations", json=body)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_input")
    assert [error["member"] for error in reply.json()["errors"]] == [member]


async def test_emsv_must_say_whose_station_it_is(world: World) -> None:
    client = await world.client("emsv_admin")
    reply = await client.post("/api/stations", json={"name": "Whose"})
    assert (reply.status_code, reply.json()["code"]) == (422, "cpo_required")
    theirs = await client.post("/api/stations", json={"name": "Theirs", "cpo_id": world.other.cpo_id})
    assert theirs.json()["cpo_id"] == world.other.cpo_id


@pytest.mark.parametrize("identity", ["ID-JKT02-1", "CP/1 #2", "a+b%2F", "x?y&z=1"])
async def test_a_charger_with_any_identity_is_registered_read_and_deleted(world: World, identity: str) -> None:
    client = await world.client("cpo_admin")
    body = {**NEW_CHARGER, "id": identity, "station_id": world.own.station_id}
    made = await client.post("/api/chargers", json=body)
    assert made.status_code == 201, made.text
    path = f"/api/chargers/{quote(identity, safe='')}"
    read = (await client.get(path)).json()
    assert (read["id"], read["connector_count"], read["connected"]) == (identity, 2, False)
    connectors = (await client.get("/api/connectors", params={"charger_id": identity})).json()["items"]
    assert [(c["evse_id"], c["connector_id"], c["state"]) for c in connectors] == [
        (1, 1, "offline"),
        (2, 1, "offline"),
    ]
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_an_identity_belongs_to_one_charger_on_the_whole_platform(world: World) -> None:
    client = await world.client("cpo_admin")
    body = {**NEW_CHARGER, "id": world.other.charger_id, "station_id": world.own.station_id}
    reply = await client.post("/api/chargers", json=body)
    assert (reply.status_code, reply.json()["code"]) == (409, "charger_exists")


async def test_a_charger_password_is_kept_as_a_hash_and_never_shown(world: World) -> None:
    client = await world.client("cpo_admin")
    path = f"/api/chargers/{world.own.charger_id}"
    reply = await client.put(path, json={"password": "0123456789abcdef"})
    assert reply.status_code == 200
    assert "password" not in reply.text and "0123456789abcdef" not in reply.text
    where = [("id", "eq", world.own.charger_id)]
    (kept,) = await world.database.select("chargers", scope=SYSTEM, columns="password_hash", where=where)
    assert verify(kept["password_hash"], b"0123456789abcdef")
    audit = await world.database.select("audit_log", scope=SYSTEM, where=[("action", "eq", "charger.update")])
    assert audit[0]["after"] == {"password_hash": "***"}
    assert kept["password_hash"] not in str(audit) and "0123456789abcdef" not in str(audit)


async def test_a_charger_with_history_stays(world: World) -> None:
    client = await world.client("cpo_admin")
    reply = await client.delete(f"/api/chargers/{world.own.charger_id}")
    assert (reply.status_code, reply.json()["code"]) == (409, "charger_in_use")


async def test_chargers_are_found_by_station_connection_and_part_of_the_identity(world: World) -> None:
    client = await world.client("emsv_admin")
    await world.connect(world.own.charger_id)

    async def found(**params: Any) -> list[str]:
        reply = await client.get("/api/chargers", params=params)
        return [charger["id"] for charger in reply.json()["items"]]

    own, other = world.own.charger_id, world.other.charger_id
    assert await found() == [own, other]
    assert await found(connected="true") == [own]
    assert await found(connected="false") == [other]
    assert await found(station_id=world.other.station_id) == [other]
    assert await found(q="jkt") == [own]
    assert await found(q="%") == await found(q="_") == []
    assert await found(registration="pending") == []


async def test_a_discovered_charger_is_approved_and_appears_at_its_cpo(world: World) -> None:
    emsv, cpo = await world.client("emsv_admin"), await world.client("cpo_admin")
    await world.database.call("discover_charger", {"p_charger_id": "NEW/1", "p_protocol": "ocpp1.6"}, scope=SYSTEM)
    await world.connect("NEW/1")
    pending = (await emsv.get("/api/chargers", params={"registration": "pending"})).json()["items"]
    assert [(c["id"], c["discovered"], c["cpo_id"]) for c in pending] == [("NEW/1", True, None)]
    path = "/api/chargers/NEW%2F1"
    assert (await cpo.get(path)).status_code == 404
    approved = await emsv.post(f"{path}/approve", json={"station_id": world.own.station_id})
    again = await emsv.post(f"{path}/approve", json={"station_id": world.own.station_id})
    assert approved.status_code == again.status_code == 200
    seen = (await cpo.get(path)).json()
    assert (seen["registration"], seen["cpo_id"], seen["connected"]) == ("accepted", world.own.cpo_id, True)
    elsewhere = await emsv.post(f"{path}/approve", json={"station_id": world.other.station_id})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (409, "charger_approval_conflict")


async def test_a_rejected_charger_may_be_approved_later(world: World) -> None:
    emsv = await world.client("emsv_admin")
    await world.database.call("discover_charger", {"p_charger_id": "NEW-2", "p_protocol": "ocpp1.6"}, scope=SYSTEM)
    assert (await emsv.post("/api/chargers/NEW-2/reject")).json()["registration"] == "rejected"
    approved = await emsv.post("/api/chargers/NEW-2/approve", json={"station_id": world.own.station_id})
    assert approved.json()["registration"] == "accepted"


async def test_a_station_of_another_cpo_is_refused_also_to_emsv(world: World) -> None:
    emsv = await world.client("emsv_admin")
    body = {"station_id": world.other.station_id}
    reply = await emsv.put(f"/api/chargers/{world.own.charger_id}", json=body)
    assert (reply.status_code, reply.json()["code"]) == (409, "station_conflict")


async def test_an_operator_takes_an_offline_charger_out_of_service(world: World) -> None:
    client = await world.client("cpo_operator")
    reply = await client.put(f"/api/chargers/{world.own.charger_id}/status", json={"status": "Unavailable"})
    answer = reply.json()
    assert reply.status_code == 202
    assert answer["charger"]["availability"] == "inoperative"
    assert answer["command"]["action"] == "ChangeAvailability"
    assert answer["command"]["payload"] == {"connectorId": 0, "type": "Inoperative"}
    assert answer["command"]["status"] == "queued"


async def test_out_of_service_without_queue_changes_nothing_while_offline(world: World) -> None:
    client = await world.client("cpo_operator")
    path = f"/api/chargers/{world.own.charger_id}"
    reply = await client.put(f"{path}/status?queue=false", json={"status": "Unavailable"})
    assert (reply.status_code, reply.json()["code"]) == (409, "charger_offline")
    assert (await client.get(path)).json()["availability"] == "operative"


async def test_a_connector_shows_its_running_session_and_offline_overrides(world: World) -> None:
    client = await world.client("cpo_operator")
    session = await world.running_session(world.own)
    status = {
        "charger_id": world.own.charger_id, "evse_id": 1, "connector_id": 1, "status": "Charging",
        "error_code": "NoError", "at": session["started_at"], "received_at": session["started_at"],
    }  # fmt: skip
    await world.database.call("intake", {"p_statuses": [status]}, scope=SYSTEM)

    async def first() -> dict[str, Any]:
        found: dict[str, Any] = (await client.get("/api/connectors")).json()["items"][0]
        return found

    offline = await first()
    assert (offline["state"], offline["status"]) == ("offline", "Charging")
    await world.connect(world.own.charger_id)
    online = await first()
    assert (online["state"], online["session_id"], online["energy_wh"], online["power_w"]) == (
        "charging",
        session["id"],
        5_000,
        21_500,
    )
