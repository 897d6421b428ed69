"""Core: tags that may not charge (TC_023), a failing lock (TC_024), power and network that fail (TC_032 to TC_039)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.flows.octt.lab import Lab, Station

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def refused(station: Station, tag: str, status: str) -> None:
    """The tag is read, the platform says `status`, and nothing begins."""
    await station.charger.plug_in()
    assert await station.charger.tap(1, tag) == status
    [(payload, answer)] = station.said("Authorize")
    assert (payload["idTag"], (answer or {})["idTagInfo"]["status"]) == (tag, status)
    assert station.said("StartTransaction") == []
    assert await station.sessions() == []


async def test_tc_023_1_start_charging_session_authorize_invalid(lab: Lab) -> None:
    async with lab.station() as station:
        await refused(station, "NOBODY", "Invalid")


async def test_tc_023_2_start_charging_session_authorize_expired(lab: Lab) -> None:
    async with lab.station() as station:
        yesterday: Any = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        await lab.platform.token("EXPIRED-1", expires_at=yesterday)
        await refused(station, "EXPIRED-1", "Expired")


async def test_tc_023_3_start_charging_session_authorize_blocked(lab: Lab) -> None:
    async with lab.station() as station:
        await lab.platform.token("BLOCKED-1", status="blocked")
        await refused(station, "BLOCKED-1", "Blocked")


async def test_tc_024_start_charging_session_lock_failure(lab: Lab) -> None:
    async with lab.station() as station:
        assert await station.charger.tap(1, station.tag) == "Accepted"
        await station.charger.raise_fault(1, "ConnectorLockFailure")
        await station.charger.plug_in()
        payload = station.said("StatusNotification")[-1][0]
        assert (payload["status"], payload["errorCode"]) == ("Faulted", "ConnectorLockFailure")
        assert station.said("StartTransaction") == []
        assert (await station.state(), await station.sessions()) == ("faulted", [])


async def test_tc_032_1_power_failure_boot_stop_transactions(lab: Lab) -> None:
    async with lab.station() as station:
        await station.begin()
        await station.charger.pass_time(300)
        station.charger.power_off()
        await station.charger.pass_time(60)
        await station.charger.power_on()
        assert station.order("BootNotification", "StopTransaction")[-2:] == ["BootNotification", "StopTransaction"]
        assert station.told("StopTransaction", "reason") == ["PowerLoss"]
        row = await station.assert_billed("PowerLoss")
        assert datetime.fromisoformat(row["stopped_at"]) < station.charger.clock.now() - timedelta(seconds=59)


async def offline_start(station: Station, tag: str) -> None:
    """The network fails, a session begins with `tag`, the network returns."""
    station.charger.drop_connection()
    await station.charger.plug_in()
    assert await station.charger.tap(1, tag) == "Accepted"
    await station.charger.pass_time(120)
    assert await station.sessions() == []
    await station.charger.reconnect()
    assert (len(station.said("BootNotification")), station.said("Authorize")) == (1, [])


async def test_tc_037_1_offline_start_transaction_valid_idtag(lab: Lab) -> None:
    async with lab.station() as station:
        await offline_start(station, station.tag)
        [(_payload, answer)] = station.said("StartTransaction")
        assert (answer or {})["idTagInfo"]["status"] == "Accepted"
        row = await station.session()
        assert row["open"] and datetime.fromisoformat(row["started_at"]) == station.charger.books.last.started_at
        await station.charger.tap(1, station.tag)
        await station.assert_billed("Local")


async def test_tc_037_3_offline_start_transaction_invalid_idtag_stops_on_invalid_id(lab: Lab) -> None:
    async with lab.station(configuration={"StopTransactionOnInvalidId": "true"}) as station:
        await offline_start(station, "STRANGER-1")
        [(_payload, answer)] = station.said("StartTransaction")
        assert (answer or {})["idTagInfo"]["status"] == "Invalid" and (answer or {})["transactionId"] > 0
        await station.until_told("StopTransaction", "DeAuthorized", member="reason")
        await station.assert_billed("DeAuthorized")


async def test_tc_039_offline_transaction(lab: Lab) -> None:
    async with lab.station() as station:
        station.charger.drop_connection()
        await station.charger.plug_in()
        await station.charger.tap(1, station.tag)
        await station.charger.pass_time(600)
        await station.charger.tap(1, station.tag)
        await station.charger.unplug()
        assert (await station.sessions(), station.charger.queued) == ([], 12)
        await station.charger.reconnect()
        assert station.order("StartTransaction", "StopTransaction") == ["StartTransaction", "StopTransaction"]
        assert station.charger.queued == 0
        row = await station.assert_billed("Local")
        assert row["energy_wh"] > 0
