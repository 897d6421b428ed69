"""Chargers that break the rules of the wire, each in its own way, until they are stopped.

`python -m drills.rogues PORT FIRST EACH`: so many of each kind, from the identity number FIRST on, in a process of
their own that yields to all others: what they cost shall be the platform's trouble, not the machine's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, NamedTuple

import uvloop

from bench.messages import identity as name_of
from bench.servers import HOST, ROOT

_SMALL_BUFFER = 4096
_AGAIN_S = 1.0
_LONG_ID = "\u20ac" * 250
_TEXT = 0x81


class Rogue(NamedTuple):
    """How it misbehaves, and the alarm that must name it. `named`: it says who it is; `crowd`: so many at a time."""

    alarm: str
    live: Callable[[int, str], Awaitable[None]]
    named: bool = True
    crowd: int = 1


class Line(NamedTuple):
    """An open WebSocket."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


def frame(text: str) -> bytes:
    """A text message as a client sends it; a mask of zeros leaves the text readable."""
    data = text.encode()
    size = len(data)
    if size < 126:
        head = bytes((_TEXT, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((_TEXT, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_TEXT, 0x80 | 127)) + size.to_bytes(8, "big")
    return head + bytes(4) + data


def call(message_id: str, action: str, payload: object) -> bytes:
    """A CALL."""
    return frame(json.dumps([2, message_id, action, payload], ensure_ascii=False))


def _request(identity: str) -> bytes:
    return (
        f"GET /{identity} HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    ).encode()


@contextlib.asynccontextmanager
async def _line(port: int, identity: str | None, *, small: bool = False) -> AsyncIterator[Line]:
    """An open WebSocket of a charger, or a mere TCP connection without one. `small`: takes next to nothing in."""
    raw = socket.socket()
    if small:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (HOST, port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=_SMALL_BUFFER if small else 1 << 20)
    try:
        if identity is not None:
            writer.write(_request(identity))
            answer = await reader.readuntil(b"\r\n\r\n")
            if b" 101 " not in answer:
                raise ConnectionRefusedError(answer[:60])
            writer.write(call("boot", "BootNotification", {"chargePointVendor": "R", "chargePointModel": "R"}))
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


async def _swallow(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(ConnectionError):
        while await reader.read(1 << 16):
            pass


async def _pour(line: Line, data: bytes, pause_s: float) -> None:
    """Sends the same again and again, and reads what is answered."""
    reading = asyncio.create_task(_swallow(line.reader))
    try:
        while not reading.done():
            line.writer.write(data)
            await line.writer.drain()
            await asyncio.sleep(pause_s)
    finally:
        reading.cancel()


async def flood(port: int, identity: str) -> None:
    """Thousands of calls a second, as many as the connection takes."""
    async with _line(port, identity) as line:
        await _pour(line, b"".join(call(str(number), "Heartbeat", {}) for number in range(500)), 0.01)


async def rubbish(port: int, identity: str) -> None:
    """Frames that are no OCPP."""
    junk = [
        frame("hello"),
        frame('[2,"x"'),
        frame("[]"),
        frame('{"a":1}'),
        frame('[2,"y",7,{}]'),
        frame('[2,"z","A",[]]'),
    ]
    async with _line(port, identity) as line:
        await _pour(line, b"".join(junk), 0.25)


async def huge(port: int, identity: str) -> None:
    """Frames beyond what may be sent."""
    async with _line(port, identity) as line:
        line.writer.write(frame('[2,"h","DataTransfer",{"vendorId":"v","data":"' + "x" * (2 << 20) + '"}]'))
        await _swallow(line.reader)


async def heavy(port: int, identity: str) -> None:
    """Frames of 300 KiB, which may be sent, without a pause."""
    values = [{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": str(n)}]} for n in range(5000)]
    async with _line(port, identity) as line:
        await _pour(line, call("h", "MeterValues", {"connectorId": 1, "meterValue": values}), 0.01)


async def deaf(port: int, identity: str) -> None:
    """Asks and never reads the answers."""
    question = call(_LONG_ID, "Heartbeat", {})
    async with _line(port, identity, small=True) as line:
        line.reader._transport.pause_reading()  # type: ignore[attr-defined]  # a stream has no word for it
        while not line.writer.transport.is_closing():
            line.writer.write(question)
            await line.writer.drain()
            await asyncio.sleep(0.002)


async def mute(port: int, identity: str) -> None:
    """Connected, and not a word more, not even the answer to a ping."""
    async with _line(port, identity) as line:
        await _swallow(line.reader)


async def slow(port: int, identity: str) -> None:
    """A byte a second of a message that never ends."""
    message = call("slow", "DataTransfer", {"vendorId": "v", "data": "x" * 5000})
    async with _line(port, identity) as line:
        reading = asyncio.create_task(_swallow(line.reader))
        for place in range(len(message)):
            line.writer.write(message[place : place + 1])
            await asyncio.sleep(1)
            if reading.done():
                break


async def restless(port: int, identity: str) -> None:
    """Connects fifty times a second."""
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with _line(port, identity):
                pass
        await asyncio.sleep(0.02)


async def half(port: int, identity: str) -> None:
    """Begins to ask for a WebSocket and stops."""
    async with _line(port, None) as line:
        line.writer.write(_request(identity)[:40])
        await _swallow(line.reader)


ROGUES: Final[Mapping[str, Rogue]] = {
    "flood": Rogue("flooding", flood),
    "heavy": Rogue("flooding", heavy),
    "rubbish": Rogue("malformed", rubbish),
    "huge": Rogue("oversized", huge),
    "deaf": Rogue("not_reading", deaf),
    "mute": Rogue("silent", mute),
    "slow": Rogue("silent", slow),
    "restless": Rogue("reconnecting", restless),
    "half": Rogue("dawdling", half, named=False, crowd=6),
}


async def misbehave(rogue: Rogue, port: int, identity: str) -> None:
    """Lives as a rogue until cancelled; comes back when it was thrown out."""
    await asyncio.gather(*(_again_and_again(rogue, port, identity) for _ in range(rogue.crowd)))


async def _again_and_again(rogue: Rogue, port: int, identity: str) -> None:
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, RuntimeError):
            await rogue.live(port, identity)
        await asyncio.sleep(_AGAIN_S)


def assembled(first: int, each: int) -> list[tuple[Rogue, str]]:
    """Who is there: a rogue of each kind for each identity from number `first` on."""
    return [(rogue, name_of(first + number)) for number, rogue in enumerate(list(ROGUES.values()) * each)]


@contextlib.asynccontextmanager
async def at_work(port: int, first: int, each: int) -> AsyncIterator[None]:
    """The process of the rogues, for as long as the block lasts."""
    command = ["-m", "drills.rogues", str(port), str(first), str(each)]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT, start_new_session=True)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _all(port: int, first: int, each: int) -> None:
    await asyncio.gather(*(misbehave(rogue, port, name) for rogue, name in assembled(first, each)))


if __name__ == "__main__":
    os.nice(10)
    uvloop.run(_all(*map(int, sys.argv[1:])))
