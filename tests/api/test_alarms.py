"""Alarms over HTTP, and how they open, count on and close in the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from backend.services.alarms import Alarms, Sighting
from tests.api.conftest import World

QUIET_S = 300


def sighting(charger_id: str | None, kind: str = "flooding", *, ago_s: int = 0, **changes: Any) -> Sighting:
    """One sighting."""
    at = datetime.now(UTC) - timedelta(seconds=ago_s)
    row = {"remote_address": None, "count": 2, "detail": {"node": "n"}, "quiet_s": QUIET_S} | changes
    return Sighting(kind=kind, charger_id=charger_id, at=at, **row)


async def listed(world: World, role: str = "cpo_operator", **params: Any) -> list[dict[str, Any]]:
    """What a role sees, besides what stands in this world anyway."""
    reply = await (await world.client(role)).get("/api/alarms", params=params)
    assert reply.status_code == 200, reply.text
    return [row for row in reply.json()["items"] if row["kind"] != "standing"]


async def test_an_open_alarm_counts_on_and_a_repeated_report_does_not(world: World) -> None:
    alarms, own = Alarms(world.database), world.own.charger_id
    first, second = uuid4(), uuid4()
    for report in (first, first, second):
        await alarms.report([sighting(own), sighting(own, "malformed")], report)
    found = await listed(world)
    assert {(row["kind"], row["charger_id"], row["count"]) for row in found} == {
        ("flooding", own, 4), ("malformed", own, 4)}  # fmt: skip
    assert await listed(world, kind="malformed", charger_id="nobody") == []


async def test_each_cpo_sees_its_own_and_strangers_are_the_nations(world: World) -> None:
    alarms = Alarms(world.database)
    seen = [sighting(world.own.charger_id), sighting(world.other.charger_id),
            sighting("NOT-REGISTERED", remote_address="192.0.2.9")]  # fmt: skip
    await alarms.report(seen, uuid4())
    assert [row["charger_id"] for row in await listed(world)] == [world.own.charger_id]
    nation = await listed(world, "noc_analyst")
    assert {(row["charger_id"], row["remote_address"]) for row in nation} == {
        (world.own.charger_id, None), (world.other.charger_id, None), (None, "192.0.2.9")}  # fmt: skip


async def test_an_alarm_closes_when_its_trouble_has_ended_and_may_open_again(world: World) -> None:
    alarms, own = Alarms(world.database), world.own.charger_id
    await alarms.report([sighting(own, ago_s=QUIET_S + 5), sighting(own, "silent")], uuid4())
    assert await alarms.close_quiet() == 1
    assert [row["kind"] for row in await listed(world)] == ["silent"]
    await alarms.report([sighting(own)], uuid4())
    everything = await listed(world, open=False)
    assert sorted((row["kind"], row["closed_at"] is None) for row in everything) == [
        ("flooding", False), ("flooding", True), ("silent", True)]  # fmt: skip
