"""One socket: whatever way a charger cuts its messages into frames and its frames into packets, they arrive whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.http11 import Request
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from backend.ocppj.admission import Door
from backend.ocppj.socket import ChargerSocket, Peer
from tests.support.waiting import eventually

texts = st.text(max_size=300) | st.integers(0, 70_000).map(lambda size: "x" * size)
messages = st.lists(
    st.tuples(st.sampled_from(["whole", "whole", "fragments", "binary", "after a ping"]), texts), min_size=1, max_size=3
)


class Listener:
    """Hears what a socket delivers."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.offences: list[str] = []

    def on_open(self) -> None:
        pass

    def on_text(self, data: bytes) -> None:
        self.heard.append(data.decode("utf-8", "replace"))

    def on_closed(self) -> None:
        self.heard.append("closed")

    def on_offence(self, kind: str) -> None:
        self.offences.append(kind)


class Opened(NamedTuple):
    """Both ends of a connection after its handshake."""

    listener: Listener
    socket: ChargerSocket
    client: ClientProtocol
    writer: asyncio.StreamWriter


@asynccontextmanager
async def opened(compresses: bool = False) -> AsyncIterator[Opened]:
    """A real connection on the loopback interface."""
    listener, loop = Listener(), asyncio.get_running_loop()
    sockets: list[ChargerSocket] = []

    async def admits(socket: ChargerSocket, _request: Request) -> tuple[str, Peer] | tuple[HTTPStatus, str]:
        sockets.append(socket)
        return "ocpp1.6", listener

    server = await loop.create_server(lambda: ChargerSocket(Door(), admits, loop), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = ClientProtocol(
        parse_uri(f"ws://127.0.0.1:{port}/CP-1"), subprotocols=[Subprotocol("ocpp1.6")],
        extensions=[ClientPerMessageDeflateFactory()] if compresses else None,
    )  # fmt: skip
    client.send_request(client.connect())
    writer.write(b"".join(client.data_to_send()))
    client.receive_data(await reader.readuntil(b"\r\n\r\n"))
    try:
        yield Opened(listener, sockets[0], client, writer)
    finally:
        writer.close()
        server.close()
        await server.wait_closed()


async def served(
    said: list[tuple[str, str]], cuts: list[int], compresses: bool, ends: bytes = b""
) -> tuple[list[str], list[str]]:
    """What is heard of these messages, sent in packets of these sizes; and the offences."""
    async with opened(compresses) as end:
        for way, text in said:
            speak(end.client, way, text)
        wire = b"".join(end.client.data_to_send()) + ends
        for size in cuts:
            end.writer.write(wire[:size])
            wire = wire[size:]
            await end.writer.drain()
            await asyncio.sleep(0)
        end.writer.write(wire)
        count = len(said) + bool(ends)
        await eventually(lambda: len(end.listener.heard) >= count, "everything is heard", 5)
        return end.listener.heard[:count], end.listener.offences


async def packets(*wire: bytes) -> list[str]:
    """The first thing that is heard of bytes that arrive as these packets."""
    async with opened() as end:
        for packet in wire:
            end.socket.data_received(packet)
        await eventually(lambda: bool(end.listener.heard), "something is heard", 5)
        return end.listener.heard[:1]


def speak(client: ClientProtocol, way: str, text: str) -> None:
    """Sends one message that way."""
    data = text.encode()
    if way == "fragments":
        client.send_text(data[: len(data) // 2], fin=False)
        client.send_continuation(data[len(data) // 2 :], fin=True)
    elif way == "binary":
        client.send_binary(data)
    else:
        if way == "after a ping":
            client.send_ping(b"are you there")
        client.send_text(data)


@settings(max_examples=60)
@given(messages, st.lists(st.integers(1, 2000), max_size=12), st.booleans())
def test_messages_arrive_whole_and_in_order_however_they_are_cut(
    said: list[tuple[str, str]], cuts: list[int], compresses: bool
) -> None:
    heard, offences = asyncio.run(served(said, cuts, compresses))

    assert heard == [text for _, text in said]
    assert offences == []


@settings(max_examples=30)
@given(messages, st.sampled_from([
    bytes([0x81, 2]) + b"[]",              # not masked (RFC 6455 §5.1)
    bytes([0xC1, 0x82, 1, 2, 3, 4, 9, 9]),  # compressed, though nobody agreed on it
    bytes([0x91, 0x82, 1, 2, 3, 4, 9, 9]),  # a reserved bit
    bytes([0x80, 0x82, 1, 2, 3, 4, 9, 9]),  # the rest of nothing
]))  # fmt: skip
def test_what_breaks_the_rules_of_the_wire_is_refused_wherever_it_stands(said: list[Any], broken: bytes) -> None:
    heard, offences = asyncio.run(served(said, [], False, ends=broken))

    assert heard == [*(text for _, text in said), "closed"]
    assert offences == ["malformed"]


def frame(first: int, payload: bytes) -> bytes:
    """A frame masked with zeros, so that its payload stands on the wire as it is."""
    return bytes([first, 0x80 + len(payload)]) + bytes(4) + payload


def test_what_looks_like_a_frame_inside_a_frame_is_a_part_of_it() -> None:
    inner = frame(0x81, b"[2]")
    outer = frame(0x81, b'["' + inner + b'"]')
    heard = asyncio.run(packets(outer[:8], inner, outer[8 + len(inner) :]))

    assert heard == [(b'["' + inner + b'"]').decode("utf-8", "replace")]


def test_a_message_within_the_fragments_of_another_is_refused() -> None:
    """RFC 6455 §5.4: fragments of one message are not interleaved with another."""
    assert asyncio.run(packets(frame(0x01, b"[2,"), frame(0x81, b"[3]"))) == ["closed"]


async def test_who_left_while_waiting_before_the_door_did_end_the_connection_of_who_opened_it() -> None:
    door, loop, sockets = Door(0), asyncio.get_running_loop(), list[ChargerSocket]()

    async def admits(_socket: ChargerSocket, _request: Request) -> tuple[str, Peer] | tuple[HTTPStatus, str]:
        return "ocpp1.6", Listener()

    def make() -> ChargerSocket:
        sockets.append(ChargerSocket(door, admits, loop))
        return sockets[-1]

    server = await loop.create_server(make, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    client = ClientProtocol(parse_uri("ws://h/CP-1"), subprotocols=[Subprotocol("ocpp1.6")])
    client.send_request(client.connect())
    writer.write(b"".join(client.data_to_send()))
    await eventually(lambda: len(door) == 1, "it stands before the door")
    sockets[0].eof_received()
    door.leave()  # in the name of another, whose callback this is: nothing may come out of it
    await eventually(lambda: sockets[0].is_gone, "it is gone")
    writer.close()
    server.close()
    await server.wait_closed()

    assert len(door) == 0


async def test_a_message_counts_by_what_it_unpacks_to() -> None:
    """A kilobyte that unpacks to a million letters counted as one small frame: a hundred a second stopped all."""
    async with opened(compresses=True) as end:
        bombs, text = 5, "x" * 1_000_000
        for _ in range(bombs):
            speak(end.client, "whole", text)
        wire = b"".join(end.client.data_to_send())
        end.writer.write(wire)
        await eventually(lambda: len(end.listener.heard) == bombs, "everything is heard", 5)

        assert len(wire) < 10_000
        assert set(end.listener.offences) == {"flooding"}
