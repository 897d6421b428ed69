"""Core: remote start and stop (TC_010 to TC_012, TC_026, TC_028), reset (TC_013, TC_014), DataTransfer (TC_064)."""

from __future__ import annotations

import pytest

from tests.flows.octt.lab import Lab, present

pytestmark = pytest.mark.asyncio(loop_scope="package")
ACCEPTED = {"status": "Accepted"}
REJECTED = {"status": "Rejected"}


async def test_tc_010_remote_start_cable_plugged_in_first(lab: Lab) -> None:
    configuration = {"AuthorizeRemoteTxRequests": "true"}
    async with lab.station(clock=present(), configuration=configuration) as station:
        await station.charger.plug_in()
        command = await station.expect("RemoteStartTransaction", {"connectorId": 1, "idTag": station.tag}, ACCEPTED)
        command = await station.observed(command)
        [(authorize, answer)] = station.said("Authorize")
        assert (authorize["idTag"], (answer or {})["idTagInfo"]["status"]) == (station.tag, "Accepted")
        assert command["effect_session_id"] == (await station.session())["id"]
        await station.charger.pass_time(10)
        await station.charger.tap(1, station.tag)
        await station.assert_billed("Local")


async def test_tc_011_1_remote_start_first(lab: Lab) -> None:
    async with lab.station(clock=present()) as station:
        command = await station.expect("RemoteStartTransaction", {"connectorId": 1, "idTag": station.tag}, ACCEPTED)
        await station.until_state("preparing")
        assert command["effect"] == "pending"
        await station.charger.plug_in()
        command = await station.observed(command)
        assert command["effect_session_id"] == (await station.session())["id"]
        assert await station.state() == "charging"


async def test_tc_011_2_remote_start_time_out(lab: Lab) -> None:
    async with lab.station(configuration={"ConnectionTimeOut": 30}) as station:
        await station.expect("RemoteStartTransaction", {"connectorId": 1, "idTag": station.tag}, ACCEPTED)
        await station.until_state("preparing")
        await station.charger.pass_time(31)
        assert await station.state() == "available"
        assert (await station.sessions(), station.said("StartTransaction")) == ([], [])


async def test_tc_012_remote_stop_charging_session(lab: Lab) -> None:
    async with lab.station() as station:
        transaction_id = await station.begin()
        await station.charger.pass_time(300)
        command = await station.expect("RemoteStopTransaction", {"transactionId": transaction_id}, ACCEPTED)
        command = await station.observed(command)
        assert station.told("StopTransaction", "reason") == ["Remote"]
        row = await station.assert_billed("Remote")
        assert command["effect_session_id"] == row["id"]


async def test_tc_013_hard_reset(lab: Lab) -> None:
    async with lab.station() as station:
        await station.begin()
        await station.charger.pass_time(120)
        command = await station.expect("Reset", {"type": "Hard"}, ACCEPTED)
        await station.observed(command)
        await station.until_told("StopTransaction", "HardReset", member="reason")
        assert station.order("BootNotification", "StopTransaction") == [
            "BootNotification", "BootNotification", "StopTransaction"
        ]  # fmt: skip
        await station.assert_billed("HardReset")


async def test_tc_014_soft_reset(lab: Lab) -> None:
    async with lab.station() as station:
        await station.begin()
        await station.charger.pass_time(120)
        command = await station.expect("Reset", {"type": "Soft"}, ACCEPTED)
        await station.observed(command)
        assert station.order("BootNotification", "StopTransaction") == [
            "BootNotification", "StopTransaction", "BootNotification"
        ]  # fmt: skip
        await station.assert_billed("SoftReset")


async def test_tc_026_remote_start_rejected(lab: Lab) -> None:
    async with lab.station() as station:
        await station.begin()
        command = await station.expect(
            "RemoteStartTransaction", {"connectorId": 1, "idTag": station.other_tag}, REJECTED
        )
        assert (command["effect"], len(await station.sessions())) == ("none", 1)


async def test_tc_028_remote_stop_transaction_rejected(lab: Lab) -> None:
    async with lab.station() as station:
        transaction_id = await station.begin()
        command = await station.expect("RemoteStopTransaction", {"transactionId": transaction_id + 7}, REJECTED)
        assert command["effect"] == "none"
        assert (await station.session())["open"]


async def test_tc_064_data_transfer_to_a_central_system(lab: Lab) -> None:
    async with lab.station() as station:
        status = await station.charger.say("hello", "anything", vendor_id="com.example.unknown")
        assert status in {"UnknownVendorId", "UnknownMessageId", "Rejected"}
        [(_payload, answer)] = station.said("DataTransfer")
        assert answer == {"status": status}
        await station.until_logged("DataTransfer")
