"""One charger's WebSocket: a thin `asyncio.Protocol` over the Sans-I/O core of `websockets`.

No task, queue, timer or buffer of its own per idle socket: that is what thousands of them cost
(docs/decisions/0003-message-core.md). Pings come from one shared wheel (`Pulse`).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from http import HTTPStatus
from typing import Protocol, cast

from websockets.exceptions import InvalidHeader, PayloadTooBig
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import (  # type: ignore[attr-defined]  # apply_mask: in C where it was built, else Python
    OP_BINARY,
    OP_CONT,
    OP_TEXT,
    Frame,
    apply_mask,
)
from websockets.http11 import Request, Response
from websockets.protocol import CLOSED, CLOSING, OPEN
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from backend.ocppj.admission import Door

MAX_FRAME_BYTES = 1 << 20
_LONGEST_REQUEST = 1 << 14
_END_OF_REQUEST = b"\r\n\r\n"
_UNSENT_LIMIT = 1 << 20
# A charger's fair share: frames a second, and how many it may be ahead of them. Large ones count for several, those
# that were compressed by what they unpack to.
_FRAMES_PER_S = 100
_FRAMES_AHEAD = 500
_FRAME_SIZE_BITS = 9
# Who keeps a socket from being read; it is read again when nobody does.
_BUSY, _AHEAD = 1, 2
_SMALL = 126  # payloads below have a two-byte header, and are not worth compressing
# RFC 6455 §5.2: a whole text frame without extensions; the mask bit, the length that means two more bytes follow.
_WHOLE_TEXT = 0x81
_MASKED = 0x80
_LENGTH_IN_16_BITS = 126

# Neither side keeps a compression context between messages: 16 instead of 55 KiB per socket. Every OCPP
# message stands alone, so a shared context would win little.
_DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True, client_no_context_takeover=True, compress_settings={"memLevel": 5}
)
_quiet = logging.getLogger("uniev.websocket")
_quiet.setLevel(logging.ERROR)


class Peer(Protocol):
    """Who hears of a socket (`backend.ocppj.connection.Connection`)."""

    def on_open(self) -> None: ...
    def on_text(self, data: bytes) -> None: ...
    def on_closed(self) -> None: ...
    def on_offence(self, kind: str) -> None: ...


class Doorkeeper(Protocol):
    """Decides about a handshake: returns the subprotocol and the peer, or an HTTP refusal."""

    async def __call__(self, socket: ChargerSocket, request: Request) -> tuple[str, Peer] | tuple[HTTPStatus, str]: ...


class ChargerSocket(asyncio.Protocol):
    """`heard_at`: loop time of the last whole frame before we closed. `waits`: stands before the door with its request.

    `send` and `close` may be called in any state.
    """

    __slots__ = ("_debt", "_debt_at", "_door", "_doorkeeper", "_early", "_handshake", "_held_by", "_parts", "_peer",
                 "_transport", "_ws", "heard_at", "is_gone", "loop", "waits")  # fmt: skip

    def __init__(self, door: Door, doorkeeper: Doorkeeper, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.heard_at = self._debt_at = loop.time()
        self._held_by = 0
        self._debt = 0  # frames taken since `_debt_at`; looked at only when there are many
        self._door = door
        self._doorkeeper = doorkeeper
        self.waits = False
        self.is_gone = False  # the TCP connection has ended; it begins a pass of the loop after this object
        self._early: bytes | None = b""  # what came before the socket was let in; None afterwards
        self._handshake: asyncio.Task[None] | None = None
        self._parts: bytearray | None = None  # of a fragmented message
        self._peer: Peer | None = None
        self._transport: asyncio.Transport | None = None
        self._ws = ServerProtocol(extensions=[_DEFLATE], max_size=MAX_FRAME_BYTES, logger=_quiet)

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_UNSENT_LIMIT)

    def data_received(self, data: bytes) -> None:
        if self._early is not None:
            self._knock(data)
            return
        text = self._whole_text(data)
        if text is not None:
            self.heard_at = self.loop.time()
            self._debt += 1 + (len(data) >> _FRAME_SIZE_BITS)
            if self._debt > _FRAMES_AHEAD:
                self._hold_up()
            self._deliver(text)
            return
        was = self._ws.state
        self._ws.receive_data(data)
        events = self._ws.events_received()
        # Neither who talks on instead of closing nor who sends a byte now and then stays for that.
        if events and was is not CLOSING:
            self.heard_at = self.loop.time()
        unpacked = sum(len(event.data) for event in events if isinstance(event, Frame)) if self._ws.extensions else 0
        self._debt += len(events) + (len(data) >> _FRAME_SIZE_BITS) + (unpacked >> _FRAME_SIZE_BITS)
        if self._debt > _FRAMES_AHEAD:
            self._hold_up()
        for event in events:
            if isinstance(event, Frame):
                self._on_frame(event)
            elif isinstance(event, Request):
                self.pause()  # nothing may follow before our answer
                self._handshake = self.loop.create_task(self._shake_hands(event))
        if self._ws.parser_exc is not None and was is OPEN:
            self.blame("oversized" if isinstance(self._ws.parser_exc, PayloadTooBig) else "malformed")
        self._flush()

    def eof_received(self) -> bool:
        if self._early is not None:  # it left while it waited before the door
            self.abort()
            return False
        self._ws.receive_eof()
        self._flush()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport, self.is_gone = None, True
        # The protocol is held by its own parser and by tracebacks. The server's collector is frozen: undo these rings.
        self._ws.parser.close()
        self._ws.parser_exc = self._ws.handshake_exc = None
        if self._handshake is not None and self._peer is None:
            self._handshake.cancel()
        peer, self._peer = self._peer, None
        if peer is not None:
            peer.on_closed()

    def pause_writing(self) -> None:
        """Called at _UNSENT_LIMIT: a peer that does not read gets no more of our memory."""
        self.blame("not_reading")
        self.abort()

    # -- what the platform does with it

    @property
    def is_closing(self) -> bool:
        """The closing handshake has begun."""
        return self._ws.state is CLOSING

    @property
    def remote_address(self) -> str | None:
        """IP address of the other end."""
        peer = self._transport.get_extra_info("peername") if self._transport else None
        return peer[0] if peer else None

    @property
    def ssl_object(self) -> ssl.SSLObject | None:
        """The TLS session; None on a plain connection."""
        return self._transport.get_extra_info("ssl_object") if self._transport else None

    def send(self, data: bytes) -> None:
        """A text message; silently nothing when the socket is not open."""
        if self._transport is None or self._ws.state is not OPEN:
            return
        if len(data) < _SMALL:
            self._transport.write(bytes((0x81, len(data))) + data)
        else:
            self._ws.send_text(data)
            self._flush()

    def ping(self) -> None:
        """Asks for a sign of life."""
        if self._ws.state is OPEN:
            self._ws.send_ping(b"")
            self._flush()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Starts the closing handshake; the wheel aborts a peer that does not take part."""
        if self._ws.state is OPEN:
            self._ws.send_close(code, reason)
            self._flush()
        else:
            self.abort()

    def abort(self) -> None:
        """Drops the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def blame(self, kind: str) -> None:
        """Tells the peer, once there is one, of an offence (`backend.ocppj.conduct.ALARMING`)."""
        if self._peer is not None:
            self._peer.on_offence(kind)

    def pause(self) -> None:
        """Reads no more for now: the peer has enough to do."""
        self._hold(_BUSY)

    def resume(self) -> None:
        """Reads again, unless the charger is ahead of its share."""
        self._let_go(_BUSY)

    # -- inside

    def _hold_up(self) -> None:
        """Who takes more than its share waits until the share has caught up: the others must not notice it."""
        now = self.loop.time()
        self._debt = max(0, self._debt - int((now - self._debt_at) * _FRAMES_PER_S))
        self._debt_at = now
        if self._debt > _FRAMES_AHEAD:
            self.blame("flooding")
            self._hold(_AHEAD)
            self.loop.call_later((self._debt - _FRAMES_AHEAD // 2) / _FRAMES_PER_S, self._let_go, _AHEAD)

    def _hold(self, reason: int) -> None:
        self._held_by |= reason
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def _let_go(self, reason: int) -> None:
        self._held_by &= ~reason
        if self._transport is not None and not self._held_by and not self._transport.is_reading():
            self._transport.resume_reading()

    def _knock(self, data: bytes) -> None:
        """A whole request asks for a turn; nobody who keeps the rules says more before the answer."""
        assert self._early is not None
        self._early += data
        if len(self._early) > _LONGEST_REQUEST:
            self.abort()
        elif not self.waits and _END_OF_REQUEST in self._early:
            self.waits = True
            self._door.knock(self)

    def come_in(self) -> bool:
        """It is this socket's turn. False if what it said is no request: then nothing follows."""
        data, self._early, self.waits = self._early or b"", None, False
        self.data_received(data)
        if self._handshake is None:
            return False
        self._handshake.add_done_callback(lambda _: self._door.leave())
        return True

    async def _shake_hands(self, request: Request) -> None:
        first, second = await self._doorkeeper(self, request)
        if isinstance(first, HTTPStatus):
            response = self._ws.reject(first, f"{second}\n")
            if first is HTTPStatus.UNAUTHORIZED:
                response.headers["WWW-Authenticate"] = 'Basic realm="ocpp"'
            self._respond(response)
            return
        assert not isinstance(second, str)
        self._ws.available_subprotocols = [Subprotocol(first)]
        self._respond(self._ws.accept(request))
        if self._ws.state is OPEN and self._transport is not None:
            self._peer = second
            second.on_open()
            self.resume()
        self._handshake = None

    def _respond(self, response: Response) -> None:
        self._ws.send_response(response)
        self._flush()

    def _whole_text(self, data: bytes) -> bytes | None:
        """The message, if these bytes are just one whole, masked, uncompressed text frame of at most 64 KiB, between
        two others: nearly all that chargers send. The parser, which takes anything, costs ten times as much."""
        if data[0] != _WHOLE_TEXT or len(data) < 8:
            return None
        length, start = data[1] - _MASKED, 2
        if length == _LENGTH_IN_16_BITS:
            length, start = int.from_bytes(data[2:4]), 4
        if length != len(data) - start - 4 or length < 0:
            return None
        if self._parts is not None or self._ws.reader.buffer or self._ws.state is not OPEN:
            return None
        text: bytes = apply_mask(data[start + 4 :], data[start : start + 4])
        return text

    def _on_frame(self, frame: Frame) -> None:
        if frame.opcode is OP_TEXT or frame.opcode is OP_BINARY:
            if frame.fin:
                self._deliver(bytes(frame.data))
            else:
                self._parts = bytearray(frame.data)
        elif frame.opcode is OP_CONT and self._parts is not None:
            self._parts += frame.data
            if frame.fin:
                data, self._parts = bytes(self._parts), None
                self._deliver(data)

    def _deliver(self, data: bytes) -> None:
        if self._peer is not None:
            self._peer.on_text(data)

    def _flush(self) -> None:
        if self._transport is None:
            return
        for data in self._ws.data_to_send():
            if data:
                self._transport.write(data)
            else:  # the marker for end of file: the server ends the TCP connection (RFC 6455 §7.1.1)
                self._transport.close()
        if self._ws.state is CLOSED:
            self._transport.close()


def header(request: Request, name: str) -> str | None:
    """A header's only value; None when absent or repeated."""
    try:
        return request.headers.get(name)
    except (KeyError, LookupError, InvalidHeader):
        return None
