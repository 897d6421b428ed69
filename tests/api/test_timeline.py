"""GET /api/chargers/{charger_id}/timeline."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import World


async def _page(world: World, **params: Any) -> dict[str, Any]:
    client = await world.client("cpo_operator")
    reply = await client.get(f"/api/chargers/{world.own.charger_id}/timeline", params=params)
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


async def test_sockets_commands_and_sessions_stand_in_one_list_newest_first(world: World) -> None:
    await world.connect(world.own.charger_id)
    items = (await _page(world))["items"]
    assert sorted(item["kind"] for item in items) == ["command", "connection", "session"]
    assert [item["at"] for item in items] == sorted((item["at"] for item in items), reverse=True)
    command = next(item for item in items if item["kind"] == "command")
    assert (command["event"], command["detail"]["status"]) == ("ClearCache", "queued")


async def test_the_pages_of_the_timeline_follow_each_other(world: World) -> None:
    await world.connect(world.own.charger_id)
    first = await _page(world, limit=2)
    second = await _page(world, limit=2, cursor=first["next_cursor"])
    assert [len(first["items"]), len(second["items"]), second["next_cursor"]] == [2, 1, None]
    assert first["items"] + second["items"] == (await _page(world))["items"]


async def test_the_timeline_is_filtered_by_kind_evse_and_time(world: World) -> None:
    await world.connect(world.own.charger_id)
    assert [item["event"] for item in (await _page(world, kind="connection"))["items"]] == ["connected"]
    assert "session" not in {item["kind"] for item in (await _page(world, evse_id=2))["items"]}
    assert [item["kind"] for item in (await _page(world, until="2026-01-01T00:00:00Z"))["items"]] == []


async def test_the_timeline_of_a_foreign_charger_is_not_there(world: World) -> None:
    client = await world.client("cpo_admin")
    reply = await client.get(f"/api/chargers/{world.other.charger_id}/timeline")
    assert (reply.status_code, reply.json()["code"]) == (404, "charger_not_found")
    wrong = await client.get(f"/api/chargers/{world.own.charger_id}/timeline", params={"kind": "weather"})
    assert wrong.status_code == 422
