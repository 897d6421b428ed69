"""The audit log over the API: filtered, of the own CPO alone, exported, and told of its export."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tests.api.conftest import World


async def acts(world: World) -> None:
    """Two acts of the CPO's administrator, one by the EMSV at each CPO."""
    admin, emsv = await world.client("cpo_admin"), await world.client("emsv_admin")
    headers = {"X-Request-ID": "request-of-the-test", "X-Forwarded-For": "203.0.113.9"}
    path = f"/api/stations/{world.own.station_id}"
    assert (await admin.put(path, json={"address": "=1+1"}, headers=headers)).status_code == 200
    assert (await admin.put(f"/api/chargers/{world.own.charger_id}", json={"name": "C"})).status_code == 200
    for tenant in (world.own, world.other):
        body = {"city": f"Kota of {tenant.charger_id}"}
        assert (await emsv.put(f"/api/stations/{tenant.station_id}", json=body)).status_code == 200


async def seen(world: World, role: str, **wanted: Any) -> list[dict[str, Any]]:
    reply = await (await world.client(role)).get("/api/audit", params=wanted)
    assert reply.status_code == 200, reply.text
    items: list[dict[str, Any]] = reply.json()["items"]
    return items


async def test_everybody_sees_their_own_cpo_and_the_emsv_all(world: World) -> None:
    await acts(world)
    assert [row["action"] for row in await seen(world, "cpo_admin")] == [
        "station.update", "charger.update", "station.update",
    ]  # fmt: skip
    assert {row["cpo_id"] for row in await seen(world, "cpo_admin")} == {world.own.cpo_id}
    assert await seen(world, "cpo_admin", cpo_id=world.other.cpo_id) == []
    assert len(await seen(world, "emsv_admin")) == len(await seen(world, "noc_analyst")) == 4
    for role in ("cpo_operator", "cpo_technician", "cpo_finance", "emsv_finance", "integrator"):
        assert (await (await world.client(role)).get("/api/audit")).status_code == 403


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"actor": "cpo_ADMIN"}, 2),
        ({"action": "station."}, 2),
        ({"action": "station%"}, 0),
        ({"object_type": "charger"}, 1),
        ({"request_id": "request-of-the-test"}, 1),
        ({"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"}, 0),
    ],
)
async def test_it_is_filtered(world: World, wanted: dict[str, str], count: int) -> None:
    await acts(world)
    assert len(await seen(world, "cpo_admin", **wanted)) == count


async def test_the_address_is_that_of_the_sender(world: World) -> None:
    """In this process nobody stands before the application, so what a client says of itself does not count."""
    await acts(world)
    [row] = await seen(world, "cpo_admin", request_id="request-of-the-test")
    assert row["address"] == "127.0.0.1"


async def test_the_export_is_a_table_that_no_spreadsheet_runs_and_stands_in_the_log(world: World) -> None:
    await acts(world)
    client = await world.client("cpo_admin")
    reply = await client.get("/api/audit/export", params={"action": "station"})
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert reply.headers["content-type"].startswith("text/csv")
    assert [row["action"] for row in rows] == ["station.update", "station.update"]
    assert rows[1]["after"] == '{"address": "=1+1"}' and rows[0]["actor_name"] == "Person emsv_admin"
    exported = (await seen(world, "cpo_admin"))[0]
    assert (exported["action"], exported["after"]) == ("audit.export", {"filter": {"action": "station"}})
