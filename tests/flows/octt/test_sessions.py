"""Core: boot, local sessions, the cache (TC_001 to TC_007, TC_061)."""

from __future__ import annotations

import pytest

from tests.flows.octt.lab import Lab

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_tc_001_cold_boot_charging_station(lab: Lab) -> None:
    async with lab.station(connectors=2, boots=False) as station:
        assert await station.charger.boot() == "Accepted"
        [(boot, answer)] = station.said("BootNotification")
        assert (answer or {})["status"] == "Accepted" and (answer or {})["interval"] > 0
        assert station.told("StatusNotification", "connectorId") == [0, 1, 2]
        assert set(station.told("StatusNotification")) == {"Available"}
        await station.charger.pass_time((answer or {})["interval"] + 1)
        [(_payload, beat)] = station.said("Heartbeat")
        assert "currentTime" in (beat or {})

        charger = await station.get(f"/api/chargers/{station.id}")
        assert (charger["vendor"], charger["model"]) == (boot["chargePointVendor"], boot["chargePointModel"])
        assert (charger["connected"], charger["firmware_version"]) == (True, boot["firmwareVersion"])
        assert [await station.state(number) for number in (1, 2)] == ["available", "available"]


async def test_tc_003_regular_charging_session_plugin_first(lab: Lab) -> None:
    async with lab.station() as station:
        await station.charger.plug_in()
        assert await station.state() == "preparing"
        assert await station.charger.tap(1, station.tag) == "Accepted"
        assert await station.state() == "charging"
        await station.charger.pass_time(600)
        running = await station.session()
        assert running["open"] and running["energy_wh"] > 0
        assert await station.charger.tap(1, station.tag) == "Accepted"
        assert await station.state() == "finishing"
        await station.charger.unplug()

        assert station.told("StatusNotification")[-4:] == ["Preparing", "Charging", "Finishing", "Available"]
        [(authorize, answer)] = station.said("Authorize")
        assert (authorize["idTag"], (answer or {})["idTagInfo"]["status"]) == (station.tag, "Accepted")
        [(_stop, stopped)] = station.said("StopTransaction")
        assert (stopped or {})["idTagInfo"]["status"] == "Accepted"
        row = await station.assert_billed("Local")
        details = await station.get(f"/api/sessions/{row['id']}")
        assert len(details["readings"]) == station.charger.books.last.readings_acknowledged == 10


async def test_tc_004_1_regular_charging_session_identification_first(lab: Lab) -> None:
    async with lab.station() as station:
        assert await station.charger.tap(1, station.tag) == "Accepted"
        assert await station.state() == "preparing"
        assert await station.sessions() == []
        await station.charger.plug_in()
        assert await station.state() == "charging"
        await station.charger.pass_time(300)
        await station.charger.tap(1, station.tag)
        await station.charger.unplug()
        assert station.order("Authorize", "StartTransaction") == ["Authorize", "StartTransaction"]
        await station.assert_billed("Local")


async def test_tc_004_2_identification_first_connection_timeout(lab: Lab) -> None:
    async with lab.station(configuration={"ConnectionTimeOut": 30}) as station:
        await station.charger.tap(1, station.tag)
        assert await station.state() == "preparing"
        await station.charger.pass_time(31)
        assert await station.state() == "available"
        assert await station.sessions() == []
        await station.charger.plug_in()
        assert station.said("StartTransaction") == []


async def test_tc_005_1_ev_side_disconnected_stops_the_transaction(lab: Lab) -> None:
    async with lab.station(configuration={"StopTransactionOnEVSideDisconnect": "true"}) as station:
        set_by_us = {"key": "UnlockConnectorOnEVSideDisconnect", "value": "true"}
        await station.expect("ChangeConfiguration", set_by_us, {"status": "Accepted"})
        await station.begin()
        await station.charger.pass_time(300)
        await station.charger.unplug()
        assert station.told("StopTransaction", "reason") == ["EVDisconnected"]
        assert await station.state() == "available"
        await station.assert_billed("EVDisconnected")


async def test_tc_007_regular_start_charging_session_cached_id(lab: Lab) -> None:
    async with lab.station() as station:
        await station.expect(
            "ChangeConfiguration", {"key": "LocalPreAuthorize", "value": "true"}, {"status": "Accepted"}
        )
        await station.begin()
        await station.charger.pass_time(60)
        await station.charger.unplug()
        assert len(station.said("Authorize")) == 1
        await station.charger.pass_time(60)
        await station.begin()
        await station.charger.pass_time(60)
        await station.charger.tap(1, station.tag)
        assert len(station.said("Authorize")) == 1, "the cached tag was not asked about again"
        starts = station.said("StartTransaction")
        assert [(answer or {})["idTagInfo"]["status"] for _payload, answer in starts] == ["Accepted", "Accepted"]
        assert [row["open"] for row in await station.sessions()] == [False, False]


async def test_tc_061_clear_authorization_data_in_authorization_cache(lab: Lab) -> None:
    async with lab.station(configuration={"LocalPreAuthorize": "true"}) as station:
        await station.begin()
        await station.charger.unplug()
        await station.expect("ClearCache", {}, {"status": "Accepted"})
        await station.begin()
        assert len(station.said("Authorize")) == 2, "a cleared cache knows nobody"
        station.charger.configuration.set("AuthorizationCacheEnabled", "false")
        await station.expect("ClearCache", {}, {"status": "Rejected"})
