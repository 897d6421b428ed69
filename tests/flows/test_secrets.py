"""A charger's password goes over the wire, and nowhere else."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from backend.database import Scope
from backend.domain.caller import Caller
from backend.services.commands import Delivery
from backend.services.directory import build_directory
from backend.services.firmware import Update
from backend.services.log_jobs import LogKind, LogRequest
from tests.flows.raw import RawCharger, basic
from tests.flows.running import CHARGER, CPO, Running

KEY = bytes(range(200, 220))
CALLER = Caller(Scope("cpo_admin", "00000000-0000-4000-8000-000000000001", CPO), "Admin")
CHANGE = {"key": "AuthorizationKey", "value": KEY.hex()}


async def everything_stored(platform: Running) -> str:
    """All that commands and the message log hold, as text."""
    await platform.until("select true from public.ocpp_messages where action = 'ChangeConfiguration' limit 1")
    rows = await platform.rows("select row_to_json(m)::text as t from public.commands m")
    rows += await platform.rows("select row_to_json(m)::text as t from public.ocpp_messages m")
    return " ".join(row["t"] for row in rows)


async def change(platform: Running, charger: RawCharger, status: str) -> tuple[str, dict[str, Any]]:
    """Asks for the new password and lets the charger answer: (what the API shows of the queued command, the call)."""
    commands = build_directory(platform.database, "a secret of the tests, long enough").commands
    command = await commands.enqueue(CALLER, CHARGER, "ChangeConfiguration", CHANGE, Delivery(queue=True))
    message_id, payload = await charger.asked("ChangeConfiguration")
    await charger.reply(message_id, {"status": status})
    await platform.command(command.id, "status in ('accepted', 'rejected')")
    return command.model_dump_json(), payload


@pytest.mark.parametrize("status", ["Accepted", "Rejected"])
async def test_a_new_password_is_not_kept_in_clear(platform: Running, charger: RawCharger, status: str) -> None:
    shown, payload = await change(platform, charger, status)

    assert payload == CHANGE
    assert KEY.hex() not in shown
    assert KEY.hex() not in await everything_stored(platform)


async def test_once_the_new_password_was_used_it_is_asked_for(platform: Running, charger: RawCharger) -> None:
    await change(platform, charger, "Accepted")
    async with platform.plugged(additional_headers=basic(CHARGER, KEY)):
        await platform.until("select true from public.chargers where has_password")

    for headers in ({}, basic(CHARGER, b"0123456789abcdef")):
        with pytest.raises(InvalidStatus):
            async with platform.plugged(additional_headers=headers):
                pass
    for password in (KEY, KEY.hex().encode(), KEY.hex().upper().encode()):
        async with platform.plugged(additional_headers=basic(CHARGER, password)) as again:
            assert await again.boot() == "Accepted"


async def test_after_rejected_the_old_password_stays(platform: Running, charger: RawCharger) -> None:
    await change(platform, charger, "Rejected")

    async with platform.plugged() as again:
        assert await again.boot() == "Accepted"


async def test_a_password_that_the_charger_tells_is_not_kept(platform: Running, charger: RawCharger) -> None:
    entries = [{"key": "AuthorizationKey", "readonly": False, "value": KEY.hex()},
               {"key": "HeartbeatInterval", "readonly": False, "value": "300"}]  # fmt: skip
    command = await platform.ask("GetConfiguration", {}, queue=True)
    message_id, _ = await charger.asked("GetConfiguration")
    await charger.reply(message_id, {"configurationKey": entries})
    answered = await platform.command(command, "status = 'accepted'")
    logged = await platform.until(
        "select coalesce(answer, payload) as answer from public.ocpp_messages where action = 'GetConfiguration' "
        "and (answer is not null or kind = 'result')"
    )

    assert "configurationKey" in logged["answer"]
    assert KEY.hex() not in logged["answer"] + answered["response"]
    values = [entry["value"] for entry in json.loads(answered["response"])["configurationKey"]]
    assert values == ["***", "300"]


async def test_a_repeated_request_for_a_sent_password_is_the_same_command(
    platform: Running, charger: RawCharger
) -> None:
    commands = build_directory(platform.database, "a secret of the tests, long enough").commands
    once = Delivery(queue=True, idempotency_key="once")
    first, (message_id, _) = await asyncio.gather(
        commands.enqueue(CALLER, CHARGER, "ChangeConfiguration", CHANGE, once), charger.asked("ChangeConfiguration")
    )
    await charger.reply(message_id, {"status": "Accepted"})

    assert (await commands.enqueue(CALLER, CHARGER, "ChangeConfiguration", CHANGE, once)).id == first.id


async def test_a_password_under_a_key_in_other_letters_locked_the_charger_out(
    platform: Running, charger: RawCharger
) -> None:
    payload = {"key": "authorizationKEY", "value": KEY.hex()}
    command = await platform.ask("ChangeConfiguration", payload, queue=True)
    message_id, asked = await charger.asked("ChangeConfiguration")
    await charger.reply(message_id, {"status": "Accepted"})
    await platform.command(command, "status = 'accepted'")

    assert asked == payload  # keys are compared without regard to case: to this charger it is the password
    async with platform.plugged(additional_headers=basic(CHARGER, KEY)) as again:
        assert await again.boot() == "Accepted"
    await platform.until("select true from public.chargers where has_password")


@pytest.mark.parametrize("key", ["AuthorizationKey", "authorizationkey", "AUTHORIZATIONKEY"])
async def test_a_rejected_password_stayed_valid_under_a_key_in_other_letters(platform: Running, key: str) -> None:
    old = b"0123456789abcdef"
    await platform.register("CP-2", password=old)
    async with platform.plugged("CP-2", additional_headers=basic("CP-2", old)) as charger:
        payload = {"key": key, "value": KEY.hex()}
        command = await platform.ask("ChangeConfiguration", payload, charger_id="CP-2", queue=True)
        message_id, _ = await charger.asked("ChangeConfiguration")
        assert await platform.rows("select 1 as n from public.charger_keys") == [{"n": 1}]
        await charger.reply(message_id, {"status": "Rejected"})
        await platform.command(command, "status = 'rejected'")

    with pytest.raises(InvalidStatus) as refused:
        async with platform.plugged("CP-2", additional_headers=basic("CP-2", KEY)):
            pass
    assert refused.value.response.status_code == 401


async def test_an_accepted_profile_was_not_waited_for_under_a_key_in_other_letters(
    platform: Running, charger: RawCharger
) -> None:
    command = await platform.ask("ChangeConfiguration", {"key": "securityprofile", "value": "2"}, queue=True)
    message_id, _ = await charger.asked("ChangeConfiguration")
    await charger.reply(message_id, {"status": "Accepted"})
    await platform.command(command, "status = 'accepted'")

    row = await platform.row("select wanted_profile, wanted_profile_state from public.chargers where id = $1", CHARGER)
    assert row == {"wanted_profile": 2, "wanted_profile_state": "accepted"}


@pytest.mark.parametrize("slash", ["/", "\\/"])
async def test_a_charger_that_tells_back_what_it_was_given_gave_it_away(
    platform: Running, charger: RawCharger, slash: str
) -> None:
    token = "abcdefghijklmnop_-qrstuv"
    link = slash.join(["http:", "", "files.test", "files", "firmware", token])
    update = {"location": link.replace("\\", ""), "retrieveDate": "2026-11-21T00:00:00Z"}
    asked = {"ChangeConfiguration": CHANGE, "UpdateFirmware": update}
    for action, payload in asked.items():
        command = await platform.ask(action, payload, queue=True)
        message_id, _ = await charger.asked(action)
        words = f"{KEY.hex()} is no good, nor is {link}"
        await charger.send(f'[4,"{message_id}","InternalError","{words}",{{}}]')
        settled = await platform.command(command, "status = 'failed'")
        assert "***" in settled["error_description"]
    await platform.until("select true from public.ocpp_messages where kind = 'error' and action = 'UpdateFirmware'")
    rows = await platform.rows("select row_to_json(m)::text as t from public.commands m")
    kept = " ".join(row["t"] for row in rows)
    logged = await platform.rows(
        "select payload || coalesce(answer, '') as payload from public.ocpp_messages "
        "where action = 'ChangeConfiguration'"
    )

    assert token not in kept
    assert KEY.hex() not in " ".join(row["payload"] for row in logged)


FTP, FTP_SHOWN = "ftp://user:s3cr3t-word@files.test/up", "ftp://user:***@files.test/up"
KEPT = (
    "commands", "ocpp_messages", "firmware_jobs", "log_jobs", "audit_log", "charger_configuration",
    "configuration_changes", "charger_quirks",
)  # fmt: skip


async def test_the_password_of_a_link_stood_in_the_log_and_in_commands(platform: Running, charger: RawCharger) -> None:
    services = build_directory(platform.database, "a secret of the tests, long enough")
    await platform.until("select 1 from public.connections where disconnected_at is null")
    job = await services.log_jobs.start(CALLER, CHARGER, LogRequest(LogKind.DIAGNOSTICS, location=FTP), Delivery())
    message_id, asked = await charger.asked("GetDiagnostics")
    before = await services.commands.get(CALLER.scope, job.command_id or "")
    words = "cannot reach " + FTP.replace("/", "\\/")
    await charger.send(f'[4,"{message_id}","InternalError","{words}",{{"a":"{FTP}"}}]')
    after = await platform.command(before.id, "status = 'failed'")
    update = await services.firmware.start(CALLER, CHARGER, Update(location=FTP), Delivery())
    message_id, moved = await charger.asked("UpdateFirmware")
    await charger.reply(message_id, {})
    for action, payload, answer in (
        ("ChangeConfiguration", {"key": "UploadUrl", "value": FTP}, {"status": "Accepted"}),
        ("GetConfiguration", {}, {"configurationKey": [{"key": "UploadUrl", "readonly": False, "value": FTP}]}),
    ):
        command = await platform.ask(action, payload, queue=True)
        message_id, _ = await charger.asked(action)
        await charger.reply(message_id, answer)
        await platform.command(command, "status = 'accepted'")
    await charger.call("DataTransfer", {"vendorId": "V", "data": json.dumps({"to": FTP})})
    parameters = {"location": FTP, "version": "2"}
    values = {"name": "C", "kind": "firmware_update", "parameters": parameters, "filter": {}, "wave_size": 1}
    made = await services.campaigns.create(CALLER, values, CPO)
    await platform.until("select 1 as n from public.ocpp_messages where action = 'DataTransfer' limit 1")

    assert asked["location"] == moved["location"] == FTP  # the wire keeps it
    assert {before.payload["location"], job.location, update.location, made.parameters["location"]} == {FTP_SHOWN}
    assert after["error_description"] == f"cannot reach {FTP_SHOWN}"
    for table in KEPT:
        rows = await platform.rows(f"select to_jsonb(t)::text as t from public.{table} t")  # noqa: S608
        assert [row for row in rows if "s3cr3t" in row["t"]] == [], table
    assert "***@files" in str(await platform.rows("select after from public.audit_log where object_type = 'campaign'"))
    known = await platform.row("select value from public.charger_configuration where key = 'UploadUrl'")
    assert known == {"value": FTP_SHOWN}
