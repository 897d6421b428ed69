"""Every OCPP frame, kept. The log may drop under pressure (counted and reported); nothing else may."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec

from backend.database import SYSTEM, Database
from backend.domain.errors import DomainError

log = logging.getLogger(__name__)


class Message(msgspec.Struct, gc=False):
    """One frame as `public.log_messages` takes it. `latency_ms` stands on answers, `error_code` on CALLERRORs and
    frames that are none, `answer` on calls whose CALLRESULT passed before they were written."""

    at: datetime
    charger_id: str
    direction: str
    kind: str
    action: str | None
    pair_id: str | None
    latency_ms: float | None
    payload: str
    error_code: str | None = None
    answered_at: datetime | None = None
    answer: str | None = None


def columns_of(messages: Sequence[Message]) -> dict[str, list[Any]]:
    """The arguments of `public.log_messages`. PostgreSQL's text cannot hold the character U+0000."""
    columns = {f"p_{name}": list(map(attrgetter(name), messages)) for name in Message.__struct_fields__}
    for name in ("p_action", "p_pair_id", "p_payload", "p_error_code", "p_answer"):
        columns[name] = [text.replace("\0", "\ufffd") if text and "\0" in text else text for text in columns[name]]
    return columns


class MessageLog:
    """Collects frames and writes them in bulk. `dropped` counts those given up; it never makes a caller wait.

    `max_batch` and `max_waiting` count frames; `max_characters` bounds what waits, since a frame may be large.
    """

    def __init__(
        self, database: Database, *, every_s: float = 1.0, max_batch: int = 2000, max_waiting: int = 50_000,
        max_characters: int = 64 << 20,
    ) -> None:  # fmt: skip
        self._database = database
        self._every_s = every_s
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._max_characters = max_characters
        self._waiting: list[Message] = []
        self._characters = 0
        self._written = 0  # of all messages taken; those that wait are the next
        self.dropped = 0

    def add(self, message: Message) -> int:
        """Takes a frame; drops it when the database has fallen too far behind. Returns its place, for `answer`."""
        size = len(message.payload)
        if len(self._waiting) >= self._max_waiting or self._characters + size > self._max_characters:
            self.dropped += 1
            return -1
        self._waiting.append(message)
        self._characters += size
        return self._written + len(self._waiting) - 1

    def answer(self, place: int, at: datetime, payload: str) -> bool:
        """Puts a CALLRESULT to its call. False if that was written, answered or dropped already: then `add` it."""
        index = place - self._written
        if index < 0 or self._waiting[index].answer is not None:
            return False
        call = self._waiting[index]
        call.answered_at, call.answer = at, payload
        self._characters += len(payload)
        return True

    async def run(self) -> None:
        """Writes until cancelled, then writes what is left."""
        try:
            while True:
                await asyncio.sleep(self._every_s)
                await self._write()
        finally:
            while self._waiting and await self._write():
                pass

    async def _write(self) -> bool:
        """Writes what waits now, and whole batches of what comes meanwhile: many small ones would cost more. False: the
        database does not take it."""
        last = self._written + len(self._waiting)
        while self._written < last or len(self._waiting) >= self._max_batch:
            batch, self._waiting = self._waiting[: self._max_batch], self._waiting[self._max_batch :]
            self._written += len(batch)
            self._characters -= sum(len(message.payload) + len(message.answer or "") for message in batch)
            try:
                await self._database.call("log_messages", columns_of(batch), scope=SYSTEM)
            except DomainError as error:
                self.dropped += len(batch)
                log.warning("message log: %d frames dropped so far (%s)", self.dropped, error.code)
                return False
        return True
