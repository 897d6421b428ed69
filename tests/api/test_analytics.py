"""Overviews over HTTP."""

from __future__ import annotations

from tests.api.conftest import World


async def test_the_overview_counts_the_own_cpo_and_the_nation(world: World) -> None:
    await world.connect(world.own.charger_id)
    await world.running_session(world.own)
    await world.running_session(world.other)
    own, nation = await world.client("cpo_operator"), await world.client("noc_analyst")
    mine = (await own.get("/api/analytics/dashboard")).json()
    everything = (await nation.get("/api/analytics/dashboard")).json()
    assert mine["chargers"] == {"total": 1, "connected": 1}
    assert mine["connectors"] == {"unknown": 2}
    assert mine["sessions"]["active"] == 1
    assert mine["power_now_w"] == 21_500
    assert [station["id"] for station in mine["stations"]] == [world.own.station_id]
    assert everything["chargers"] == {"total": 2, "connected": 1}
    assert everything["connectors"] == {"unknown": 2, "offline": 2}
    assert everything["log"] == {"dropped_total": 3}


async def test_energy_by_day_has_every_day(world: World) -> None:
    client = await world.client("noc_analyst")
    items = (await client.get("/api/analytics/energy", params={"days": 3})).json()["items"]
    days = [item["day"] for item in items]
    assert len(days) == 3 and days == sorted(days)
    assert {item["energy_wh"] for item in items} == {0}
    assert (await client.get("/api/analytics/energy", params={"days": 0})).status_code == 422
