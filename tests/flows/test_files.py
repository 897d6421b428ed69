"""Firmware and logs from the job to the file: a charger on a real socket, the real API over real HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from backend.api.application import create_app, equip
from backend.database import Scope
from backend.domain.caller import Caller
from backend.domain.files import MIB, FileRules
from backend.gateways.storage import DirectoryStorage
from backend.logs import set_up_logs
from backend.services.commands import Delivery
from backend.services.directory import Directory, build_directory
from backend.services.firmware import Update
from backend.services.log_jobs import LogKind, LogRequest
from backend.services.upkeep import Upkeep
from tests.flows.raw import RawCharger
from tests.flows.running import CHARGER, CPO, Running
from tests.flows.test_commands import answered, connected
from tests.support.waiting import eventually_found

SECRET = "a secret of the tests, long enough"
ADMIN = Caller(Scope("cpo_admin", "00000000-0000-4000-8000-000000000001", CPO), "Sari")
FIRMWARE = os.urandom(200_000)
NOW = Delivery()


@pytest.fixture
async def api(platform: Running, tmp_path: Path) -> AsyncIterator[Directory]:
    """The API on a port of its own; its services know where chargers reach it."""
    app = create_app()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="info"))
    served = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await eventually_found(started, "the API")
    rules = FileRules(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
    services = build_directory(platform.database, SECRET, storage=DirectoryStorage(tmp_path / "files"), rules=rules)
    equip(app, services, SECRET)
    yield services
    server.should_exit = True
    await served


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


async def firmware(api: Directory, content: bytes = FIRMWARE) -> str:
    async def body() -> AsyncIterator[bytes]:
        yield content

    made = await api.firmware.upload(ADMIN, {"name": "fw.bin", "version": "2.0"}, None, body())
    return made.id


async def said(charger: RawCharger, action: str, *statuses: str, **more: Any) -> None:
    for status in statuses:
        assert await charger.result(action, {"status": status, **more}) == {}


async def status_of(platform: Running, table: str, job_id: str, condition: str) -> dict[str, Any]:
    return await platform.until(f"select * from public.{table} where id = $1 and {condition}", job_id)  # noqa: S608


async def test_firmware_is_fetched_installed_and_seen_at_the_next_boot(
    platform: Running, charger: RawCharger, api: Directory, http: httpx.AsyncClient
) -> None:
    await connected(platform)
    await charger.boot(firmwareVersion="1.0")
    job = await api.firmware.start(ADMIN, CHARGER, Update(await firmware(api)), NOW)
    asked = await answered(charger, "UpdateFirmware", {})
    await status_of(platform, "firmware_jobs", job.id, "status = 'accepted'")
    await said(charger, "FirmwareStatusNotification", "Downloading")
    half = await http.get(asked["location"], headers={"Range": "bytes=0-99999"})
    rest = await http.get(asked["location"], headers={"Range": "bytes=100000-"})
    await said(charger, "FirmwareStatusNotification", "Downloaded", "Downloaded", "Idle", "Installing", "Installed")
    over = await http.get(asked["location"])
    installed = await api.firmware.job(ADMIN.scope, job.id)
    await charger.boot(firmwareVersion="2.0")
    done = await api.firmware.job(ADMIN.scope, job.id)

    assert list(asked) == ["location", "retrieveDate"]
    assert (half.status_code, half.content + rest.content == FIRMWARE) == (206, True)
    assert over.status_code == 404  # what is installed needs no link
    assert [step.status for step in done.progress] == ["Downloading", "Downloaded", "Installing", "Installed"]
    assert (installed.status, installed.effect, installed.fetches) == ("installed", "pending", 2)
    assert (done.version_before, done.version_wanted, done.version_after, done.effect) == (
        "1.0",
        "2.0",
        "2.0",
        "observed",
    )


async def test_a_download_that_broke_off_is_gone_on_with_and_the_link_ends_when_all_has_left(
    platform: Running, charger: RawCharger, api: Directory, http: httpx.AsyncClient
) -> None:
    content = bytes(32 * MIB)  # more than the sockets' buffers hold
    await connected(platform)
    job = await api.firmware.start(ADMIN, CHARGER, Update(await firmware(api, content)), NOW)
    place = (await answered(charger, "UpdateFirmware", {}))["location"]
    async with http.stream("GET", place) as broken:
        async for _ in broken.aiter_bytes():
            break
    noted = "select upper(served) as until, link_expires_at from public.firmware_jobs where served <> '{}'"
    part = await platform.until(noted)
    rest = await http.get(place, headers={"Range": "bytes=1000-"}, timeout=60)
    whole = await platform.until(f"{noted} and upper(served) = {len(content)}")

    assert part["until"] < len(content) and part["link_expires_at"] == job.link_expires_at
    assert len(rest.content) == len(content) - 1000
    assert whole["link_expires_at"] < datetime.now(UTC) + timedelta(minutes=31)


async def test_the_secret_of_a_link_is_kept_and_logged_nowhere(
    platform: Running, charger: RawCharger, api: Directory, http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    set_up_logs(platform.settings)
    await connected(platform)
    with caplog.at_level(logging.INFO, "uvicorn.access"):
        logging.getLogger("uvicorn.access").addHandler(caplog.handler)
        await api.firmware.start(ADMIN, CHARGER, Update(await firmware(api)), NOW)
        asked = await answered(charger, "UpdateFirmware", {})
        await http.get(asked["location"])
        logging.getLogger("uvicorn.access").removeHandler(caplog.handler)
    token = asked["location"].split("/")[5]
    await platform.until("select 1 from public.ocpp_messages where action = 'UpdateFirmware' and direction = 'out'")
    kept = [await platform.rows(f"select t::text from public.{table} t")  # noqa: S608
            for table in ("commands", "firmware_jobs", "ocpp_messages", "audit_log")]  # fmt: skip

    assert len(token) == 32
    assert "/files/firmware/***/fw.bin" in caplog.text
    assert token not in str(kept) + caplog.text


async def test_a_charger_that_never_says_installed_is_believed_by_its_version(
    platform: Running, charger: RawCharger, api: Directory
) -> None:
    await connected(platform)
    await charger.boot(firmwareVersion="1.0")
    job = await api.firmware.start(ADMIN, CHARGER, Update(location="ftp://files.test/fw"), NOW)
    await answered(charger, "UpdateFirmware", {})
    await status_of(platform, "firmware_jobs", job.id, "status = 'accepted'")
    await charger.boot(firmwareVersion="1.0")
    same = await api.firmware.job(ADMIN.scope, job.id)
    await charger.boot(firmwareVersion="1.1")
    done = await api.firmware.job(ADMIN.scope, job.id)

    assert (same.status, same.effect) == ("accepted", "pending")
    assert (done.status, done.effect, done.version_after) == ("installed", "observed", "1.1")


async def test_a_failed_download_may_be_tried_again_and_a_later_job_replaces(
    platform: Running, charger: RawCharger, api: Directory
) -> None:
    await connected(platform)
    first = await platform.ask("UpdateFirmware", {"location": "http://x/fw", "retrieveDate": "soon"})
    await answered(charger, "UpdateFirmware", {})
    await platform.command(first, "status = 'accepted'")
    await said(charger, "FirmwareStatusNotification", "DownloadFailed")
    failed = await platform.row("select status from public.firmware_jobs")
    await said(charger, "FirmwareStatusNotification", "Downloading")
    again = await platform.row("select status, retrieve_at from public.firmware_jobs")
    second = await platform.ask("UpdateFirmware", {"location": "http://x/fw2", "retrieveDate": "2026-11-21T00:00:00Z"})
    await answered(charger, "UpdateFirmware", {})
    await platform.command(second, "status = 'accepted'")
    await said(charger, "FirmwareStatusNotification", "Installing")
    rows = await platform.rows("select status from public.firmware_jobs order by created_at")

    assert (failed["status"], again["status"], again["retrieve_at"]) == ("failed", "downloading", None)
    assert [row["status"] for row in rows] == ["replaced", "installing"]


async def test_a_signed_update_is_followed_by_its_number(
    platform: Running, charger: RawCharger, api: Directory
) -> None:
    await connected(platform)
    update = Update(await firmware(api), certificate="PEM", signature="c2ln")
    job = await api.firmware.start(ADMIN, CHARGER, update, NOW)
    asked = await answered(charger, "SignedUpdateFirmware", {"status": "Accepted"})
    await status_of(platform, "firmware_jobs", job.id, "status = 'accepted'")
    await said(charger, "SignedFirmwareStatusNotification", "Downloading", requestId=asked["requestId"] + 1)
    other = await api.firmware.job(ADMIN.scope, job.id)
    await said(
        charger, "SignedFirmwareStatusNotification", "Downloading", "InvalidSignature", requestId=asked["requestId"]
    )
    done = await api.firmware.job(ADMIN.scope, job.id)

    assert asked["requestId"] == job.request_id
    assert (other.status, done.status, done.reported) == ("accepted", "failed", "InvalidSignature")


@pytest.mark.parametrize(("answer", "status", "error"), [
    ([3, {"status": "InvalidCertificate"}], "rejected", "InvalidCertificate"),
    ([4, "NotSupported", "no", {}], "failed", "no"),
])  # fmt: skip
async def test_a_refused_job_says_why(
    platform: Running, charger: RawCharger, api: Directory, answer: list[Any], status: str, error: str
) -> None:
    await connected(platform)
    update = Update(await firmware(api), certificate="PEM", signature="c2ln")
    job = await api.firmware.start(ADMIN, CHARGER, update, NOW)
    message_id, _ = await charger.asked("SignedUpdateFirmware")
    await charger.send([answer[0], message_id, *answer[1:]])
    done = await status_of(platform, "firmware_jobs", job.id, f"status = '{status}'")

    assert done["error"] == error


@pytest.mark.parametrize(("kind", "action", "answer", "report"), [
    (LogKind.DIAGNOSTICS, "GetDiagnostics", {"fileName": "diag.zip"}, "DiagnosticsStatusNotification"),
    (LogKind.SECURITY_LOG, "GetLog", {"status": "Accepted", "filename": "diag.zip"}, "LogStatusNotification"),
])  # fmt: skip
async def test_a_log_is_uploaded_and_downloaded(
    platform: Running, charger: RawCharger, api: Directory, http: httpx.AsyncClient, kind: LogKind, action: str,
    answer: dict[str, Any], report: str,
) -> None:  # fmt: skip
    await connected(platform)
    job = await api.log_jobs.start(ADMIN, CHARGER, LogRequest(kind, datetime(2026, 11, 1, tzinfo=UTC)), NOW)
    asked = await answered(charger, action, answer)
    await status_of(platform, "log_jobs", job.id, "status = 'accepted'")
    place = asked.get("location") or asked["log"]["remoteLocation"]
    more = {"requestId": asked["requestId"]} if "requestId" in asked else {}
    await said(charger, report, "Uploading", **more)
    reply = await http.put(f"{place}/diag.zip", content=FIRMWARE)
    await said(charger, report, "Uploaded", **more)
    done, content = await api.log_jobs.content(ADMIN, job.id)

    assert reply.status_code == 200
    assert b"".join([piece async for piece in content]) == FIRMWARE
    assert (done.status, done.file_name, done.size_bytes) == ("uploaded", "diag.zip", len(FIRMWARE))
    assert [step.status for step in done.progress] == ["Uploading", "Uploaded"]


async def test_a_charger_that_has_nothing_to_upload_says_so_by_silence(
    platform: Running, charger: RawCharger, api: Directory
) -> None:
    await connected(platform)
    job = await api.log_jobs.start(ADMIN, CHARGER, LogRequest(LogKind.DIAGNOSTICS), NOW)
    await answered(charger, "GetDiagnostics", {})

    assert (await status_of(platform, "log_jobs", job.id, "status <> 'queued'"))["status"] == "nothing"


async def test_jobs_of_which_nothing_is_heard_end(platform: Running, charger: RawCharger, api: Directory) -> None:
    await connected(platform)
    await platform.ask("UpdateFirmware", {"location": "ftp://x", "retrieveDate": "2026-11-21T00:00:00Z"})
    await answered(charger, "UpdateFirmware", {})
    await platform.until("select 1 from public.firmware_jobs where status = 'accepted'")
    await platform.ask(
        "GetDiagnostics", {"location": "ftp://x"}, charger_id=await platform.register("CP-2"), queue=True
    )
    upkeep = Upkeep(platform.database)
    early = await upkeep.expire_jobs()
    await platform.store_execute("update public.firmware_jobs set deadline_at = now() - interval '1 second'; "
                                 "update public.commands set expires_at = now() where status = 'queued'")  # fmt: skip
    await upkeep.expire_commands()

    assert (early, await upkeep.expire_jobs(), await upkeep.expire_jobs()) == (0, 2, 0)
    ended = await platform.rows("select status, effect from public.firmware_jobs "
                                "union all select status, 'none' from public.log_jobs")  # fmt: skip
    assert [tuple(row.values()) for row in ended] == [("timed_out", "no_effect"), ("expired", "none")]


@pytest.mark.parametrize("payload", [{"status": 7}, {"status": "Flying"}, {}, {"status": "Uploaded", "requestId": "x"}])
async def test_odd_reports_are_borne(platform: Running, payload: dict[str, Any]) -> None:
    await platform.ask("GetDiagnostics", {"location": ["odd"], "startTime": "yesterday"}, queue=True)
    at = datetime.now(UTC).isoformat()
    for action in ("FirmwareStatusNotification", "LogStatusNotification", "DiagnosticsStatusNotification"):
        row = {"charger_id": CHARGER, "action": action, "payload": payload, "received_at": at}
        await platform.store_execute(f"select private.record_reports('{json.dumps([row])}')")

    assert (await platform.row("select status from public.log_jobs"))["status"] in ("queued", "uploaded")
