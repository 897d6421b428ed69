"""Remote Trigger (TC_054, TC_055) and Smart Charging (TC_056 to TC_059, TC_066, TC_067)."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import ChargerSpec
from tests.flows.octt.lab import Lab, Station, present

pytestmark = pytest.mark.asyncio(loop_scope="package")
ACCEPTED = {"status": "Accepted"}
DC = ChargerSpec("DC", 60_000)


def profile(number: int, purpose: str, limit_w: float, **changes: Any) -> dict[str, Any]:
    """A charging profile with one limit from its begin on."""
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_w}]}
    return {"chargingProfileId": number, "stackLevel": 0, "chargingProfilePurpose": purpose,
            "chargingProfileKind": "Relative", "chargingSchedule": schedule, **changes}  # fmt: skip


async def shown_power_w(station: Station) -> float:
    """The last power the platform has of the running session."""
    await station.charger.meter()
    return float((await station.session())["last_power_w"])


@pytest.mark.parametrize(
    "message", ["MeterValues", "Heartbeat", "StatusNotification", "DiagnosticsStatusNotification",
                "FirmwareStatusNotification", "BootNotification"]
)  # fmt: skip
async def test_tc_054_trigger_message(lab: Lab, message: str) -> None:
    async with lab.station() as station:
        await station.begin()
        before = len(station.said(message))
        payload = {"requestedMessage": message}
        if message in {"MeterValues", "StatusNotification"}:
            payload["connectorId"] = 1  # type: ignore[assignment]
        await station.expect("TriggerMessage", payload, ACCEPTED)
        await station.until(lambda: len(station.said(message)) > before, message)
        await station.until(lambda: station.said(message)[-1][1] is not None, f"the answer to {message}")


async def test_tc_055_trigger_message_rejected(lab: Lab) -> None:
    async with lab.station() as station:
        payload = {"requestedMessage": "MeterValues", "connectorId": 9}
        await station.expect("TriggerMessage", payload, {"status": "Rejected"})
        assert station.said("MeterValues") == []


async def test_tc_056_central_smart_charging_tx_default_profile(lab: Lab) -> None:
    async with lab.station(spec=DC) as station:
        payload = {"connectorId": 1, "csChargingProfiles": profile(56, "TxDefaultProfile", 11000.0)}
        await station.expect("SetChargingProfile", payload, ACCEPTED)
        await station.begin()
        await station.charger.pass_time(60)
        assert await shown_power_w(station) == 11_000


async def test_tc_057_central_smart_charging_tx_profile(lab: Lab) -> None:
    async with lab.station(spec=DC) as station:
        early = {"connectorId": 1, "csChargingProfiles": profile(57, "TxProfile", 9000.0)}
        await station.expect("SetChargingProfile", early, {"status": "Rejected"})
        transaction_id = await station.begin()
        await station.charger.pass_time(60)
        assert await shown_power_w(station) > 50_000
        late = {"connectorId": 1, "csChargingProfiles": profile(57, "TxProfile", 9000.0, transactionId=transaction_id)}
        await station.expect("SetChargingProfile", late, ACCEPTED)
        await station.charger.pass_time(60)
        assert await shown_power_w(station) == 9_000
        await station.charger.tap(1, station.tag)
        assert len(station.charger.profiles) == 0, "a TxProfile ends with its session"


async def test_tc_059_remote_start_transaction_with_charging_profile(lab: Lab) -> None:
    async with lab.station(spec=DC, clock=present()) as station:
        await station.charger.plug_in()
        payload = {"connectorId": 1, "idTag": station.tag, "chargingProfile": profile(59, "TxProfile", 8000.0)}
        command = await station.expect("RemoteStartTransaction", payload, ACCEPTED)
        await station.observed(command)
        await station.charger.pass_time(10)
        assert await shown_power_w(station) == 8_000


async def test_tc_066_get_composite_schedule(lab: Lab) -> None:
    async with lab.station(spec=DC) as station:
        steps = [{"startPeriod": 0, "limit": 20000.0}, {"startPeriod": 60, "limit": 10000.0}]
        schedule = {"duration": 120, "chargingRateUnit": "W", "chargingSchedulePeriod": steps}
        station_wide = profile(65, "ChargePointMaxProfile", 15000.0)
        default = profile(66, "TxDefaultProfile", 0.0, chargingSchedule=schedule)
        await station.expect("SetChargingProfile", {"connectorId": 0, "csChargingProfiles": station_wide}, ACCEPTED)
        await station.expect("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": default}, ACCEPTED)
        wanted = {"connectorId": 1, "duration": 200, "chargingRateUnit": "W"}
        command = await station.ask("GetCompositeSchedule", wanted)
        answer = command["response"]
        assert (answer["status"], answer["connectorId"], station.sent("GetCompositeSchedule")) == (
            "Accepted", 1, [wanted]
        )  # fmt: skip
        periods = [(row["startPeriod"], row["limit"]) for row in answer["chargingSchedule"]["chargingSchedulePeriod"]]
        assert periods == [(0, 15000.0), (60, 10000.0), (120, 15000.0)]


async def test_tc_067_clear_charging_profile(lab: Lab) -> None:
    async with lab.station(spec=DC) as station:
        one = {"connectorId": 1, "csChargingProfiles": profile(67, "TxDefaultProfile", 11000.0)}
        two = {"connectorId": 1, "csChargingProfiles": profile(68, "TxDefaultProfile", 7000.0, stackLevel=1)}
        await station.expect("SetChargingProfile", one, ACCEPTED)
        await station.expect("SetChargingProfile", two, ACCEPTED)
        await station.expect("ClearChargingProfile", {"id": 68}, ACCEPTED)
        assert [row.profile_id for row in station.charger.profiles] == [67]
        criteria = {"connectorId": 1, "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 0}
        await station.expect("ClearChargingProfile", criteria, ACCEPTED)
        await station.expect("ClearChargingProfile", {"id": 67}, {"status": "Unknown"})
        await station.begin()
        await station.charger.pass_time(60)
        assert await shown_power_w(station) > 50_000
