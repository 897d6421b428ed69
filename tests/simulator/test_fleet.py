"""Fleets: books that agree with the central system, memory over a restart, an end in time."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from simulator import ChargerSpec, RunningClock
from simulator.fleet import Fleet, Member, lifetime_registers, members
from simulator.platform_api import PlatformApi
from simulator.summary import progress
from tests.simulator.csms import Csms


def fleet_of(csms: Csms, count: int, scenario: str, **options: Any) -> Fleet:
    """A fleet with enough tags."""
    tags = [f"TAG-{number}" for number in range(40)]
    csms.state.tags = dict.fromkeys(tags, "Accepted")
    return Fleet(csms.url, members("F-", count), scenario, id_tokens=tags, **options)


async def test_the_books_of_a_city_agree_with_the_central_system(csms: Csms) -> None:
    fleet = fleet_of(csms, 12, "city-day", speed=600, duration_s=4)
    summary = await fleet.run()

    sessions = summary["sessions"]
    assert sessions["begun"] > 5
    assert sessions["begun"] == sessions["ended"] == sessions["starts_acknowledged"]
    assert sessions["begun"] == sessions["stops_acknowledged"] == len(csms.state.stops)
    assert (sessions["open"], sessions["given_up"], summary["queued"]) == (0, 0, 0)
    for row in summary["books"]:
        assert csms.state.stops[row["transaction_id"]]["meter_stop"] == row["meter_stop_wh"]
        assert row["energy_wh"] == row["meter_stop_wh"] - row["meter_start_wh"]
    assert sessions["energy_wh"] == sum(row["energy_wh"] for row in summary["books"])
    assert summary["messages"]["answered"] + summary["messages"]["unanswered"] == summary["messages"]["sent"]
    json.dumps(summary)


async def test_no_timestamp_is_in_the_future_and_no_power_above_the_type_plate(csms: Csms) -> None:
    fleet = fleet_of(csms, 6, "normal", speed=600, duration_s=3)
    summary = await fleet.run()
    ratings = {member.identity: member.spec.rated_power_w for member in fleet.chargers}
    assert summary["books"]
    for row in summary["books"]:
        started, stopped = (datetime.fromisoformat(row[name]) for name in ("started_at", "stopped_at"))
        hours = (stopped - started).total_seconds() / 3600
        assert row["energy_wh"] <= ratings[row["charger_id"]] * hours + 1
        assert stopped <= datetime.now(UTC)


async def test_once_ends_when_every_plug_has_had_its_visit(csms: Csms) -> None:
    fleet = fleet_of(csms, 3, "short", speed=600, duration_s=60, once=True)
    summary = await asyncio.wait_for(fleet.run(), 30)
    plugs = sum(member.spec.connector_count for member in fleet.chargers)
    assert summary["sessions"]["ended"] == plugs
    assert {row["stop_reason"] for row in summary["books"]} == {"EVDisconnected"}


async def test_stop_ends_at_once_and_a_restart_tells_how_the_sessions_ended(csms: Csms, tmp_path: Path) -> None:
    state = tmp_path / "fleet.json"
    fleet = fleet_of(csms, 8, "demo", state=state)
    running = asyncio.create_task(fleet.run())
    await csms.until(lambda: len(csms.state.transactions) >= 1)
    fleet.stop()
    first = await asyncio.wait_for(running, 2)
    assert first["sessions"]["open"] == first["sessions"]["begun"] >= 1
    assert csms.state.stops == {}

    again = fleet_of(csms, 8, "demo", state=state)
    running = asyncio.create_task(again.run())
    await csms.until(lambda: len(csms.state.stops) >= first["sessions"]["begun"])
    again.stop()
    await asyncio.wait_for(running, 2)
    before = {row["transaction_id"]: row for row in first["books"]}
    for transaction_id, row in before.items():
        told = csms.state.stops[transaction_id]
        assert (told["reason"], told["meter_stop"]) == ("PowerLoss", row["last_meter_wh"])


async def test_the_demo_begins_within_seconds(csms: Csms) -> None:
    fleet = fleet_of(csms, 8, "demo", duration_s=30)
    running = asyncio.create_task(fleet.run())
    await csms.until(lambda: len(csms.state.transactions) >= 2)
    assert "connected" in progress(fleet)
    fleet.stop()
    await asyncio.wait_for(running, 2)


async def test_a_platform_that_comes_up_late_is_waited_for(csms: Csms) -> None:
    csms.state.identities = set()
    fleet = fleet_of(csms, 2, "normal", duration_s=20)
    running = asyncio.create_task(fleet.run())
    await csms.until(lambda: len(csms.state.headers) >= 2)
    csms.state.identities = None
    await csms.until(lambda: csms.state.actions().count("BootNotification") == 2)
    fleet.stop()
    await asyncio.wait_for(running, 2)


def test_a_fast_clock_begins_in_the_past_and_never_passes_the_present() -> None:
    clock = RunningClock.ending_now(60, 300)
    behind = datetime.now(UTC) - clock.now()
    assert timedelta(seconds=300 * 59 - 5) < behind < timedelta(seconds=300 * 59 + 5)
    assert clock.real_seconds_until(clock.start + timedelta(hours=1)) == pytest.approx(60, abs=1)
    caught_up = datetime.now(UTC) + timedelta(seconds=300)
    assert clock.real_seconds_until(caught_up) == pytest.approx(300, abs=1)
    assert RunningClock(60).now() <= datetime.now(UTC)
    with pytest.raises(ValueError, match="speed"):
        RunningClock(0.5)


def test_registers_of_a_later_run_begin_above_those_of_an_earlier_one() -> None:
    spec = ChargerSpec("AC", 22_000, 2)
    early = lifetime_registers(spec, datetime(2026, 6, 1, tzinfo=UTC))
    late = lifetime_registers(spec, datetime(2026, 6, 2, tzinfo=UTC))
    assert [b - a for a, b in zip(early, late, strict=True)] == [132_000, 132_000]


async def test_the_platform_api_names_chargers_and_the_active_tokens_of_their_operators() -> None:
    async with _api() as base_url:
        found = await PlatformApi(base_url, "emsv@demo.uniev.id", "secret").read()
    assert found == [
        Member("C-1", ChargerSpec("DC", 60_000, 2, "Acme", "Fast"), id_tokens=("T-1", "T-5")),
        Member("C-3", ChargerSpec("AC", 7_400, 1), id_tokens=("T-3", "T-5")),
    ]


def _api() -> Any:
    """A REST API of two pages on a free port."""
    from tests.simulator.rest import rest_api

    charger = {"registration": "accepted", "current_type": "AC", "rated_power_w": 7_400, "connector_count": 1}
    fast = {"current_type": "DC", "rated_power_w": 60_000, "connector_count": 2, "vendor": "Acme", "model": "Fast"}
    return rest_api(
        {
            "POST /api/auth/login": {"access_token": "abc"},
            "GET /api/chargers": {"items": [charger | fast | {"id": "C-1", "cpo_id": "one"}], "next_cursor": "p2"},
            "GET /api/chargers p2": {
                "items": [charger | {"id": "C-2", "registration": "pending"}, charger | {"id": "C-3", "cpo_id": "two"}],
                "next_cursor": None,
            },
            "GET /api/id-tokens": {
                "items": [
                    {"token": "T-1", "status": "active", "expires_at": None, "cpo_id": "one"},
                    {"token": "T-2", "status": "blocked", "expires_at": None, "cpo_id": "one"},
                    {"token": "T-3", "status": "active", "expires_at": "2100-01-01T00:00:00Z", "cpo_id": "two"},
                    {"token": "T-4", "status": "active", "expires_at": "2020-01-01T00:00:00Z", "cpo_id": "two"},
                    {"token": "T-5", "status": "active", "expires_at": None, "cpo_id": None},
                ],
                "next_cursor": None,
            },
        }
    )
