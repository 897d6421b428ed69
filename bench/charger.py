"""One cheap client socket that looks to a server like a charger: no task, no timer, one outstanding call."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, cast

from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from bench import messages
from bench.messages import Payload

SUBPROTOCOL = Subprotocol("ocpp1.6")
CALL, CALL_RESULT = 2, 3


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `error` is None, a CALLERROR's code, or `lost` when the socket closed first."""

    at: float
    error: str | None
    payload: Payload


@dataclass(slots=True)
class _Call:
    unique_id: str
    action: str
    payload: Payload
    answered: Callable[[Answer], None]


class Refused(Exception):
    """The server did not take the connection; the text says how."""


RequestHandler = Callable[["ChargerSocket", str, Payload, float], Payload | None]


class ChargerSocket(asyncio.Protocol):
    """A charger's socket.

    `on_request(charger, action, payload, at)` answers what the platform asks; None: the charger knows no such
    action.
    """

    def __init__(self, url: str, index: int, identity: str, compression: bool, on_request: RequestHandler):
        self.index = index
        self.identity = identity
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transaction_id: int | None = None
        self.energy_wh = 100_000.0 + index
        self.readings = 0
        self._on_request = on_request
        # `permessage-deflate; client_max_window_bits`, as ordinary clients offer it, leaves every choice
        # about windows and contexts to the server. memLevel concerns the load generator's own memory.
        offer = ClientPerMessageDeflateFactory(client_max_window_bits=True, compress_settings={"memLevel": 5})
        self._wire = ClientProtocol(
            parse_uri(f"{url}/{identity}"),
            subprotocols=[SUBPROTOCOL],
            extensions=[offer] if compression else None,
        )
        self._transport: asyncio.Transport | None = None
        self._sent = 0
        self._outstanding: _Call | None = None
        self._waiting: deque[_Call] = deque()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake."""
        self._transport = cast(asyncio.Transport, transport)
        self._wire.send_request(self._wire.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take frames as they are; the clock is read before any work of our own."""
        at = perf_counter()
        self._wire.receive_data(data)
        for event in self._wire.events_received():
            if isinstance(event, Response):
                self._handshake_ended()
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._text(event.data, at)
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Every call that waits is lost."""
        self._transport = None
        lost = Answer(perf_counter(), "lost", {})
        waiting = [*([self._outstanding] if self._outstanding else []), *self._waiting]
        self._outstanding = None
        self._waiting.clear()
        for call in waiting:
            call.answered(lost)
        if not self.opened.done():
            self.opened.set_exception(Refused("closed during the handshake"))
        if not self.closed.done():
            self.closed.set_result(None)

    @property
    def compressed(self) -> bool:
        """Whether the server took the offer of compression."""
        return bool(self._wire.extensions)

    # -- calls

    def call(self, action: str, payload: Payload, answered: Callable[[Answer], None]) -> None:
        """Send a call now, or as soon as the outstanding one is answered (a charger has one at a time)."""
        self._sent += 1
        call = _Call(f"{self.index}.{self._sent}", action, payload, answered)
        if self._wire.state is not State.OPEN or self.closed.done():
            answered(Answer(perf_counter(), "lost", {}))
        elif self._outstanding is not None:
            self._waiting.append(call)
        else:
            self._send_call(call)

    async def ask(self, action: str, payload: Payload) -> Payload:
        """Send a call and wait for its result; raises `Refused` with the code of a CALLERROR."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.call(action, payload, partial(_resolve, future))
        answer = await future
        if answer.error is not None:
            raise Refused(f"{action}: {answer.error}")
        return answer.payload

    def close(self) -> None:
        """Close as a charger that goes away in good order does; the server's close frame ends the socket."""
        if self._wire.state is State.OPEN:
            self._wire.send_close(1000)
            self._flush()
        else:
            self.abort()

    def abort(self) -> None:
        """Drop the socket."""
        if self._transport is not None:
            self._transport.abort()

    # -- inner works

    def _handshake_ended(self) -> None:
        if self.opened.done():
            return
        if self._wire.handshake_exc is not None:
            self.opened.set_exception(Refused(f"handshake: {self._wire.handshake_exc}"))
        else:
            self.opened.set_result(None)

    def _text(self, data: bytes | bytearray | memoryview, at: float) -> None:
        message: list[Any] = json.loads(bytes(data))
        if message[0] == CALL:
            payload = self._on_request(self, message[2], message[3], at)
            self._send_text(
                messages.not_implemented(message[1]) if payload is None else messages.result(message[1], payload)
            )
            return
        call = self._outstanding
        if call is None or call.unique_id != message[1]:
            return
        self._outstanding = None
        if self._waiting:
            self._send_call(self._waiting.popleft())
        is_result = message[0] == CALL_RESULT
        call.answered(Answer(at, None if is_result else message[2], message[2] if is_result else {}))

    def _send_call(self, call: _Call) -> None:
        self._outstanding = call
        self._send_text(messages.call(call.unique_id, call.action, call.payload))

    def _send_text(self, text: bytes) -> None:
        self._wire.send_text(text)
        self._flush()

    def _flush(self) -> None:
        if self._transport is None:
            return
        for data in self._wire.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.close()


def _resolve(future: asyncio.Future[Answer], answer: Answer) -> None:
    if not future.done():
        future.set_result(answer)
