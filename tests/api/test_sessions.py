"""Sessions and the message log over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from backend.database import SYSTEM
from tests.api.conftest import NOW, World
from tests.support.frames import keep_frames


async def _ids(world: World, **params: Any) -> list[str]:
    client = await world.client("noc_analyst")
    reply = await client.get("/api/sessions", params=params)
    assert reply.status_code == 200, reply.text
    return [session["id"] for session in reply.json()["items"]]


async def test_sessions_come_newest_first_and_page_through_all(world: World) -> None:
    for minutes in range(1, 8):
        at = (NOW - timedelta(minutes=minutes // 2)).isoformat()  # some begin at the same moment
        await world.add_session(world.own, started_at=at, evse_id=1 + minutes % 2)
    client = await world.client("cpo_operator")
    everything = (await client.get("/api/sessions", params={"limit": 200})).json()
    paged: list[dict[str, Any]] = []
    cursor = None
    while True:
        params = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/api/sessions", params=params)).json()
        paged += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert everything["next_cursor"] is None
    assert [s["id"] for s in paged] == [s["id"] for s in everything["items"]]
    assert len(paged) == 8
    begins = [s["started_at"] for s in paged]
    assert begins == sorted(begins, reverse=True)


async def test_the_list_runs_in_both_directions_of_time(world: World) -> None:
    for number, minutes in enumerate((5, 5, 4, 3, 3, 1), 1):
        at = (NOW - timedelta(minutes=minutes)).isoformat()  # some begin at the same moment
        await world.add_session(world.own, started_at=at, evse_id=number)
    newest = await _ids(world, limit=200)
    client, oldest, cursor = await world.client("noc_analyst"), [], ""
    while cursor is not None:
        after = {"cursor": cursor} if cursor else {}
        page = await client.get("/api/sessions", params={"order": "oldest", "limit": 3, **after})
        oldest += [session["id"] for session in page.json()["items"]]
        cursor = page.json()["next_cursor"]
    assert oldest == newest[::-1] and len(oldest) == 8


async def test_filters_narrow_the_list_and_the_count_agrees(world: World) -> None:
    running = (await world.running_session(world.own, id_token="Card-9"))["id"]
    own, other = world.own.session_id, world.other.session_id
    assert set(await _ids(world)) == {running, own, other}
    assert await _ids(world, open="true") == [running]
    assert set(await _ids(world, open="false")) == {own, other}
    assert await _ids(world, station_id=world.other.station_id) == [other]
    assert await _ids(world, charger_id=world.other.charger_id) == [other]
    assert await _ids(world, id_token="CARD-9") == [running]
    hour_ago = (NOW - timedelta(hours=1)).isoformat()
    assert await _ids(world, **{"from": hour_ago}) == [running]
    assert set(await _ids(world, to=hour_ago)) == {own, other}
    client = await world.client("noc_analyst")
    counted = (await client.get("/api/sessions", params={"open": "false", "count": "true", "limit": 1})).json()
    assert (counted["total"], len(counted["items"])) == (2, 1)
    assert (await client.get("/api/sessions")).json()["total"] is None


async def test_a_session_shows_figures_with_their_units(world: World) -> None:
    client = await world.client("cpo_operator")
    session = (await client.get(f"/api/sessions/{world.own.session_id}")).json()
    assert (session["energy_wh"], session["meter_start_wh"], session["meter_stop_wh"]) == (10_000, 1_000, 11_000)
    assert (session["duration_s"], session["open"], session["stop_reason"]) == (3_600, False, "Local")
    assert session["review_reasons"] == []
    assert (session["readings"], session["readings_total"]) == ([], 0)


async def test_a_long_session_keeps_first_and_last_of_its_thinned_readings(world: World) -> None:
    session = await world.running_session(world.own)
    rows = [
        {
            "cpo_id": world.own.cpo_id,
            "charger_id": world.own.charger_id,
            "evse_id": 1,
            "connector_id": 1,
            "session_id": session["id"],
            "measured_at": (NOW - timedelta(seconds=2_500 - n)).isoformat(),
            "received_at": NOW.isoformat(),
            "energy_wh": 1_000 + n,
            "power_w": 22_000,
            "digest": n,
        }
        for n in range(2_500)
    ]
    for first in range(0, len(rows), 1_000):
        await world.database.insert("meter_values", rows[first : first + 1_000], scope=SYSTEM, columns="")
    client = await world.client("cpo_operator")
    detail = (await client.get(f"/api/sessions/{session['id']}")).json()
    energies = [reading["energy_wh"] for reading in detail["readings"]]
    assert detail["readings_total"] == 2_500
    assert 500 < len(energies) <= 1_000
    assert (energies[0], energies[-1]) == (1_000, 3_499)
    assert energies == sorted(energies)


async def test_messages_come_newest_first_and_filtered(world: World) -> None:
    def frame(second: int, direction: str, kind: str, action: str) -> dict[str, Any]:
        return {
            "at": (NOW + timedelta(seconds=second)).isoformat(),
            "charger_id": world.own.charger_id,
            "direction": direction,
            "kind": kind,
            "action": action,
            "pair_id": "17",
            "latency_ms": 2.5 if kind == "result" else None,
            "payload": f'[2,"17","{action}",{{}}]',
        }

    rows = [
        frame(0, "in", "call", "Heartbeat"),
        frame(1, "out", "result", "Heartbeat"),
        frame(2, "out", "call", "Reset"),
    ]
    await keep_frames(world.database, *rows)
    client = await world.client("cpo_operator")
    path = f"/api/chargers/{world.own.charger_id}/messages"

    async def found(**params: str) -> list[tuple[str, str, str]]:
        items = (await client.get(path, params=params)).json()["items"]
        return [(item["direction"], item["kind"], item["action"]) for item in items]

    assert await found() == [("out", "call", "Reset"), ("out", "result", "Heartbeat"), ("in", "call", "Heartbeat")]
    assert await found(action="Reset") == [("out", "call", "Reset")]
    assert await found(direction="in") == [("in", "call", "Heartbeat")]
    assert await found(kind="result") == [("out", "result", "Heartbeat")]
    newest = (await client.get(path, params={"limit": 1})).json()
    assert newest["items"][0]["payload"] == '[2,"17","Reset",{}]'
    older = (await client.get(path, params={"limit": 2, "cursor": newest["next_cursor"]})).json()["items"]
    assert [item["latency_ms"] for item in older] == [2.5, None]
