"""Which job a charger speaks of, and updates that it carries out although its answer was lost."""

from __future__ import annotations

from typing import Any

import pytest

from backend.services.upkeep import Upkeep
from tests.flows.raw import RawCharger
from tests.flows.running import Running
from tests.flows.test_commands import answered, connected

UPDATE = {"location": "http://files.test/fw", "retrieveDate": "2026-11-21T00:00:00Z"}


async def said(charger: RawCharger, action: str, *statuses: str, **more: Any) -> None:
    for status in statuses:
        assert await charger.result(action, {"status": status, **more}) == {}


async def taken(platform: Running, charger: RawCharger, action: str, payload: dict[str, Any],
                answer: dict[str, Any]) -> None:  # fmt: skip
    command = await platform.ask(action, payload)
    await answered(charger, action, answer)
    await platform.command(command, "answered_at is not null")


async def jobs(platform: Running, table: str = "firmware_jobs") -> list[str]:
    """Their statuses, in the order in which they were asked."""
    rows = await platform.rows(f"select status from public.{table} order by created_at")  # noqa: S608
    return [row["status"] for row in rows]


async def lost(platform: Running, charger: RawCharger) -> str:
    """An update that the charger has heard of before it lost its socket."""
    await connected(platform)
    command = await platform.ask("UpdateFirmware", UPDATE)
    await charger.asked("UpdateFirmware")
    charger.connection.transport.abort()
    await platform.command(command, "status = 'timed_out'")
    return command


@pytest.mark.parametrize("again", ["Installed", "Downloading"])
async def test_what_is_said_again_of_a_finished_update_did_not_revive_an_older_failed_one(
    platform: Running, charger: RawCharger, again: str
) -> None:
    await connected(platform)
    await taken(platform, charger, "UpdateFirmware", UPDATE, {})
    await said(charger, "FirmwareStatusNotification", "Downloading", "Downloaded", "Installing", "InstallationFailed")
    await taken(platform, charger, "UpdateFirmware", UPDATE, {})
    await said(charger, "FirmwareStatusNotification", "Downloading", "Downloaded", "Installing", "Installed", again)

    assert await jobs(platform) == ["failed", "installed"]


async def test_what_is_told_of_an_update_did_not_count_for_one_that_waits_or_was_refused(
    platform: Running, charger: RawCharger
) -> None:
    await connected(platform)
    await taken(platform, charger, "UpdateFirmware", UPDATE, {})
    refused = await platform.ask("UpdateFirmware", UPDATE)
    message_id, _ = await charger.asked("UpdateFirmware")
    await charger.send([4, message_id, "InternalError", "busy", {}])
    await platform.command(refused, "status = 'failed'")
    busy = await platform.ask("ClearCache", {})
    await charger.asked("ClearCache")  # unanswered: what is asked now waits behind it
    await platform.ask("UpdateFirmware", UPDATE)
    await said(charger, "FirmwareStatusNotification", "Downloading")

    assert await jobs(platform) == ["downloading", "failed", "queued"]
    assert (await platform.command(busy))["status"] == "sent"


async def test_a_log_that_was_uploaded_did_not_begin_again_nor_was_an_older_one_meant(
    platform: Running, charger: RawCharger
) -> None:
    await connected(platform)
    diagnostics = {"location": "ftp://files.test/in"}
    await taken(platform, charger, "GetDiagnostics", diagnostics, {"fileName": "a.zip"})
    await said(charger, "DiagnosticsStatusNotification", "Uploading", "UploadFailed")
    await taken(platform, charger, "GetDiagnostics", diagnostics, {"fileName": "b.zip"})
    await said(charger, "DiagnosticsStatusNotification", "Uploading", "Uploaded", "Uploaded", "Uploading")
    refused = await platform.ask("GetDiagnostics", diagnostics)
    message_id, _ = await charger.asked("GetDiagnostics")
    await charger.send([4, message_id, "NotSupported", "no", {}])
    await platform.command(refused, "status = 'failed'")
    await said(charger, "DiagnosticsStatusNotification", "Uploaded")

    assert await jobs(platform, "log_jobs") == ["failed", "uploaded", "failed"]


async def test_an_update_whose_answer_was_lost_was_never_observed(platform: Running) -> None:
    async with platform.plugged() as charger:
        await charger.boot(firmwareVersion="1.0")
        await lost(platform, charger)
    waiting = await platform.row("select status, effect from public.firmware_jobs")
    async with platform.plugged() as charger:
        await said(charger, "FirmwareStatusNotification", "Downloading", "Downloaded", "Installing")
        moved = await platform.row("select status, effect, error from public.firmware_jobs")
    async with platform.plugged() as charger:  # this firmware never says Installed
        await charger.boot(firmwareVersion="2.0")
    done = await platform.row("select status, effect, version_after from public.firmware_jobs")

    assert tuple(waiting.values()) == ("timed_out", "pending")
    assert tuple(moved.values()) == ("installing", "pending", None)
    assert tuple(done.values()) == ("installed", "observed", "2.0")


async def test_an_update_that_a_dead_server_had_sent_was_never_observed(platform: Running) -> None:
    async with platform.plugged() as charger:
        await charger.boot(firmwareVersion="1.0")
        await lost(platform, charger)
        # As a server leaves it that is killed: sent, and nothing more.
        await platform.store_execute(
            "update public.commands set status = 'sent', answered_at = null; "
            "update public.firmware_jobs set status = 'queued', effect = 'none', error = null"
        )
    upkeep = Upkeep(platform.database)
    await platform.store_execute("update public.commands set sent_at = now() - interval '91 seconds'")
    ended = await upkeep.expire_commands(), await upkeep.expire_jobs()
    waiting = await platform.row("select status, effect from public.firmware_jobs")
    async with platform.plugged() as charger:
        await charger.boot(firmwareVersion="2.0")
    done = await platform.row("select status, effect from public.firmware_jobs")

    assert (ended, tuple(waiting.values())) == ((1, 1), ("timed_out", "pending"))
    assert tuple(done.values()) == ("installed", "observed")


async def test_an_update_without_answer_is_not_seen_in_another_version_months_later(platform: Running) -> None:
    async with platform.plugged() as charger:
        await charger.boot(firmwareVersion="1.0")
        await lost(platform, charger)
    await platform.store_execute(
        "update public.firmware_jobs set deadline_at = now() - interval '1 second', version_wanted = '2.0'"
    )
    await Upkeep(platform.database).expire_jobs()
    seen = []
    for version in ("3.0", "2.0"):
        async with platform.plugged() as charger:
            await charger.boot(firmwareVersion=version)
        seen.append((await platform.row("select status, effect from public.firmware_jobs"))["effect"])

    assert seen == ["no_effect", "observed"]
