"""Many chargers at once: all are served in bounded portions, and a server that goes lets them go one by one."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from websockets.exceptions import ConnectionClosed

from backend.database import DirectDatabase
from backend.ocppj.admission import BootQueue
from backend.settings import Settings
from tests.flows.raw import RawCharger
from tests.flows.running import Running, running

MANY = 120


async def _registered(platform: Running, count: int) -> list[str]:
    names = [f"STORM-{number}" for number in range(count)]
    await asyncio.gather(*(platform.register(name) for name in names))
    return names


async def _all_plugged(platform: Running, names: list[str], stack: AsyncExitStack) -> list[RawCharger]:
    return list(await asyncio.gather(*(stack.enter_async_context(platform.plugged(name)) for name in names)))


async def test_a_storm_is_admitted_and_booted_to_the_last(platform: Running) -> None:
    async with AsyncExitStack() as stack:
        chargers = await _all_plugged(platform, await _registered(platform, MANY), stack)
        answers = await asyncio.gather(*(charger.boot() for charger in chargers))

        await platform.until(
            "select 1 as all_known where (select count(*) from public.connections where disconnected_at is null) = 120"
        )
    assert answers == ["Accepted"] * MANY


async def test_whoever_is_put_off_is_told_when_to_return_is_served_meanwhile_and_accepted_then(
    database: DirectDatabase, settings: Settings, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = BootQueue(width=1, patience_s=-1.0)  # whoever comes is put off
    monkeypatch.setattr("backend.ocpp_server.BootQueue", lambda: impatient)
    async with running(database, settings, dsn) as platform, platform.plugged() as charger:
        first = await charger.result("BootNotification", {"chargePointVendor": "Raw", "chargePointModel": "One"})
        await charger.status()
        second = await charger.boot()

    assert (first["status"], 5 <= first["interval"] <= 300) == ("Pending", True)
    assert second == "Accepted"
    assert impatient.put_off == 1


async def test_a_drained_server_lets_its_chargers_go_one_after_another(platform: Running) -> None:
    async with AsyncExitStack() as stack:
        chargers = await _all_plugged(platform, await _registered(platform, 10), stack)
        drain = asyncio.create_task(platform.server.drain(1.0))
        went: list[float] = []

        async def gone(charger: RawCharger) -> int | None:
            with pytest.raises(ConnectionClosed) as closed:
                await charger.receive()
            went.append(asyncio.get_running_loop().time())
            return closed.value.rcvd.code if closed.value.rcvd else None

        codes = await asyncio.gather(*(gone(charger) for charger in chargers))
        await drain
        with pytest.raises(OSError, match="refused"):
            await stack.enter_async_context(platform.plugged())

    assert codes == [1012] * 10
    steps = [later - earlier for earlier, later in zip(sorted(went), sorted(went)[1:], strict=False)]
    assert sum(step > 0.02 for step in steps) >= 5  # not all at once
