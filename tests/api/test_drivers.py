"""Drivers over HTTP: what a CPO may see of them, what they may see of themselves, and their rights."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from backend.database import SYSTEM, Scope
from backend.services.outbox import Outbox
from backend.services.records import PageRequest
from tests.api.conftest import NOW, Tenant, World

LIMITED = {"id", "name", "contact", "car", "battery_wh", "created_at", "updated_at", "erased_at"}


async def _person(world: World, tenant: Tenant) -> httpx.AsyncClient:
    """The driver of this CPO's card, with a login of their own."""
    row = {"email": f"{tenant.cpo_id[:8]}@driver.test", "name": "Sari", "role": "driver", "password_hash": "x"}
    user = (await world.database.insert("users", [row], scope=SYSTEM))[0]["id"]
    where = [("id", "eq", tenant.driver_id)]
    await world.database.update("drivers", {"user_id": user}, scope=SYSTEM, where=where)
    client = await world.client(None)
    client.headers["Authorization"] = f"Bearer {world.services.people.tokens.access(Scope('driver', user), 'Sari')}"
    return client


async def _charge(world: World, tenant: Tenant, token: str, **changes: Any) -> str:
    session = await world.add_session(tenant, id_token=token, start_key=f"{token} {changes!r}", **changes)
    await world.database.call("meet_drivers", {"p_session_ids": [session["id"]]}, scope=SYSTEM)
    return str(session["id"])


async def _card(world: World) -> str:
    """A card of the EMSV, which opens every charger, in the hands of the own CPO's driver."""
    admin = await world.client("emsv_admin")
    token = (await admin.post("/api/id-tokens", json={"token": "Roam-1", "cpo_id": None})).json()
    since = (NOW - timedelta(days=1)).isoformat()
    path = f"/api/drivers/{world.own.driver_id}/id-tokens"
    held = await admin.post(path, json={"id_token_id": token["id"], "since": since})
    assert held.status_code == 200, held.text
    return str(token["id"])


async def test_a_cpo_sees_the_limited_view_and_its_own_stations_history(world: World) -> None:
    await _card(world)
    mine = await _charge(world, world.own, "ROAM-1")
    theirs = await _charge(world, world.other, "roam-1")
    client, path = await world.client("cpo_operator"), f"/api/drivers/{world.own.driver_id}"
    driver = (await client.get(path)).json()
    assert set(driver) == LIMITED
    assert (driver["car"], driver["battery_wh"]) == ("Wuling Air ev", 26_700) and driver["contact"]
    assert [s["id"] for s in (await client.get(f"{path}/sessions")).json()["items"]] == [mine]
    nation = await world.client("emsv_admin")
    assert {s["id"] for s in (await nation.get(f"{path}/sessions")).json()["items"]} == {mine, theirs}
    person = await _person(world, world.own)
    assert {s["id"] for s in (await person.get(f"{path}/sessions")).json()["items"]} == {mine, theirs}


async def test_a_cpo_knows_a_driver_once_it_charged_the_car_and_the_contact_only_by_consent(world: World) -> None:
    await _card(world)
    admin, path = await world.client("emsv_admin"), f"/api/drivers/{world.own.driver_id}"
    stranger = world.services.drivers
    scope = Scope("cpo_admin", world.other.user_id, world.other.cpo_id)
    known = [driver.id for driver in (await stranger.list(scope, PageRequest(50))).items]
    assert known == [world.other.driver_id]
    await _charge(world, world.other, "Roam-1")
    assert (await stranger.get(scope, world.own.driver_id)).contact is not None
    withdrawn = {"purpose": "contact_sharing", "text_version": "1", "given": False, "method": "telephone"}
    for _ in range(2):  # the second changes nothing
        assert (await admin.post(f"{path}/consents", json=withdrawn)).status_code == 200
    assert (await stranger.get(scope, world.own.driver_id)).contact is None
    assert (await (await world.client("cpo_admin")).get(path)).json()["contact"] is None
    said = (await admin.get(f"{path}/consents")).json()["items"]
    assert [(row["given"], row["method"]) for row in said] == [(False, "telephone"), (True, "paper")]


async def test_a_session_that_begins_makes_the_driver_known(world: World) -> None:
    """The event of the start does it, by the worker's relay."""
    await _card(world)
    session = await world.running_session(world.other, id_token="Roam-1")
    payload = {"session_id": session["id"], "station_id": world.other.station_id}
    await world.add("outbox", cpo_id=world.other.cpo_id, topic="session.started", payload=payload)
    assert await Outbox(world.database).relay() == 1
    scope = Scope("cpo_operator", world.other.user_id, world.other.cpo_id)
    assert (await world.services.drivers.get(scope, world.own.driver_id)).id == world.own.driver_id


async def test_a_driver_finds_their_own_and_nobody_elses(world: World) -> None:
    person = await _person(world, world.own)
    assert [driver["id"] for driver in (await person.get("/api/drivers")).json()["items"]] == [world.own.driver_id]
    assert (await person.get(f"/api/drivers/{world.other.driver_id}")).status_code == 404
    changed = await person.put(f"/api/drivers/{world.own.driver_id}", json={"car": "Hyundai Ioniq 5"})
    assert changed.json()["car"] == "Hyundai Ioniq 5"
    assert (await person.put(f"/api/drivers/{world.other.driver_id}", json={"car": "Mine"})).status_code == 404
    assert (await person.get("/api/sessions")).status_code == 403
    token = {"id_token_id": world.own.token_id}
    assert (await person.post(f"/api/drivers/{world.own.driver_id}/id-tokens", json=token)).status_code == 403


async def test_a_driver_takes_a_copy_and_leaves(world: World) -> None:
    mine = await _charge(world, world.own, f"CARD-{world.own.charger_id}")
    person, path = await _person(world, world.own), f"/api/drivers/{world.own.driver_id}"
    copy = await person.get(f"{path}/export")
    assert copy.headers["content-disposition"] == f'attachment; filename="driver-{world.own.driver_id}.json"'
    assert [session["id"] for session in copy.json()["data"]["sessions"]] == [mine]
    assert copy.json()["data"]["driver_contacts"][0]["contact"].startswith("+62")
    gone = await person.post(f"{path}/erasure")
    assert (gone.status_code, gone.json()["driver_id"]) == (200, world.own.driver_id)
    client = await world.client("cpo_admin")
    assert (await client.get(path)).status_code == 404  # nobody has met what is left
    session = (await client.get(f"/api/sessions/{mine}")).json()
    assert session["energy_wh"] == 10_000 and session["id_token"].startswith("erased-")
    again = await (await world.client("emsv_admin")).post(f"{path}/erasure")
    assert again.json()["erased_at"] == gone.json()["erased_at"]


async def test_a_cpo_changes_drivers_it_registered_until_they_have_a_login(world: World) -> None:
    client = await world.client("cpo_operator")
    new = await client.post("/api/drivers", json={"name": "Budi", "contact": "budi@mail.test"})
    assert (new.status_code, new.json()["contact"]) == (201, None)  # no consent yet
    path = f"/api/drivers/{new.json()['id']}"
    assert (await client.put(path, json={"car": "BYD Dolphin", "battery_wh": 44_900})).json()["battery_wh"] == 44_900
    assert (await client.put(f"/api/drivers/{world.own.driver_id}", json={"car": "X"})).status_code == 404
    foreign = await client.post(f"{path}/id-tokens", json={"id_token_id": world.other.token_id})
    assert (foreign.status_code, foreign.json()["code"]) == (404, "id_token_not_found")
    held = await client.post(f"{path}/id-tokens", json={"id_token_id": world.own.token_id})
    assert [token["id_token_id"] for token in held.json()["items"]] == [world.own.token_id]
    before = (await client.get(f"/api/drivers/{world.own.driver_id}/id-tokens")).json()["items"]
    assert before[0]["held_until"] is not None  # handed over
    assert (await client.delete(f"{path}/id-tokens/{world.own.token_id}")).status_code == 204
    await world.database.update(
        "drivers", {"user_id": world.own.user_id}, scope=SYSTEM, where=[("id", "eq", new.json()["id"])]
    )
    assert (await client.put(path, json={"car": "Mine"})).status_code == 404
