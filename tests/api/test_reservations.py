"""Reservations over HTTP: asked once, listed, cancelled once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from backend.database import SYSTEM
from backend.services.dispatch import Dispatch, Outcome
from tests.api.conftest import World

PATH = "/api/reservations"
UNTIL = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)


@pytest.fixture
async def client(world: World) -> httpx.AsyncClient:
    await world.connect(world.own.charger_id)
    return await world.client("cpo_operator")


def wish(world: World, **changes: Any) -> dict[str, Any]:
    return {"charger_id": world.own.charger_id, "connector_id": 1, "id_token": "CARD-9",
            "expires_at": UNTIL.isoformat(), **changes}  # fmt: skip


async def settle(world: World, command_id: str, status: str, word: str) -> None:
    """The charger's answer."""
    await world.database.update("commands", {"status": "sent"}, scope=SYSTEM, where=[("id", "eq", command_id)])
    await Dispatch(world.database, "node-1").settle(command_id, Outcome(status, {"status": word}))


async def test_a_reservation_is_asked_of_the_charger_once(client: httpx.AsyncClient, world: World) -> None:
    headers = {"Idempotency-Key": "tap-1"}
    first, again = [await client.post(PATH, json=wish(world), headers=headers) for _ in range(2)]
    made = first.json()
    command = (await client.get(f"/api/commands/{made['command_id']}")).json()
    other = await client.post(PATH, json=wish(world, connector_id=2), headers=headers)

    assert (first.status_code, made) == (202, again.json())
    assert (made["status"], made["requested_by_name"], made["expires_at"]) == (
        "requested", "Person cpo_operator", UNTIL.isoformat().replace("+00:00", "Z"))  # fmt: skip
    assert command["payload"] == {"connectorId": 1, "idTag": "CARD-9", "reservationId": made["reservation_id"],
                                  "expiryDate": UNTIL.strftime("%Y-%m-%dT%H:%M:%SZ")}  # fmt: skip
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


async def test_numbers_are_unique_whatever_others_have_used(client: httpx.AsyncClient, world: World) -> None:
    first = (await client.post(PATH, json=wish(world))).json()
    taken = first["reservation_id"] + 1
    payload = {"connectorId": 1, "expiryDate": UNTIL.isoformat(), "idTag": "CARD-1", "reservationId": taken}
    await client.post(f"/api/chargers/{world.own.charger_id}/commands/ReserveNow", json=payload)
    second = (await client.post(PATH, json=wish(world))).json()

    assert second["reservation_id"] not in (first["reservation_id"], taken)


async def test_the_list_is_newest_first_and_filtered(client: httpx.AsyncClient, world: World) -> None:
    made = [(await client.post(PATH, json=wish(world, id_token=f"Keep-{n}"))).json() for n in range(3)]
    listed = (await client.get(PATH, params={"status": "requested"})).json()["items"]
    found = (await client.get(PATH, params={"id_token": "KEEP-1", "charger_id": world.own.charger_id})).json()["items"]

    assert [row["id"] for row in listed] == [row["id"] for row in reversed(made)]
    assert [row["id"] for row in found] == [made[1]["id"]]


async def test_a_reservation_is_cancelled_once(client: httpx.AsyncClient, world: World) -> None:
    made = (await client.post(PATH, json=wish(world))).json()
    await settle(world, made["command_id"], "accepted", "Accepted")
    assert (await client.get(f"{PATH}/{made['id']}")).json()["status"] == "active"
    command = (await client.delete(f"{PATH}/{made['id']}")).json()["command"]
    assert command["payload"] == {"reservationId": made["reservation_id"]}
    await settle(world, command["id"], "accepted", "Accepted")
    again = await client.delete(f"{PATH}/{made['id']}")

    assert (again.status_code, again.json()["command"]["id"]) == (202, command["id"])
    assert (await client.get(f"{PATH}/{made['id']}")).json()["status"] == "cancelled"


async def test_one_that_was_not_sent_could_not_be_taken_back(world: World) -> None:
    client = await world.client("cpo_operator")  # the charger is offline
    made = (await client.post(PATH, json=wish(world, queue=True))).json()
    first, again = [await client.delete(f"{PATH}/{made['id']}") for _ in range(2)]
    command = first.json()["command"]

    assert (first.status_code, again.json()) == (202, first.json())
    assert (command["id"], command["action"], command["status"]) == (made["command_id"], "ReserveNow", "expired")
    ended = (await client.get(f"{PATH}/{made['id']}")).json()
    assert (ended["status"], ended["reason"]) == ("cancelled", "withdrawn")


async def test_those_that_live_are_listed_apart_with_the_zone_of_their_station(
    client: httpx.AsyncClient, world: World
) -> None:
    over = (await client.post(PATH, json=wish(world))).json()
    await settle(world, over["command_id"], "rejected", "Occupied")
    live = (await client.post(PATH, json=wish(world))).json()
    living, ended = [(await client.get(PATH, params={"live": word})).json()["items"] for word in ("true", "false")]
    station = (await client.get(f"/api/stations/{world.own.station_id}")).json()

    assert (living[0]["id"], ended[0]["id"]) == (live["id"], over["id"])
    assert {row["status"] for row in living} == {"requested"}
    assert not {row["status"] for row in ended} & {"requested", "active"}
    assert (live["station_name"], live["station_timezone"]) == (station["name"], station["timezone"])


async def test_what_is_over_cannot_be_cancelled(client: httpx.AsyncClient, world: World) -> None:
    made = (await client.post(PATH, json=wish(world))).json()
    await settle(world, made["command_id"], "rejected", "Occupied")
    refused = await client.delete(f"{PATH}/{made['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "reservation_ended")


async def test_an_offline_charger_and_a_foreign_one(world: World) -> None:
    client = await world.client("cpo_operator")
    offline = await client.post(PATH, json=wish(world))
    waiting = await client.post(PATH, json=wish(world, queue=True, expires_in_s=30))
    foreign = await client.post(PATH, json=wish(world, charger_id=world.other.charger_id, queue=True))

    assert [(reply.status_code, reply.json().get("code")) for reply in (offline, foreign)] == [
        (409, "charger_offline"), (404, "charger_not_found")]  # fmt: skip
    assert waiting.status_code == 202


@pytest.mark.parametrize(("change", "member"), [
    ({"connector_id": -1}, "connector_id"), ({"id_token": "x" * 21}, "id_token"),
    ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"), ({"number": 3}, "number"),
])  # fmt: skip
async def test_a_wish_that_does_not_fit_names_the_member(
    client: httpx.AsyncClient, world: World, change: dict[str, Any], member: str
) -> None:
    reply = await client.post(PATH, json=wish(world, **change))
    assert (reply.status_code, reply.json()["errors"][0]["member"]) == (422, member)
