"""The message log over REST: pairs, following, export, and what each role may read of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import NOW, World
from tests.support.frames import keep_frames

AUTHORIZE = '[2,"17","Authorize",{"idTag":"CARD-77"}]'
ACCEPTED = '[3,"17",{"idTagInfo":{"status":"Accepted","parentIdTag":"FLEET-9"}}]'
SEES = ("emsv_admin", "cpo_admin")
MASKED = ("noc_analyst", "cpo_operator", "integrator")


@pytest.fixture
async def path(world: World) -> str:
    """A call and its answer, logged."""
    await keep(world, (0, "in", "call", None, AUTHORIZE), (1, "out", "result", 2.5, ACCEPTED))
    return f"/api/chargers/{world.own.charger_id}/messages"


async def keep(world: World, *frames: tuple[int, str, str, float | None, str]) -> None:
    rows = [
        {"at": (NOW + timedelta(seconds=second)).isoformat(), "charger_id": world.own.charger_id, "direction": way,
         "kind": kind, "action": "Authorize", "pair_id": "17", "latency_ms": latency, "payload": payload}
        for second, way, kind, latency, payload in frames
    ]  # fmt: skip
    await keep_frames(world.database, *rows)


async def get(world: World, role: str, path: str, **params: Any) -> Any:
    reply = await (await world.client(role)).get(path, params=params)
    assert reply.status_code == 200, reply.text
    return reply


async def everything(world: World, role: str, path: str) -> list[str]:
    """What this role reads, through each door to the log."""
    [pair] = (await get(world, role, f"{path}/exchanges")).json()["items"]
    listed = (await get(world, role, path)).json()["items"]
    followed = (await get(world, role, f"{path}/follow")).json()["items"]
    exported = (await get(world, role, f"{path}/export")).text.splitlines()
    return [
        pair["request"] + pair["response"],
        "".join(frame["payload"] for frame in reversed(listed)),
        "".join(frame["payload"] for frame in followed),
        "".join(json.loads(line)["payload"] for line in exported),
    ]


@pytest.mark.parametrize("role", SEES)
async def test_who_may_see_identifiers_reads_frames_as_they_were(world: World, path: str, role: str) -> None:
    assert await everything(world, role, path) == [AUTHORIZE + ACCEPTED] * 4


@pytest.mark.parametrize("role", MASKED)
async def test_others_read_the_same_masks_through_every_door(world: World, path: str, role: str) -> None:
    shown = await everything(world, role, path)
    assert len(set(shown)) == 1
    assert not any(secret in shown[0] for secret in ("CARD-77", "FLEET-9"))
    assert shown[0].count("***") == 2


async def test_following_gives_what_is_new(world: World, path: str) -> None:
    first = (await get(world, "cpo_admin", f"{path}/follow")).json()
    assert (await get(world, "cpo_admin", f"{path}/follow", after=first["after"])).json()["items"] == []
    await keep(world, (2, "in", "call", None, AUTHORIZE))
    news = (await get(world, "cpo_admin", f"{path}/follow", after=first["after"])).json()
    assert [item["payload"] for item in news["items"]] == [AUTHORIZE]
    assert news["after"] != first["after"]


async def test_a_cursor_that_is_not_ours_is_refused(world: World, path: str) -> None:
    reply = await (await world.client("cpo_admin")).get(f"{path}/follow", params={"after": "made-up"})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_cursor")


async def test_the_export_is_json_lines_of_the_time_asked_for(world: World, path: str) -> None:
    await keep(world, *((second, "in", "call", None, AUTHORIZE) for second in range(10, 1210)))
    since, until = (NOW + timedelta(seconds=second) for second in (10, 1110))
    reply = await get(world, "cpo_admin", f"{path}/export", **{"from": since.isoformat(), "to": until.isoformat()})
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert f"messages-{world.own.charger_id}.jsonl" in reply.headers["content-disposition"]
    times = [json.loads(line)["at"] for line in reply.text.splitlines()]
    assert len(times) == 1100
    assert times == sorted(times)


async def test_the_log_of_another_cpo_does_not_exist(world: World) -> None:
    client = await world.client("cpo_admin")
    for door in ("", "/exchanges", "/follow", "/export"):
        reply = await client.get(f"/api/chargers/{world.other.charger_id}/messages{door}")
        assert (reply.status_code, reply.json()["code"]) == (404, "charger_not_found")
