"""OCPP 1.6J as a charger speaks it: one connection, through the `ChargePoint` class of the `ocpp` package.

`Wire` sends calls and awaits their answers, and hands what the platform asks to `Answers`. An answer leaves
before its effect begins, so a Reset is confirmed before the charger goes down.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import ocpp.messages
from ocpp.exceptions import OCPPError, UnknownCallErrorCodeError
from ocpp.v16 import ChargePoint
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from simulator.outbox import CallRefused, NotDelivered, Unanswered

# Schemas are checked in the loop: handing each frame to a thread costs more than the check itself.
ocpp.messages.ASYNC_VALIDATION = False

SUBPROTOCOL = "ocpp1.6"
_QUIET = logging.getLogger("simulator.ocpp")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False
_QUIET.setLevel(logging.CRITICAL)


class Unheard(BaseException):
    """A command is left without an answer; past the package, which would answer any `Exception` with a CALLERROR."""


Effect = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a charger replies to a command (None: nothing at all), and what it does once the reply has left."""

    result: Any
    effect: Effect | None = None


Handler = Callable[..., Answer]


class Owner(Protocol):
    """What a wire needs from the charger it belongs to."""

    def handlers(self) -> dict[str, Handler]:
        """OCPP action → handler; handlers take the payload's members in snake case."""

    def on_frame(self, direction: str, text: str) -> None:
        """Told of every frame, "in" and "out"."""

    def start_task(self, work: Awaitable[None]) -> None:
        """Run the effect of an answer."""


class Wire(ChargePoint):  # type: ignore[misc]
    """One connection of one charger. `checked` False skips schema validation (for large fleets)."""

    def __init__(
        self,
        identity: str,
        connection: ClientConnection,
        owner: Owner,
        *,
        answer_timeout_s: float = 30.0,
        checked: bool = True,
        counted_ids: bool = False,
    ) -> None:
        super().__init__(identity, connection, response_timeout=answer_timeout_s, logger=_QUIET)
        self._owner = owner
        self._checked = checked
        self._effects: dict[str, Effect] = {}
        self._ids = 0
        if counted_ids:
            self._unique_id_generator = self._next_id
        self.route_map = {action: self._route(action, handler) for action, handler in owner.handlers().items()}
        self.lost = asyncio.Event()

    def _next_id(self) -> str:
        self._ids += 1
        return str(self._ids)

    def _route(self, action: str, handler: Handler) -> dict[str, Any]:
        def on(call_unique_id: str, **payload: Any) -> Any:
            answer = handler(**payload)
            if answer.result is None:
                raise Unheard
            if answer.effect:
                self._effects[call_unique_id] = answer.effect
            return answer.result

        def after(call_unique_id: str, **_payload: Any) -> None:
            if effect := self._effects.pop(call_unique_id, None):
                self._owner.start_task(effect())

        return {"_on_action": on, "_after_action": after, "_skip_schema_validation": not self._checked}

    async def listen(self) -> None:
        """Read frames until the connection ends. A frame the package chokes on is left unanswered."""
        try:
            async for text in self._connection:
                self._owner.on_frame("in", text if isinstance(text, str) else text.decode(errors="replace"))
                await self._take(text)
        except ConnectionClosed:
            pass
        finally:
            self.lost.set()

    async def _take(self, text: str | bytes) -> None:
        try:
            await self.route_message(text)
        except ConnectionClosed:
            raise
        except Unheard:
            return
        except Exception as error:
            _QUIET.debug("%s: frame not understood: %s", self.id, error)

    async def _handle_call(self, msg: Any) -> Any:
        # The package exchanges the meanings of the two names (OCPP-J 1.6 table 7); an unserved command that
        # the standard knows is NotSupported.
        if msg.action not in self.route_map:
            known = isinstance(msg.action, str) and _is_action(msg.action)
            code = "NotSupported" if known else "NotImplemented"
            return await self._send(
                ocpp.messages.CallError(msg.unique_id, code, "not served by this charger", {}).to_json()
            )
        return await super()._handle_call(msg)

    async def _send(self, message: str) -> None:
        self._owner.on_frame("out", message)
        await self._connection.send(message)

    async def send_text(self, text: str) -> None:
        """Put any text on the wire, well formed or not; NotDelivered when the connection is gone."""
        try:
            await self._send(text)
        except ConnectionClosed as error:
            raise NotDelivered from error

    async def ask(self, payload: Any) -> Any:
        """Send a call and return its answer (a `call_result` of the package).

        Raises NotDelivered (connection lost meanwhile), Unanswered (timeout), CallRefused (CALLERROR, or an
        answer that breaks the schema).
        """
        calling = asyncio.ensure_future(self.call(payload, suppress=False, skip_schema_validation=not self._checked))
        losing = asyncio.ensure_future(self.lost.wait())
        try:
            await asyncio.wait({calling, losing}, return_when=asyncio.FIRST_COMPLETED)
            if not calling.done():
                raise NotDelivered
            return self._outcome(calling)
        finally:
            losing.cancel()
            calling.cancel()

    @staticmethod
    def _outcome(calling: asyncio.Future[Any]) -> Any:
        try:
            return calling.result()
        except ConnectionClosed as error:
            raise NotDelivered from error
        except TimeoutError as error:
            raise Unanswered from error
        except (OCPPError, UnknownCallErrorCodeError) as error:
            raise CallRefused(getattr(error, "code", "Unknown"), str(error)) from error
        except (TypeError, ValueError, AttributeError) as error:
            raise CallRefused("BadAnswer", str(error)) from error


def _is_action(name: str) -> bool:
    try:
        ocpp.v16.enums.Action(name)
    except ValueError:
        return False
    return True
