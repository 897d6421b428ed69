"""Transaction messages wait here until the platform has answered them (OCPP 1.6 §3.7.1).

StartTransaction, MeterValues and StopTransaction leave strictly in order, one at a time. A lost connection
keeps the message at the head; a CALLERROR or a missing answer is retried `TransactionMessageAttempts` times,
each time with the same content and after a longer pause; then the message is given up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any


class NotDelivered(Exception):
    """The connection is gone: whether the platform has the message is unknown."""


class Unanswered(Exception):
    """No answer within the time allowed, on a connection that still stands."""


class CallRefused(Exception):
    """The platform answered with a CALLERROR; `code` is its error code."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code


@dataclass(slots=True, eq=False)
class Message:
    """One message in the queue.

    `build` makes the payload when it is sent (the transaction id may be learnt only then); `answered`
    receives the answer; `given_up` is called instead when the attempts are used up. Nothing of a `session` can leave
    before the message that `opens` it was answered.
    """

    build: Callable[[], Any]
    answered: Callable[[Any], None]
    given_up: Callable[[], None]
    session: object = None
    opens: bool = False
    attempts: int = 0


class Outbox:
    """The queue and the task that empties it.

    `send` delivers one payload and returns the answer; `attempts` and `pause_s` read the configuration.
    """

    def __init__(
        self, send: Callable[[Any], Awaitable[Any]], attempts: Callable[[], int], pause_s: Callable[[], float]
    ) -> None:
        self._send = send
        self._attempts = attempts
        self._pause_s = pause_s
        self._waiting: deque[Message] = deque()
        self._go = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._online = False

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Message) -> Message:
        """Add a message at the end."""
        self._waiting.append(message)
        self._empty.clear()
        self._wake()
        return message

    def shuffle(self, chance: Random) -> None:
        """A charger that keeps no order: all that waits leaves in another one, each session's opening before the rest.

        To be called while nothing can be delivered.
        """
        mixed = list(self._waiting)
        chance.shuffle(mixed)
        for opening in [message for message in mixed if message.opens]:
            first = next(place for place, message in enumerate(mixed) if message.session is opening.session)
            mixed.remove(opening)
            mixed.insert(first, opening)
        self._waiting = deque(mixed)

    def open(self) -> None:
        """The platform can be reached and has accepted the charger."""
        self._online = True
        self._wake()

    def close(self) -> None:
        """Nothing can be delivered for now."""
        self._online = False
        self._go.clear()
        self._quiet.set()

    async def settled(self) -> None:
        """Wait until nothing more can be delivered now: empty, offline, or waiting for a retry."""
        await self._quiet.wait()

    async def emptied(self) -> None:
        """Wait until no message is left, however long the platform is away."""
        await self._empty.wait()

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            await self._go.wait()
            message = self._waiting[0]
            try:
                answer = await self._send(message.build())
            except NotDelivered:
                self.close()
            except (Unanswered, CallRefused):
                await self._again_later(message)
            else:
                self._remove(message)
                message.answered(answer)

    async def _again_later(self, message: Message) -> None:
        message.attempts += 1
        if message.attempts >= self._attempts():
            self._remove(message)
            message.given_up()
            return
        self._quiet.set()
        await asyncio.sleep(self._pause_s() * message.attempts)
        self._wake()

    def _remove(self, message: Message) -> None:
        self._waiting.remove(message)
        if not self._waiting:
            self._go.clear()
            self._quiet.set()
            self._empty.set()

    def _wake(self) -> None:
        if self._online and self._waiting:
            self._quiet.clear()
            self._go.set()
