"""Traps of the field at the door and around sockets (reference/ocpp-behaviour.md §6)."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from backend.database import DirectDatabase
from backend.ocppj.server import Pace
from backend.settings import Settings
from tests.flows.raw import OCPP16, RawCharger, basic
from tests.flows.running import CHARGER, CPO, STATION, Running, running
from tests.support.waiting import eventually, eventually_found

KEY = bytes(range(200, 220))  # 20 bytes that are no text


async def refusal(platform: Running, path: str = CHARGER, **options: Any) -> int:
    """HTTP status with which a handshake is refused."""
    with pytest.raises(InvalidStatus) as refused:
        async with platform.plugged(path, **options):
            pass
    return int(refused.value.response.status_code)


async def raw_http(platform: Running, request: bytes) -> bytes:
    """What the server answers to these bytes until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.server.port)
    writer.write(request)
    async with asyncio.timeout(15):
        answer = await reader.read()
    writer.close()
    return answer


def live(platform: Running, charger_id: str = CHARGER) -> Any:
    """The charger's open connection as stored."""
    return platform.rows(
        "select * from public.connections where charger_id = $1 and disconnected_at is null", charger_id
    )


# -- subprotocol


async def test_a_subprotocol_that_is_not_spoken_is_refused(platform: Running) -> None:
    for offer in (["ocpp2.0.1"], ["ocpp0.1", "soap"], ["OCPP1.6"], ["ocpp1.60"]):
        assert await refusal(platform, subprotocols=offer) == 400
    assert await refusal(platform, subprotocols=None) == 400


async def test_a_known_subprotocol_among_others_is_chosen(platform: Running) -> None:
    for offer in (["ocpp0.1", "ocpp1.6"], ["ocpp2.1", "ocpp2.0.1", "ocpp1.6", "ocpp1.5"]):
        async with platform.plugged(subprotocols=offer) as charger:
            assert charger.connection.subprotocol == "ocpp1.6"
            assert await charger.boot() == "Accepted"


async def test_a_version_in_the_url_chooses_nothing(platform: Running) -> None:
    assert await refusal(platform, f"ocpp1.6/{CHARGER}", subprotocols=None) == 400
    assert await refusal(platform, f"ocpp/1.6/{CHARGER}", subprotocols=["ocpp2.0.1"]) == 400
    async with platform.plugged(f"ocpp/2.0.1/{CHARGER}?version=2.0.1") as charger:
        assert charger.connection.subprotocol == "ocpp1.6"


# -- identity


async def test_an_unknown_identity_is_refused_with_404(platform: Running) -> None:
    for path in ("NOBODY", f"{CHARGER}/", "", "x" * 49, "%00", "%FF", "%E2%82", f"{CHARGER}%0A", "a%20b%2Fc", "cp-1"):
        assert await refusal(platform, path) == 404


async def test_an_identity_may_be_percent_encoded(platform: Running) -> None:
    await platform.register("ID/JK 01+é")
    async with platform.plugged("ID%2FJK%2001%2B%C3%A9") as charger:
        assert await charger.boot() == "Accepted"
    async with platform.plugged("prefix/%43%50%2D1") as charger:
        assert await charger.boot() == "Accepted"

    rows = await platform.rows("select charger_id from public.connections order by 1")
    assert [row["charger_id"] for row in rows] == [CHARGER, "ID/JK 01+é"]


async def test_bad_handshakes_are_refused_and_harm_nobody(platform: Running, charger: RawCharger) -> None:
    head = f"GET /{CHARGER} HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Protocol: ocpp1.6\r\n".encode()
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    for request in (head + b"\r\n", head + upgrade + b"\r\n", head + upgrade + b"Sec-WebSocket-Key: short\r\n\r\n",
                    head + upgrade + key * 2 + b"\r\n", head + key + b"Connection: close\r\n\r\n",
                    head.replace(b"GET", b"POST") + upgrade + key + b"\r\n", b"\r\n\r\n", b"\x16\x03\x01garbage\r\n",
                    head.replace(b"/", b"/\xff\xfe", 1) + upgrade + key + b"\r\n",
                    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1000 + b"\r\n", b"GET /" + b"x" * 20_000):  # fmt: skip
        answer = await raw_http(platform, request)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), (request[:80], answer[:200])
    assert "currentTime" in await charger.result("Heartbeat", {})


# -- password


async def test_a_password_is_accepted_as_bytes_and_as_hexadecimal_text(platform: Running) -> None:
    await platform.register("RAW", password=KEY)
    await platform.register("HEX", password=KEY.hex().encode())
    await platform.register("TEXT", password=b"a:b c\xc3\xa9d/0123456789")
    for identity, spellings in {
        "RAW": (KEY, KEY.hex().encode(), KEY.hex().upper().encode()),
        "HEX": (KEY, KEY.hex().encode(), KEY.hex().upper().encode()),
        "TEXT": (b"a:b c\xc3\xa9d/0123456789",),
    }.items():
        for password in spellings:
            async with platform.plugged(identity, additional_headers=basic(identity, password)) as charger:
                assert await charger.boot() == "Accepted"


async def test_a_wrong_or_missing_password_is_refused_with_401(platform: Running) -> None:
    await platform.register("RAW", password=KEY)
    await platform.register("OTHER", password=bytes(20))
    wrong = [basic("RAW", one) for one in (b"", KEY[:-1], KEY + b"\n", bytes(20), b"\xff" * 500)]
    wrong += [basic("OTHER", KEY), basic("raw", KEY), {"Authorization": "Bearer x"}, {"Authorization": "Basic"},
              {"Authorization": "Basic ====="}, {"Authorization": "Basic caf\xe9"}, {}]  # fmt: skip
    for headers in wrong:
        assert await refusal(platform, "RAW", additional_headers=headers) == 401
    with pytest.raises(InvalidStatus) as refused:
        async with platform.plugged("RAW"):
            pass
    assert refused.value.response.headers["WWW-Authenticate"] == 'Basic realm="ocpp"'


async def test_a_password_nobody_asked_for_is_ignored(platform: Running) -> None:
    async with platform.plugged(additional_headers=basic(CHARGER, b"whatever")) as charger:
        assert await charger.boot() == "Accepted"


# -- registration


@pytest.mark.parametrize(("registration", "answered"), [("pending", "Pending"), ("rejected", "Rejected")])
async def test_a_charger_that_is_not_accepted_may_only_boot(
    platform: Running, registration: str, answered: str
) -> None:
    await platform.register("NEW", registration=registration)
    async with platform.plugged("NEW") as charger:
        for _ in range(2):
            assert await charger.boot() == answered
            for action, payload in (("Heartbeat", {}), ("Authorize", {"idTag": "TAG-1"}), ("StartTransaction", {})):
                assert await charger.error(action, payload) == "SecurityError"
        assert await charger.error("CustomOperation", {}) == "NotImplemented"
        command = await platform.ask("RemoteStartTransaction", {"idTag": "TAG-1"}, charger_id="NEW", queue=True)
        assert (await platform.command(command, "status = 'failed'"))["error_code"] == "NotAccepted"
        await platform.store_execute("update public.chargers set registration = 'accepted' where id = 'NEW'")
        assert await charger.boot() == "Accepted"
        assert "currentTime" in await charger.result("Heartbeat", {})


async def test_a_pending_charger_may_be_looked_at_and_set_up_but_starts_nothing(platform: Running) -> None:
    await platform.register("NEW", registration="pending")
    async with platform.plugged("NEW") as charger:
        assert await charger.boot() == "Pending"
        asked = await platform.ask("GetConfiguration", {}, charger_id="NEW")
        message_id, _ = await charger.asked("GetConfiguration")
        await charger.reply(message_id, {"configurationKey": [], "unknownKey": []})
        await platform.command(asked, "status = 'accepted'")
        await platform.ask("TriggerMessage", {"requestedMessage": "Heartbeat"}, charger_id="NEW")
        message_id, _ = await charger.asked("TriggerMessage")
        await charger.reply(message_id, {"status": "Accepted"})
        assert "currentTime" in await charger.result("Heartbeat", {})
        assert await charger.error("Authorize", {"idTag": "TAG-1"}) == "SecurityError"
        for action, payload in (
            ("RemoteStartTransaction", {"idTag": "TAG-1"}),
            ("RemoteStopTransaction", {"transactionId": 1}),
        ):
            command = await platform.ask(action, payload, charger_id="NEW")
            assert (await platform.command(command, "status = 'failed'"))["error_code"] == "NotAccepted"


async def test_a_rejected_charger_is_asked_nothing(platform: Running) -> None:
    await platform.register("NEW", registration="rejected")
    async with platform.plugged("NEW") as charger:
        assert await charger.boot() == "Rejected"
        command = await platform.ask("GetConfiguration", {}, charger_id="NEW")
        assert (await platform.command(command, "status = 'failed'"))["error_code"] == "NotAccepted"


async def test_an_unknown_charger_is_discovered_where_that_is_allowed(
    database: DirectDatabase, settings: Settings, dsn: str
) -> None:
    async with running(database, settings.model_copy(update={"ocpp_accept_unknown": True}), dsn) as platform:
        async with platform.plugged("STRANGER") as charger:
            assert await charger.boot() == "Pending"
            assert await charger.error("Heartbeat", {}) == "SecurityError"
            await platform.store_execute(
                f"update public.chargers set registration = 'accepted', cpo_id = '{CPO}', station_id = '{STATION}' "  # noqa: S608
                "where id = 'STRANGER' and discovered"
            )
            assert await charger.boot() == "Accepted"
            assert await charger.start() > 0
        assert await refusal(platform, "x" * 49) == 404


async def test_a_charger_deleted_meanwhile_is_rejected_at_its_next_boot(platform: Running) -> None:
    await platform.register("GONE")
    async with platform.plugged("GONE") as charger:
        await platform.store_execute("delete from public.chargers where id = 'GONE'")
        assert await charger.boot() == "Rejected"
        assert await charger.error("Heartbeat", {}) == "SecurityError"


async def test_a_charger_that_never_boots_is_served(platform: Running) -> None:
    async with platform.plugged() as charger:
        await charger.status("Available")
        assert await charger.start() > 0


# -- two sockets


async def test_the_newest_socket_wins_and_gets_the_commands(platform: Running) -> None:
    async with platform.plugged() as old:
        await old.boot()
        async with platform.plugged() as new:
            await new.boot()
            with pytest.raises(ConnectionClosed):
                await old.receive()
            assert old.connection.close_code == 1000
            command = await platform.ask("ClearCache", {})
            message_id, _ = await new.asked("ClearCache")
            await new.reply(message_id, {"status": "Accepted"})
            await platform.command(command, "status = 'accepted'")
            assert len(await live(platform)) == 1


async def test_the_late_close_of_an_old_socket_unregisters_nothing(platform: Running) -> None:
    async with platform.plugged() as old:
        await old.boot()
        old.connection.transport.pause_reading()  # half open: it neither sees the new one nor answers the close
        async with platform.plugged() as new:
            await new.boot()
            [before] = await live(platform)
            old.connection.transport.abort()
            for _ in range(3):
                assert "currentTime" in await new.result("Heartbeat", {})
            command = await platform.ask("ClearCache", {})
            message_id, _ = await new.asked("ClearCache")
            await new.reply(message_id, {"status": "Accepted"})
            await platform.command(command, "status = 'accepted'")
            assert [row["connection_id"] for row in await live(platform)] == [before["connection_id"]]


async def test_a_closed_socket_is_known_as_closed(platform: Running) -> None:
    async with platform.plugged() as charger:
        await charger.boot()
        await eventually_found(lambda: live(platform), "the connection is stored")
    await platform.until("select 1 from public.connections where disconnected_at is not null")
    await eventually(lambda: len(platform.server._registry) == 0, "the registry is empty")


async def test_reconnecting_again_and_again_leaves_one_connection(platform: Running) -> None:
    for _ in range(20):
        async with platform.plugged() as charger:
            charger.connection.transport.abort()
    async with platform.plugged() as charger:
        await charger.boot()
        await platform.until("select 1 from public.connections where disconnected_at is null")
        assert platform.server.stats()["connections"] == 1
        assert len(await live(platform)) == 1


# -- half-open sockets


@pytest.fixture
async def impatient(database: DirectDatabase, settings: Settings, dsn: str) -> Any:
    """A platform that pings and gives up a hundred times faster."""
    pace = Pace(ping_every=0.3, silent_for=0.9, shy_for=0.6, tell_every=0.1)
    async with running(database, settings, dsn, pace=pace) as started:
        yield started


async def test_a_silent_socket_is_dropped_and_one_that_answers_pings_is_kept(impatient: Running) -> None:
    await impatient.register("CP-2")
    async with impatient.plugged() as silent, impatient.plugged("CP-2") as quiet:
        silent.connection.transport.pause_reading()  # as behind a dead mobile link: no pong, no close
        await eventually(lambda: impatient.server.stats()["connections"] == 1, "the silent socket is dropped")
        await impatient.until(
            "select 1 from public.connections where charger_id = 'CP-1' and disconnected_at is not null"
        )
        seen = await impatient.row("select last_seen_at from public.connections where charger_id = 'CP-2'")
        await impatient.until(
            "select 1 from public.connections where charger_id = 'CP-2' and last_seen_at > $1", seen["last_seen_at"]
        )
        assert "currentTime" in await quiet.result("Heartbeat", {})


async def test_a_visitor_without_handshake_is_shown_out(impatient: Running) -> None:
    assert await raw_http(impatient, b"GET /CP-1 HT") == b""
    assert await raw_http(impatient, b"") == b""


async def test_a_visitor_looked_at_before_its_connection_had_begun_stayed_for_ever(impatient: Running) -> None:
    """Between a socket and its connection lies a pass of the loop; of many visitors some are looked at in it."""
    assert await asyncio.gather(*(raw_http(impatient, b"") for _ in range(100))) == [b""] * 100


async def test_an_old_socket_that_talks_on_after_the_close_is_dropped(impatient: Running) -> None:
    async with impatient.plugged() as old:

        async def never_closes() -> None:
            while not old.connection.transport.is_closing():
                old.connection.transport.write(bytes.fromhex("898000000000"))  # a ping, whatever was said to us
                await asyncio.sleep(0)

        old.connection.transport.pause_reading()
        talking = asyncio.create_task(never_closes())
        async with impatient.plugged():
            await eventually(talking.done, "the old socket is dropped")
            assert impatient.server.stats()["connections"] == 1


async def test_offers_of_compression_are_taken(platform: Running) -> None:
    async with platform.plugged(subprotocols=OCPP16, compression="deflate") as charger:
        assert charger.connection.protocol.extensions != []
        assert await charger.boot(meterType="x" * 2000) == "Accepted"
    async with platform.plugged(compression=None) as charger:
        assert charger.connection.protocol.extensions == []
        assert await charger.boot() == "Accepted"


async def test_a_server_that_stood_still_held_its_chargers_for_silent(
    database: DirectDatabase, settings: Settings, dsn: str
) -> None:
    """Whoever could not be heard because we did not listen has its time from then on."""
    pace = Pace(ping_every=0.6, silent_for=1.5)
    async with running(database, settings, dsn, pace=pace) as platform, platform.plugged() as charger:
        assert await charger.boot() == "Accepted"
        charger.connection.transport.pause_reading()  # answers no ping, and will be dropped in the end
        threading.Event().wait(2.5)  # the loop of the server stands still
        again = time.monotonic()
        await eventually(lambda: platform.server.stats()["connections"] == 0, "the silent one is dropped")
        assert time.monotonic() - again > 1.4
