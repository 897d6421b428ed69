"""Firmware Management (TC_044, TC_045); the security extension's logs and signed firmware (TC_079 to TC_081)."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from simulator import QUIRKS
from tests.flows.octt.lab import Lab, Station, present
from tests.support.authority import Authority
from tests.support.files import Files, file_server

pytestmark = pytest.mark.asyncio(loop_scope="package")
IMAGE = b"version=2.3.4\n" + bytes(range(256)) * 64
ROOT = "ManufacturerRootCertificate"


@pytest_asyncio.fixture(loop_scope="package")
async def files() -> AsyncIterator[Files]:
    """A web server with one firmware file."""
    async with file_server() as served:
        served.offered["/firmware.bin"] = IMAGE
        yield served


def now() -> str:
    """A time from which on to fetch: at once."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def updated(station: Station, location: str, *statuses: str) -> None:
    """UpdateFirmware, and how the charger told its progress to the end."""
    payload = {"location": location, "retrieveDate": now()}
    await station.expect("UpdateFirmware", payload, {})
    await station.until_told("FirmwareStatusNotification", *statuses)
    assert station.told("FirmwareStatusNotification") == list(statuses)


async def test_tc_044_1_firmware_update_download_and_install(lab: Lab, files: Files) -> None:
    async with lab.station(clock=present()) as station:
        await updated(station, f"{files.url}/firmware.bin", "Downloading", "Downloaded", "Installing", "Installed")
        assert files.requests == ["GET /firmware.bin"]
        assert [payload["firmwareVersion"] for payload, _answer in station.said("BootNotification")] == [
            "1.0.0", "2.3.4"
        ]  # fmt: skip
        assert (await station.get(f"/api/chargers/{station.id}"))["firmware_version"] == "2.3.4"


async def test_tc_044_2_firmware_update_download_failed(lab: Lab, files: Files) -> None:
    async with lab.station(clock=present()) as station:
        payload = {"location": f"{files.url}/missing.bin", "retries": 1, "retrieveDate": now(), "retryInterval": 1}
        await station.expect("UpdateFirmware", payload, {})
        await station.until_told("FirmwareStatusNotification", "Downloading", "DownloadFailed")
        assert files.requests == ["GET /missing.bin"] * 2
        assert (await station.get(f"/api/chargers/{station.id}"))["firmware_version"] == "1.0.0"


async def test_tc_044_3_firmware_update_installation_failed(lab: Lab, files: Files) -> None:
    async with lab.station(clock=present(), quirks=QUIRKS["firmware-install-fails"]) as station:
        await updated(
            station, f"{files.url}/firmware.bin", "Downloading", "Downloaded", "Installing", "InstallationFailed"
        )
        assert len(station.said("BootNotification")) == 1


async def test_tc_045_1_get_diagnostics(lab: Lab, files: Files) -> None:
    async with lab.station(clock=present()) as station:
        command = await station.ask("GetDiagnostics", {"location": f"{files.url}/in/diagnostics"})
        name = command["response"]["fileName"]
        assert (command["status"], name.startswith(f"diagnostics-{station.id}")) == ("accepted", True)
        await station.until_told("DiagnosticsStatusNotification", "Uploading", "Uploaded")
        assert b"BootNotification" in files.received["/in/diagnostics"]


async def test_tc_045_2_get_diagnostics_upload_failed(lab: Lab, files: Files) -> None:
    async with lab.station(clock=present()) as station:
        files.closed.add("/in/diagnostics")
        await station.ask("GetDiagnostics", {"location": f"{files.url}/in/diagnostics"})
        await station.until_told("DiagnosticsStatusNotification", "Uploading", "UploadFailed")
        assert files.received == {}


async def test_tc_079_get_security_log(lab: Lab, files: Files) -> None:
    async with lab.station(clock=present()) as station:
        await station.charger.security_event("TamperDetectionActivated", "lid")
        payload = {"log": {"remoteLocation": f"{files.url}/in/log"}, "logType": "SecurityLog", "requestId": 79}
        command = await station.ask("GetLog", payload)
        assert (command["status"], command["response"]["status"]) == ("accepted", "Accepted")
        assert station.sent("GetLog") == [payload]
        await station.until_told("LogStatusNotification", "Uploading", "Uploaded")
        assert set(station.told("LogStatusNotification", "requestId")) == {79}
        assert b"TamperDetectionActivated lid" in files.received["/in/log"]


def signed(files: Files, signature: bytes, authority: Authority, request_id: int) -> dict[str, Any]:
    """SignedUpdateFirmware."""
    firmware = {"location": f"{files.url}/firmware.bin", "retrieveDateTime": now(),
                "signingCertificate": authority.pem, "signature": base64.b64encode(signature).decode()}  # fmt: skip
    return {"firmware": firmware, "requestId": request_id}


async def test_tc_080_secure_firmware_update(lab: Lab, files: Files) -> None:
    maker = Authority("Maker")
    async with lab.station(clock=present()) as station:
        install = {"certificateType": ROOT, "certificate": maker.pem}
        await station.expect("InstallCertificate", install, {"status": "Accepted"})
        await station.expect(
            "SignedUpdateFirmware", signed(files, maker.sign(IMAGE), maker, 80), {"status": "Accepted"}
        )
        wanted = ("Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting", "Installed")
        await station.until_told("SignedFirmwareStatusNotification", *wanted)
        assert set(station.told("SignedFirmwareStatusNotification", "requestId")) == {80}
        await station.until_told("SecurityEventNotification", "FirmwareUpdated", member="type")
        assert (await station.get(f"/api/chargers/{station.id}"))["firmware_version"] == "2.3.4"


async def test_tc_081_secure_firmware_update_invalid_signature(lab: Lab, files: Files) -> None:
    maker = Authority("Maker")
    async with lab.station(clock=present()) as station:
        await station.expect(
            "SignedUpdateFirmware", signed(files, maker.sign(b"another file"), maker, 81), {"status": "Accepted"}
        )
        wanted = ("Downloading", "Downloaded", "InvalidSignature")
        await station.until_told("SignedFirmwareStatusNotification", *wanted)
        await station.until_told("SecurityEventNotification", "InvalidFirmwareSignature", member="type")
        assert (await station.get(f"/api/chargers/{station.id}"))["firmware_version"] == "1.0.0"
