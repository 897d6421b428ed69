"""Firmware, logs, triggers, credentials: what a charger does after its answer, and that it answers everything."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from ocpp.v16 import call

from simulator import QUIRKS, SimulatedCharger, StepClock
from simulator.firmware import version_of
from simulator.v16 import Unheard
from tests.simulator.csms import Csms
from tests.support.authority import Authority
from tests.support.files import Files, file_server

COMMANDS = {
    "CancelReservation", "CertificateSigned", "ChangeAvailability", "ChangeConfiguration", "ClearCache",
    "ClearChargingProfile", "DataTransfer", "DeleteCertificate", "ExtendedTriggerMessage", "GetCompositeSchedule",
    "GetConfiguration", "GetDiagnostics", "GetInstalledCertificateIds", "GetLocalListVersion", "GetLog",
    "InstallCertificate", "RemoteStartTransaction", "RemoteStopTransaction", "ReserveNow", "Reset", "SendLocalList",
    "SetChargingProfile", "SignedUpdateFirmware", "TriggerMessage", "UnlockConnector", "UpdateFirmware",
}  # fmt: skip


@pytest.fixture
async def charger(csms: Csms) -> AsyncIterator[SimulatedCharger]:
    """A booted charger."""
    async with SimulatedCharger(csms.url, "SIM-1", clock=StepClock()) as made:
        await made.boot()
        yield made


@pytest.fixture
async def files() -> AsyncIterator[Files]:
    """A place for files."""
    async with file_server() as running:
        running.offered["/fw-1.4.2.bin"] = b"image"
        yield running


async def ask(csms: Csms, payload: Any) -> Any:
    """The answer to a command."""
    return await csms.point("SIM-1").call(payload, suppress=False)


def told(csms: Csms, action: str, member: str = "status") -> list[Any]:
    """What the charger said in messages of one kind."""
    return [payload[member] for payload in csms.state.payloads(action)]


def test_every_command_of_the_standard_has_a_handler(charger: SimulatedCharger) -> None:
    assert set(charger.handlers()) == COMMANDS
    assert all(hasattr(call, action) for action in COMMANDS)


async def test_firmware_waits_for_its_time_and_for_the_session(
    csms: Csms, charger: SimulatedCharger, files: Files
) -> None:
    await charger.plug_in()
    await charger.tap(1, "TAG-1")
    when = charger.clock.now() + timedelta(hours=1)
    await ask(csms, call.UpdateFirmware(f"{files.url}/fw-1.4.2.bin", when.isoformat()))
    await csms.until(lambda: told(csms, "FirmwareStatusNotification")[-1:] == ["Downloaded"])
    assert charger.clock.now() >= when and charger.firmware.status == "Downloaded"
    assert (await ask(csms, call.TriggerMessage("FirmwareStatusNotification"))).status == "Accepted"
    await csms.until(lambda: told(csms, "FirmwareStatusNotification")[-2:] == ["Downloaded"] * 2)
    await charger.unplug()
    await csms.until(lambda: told(csms, "FirmwareStatusNotification")[-2:] == ["Installing", "Installed"])
    assert csms.state.payloads("BootNotification")[-1]["firmware_version"] == "1.4.2"
    assert (charger.firmware.status, charger.security.events[-1].kind) == ("Idle", "FirmwareUpdated")


async def test_a_failed_download_is_tried_again_as_often_as_asked(
    csms: Csms, charger: SimulatedCharger, files: Files
) -> None:
    await ask(csms, call.UpdateFirmware(f"{files.url}/none", charger.clock.now().isoformat(), 2, 30))
    await csms.until(lambda: told(csms, "FirmwareStatusNotification")[-1:] == ["DownloadFailed"])
    assert files.requests == ["GET /none"] * 3
    charger.quirks = QUIRKS["firmware-download-fails"]
    await ask(csms, call.UpdateFirmware(f"{files.url}/fw-1.4.2.bin", charger.clock.now().isoformat()))
    await csms.until(lambda: told(csms, "FirmwareStatusNotification").count("DownloadFailed") == 2)
    assert len(files.requests) == 3


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/x", "http://127.0.0.1:1/x", "http://[bad/x"])
async def test_a_location_that_leads_nowhere_is_a_failure_and_no_defect(
    csms: Csms, charger: SimulatedCharger, location: str
) -> None:
    await ask(csms, call.UpdateFirmware(location, charger.clock.now().isoformat()))
    await csms.until(lambda: told(csms, "FirmwareStatusNotification")[-1:] == ["DownloadFailed"])
    await ask(csms, call.GetDiagnostics(location))
    await csms.until(lambda: told(csms, "DiagnosticsStatusNotification") == ["Uploading", "UploadFailed"])


async def test_a_place_that_takes_forms_only_gets_a_form(csms: Csms, charger: SimulatedCharger, files: Files) -> None:
    files.forms_only.add("/in")
    name = (await ask(csms, call.GetDiagnostics(f"{files.url}/in"))).file_name
    await csms.until(lambda: told(csms, "DiagnosticsStatusNotification") == ["Uploading", "Uploaded"])
    assert files.requests == ["PUT /in", "POST /in"]
    assert name.encode() in files.received["/in"]


async def test_no_password_leaves_with_the_diagnostics(csms: Csms, charger: SimulatedCharger, files: Files) -> None:
    await ask(csms, call.ChangeConfiguration("AuthorizationKey", "00112233445566778899aabbccddeeff"))
    await ask(csms, call.GetDiagnostics(f"{files.url}/in"))
    await csms.until(lambda: told(csms, "DiagnosticsStatusNotification")[-1:] == ["Uploaded"])
    assert b"00112233" not in files.received["/in"] and b"BootNotification" in files.received["/in"]


async def test_a_broken_upload_tells_so(csms: Csms, charger: SimulatedCharger, files: Files) -> None:
    charger.quirks = QUIRKS["uploads-fail"]
    answer = await ask(csms, call.GetLog({"remoteLocation": f"{files.url}/in"}, "DiagnosticsLog", 9))
    assert answer.status == "Accepted"
    await csms.until(lambda: told(csms, "LogStatusNotification") == ["Uploading", "UploadFailure"])
    assert files.requests == []


async def test_signed_firmware_of_a_signer_that_is_not_the_makers(
    csms: Csms, charger: SimulatedCharger, files: Files
) -> None:
    maker, stranger = Authority("Maker"), Authority("Stranger")
    await ask(csms, call.InstallCertificate("ManufacturerRootCertificate", maker.pem))
    signature = base64.b64encode(stranger.sign(b"image")).decode()
    firmware = {"location": f"{files.url}/fw-1.4.2.bin", "retrieveDateTime": charger.clock.now().isoformat(),
                "signingCertificate": stranger.pem, "signature": signature}  # fmt: skip
    assert (await ask(csms, call.SignedUpdateFirmware(1, firmware))).status == "InvalidCertificate"
    await csms.until(lambda: told(csms, "SecurityEventNotification", "type") == ["InvalidFirmwareSigningCertificate"])
    assert files.requests == []


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("BootNotification", "BootNotification"),
        ("FirmwareStatusNotification", "SignedFirmwareStatusNotification"),
        ("Heartbeat", "Heartbeat"),
        ("LogStatusNotification", "LogStatusNotification"),
        ("MeterValues", "MeterValues"),
        ("SignChargePointCertificate", "SignCertificate"),
        ("StatusNotification", "StatusNotification"),
    ],
)
async def test_the_extended_trigger_sends_what_was_asked(
    csms: Csms, charger: SimulatedCharger, message: str, action: str
) -> None:
    before = csms.state.actions().count(action)
    assert (await ask(csms, call.ExtendedTriggerMessage(message))).status == "Accepted"
    await csms.until(lambda: csms.state.actions().count(action) > before)


async def test_a_charger_that_does_not_answer_lives_on(csms: Csms, charger: SimulatedCharger) -> None:
    charger.quirks = QUIRKS["commands-unanswered"]
    csms.point("SIM-1")._response_timeout = 0.2
    with pytest.raises(TimeoutError):
        await ask(csms, call.GetConfiguration())
    csms.point("SIM-1")._response_timeout = 5
    assert (await ask(csms, call.ClearCache())).status == "Accepted"
    assert not issubclass(Unheard, Exception)


@pytest.mark.parametrize(
    ("quirk", "payload", "status"),
    [
        ("list-fails", call.SendLocalList(1, "Full"), "Failed"),
        ("list-mismatch", call.SendLocalList(1, "Full"), "VersionMismatch"),
        ("no-list", call.SendLocalList(1, "Full"), "NotSupported"),
        ("reservations-rejected", call.ReserveNow(1, "2030-01-01T00:00:00Z", "TAG-1", 1), "Rejected"),
        ("remote-start-rejected", call.RemoteStartTransaction("TAG-1"), "Rejected"),
        ("resets-rejected", call.Reset("Soft"), "Rejected"),
    ],
)
async def test_a_quirk_replaces_the_answer_and_the_deed(
    csms: Csms, charger: SimulatedCharger, quirk: str, payload: Any, status: str
) -> None:
    charger.quirks = QUIRKS[quirk]
    assert (await ask(csms, payload)).status == status
    assert (charger.status(), charger.books.boots, len(charger.authorizer.local_list)) == ("Available", 1, 0)


async def test_a_charger_that_ignores_limits_says_yes_and_charges_on(csms: Csms, charger: SimulatedCharger) -> None:
    charger.quirks = QUIRKS["limits-ignored"]
    profile = {"chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
               "chargingProfileKind": "Relative",
               "chargingSchedule": {"chargingRateUnit": "W",
                                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1000.0}]}}  # fmt: skip
    assert (await ask(csms, call.SetChargingProfile(1, profile))).status == "Accepted"
    await charger.plug_in()
    await charger.tap(1, "TAG-1")
    assert charger.reading().power_w > 3_000


async def test_a_security_profile_that_does_not_work_is_given_up(csms: Csms) -> None:
    async with SimulatedCharger(csms.url, "SIM-1", password=b"secret", clock=StepClock()) as charger:
        await charger.boot()
        await ask(csms, call.InstallCertificate("CentralSystemRootCertificate", Authority("Root").pem))
        assert (await ask(csms, call.ChangeConfiguration("SecurityProfile", "2"))).status == "Accepted"
        await csms.until(lambda: csms.state.sockets == 2 and charger.connected)
        assert (charger.access.profile, charger.connected, charger.books.boots) == (1, True, 1)


async def test_a_session_of_a_refused_tag_may_stay_without_power(csms: Csms, charger: SimulatedCharger) -> None:
    charger.configuration.set("StopTransactionOnInvalidId", "false")
    csms.state.start_status = "Blocked"
    await charger.plug_in()
    await charger.tap(1, "TAG-1")
    await csms.until(lambda: csms.state.statuses()[-1] == "SuspendedEVSE")
    assert charger.has_session(1) and charger.reading().power_w == 0


async def test_a_session_may_outlast_the_cable(csms: Csms, charger: SimulatedCharger) -> None:
    charger.configuration.set("StopTransactionOnEVSideDisconnect", "false")
    await charger.plug_in()
    await charger.tap(1, "TAG-1")
    await charger.unplug()
    assert (charger.status(), charger.has_session(1)) == ("SuspendedEV", True)
    await charger.plug_in()
    assert charger.status() == "Charging"


async def test_readings_by_the_clock(csms: Csms, charger: SimulatedCharger) -> None:
    await ask(csms, call.ChangeConfiguration("ClockAlignedDataInterval", "900"))
    await charger.pass_time(3_600)
    readings = csms.state.payloads("MeterValues")
    stamps = {row["meter_value"][0]["timestamp"][14:19] for row in readings}
    assert stamps == {"00:00", "15:00", "30:00", "45:00"}
    assert {row["connector_id"] for row in readings} == {0, 1}
    assert {row["meter_value"][0]["sampled_value"][0]["context"] for row in readings} == {"Sample.Clock"}


def test_where_a_firmware_version_stands() -> None:
    assert version_of("http://h/a-9.9.bin", b"version=1.2.3\nrest") == "1.2.3"
    assert version_of("http://10.0.0.1/a-9.9.bin", b"\x00\xff") == "9.9"
    assert version_of("http://10.0.0.1/a.bin", b"x").startswith("crc-")
