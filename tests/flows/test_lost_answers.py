"""Commands whose answer was lost with the socket: the charger may have done them, and nobody may believe otherwise."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from backend.services.upkeep import Upkeep
from tests.flows.raw import iso
from tests.flows.running import CHARGER, Running
from tests.flows.test_commands import connected


async def lost(platform: Running, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The command, after the charger has heard it and lost its socket."""
    async with platform.plugged() as charger:
        await connected(platform)
        command = await platform.ask(action, payload)
        await charger.asked(action)
        charger.connection.transport.abort()
        return await platform.command(command, "answered_at is not null")


def whole_list(version: int, status: str) -> dict[str, Any]:
    return {"listVersion": version, "updateType": "Full",
            "localAuthorizationList": [{"idTag": "TAG-1", "idTagInfo": {"status": status}}]}  # fmt: skip


async def test_a_list_whose_answer_was_lost_did_pass_for_not_taken(platform: Running) -> None:
    async with platform.plugged() as charger:
        await connected(platform)
        first = await platform.ask("SendLocalList", whole_list(5, "Blocked"))
        message_id, _ = await charger.asked("SendLocalList")
        await charger.reply(message_id, {"status": "Accepted"})
        await platform.command(first, "status = 'accepted'")
    await lost(platform, "SendLocalList", whole_list(6, "Accepted"))

    # Else nothing would differ once the token is blocked again, and the charger would go on accepting it.
    assert (await platform.row("select version from public.local_lists"))["version"] is None


async def test_a_reservation_whose_answer_was_lost_did_pass_for_refused(platform: Running) -> None:
    until = iso(datetime.now(UTC) + timedelta(hours=1))
    await lost(platform, "ReserveNow", {"connectorId": 1, "expiryDate": until, "idTag": "TAG-1", "reservationId": 7})

    reservation = await platform.row("select status, reason from public.reservations")
    assert reservation == {"status": "requested", "reason": "no_answer"}


async def test_a_start_whose_answer_was_lost_did_not_know_its_session(platform: Running) -> None:
    command = await lost(platform, "RemoteStartTransaction", {"idTag": "TAG-1", "connectorId": 1})
    async with platform.plugged() as charger:
        transaction_id = await charger.start()

    assert (await platform.session(transaction_id))["command_id"] == command["id"]
    assert (await platform.command(str(command["id"])))["effect"] == "observed"


async def test_a_charger_that_restarts_before_it_answers_did_not_obey(platform: Running) -> None:
    command = await lost(platform, "Reset", {"type": "Hard"})
    async with platform.plugged() as charger:
        await charger.boot()

    assert (await platform.command(str(command["id"])))["effect"] == "observed"


async def test_a_command_for_a_charger_that_left_just_now_failed_though_it_was_never_sent(platform: Running) -> None:
    async with platform.plugged():
        await connected(platform)
    await platform.until("select 1 from public.connections where disconnected_at is not null")
    await platform.store_execute("update public.connections set disconnected_at = null")
    secret = {"key": "AuthorizationKey", "value": "5" * 40}
    command = await platform.ask("ChangeConfiguration", secret)
    await platform.command(command, "sent_at is not null")
    await platform.store_execute("update public.connections set disconnected_at = now()")
    waiting = await platform.command(command, "status = 'queued'")

    assert (waiting["sent_at"], waiting["answered_at"]) == (None, None)
    async with platform.plugged() as charger:
        message_id, payload = await charger.asked("ChangeConfiguration")
        await charger.reply(message_id, {"status": "Accepted"})
        await platform.command(command, "status = 'accepted'")
    assert payload == secret


async def test_a_command_was_counted_as_sent_though_the_socket_was_closing(platform: Running) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.server.port)
    writer.write(
        f"GET /{CHARGER} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    await connected(platform)
    going = platform.server._registry.get(CHARGER)
    assert going is not None
    going.socket.close(1012, "This server is being replaced.")  # which this charger does not answer
    asked = await platform.ask("ClearCache", {}, queue=True)
    async with platform.plugged() as charger:
        message_id, _ = await charger.asked("ClearCache")
        await charger.reply(message_id, {"status": "Accepted"})
        await platform.command(asked, "status = 'accepted'")
    writer.close()


async def test_a_charger_whose_refusal_reads_like_ours_was_taken_for_gone(platform: Running) -> None:
    async with platform.plugged() as charger:
        await connected(platform)
        for code in ("NotConnected", "ConnectionLost", "Timeout"):
            command = await platform.ask("ClearCache", {})
            message_id, _ = await charger.asked("ClearCache")
            await charger.send([4, message_id, code, "", {}])
            told = await platform.command(command, "answered_at is not null")
            assert (told["status"], told["error_code"]) == ("failed", code)


async def test_a_list_kept_in_step_was_left_alone_for_ever_once_an_answer_was_lost(platform: Running) -> None:
    await platform.store_execute("update public.cpos set local_list_sync = true")
    async with platform.plugged() as charger:
        await connected(platform)
        first = await platform.ask("SendLocalList", whole_list(5, "Accepted"))
        message_id, _ = await charger.asked("SendLocalList")
        await charger.reply(message_id, {"status": "Accepted"})
        await platform.command(first, "status = 'accepted'")
    await lost(platform, "SendLocalList", whole_list(6, "Accepted"))
    await platform.store_execute("update public.id_tokens set status = 'blocked' where token = 'TAG-1'")

    async with platform.plugged() as charger:
        await connected(platform)
        assert await Upkeep(platform.database).tend_local_lists() == 1
        _, told = await charger.asked("SendLocalList")
    entries = {one["idTag"]: one["idTagInfo"]["status"] for one in told["localAuthorizationList"]}
    assert (told["updateType"], entries) == ("Full", {"TAG-1": "Blocked", "TAG-2": "Accepted"})
