"""TLS handshakes wait for their turn, a step at a time, and whatever comes in crumbs or not at all costs no turn."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from backend.ocppj.admission import Door
from backend.ocppj.socket import ChargerSocket
from backend.ocppj.tls import client_checking_context, load_pairs
from backend.ocppj.tls_link import TlsLink
from backend.services.pki import signing
from backend.services.pki.authority import ServerPair


class Wire(asyncio.Transport):
    """A TCP connection that keeps what was written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("10.0.0.1", 1)})
        self.written = b""
        self.closed = self.reading = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class Client:
    """A charger's end in memory, and the link that serves it."""

    def __init__(self, context: ssl.SSLContext, door: Door, told: list[tuple[Any, ...]]) -> None:
        loop = asyncio.get_running_loop()
        self.wire = Wire()
        self.socket = ChargerSocket(Door(), _nobody, loop)
        self.link = TlsLink(self.socket, context, door, lambda *what: told.append(what))
        self.link.connection_made(self.wire)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        self.tls = trusting.wrap_bio(self.incoming, self.outgoing)

    def step(self) -> bytes:
        """What the client says next; it has heard all that was written to it."""
        self.incoming.write(self.wire.written)
        self.wire.written = b""
        with suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()


async def _nobody(*_: Any) -> Any:
    raise AssertionError("no request was sent")


@pytest.fixture(scope="module")
def context() -> ssl.SSLContext:
    """A server's, with a certificate of its own authority."""
    now = datetime.now(UTC)
    root, issuing = signing.make_authority(now)
    made = client_checking_context(root.pem)
    pairs = signing.sign_server(issuing, ["localhost"], now)
    load_pairs(made, [ServerPair(signing.pem_of(one) + issuing.pem, signing.key_pem(key)) for one, key in pairs])
    return made


async def test_no_more_than_the_width_take_a_step_in_one_pass_of_the_loop(context: ssl.SSLContext) -> None:
    door = Door(2)
    clients = [Client(context, door, []) for _ in range(6)]
    for client in clients:
        client.link.data_received(client.step())

    for served in (2, 4, 6, 6):
        assert [bool(client.wire.written) for client in clients] == [True] * served + [False] * (6 - served)
        assert [client.socket.waits for client in clients] == [False] * served + [True] * (6 - served)
        await asyncio.sleep(0)


async def test_whoever_left_the_line_costs_nobody_a_turn(context: ssl.SSLContext) -> None:
    door = Door(1)
    first, gone, last = (Client(context, door, []) for _ in range(3))
    for client in (first, gone, last):
        client.link.data_received(client.step())
    gone.link.connection_lost(None)
    await asyncio.sleep(0)

    assert (bool(gone.wire.written), bool(last.wire.written)) == (False, True)


async def test_crumbs_of_a_hello_take_no_turn(context: ssl.SSLContext) -> None:
    door = Door(1)
    slow, quick = Client(context, door, []), Client(context, door, [])
    hello = slow.step()
    for number in range(len(hello) - 1):
        slow.link.data_received(hello[number : number + 1])
    quick.link.data_received(quick.step())
    await asyncio.sleep(0)
    answered = (slow.wire.written, bool(quick.wire.written))
    slow.link.data_received(hello[-1:])

    assert (*answered, bool(slow.wire.written)) == (b"", True, True)


async def test_time_in_the_line_is_not_the_chargers_own(context: ssl.SSLContext) -> None:
    door = Door(1)
    first, second = Client(context, door, []), Client(context, door, [])
    first.link.data_received(first.step())
    second.link.data_received(second.step())
    before = second.socket.heard_at
    end = asyncio.get_running_loop().time() + 0.01
    while asyncio.get_running_loop().time() < end:  # the loop's pass takes so long
        pass
    await asyncio.sleep(0)

    assert second.wire.written
    assert second.socket.heard_at - before >= 0.01


@pytest.mark.parametrize(
    ("first_words", "reason"),
    [(b"GET /CP-1 HTTP/1.1\r\n\r\n", "not_tls"), (b"\0\1\2\3\4", "tls_broken")],
)
async def test_what_is_no_handshake_ends_the_connection(
    context: ssl.SSLContext, first_words: bytes, reason: str
) -> None:
    told: list[tuple[Any, ...]] = []
    client = Client(context, Door(1), told)

    client.link.data_received(first_words)
    client.link.data_received(first_words)
    client.link.connection_lost(None)

    assert client.wire.closed
    assert told == [(reason, None, "10.0.0.1")]


async def test_a_hello_without_end_fills_no_memory(context: ssl.SSLContext) -> None:
    client = Client(context, Door(1), [])

    client.link.data_received(b"\x16\3\1\xff\xff" + bytes(65_000))
    assert not client.wire.closed
    client.link.data_received(bytes(66_100))

    assert client.wire.closed


async def test_who_leaves_after_it_has_seen_our_certificate_is_told_of(context: ssl.SSLContext) -> None:
    told: list[tuple[Any, ...]] = []
    stays, leaves, mumbles = (Client(context, Door(2), told) for _ in range(3))
    for client in (stays, leaves):
        client.link.data_received(client.step())
    stays.link.data_received(stays.step())
    mumbles.link.data_received(b"\x16\3\1\0\2\1\0")
    for client in (stays, leaves, mumbles):
        client.link.connection_lost(None)

    assert told == [("tls_left", None, "10.0.0.1")]
