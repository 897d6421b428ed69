"""OCPP-J on one socket: calls in order, answers matched, one call at a time in each direction.

OCPP-J 1.6 §4.1.1: a side sends its next CALL after the answer to the last. Chargers that do not wait (field
fact) are served all the same: their calls are answered one by one, in order.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, Protocol
from uuid import uuid4

from backend.domain.configuration import hide_echo, hide_in_answer, hide_in_call, hide_url_passwords
from backend.domain.errors import DatabaseUnavailable, DomainError
from backend.domain.quirks import Quirk
from backend.ocppj import frames
from backend.ocppj.conduct import Conduct
from backend.ocppj.frames import BadFrame, Frame
from backend.ocppj.schemas import Violation, actions, arrange, validator
from backend.ocppj.socket import ChargerSocket
from backend.services.message_log import Message, MessageLog

log = logging.getLogger(__name__)
_WAITING_LIMIT = 64  # unanswered calls of one charger before we stop reading from it
_BAD_SHOWN = 2000

Answer = dict[str, Any]


class Once(NamedTuple):
    """An answer that leaves once something is stored."""

    stored: asyncio.Future[Any]
    answer: Answer


# Says what a call means; its payload is a dict, or what the dialect's decoder has made of it. The answer comes at once,
# or once something is stored, or in the end of a longer story. The first two are nearly all calls: a task for each of
# them would double what they cost.
Handler = Callable[["Connection", Any, datetime], Answer | Once | Coroutine[Any, Any, Answer]]


class CallFailed(Exception):
    """Our CALL got a CALLERROR with this `code`, which may be any text, or no answer (`Unanswered`)."""

    def __init__(self, code: str, description: str = "") -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


class Unanswered(CallFailed):
    """The call left, and the charger may have done it: who takes that for a no believes that nothing has changed."""


class NotConnected(Exception):
    """The call was never sent."""


class Dialect(Protocol):
    """A version of OCPP: who handles which action, and when it is allowed."""

    version: str
    protocol: str
    handlers: Mapping[str, Handler]
    decoders: frames.Decoders

    def forbids(self, connection: Connection, action: str) -> bool: ...

    def may_ask(self, connection: Connection, action: str, payload: dict[str, Any]) -> bool: ...

    def noticed(self, connection: Connection, quirk: Quirk, example: str) -> None: ...

    def treated(self, connection: Connection, action: str, payload: Any) -> Any: ...


class _Asked(NamedTuple):
    """A call of ours. `place`: in the message log."""

    message_id: str
    action: str
    payload: dict[str, Any]
    at: datetime
    place: int


class Connection:
    """A charger on its socket. `connection_id` tells it from older and newer sockets of the same charger."""

    __slots__ = ("_answer", "_asked", "_asking", "_conduct", "_inbox", "_last_id", "_log", "_on_closed", "_on_open",
                 "_paused", "_working", "charger_id", "closed", "connection_id", "dialect", "registration",
                 "socket", "triggered")  # fmt: skip

    def __init__(
        self, charger_id: str, registration: str, dialect: Dialect, socket: ChargerSocket, message_log: MessageLog,
        conduct: Conduct, *, on_open: Callable[[Connection], None], on_closed: Callable[[Connection], None],
    ) -> None:  # fmt: skip
        self.charger_id = charger_id
        self.registration = registration
        self.triggered: str | None = None  # the message that was asked for before acceptance
        self.dialect = dialect
        self.socket = socket
        self.connection_id = str(uuid4())
        self.closed = False
        self._log = message_log
        self._conduct = conduct
        self._on_open = on_open
        self._on_closed = on_closed
        self._last_id: Any = None  # of the charger's last call
        self._inbox: deque[tuple[Frame, datetime]] | None = None  # made when first needed
        self._working: asyncio.Future[Any] | asyncio.Handle | None = None  # on the charger's call; None: it may speak
        self._paused = False
        self._asking: asyncio.Lock | None = None
        self._asked: _Asked | None = None  # our one outstanding call
        self._answer: asyncio.Future[dict[str, Any]] | None = None

    @property
    def is_going(self) -> bool:
        """Nothing can be sent any more."""
        return self.closed or self.socket.is_closing

    # -- what the socket tells

    def on_open(self) -> None:
        """The handshake is complete."""
        self._on_open(self)

    def on_text(self, data: bytes) -> None:
        """A message came in."""
        if self.closed:  # dismissed; it talks on instead of closing
            return
        now = datetime.now(UTC)
        try:
            frame = frames.read_frame(data, self.dialect.decoders)
        except BadFrame as bad:
            self.on_offence("malformed")
            self._noticed(Quirk.BAD_FRAME, data[:_BAD_SHOWN].decode("utf-8", "replace"))
            self._note(now, "in", "bad", None, bad.message_id, None, data[:_BAD_SHOWN], bad.code)
            if bad.message_id is not None:
                self._reply_error(bad.message_id, bad.code, bad.description, "", now)
            return
        if frame.kind == frames.CALL:
            frame.place = self._note(now, "in", "call", frame.action, frame.message_id, None, data)
            if frame.mended or frame.message_id == self._last_id:
                self._odd_frame(frame, data)
            self._last_id = frame.message_id
            self._enqueue(frame, now)
        else:
            self._on_answer(frame, data, now)

    def _odd_frame(self, frame: Frame, data: bytes) -> None:
        text = data[:_BAD_SHOWN].decode("utf-8", "replace")
        if frame.mended:
            self._noticed(Quirk.BROKEN_JSON, text)
        if frame.message_id == self._last_id:  # on this socket, where the call before is answered or waits
            self._noticed(Quirk.MESSAGE_ID_REUSED, text)

    def _noticed(self, quirk: Quirk, example: str) -> None:
        self.dialect.noticed(self, quirk, example)

    def on_offence(self, kind: str) -> None:
        """The charger breaks a rule of the wire."""
        self._conduct.note(kind, self.charger_id)

    def dismiss(self, reason: str) -> None:
        """Closes the socket (1008) of one that may not be here any more; what it still says is not heard."""
        self.closed = True
        self._inbox = None
        self.socket.close(1008, reason)

    def on_closed(self) -> None:
        """The socket is gone: whoever waits for an answer learns it."""
        self.closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Unanswered("ConnectionLost", "The connection closed before the answer."))
        self._on_closed(self)

    # -- our calls

    async def call(self, action: str, payload: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Asks the charger; returns the payload of its answer. Raises CallFailed, NotConnected."""
        self._asking = self._asking or asyncio.Lock()
        async with self._asking:
            if self.is_going:
                raise NotConnected
            # Random, so that no late answer to another server's call is ever taken for ours.
            message_id, now = str(uuid4()), datetime.now(UTC)
            self._answer = asyncio.get_running_loop().create_future()
            asked = payload
            payload = arrange(self.dialect.version, action, payload)
            data = frames.call(message_id, action, payload)
            shown = hide_in_call(action, payload)
            noted = data if shown is payload else frames.call(message_id, action, shown)
            place = self._note(now, "out", "call", action, message_id, None, noted)
            self._asked = _Asked(message_id, action, asked, now, place)
            self.socket.send(data)
            try:
                async with asyncio.timeout(timeout_s):
                    return await self._answer
            except TimeoutError:
                raise Unanswered("Timeout", f"No answer within {timeout_s:g} s.") from None
            finally:
                self._asked = self._answer = None

    def _on_answer(self, frame: Frame, data: bytes, now: datetime) -> None:
        asked = self._asked
        if asked is not None and frame.message_id != asked.message_id:
            asked = None
        if asked and (told := hide_echo(asked.action, asked.payload, data)) != data:
            data, frame = told, frames.read_frame(told)
        if frame.kind == frames.RESULT and (shown := hide_in_answer(frame.payload)) is not frame.payload:
            data = frames.result(frame.message_id, shown)
        self._note_answer(asked, frame, data, now)
        if asked is None or self._answer is None or self._answer.done():
            self._noticed(Quirk.STRAY_ANSWER, data[:_BAD_SHOWN].decode("utf-8", "replace"))
            return  # late or unasked: never taken for the answer to another call
        if frame.kind == frames.RESULT:
            self._answer.set_result(frame.payload)
        else:
            self._answer.set_exception(CallFailed(frame.code, frame.description))

    def _note_answer(self, asked: _Asked | None, frame: Frame, data: bytes, now: datetime) -> None:
        latency_ms = (now - asked.at).total_seconds() * 1000 if asked else None
        if frame.kind != frames.RESULT:
            action = asked.action if asked else None
            self._note(now, "in", "error", action, frame.message_id, latency_ms, data, frame.code or None)
        elif asked is None or not self._log.answer(asked.place, now, _text(data)):
            self._note(now, "in", "result", asked and asked.action, frame.message_id, latency_ms, data)

    # -- the charger's calls

    def _enqueue(self, frame: Frame, now: datetime) -> None:
        if self._working is None:
            self._begin(frame, now)
            return
        self._noticed(Quirk.PIPELINED_CALLS, frame.action)
        if self._inbox is None:
            self._inbox = deque()
        self._inbox.append((frame, now))
        if len(self._inbox) >= _WAITING_LIMIT:
            self._paused = True
            self.socket.pause()

    def _begin(self, frame: Frame, received_at: datetime) -> None:
        try:
            outcome = self._answer_to(frame, received_at)
        except Exception as error:
            self._refuse(frame, received_at, error)
            self._next_soon()
            return
        if isinstance(outcome, dict):
            self._reply_result(frame, received_at, outcome)
            self._next_soon()
        elif isinstance(outcome, Once):
            self._working = outcome.stored
            outcome.stored.add_done_callback(partial(self._end, frame, received_at, outcome.answer))
        else:
            self._working = self.socket.loop.create_task(outcome)
            self._working.add_done_callback(partial(self._end, frame, received_at, None))

    def _end(self, frame: Frame, received_at: datetime, answer: Answer | None, done: asyncio.Future[Any]) -> None:
        """What was to be stored is, or is not; a story without an `answer` so far has brought one."""
        if done.cancelled():
            self._working = None
            return
        if (error := done.exception()) is not None:
            self._refuse(frame, received_at, error)
        else:
            self._reply_result(frame, received_at, done.result() if answer is None else answer)
        if self._inbox:
            self._next_soon()
        else:
            self._working = None

    def _next_soon(self) -> None:
        """Who does not wait for answers takes turns with those who do: one call a pass of the loop."""
        self._working = self.socket.loop.call_soon(self._next)

    def _next(self) -> None:
        self._working = None
        if not self._inbox:
            return
        self._begin(*self._inbox.popleft())
        if self._paused and len(self._inbox) < _WAITING_LIMIT // 2:
            self._paused = False
            self.socket.resume()

    def _refuse(self, frame: Frame, received_at: datetime, error: BaseException) -> None:
        code, description = self._refusal(frame.action, error)
        self._reply_error(frame.message_id, code, description, frame.action, received_at)

    def _reply_result(self, frame: Frame, received_at: datetime, answer: Answer) -> None:
        data, now = frames.result(frame.message_id, answer), datetime.now(UTC)
        self.socket.send(data)
        if not self._log.answer(frame.place, now, _text(data)):
            latency_ms = (now - received_at).total_seconds() * 1000
            self._note(now, "out", "result", frame.action or None, frame.message_id, latency_ms, data)

    def _refusal(self, action: str, error: BaseException) -> tuple[str, str]:
        """The CALLERROR's code and description for what kept a call from being answered."""
        if isinstance(error, Violation):
            return error.code, error.description
        if isinstance(error, DatabaseUnavailable):
            # Not stored, so not acknowledged: the charger keeps it and sends it again.
            return "InternalError", "Cannot store now; please repeat."
        if isinstance(error, DomainError):
            log.warning("%s: %s refused: %s", self.charger_id, action, error.detail)
            return "InternalError", "This message cannot be stored."
        log.error("%s: %s failed", self.charger_id, action, exc_info=error)
        return "InternalError", "Something went wrong here."

    def _answer_to(self, frame: Frame, received_at: datetime) -> Answer | Once | Coroutine[Any, Any, Answer]:
        handler = self.dialect.handlers.get(frame.action)
        if handler is None:
            # OCPP-J 1.6 table 7: NotImplemented is an unknown action, NotSupported a known one we do not do.
            known = frame.action in actions(self.dialect.version)
            self._noticed(Quirk.UNKNOWN_ACTION, frame.action[:60])
            raise Violation("NotSupported" if known else "NotImplemented", f"{frame.action[:60]} is not served here.")
        if self.dialect.forbids(self, frame.action):
            self._noticed(Quirk.CALL_BEFORE_BOOT, frame.action)
            raise Violation("SecurityError", "Send BootNotification and wait until it is accepted.")
        payload = frame.payload
        if isinstance(payload, dict) and (schema := validator(self.dialect.version, frame.action)):
            payload = schema.check(payload, self._noticed)
        return handler(self, self.dialect.treated(self, frame.action, payload), received_at)

    def _reply_error(self, message_id: Any, code: str, description: str, action: str, asked_at: datetime) -> None:
        data, now = frames.error(message_id, code, description), datetime.now(UTC)
        self.socket.send(data)
        latency_ms = (now - asked_at).total_seconds() * 1000
        self._note(now, "out", "error", action or None, message_id, latency_ms, data, code)

    def _note(
        self, at: datetime, direction: str, kind: str, action: str | None, message_id: Any,
        latency_ms: float | None, data: bytes, error_code: str | None = None,
    ) -> int:  # fmt: skip
        """Returns the frame's place in the log."""
        pair_id = None if message_id is None else str(message_id)
        short, code = action and action[:100], error_code and error_code[:100]
        return self._log.add(
            Message(at, self.charger_id, direction, kind, short, pair_id, latency_ms, _text(data), code)
        )


def _text(data: bytes) -> str:
    """As the log keeps it."""
    return hide_url_passwords(data.decode("utf-8", "replace"))
