"""Core: unlock (TC_017, TC_018, TC_030, TC_031), configuration (TC_019, TC_021, TC_040)."""

from __future__ import annotations

import pytest

from simulator import ChargerSpec
from simulator.configuration import KEYS
from tests.flows.octt.lab import Lab

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_tc_017_1_unlock_connector_no_session_not_fixed_cable(lab: Lab) -> None:
    async with lab.station() as station:
        await station.expect("UnlockConnector", {"connectorId": 1}, {"status": "Unlocked"})


async def test_tc_017_2_unlock_connector_no_session_fixed_cable(lab: Lab) -> None:
    async with lab.station(spec=ChargerSpec("DC", 60_000, fixed_cable=True)) as station:
        await station.expect("UnlockConnector", {"connectorId": 1}, {"status": "NotSupported"})


async def test_tc_018_1_unlock_connector_with_charging_session(lab: Lab) -> None:
    async with lab.station() as station:
        await station.begin()
        await station.charger.pass_time(120)
        await station.expect("UnlockConnector", {"connectorId": 1}, {"status": "Unlocked"})
        await station.until_told("StopTransaction", "UnlockCommand", member="reason")
        await station.charger.unplug()
        assert await station.state() == "available"
        await station.assert_billed("UnlockCommand")


async def test_tc_019_1_retrieve_all_configuration_keys(lab: Lab) -> None:
    async with lab.station() as station:
        command = await station.ask("GetConfiguration")
        assert (command["status"], station.sent("GetConfiguration")) == ("accepted", [{}])
        shown = {row["key"]: row for row in command["response"]["configurationKey"]}
        assert set(shown) == set(KEYS)
        assert shown["SupportedFeatureProfiles"]["readonly"] is True
        assert "AuthorizationKey" in shown and "value" not in shown["AuthorizationKey"]
        kept = await station.get(f"/api/chargers/{station.id}/configuration")
        values = {name: row.get("value") for name, row in shown.items()}
        assert {row["key"]: row["value"] for row in kept["keys"]} == values


async def test_tc_019_2_retrieve_specific_configuration_key(lab: Lab) -> None:
    async with lab.station() as station:
        key = {"key": ["SupportedFeatureProfiles"]}
        value = station.charger.configuration.text("SupportedFeatureProfiles")
        row = {"key": "SupportedFeatureProfiles", "readonly": True, "value": value}
        await station.expect("GetConfiguration", key, {"configurationKey": [row]})


async def test_tc_021_change_set_configuration(lab: Lab) -> None:
    async with lab.station() as station:
        wanted = {"key": "MeterValueSampleInterval", "value": "15"}
        await station.expect("ChangeConfiguration", wanted, {"status": "Accepted"})
        await station.begin()
        await station.charger.pass_time(60)
        assert len(station.said("MeterValues")) == 4
        row = {"key": "MeterValueSampleInterval", "readonly": False, "value": "15"}
        await station.expect("GetConfiguration", {"key": ["MeterValueSampleInterval"]}, {"configurationKey": [row]})
        kept = await station.get(f"/api/chargers/{station.id}/configuration")
        assert [(row["key"], row["value"]) for row in kept["keys"]] == [("MeterValueSampleInterval", "15")]


async def test_tc_030_unlock_connector_unlock_failure(lab: Lab) -> None:
    async with lab.station() as station:
        station.charger.jam_lock()
        await station.expect("UnlockConnector", {"connectorId": 1}, {"status": "UnlockFailed"})


async def test_tc_031_unlock_connector_unknown_connector(lab: Lab) -> None:
    async with lab.station() as station:
        await station.expect("UnlockConnector", {"connectorId": 99}, {"status": "NotSupported"})


async def test_tc_040_1_configuration_keys_not_supported(lab: Lab) -> None:
    async with lab.station() as station:
        wanted = {"key": "NobodyKnowsThisKey", "value": "1"}
        await station.expect("ChangeConfiguration", wanted, {"status": "NotSupported"})
        await station.expect("GetConfiguration", {"key": [wanted["key"]]},
                            {"configurationKey": [], "unknownKey": [wanted["key"]]})  # fmt: skip
        kept = await station.get(f"/api/chargers/{station.id}/configuration")
        assert (kept["unknown_keys"], kept["keys"]) == ([wanted["key"]], [])


async def test_tc_040_2_configuration_keys_invalid_value(lab: Lab) -> None:
    async with lab.station() as station:
        before = station.charger.configuration.text("MeterValueSampleInterval")
        wanted = {"key": "MeterValueSampleInterval", "value": "-1"}
        await station.expect("ChangeConfiguration", wanted, {"status": "Rejected"})
        row = {"key": "MeterValueSampleInterval", "readonly": False, "value": before}
        await station.expect("GetConfiguration", {"key": [wanted["key"]]}, {"configurationKey": [row]})
