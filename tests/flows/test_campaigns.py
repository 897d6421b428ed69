"""Campaigns over real sockets: chargers that refuse stop it, and a worker that dies in mid-wave repeats nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest

from backend.database import SYSTEM
from backend.domain.caller import Caller
from backend.services.campaigns import Campaign, CampaignClock
from backend.services.directory import Directory, build_directory
from simulator import SimulatedCharger
from tests.flows.raw import basic
from tests.flows.running import CPO, Running
from tests.flows.test_commands import connected
from tests.support.servers import ROOT, SECRET
from tests.support.waiting import eventually_found

PLATFORM = Caller(SYSTEM, "platform")
FLEET = [f"CP-{number}" for number in range(11, 19)]


@pytest.fixture
async def fleet(platform: Running) -> AsyncIterator[dict[str, SimulatedCharger]]:
    """Eight simulated chargers, booted."""
    async with AsyncExitStack() as stack:
        chargers = {}
        for identity in FLEET:
            await platform.register(identity)
            charger = await stack.enter_async_context(platform.simulated(identity))
            await charger.boot()
            chargers[identity] = charger
        for identity in FLEET:
            await platform.until("select 1 from public.charger_live where id = $1 and connected", identity)
        yield chargers


@pytest.fixture
def services(platform: Running) -> Directory:
    return build_directory(platform.database, SECRET)


async def begun(services: Directory, key: str, value: str, **members: Any) -> Campaign:
    """A started campaign that sets one key."""
    template = await services.templates.create(
        PLATFORM, {"name": f"T {key}", "settings": {key: value}, "reboot": False}, CPO
    )
    values = {
        "name": "Campaign", "kind": "configuration_template", "parameters": {"template_id": template.id},
        "filter": {"charger_ids": FLEET}, "canary_size": 0, "wave_size": 4, "wave_share": None, "wave_pause_s": 0,
        "max_failures": 1, "max_failed_share": None, "only_idle": True, "timeout_s": 600,
    }  # fmt: skip
    draft = await services.campaigns.create(PLATFORM, values | members, CPO)
    return await services.campaigns.start(PLATFORM, draft.id, len(FLEET))


async def run_until(platform: Running, services: Directory, campaign: Campaign, *states: str) -> Campaign:
    """Steps as the worker does, until the campaign stands still."""
    clock = CampaignClock(platform.database, "http://127.0.0.1:1")

    async def stands() -> list[Campaign]:
        await clock.advance()
        found = await services.campaigns.get(SYSTEM, campaign.id)
        return [found] if found.state in states else []

    [found] = await eventually_found(stands, f"{campaign.name} is {' or '.join(states)}", 40)
    return found


async def test_a_template_reaches_the_whole_fleet_in_waves(
    platform: Running, services: Directory, fleet: dict[str, SimulatedCharger]
) -> None:
    campaign = await begun(services, "HeartbeatInterval", "77")
    done = await run_until(platform, services, campaign, "finished", "paused")
    assert (done.state, done.succeeded, done.wave) == ("finished", 8, 2)
    settings = await platform.rows("select value from public.charger_configuration where key = 'HeartbeatInterval'")
    assert [row["value"] for row in settings] == ["77"] * 8


async def test_chargers_that_refuse_stop_the_campaign_before_the_next_wave(
    platform: Running, services: Directory, fleet: dict[str, SimulatedCharger]
) -> None:
    campaign = await begun(services, "HeartbeatInterval", "not a number")
    stopped = await run_until(platform, services, campaign, "finished", "paused")
    assert stopped.state == "paused"
    assert str(stopped.state_reason).startswith("budget: ")
    assert stopped.waiting == 4  # the second wave was never begun
    assert stopped.failed > 1
    rows = await platform.rows("select reason from public.campaign_targets where state = 'failed'")
    assert all(row["reason"] == "HeartbeatInterval: Rejected" for row in rows)


async def test_workers_that_are_killed_in_mid_wave_lose_nothing_and_repeat_nothing(
    platform: Running, services: Directory, fleet: dict[str, SimulatedCharger]
) -> None:
    campaign = await begun(services, "HeartbeatInterval", "78", wave_size=1, timeout_s=600)
    for _ in range(3):
        worker = _worker(platform)
        before = (await services.campaigns.get(SYSTEM, campaign.id)).succeeded
        try:
            await eventually_found(partial(_more, services, campaign, before), "a charger is done", 60)
        finally:
            os.killpg(worker.pid, signal.SIGKILL)
            await asyncio.to_thread(worker.wait)
    done = await run_until(platform, services, campaign, "finished", "paused")
    assert (done.state, done.succeeded) == ("finished", 8)
    asked = await platform.rows("select charger_id from public.commands where action = 'ChangeConfiguration'")
    assert Counter(row["charger_id"] for row in asked) == dict.fromkeys(FLEET, 1)


async def _more(services: Directory, campaign: Campaign, before: int) -> list[bool]:
    found = await services.campaigns.get(SYSTEM, campaign.id)
    return [True] if found.succeeded > before else []


def _worker(platform: Running) -> subprocess.Popen[bytes]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("UNIEV_", "SUPABASE_"))}
    given = {"DATABASE_URL": platform.dsn, "UNIEV_DATA_DIR": str(platform.settings.data_dir),
             "UNIEV_SECRET_KEY": SECRET, "UNIEV_DEMO": "0"}  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "backend.worker"], cwd=ROOT, env=env | given, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


async def test_a_charger_that_returns_at_once_with_its_new_password_had_failed(
    platform: Running, services: Directory
) -> None:
    password = b"the old password"
    await platform.register("CP-21", password=password)
    values = {
        "name": "New passwords", "kind": "password_rotation", "parameters": {}, "filter": {"charger_ids": ["CP-21"]},
        "canary_size": 0, "wave_size": 4, "wave_share": None, "wave_pause_s": 0, "max_failures": 0,
        "max_failed_share": None, "only_idle": True, "timeout_s": 600,
    }  # fmt: skip
    clock = CampaignClock(platform.database, "http://127.0.0.1:1")
    async with platform.plugged("CP-21", additional_headers=basic("CP-21", password)) as charger:
        await charger.boot()
        await connected(platform, "CP-21")
        draft = await services.campaigns.create(PLATFORM, values, CPO)
        campaign = await services.campaigns.start(PLATFORM, draft.id, 1)
        await clock.advance()
        _message_id, payload = await charger.asked("ChangeConfiguration")
        charger.connection.transport.abort()  # it uses the new password at once; its answer is lost
        await platform.until("select 1 from public.commands where status = 'timed_out' and answered_at is not null")
    await clock.advance()
    waited_for = await services.campaigns.get(SYSTEM, campaign.id)
    assert (waited_for.state, waited_for.running, waited_for.failed) == ("running", 1, 0)
    new = bytes.fromhex(payload["value"])
    async with platform.plugged("CP-21", additional_headers=basic("CP-21", new)):
        done = await run_until(platform, services, campaign, "finished", "paused")
    assert (done.state, done.succeeded) == ("finished", 1)
