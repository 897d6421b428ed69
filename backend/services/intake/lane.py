"""Group commit: what many chargers said within a few milliseconds goes to the database in one call.

A caller's `await` ends after the commit, so a reply sent then acknowledges only what is stored. Durable
answers cost nearly as little as early ones this way (docs/decisions/0004-group-commit.md).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from backend.database import SYSTEM, Database
from backend.domain.errors import DatabaseUnavailable, DomainError
from backend.domain.json_text import storable

log = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode


class _Item(NamedTuple):
    kind: str
    rows: list[bytes]
    done: asyncio.Future[list[Any]]
    deadline: float


class Lane:
    """One ordered way into `intake`. A batch is what was submitted while the one before it was being committed, or
    in the same pass of the event loop: nobody waits for company, unless somebody gathers it.

    `patience_s`: how long a row survives an unreachable database before its caller gets DatabaseUnavailable
    (chargers then keep it and try again).
    """

    def __init__(self, database: Database, *, patience_s: float = 10.0, max_rows: int = 1000) -> None:
        self._database = database
        self._patience_s = patience_s
        self._max_rows = max_rows
        self._waiting: list[_Item] = []
        self._flushing: asyncio.Task[None] | None = None
        self._starting: asyncio.Handle | None = None
        self._gathers = False
        self.batches = 0
        self.rows = 0

    async def submit(self, kind: str, rows: Sequence[dict[str, Any]]) -> list[Any]:
        """Stores rows of one kind; returns their answers in order, after the commit.

        Raises DatabaseUnavailable (nothing is known to be stored; may be repeated) or another DomainError
        that says why these rows cannot be stored.
        """
        return await self.enqueue(kind, rows)

    def enqueue(self, kind: str, rows: Sequence[dict[str, Any]]) -> asyncio.Future[list[Any]]:
        """As `submit`, for who has nothing to do meanwhile: the future brings what `submit` returns or raises."""
        loop = asyncio.get_running_loop()
        encoded = [storable(_encode(row)) for row in rows]
        item = _Item(kind, encoded, loop.create_future(), loop.time() + self._patience_s)
        self._waiting.append(item)
        self._start_soon()
        return item.done

    @property
    def is_committing(self) -> bool:
        """A batch is on its way."""
        return self._flushing is not None

    def gather(self, gathers: bool) -> None:
        """From now on `commit` says when a batch begins; or, with False, nobody waits any more."""
        self._gathers = gathers
        if self._waiting:
            self._start_soon()

    def commit(self) -> None:
        """Begins a batch of what has gathered, unless one is on its way."""
        self._start()

    async def drain(self) -> None:
        """Returns when nothing waits any more."""
        while self._flushing is not None or self._waiting:
            if self._flushing is None:
                self._start()
            if self._flushing is not None:
                await asyncio.wait({self._flushing})

    def _start_soon(self) -> None:
        """After whoever else is about to submit in this pass of the loop."""
        if self._flushing is None and self._starting is None and not self._gathers:
            self._starting = asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
            self._starting = None
        if self._flushing is None and self._waiting:
            self._flushing = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        try:
            batch = self._take()
            await self._store(batch)
        finally:
            self._flushing = None
            if self._waiting:
                self._start_soon()

    def _take(self) -> list[_Item]:
        rows = 0
        for index, item in enumerate(self._waiting):
            rows += len(item.rows)
            if rows > self._max_rows and index:
                batch, self._waiting = self._waiting[:index], self._waiting[index:]
                return batch
        batch, self._waiting = self._waiting, []
        return batch

    async def _store(self, batch: list[_Item]) -> None:
        """Commits a batch. Rows that cannot be stored are found by halving; the others go through."""
        try:
            self._settle(batch, await self._call(batch))
        except DatabaseUnavailable as error:
            self._fail([*batch, *self._overdue()], error)
        except DomainError as error:
            if len(batch) == 1:
                log.warning("rows of kind %s cannot be stored: %s", batch[0].kind, error.detail)
                self._fail(batch, error)
            else:
                middle = len(batch) // 2
                await self._store(batch[:middle])
                await self._store(batch[middle:])
        except Exception as error:
            log.exception("a batch failed in an unforeseen way")
            self._fail(batch, error)

    def _overdue(self) -> list[_Item]:
        """Whoever has waited long enough behind a database that hangs need not find out for itself."""
        now = asyncio.get_running_loop().time()
        overdue = [item for item in self._waiting if item.deadline <= now]
        self._waiting = [item for item in self._waiting if item.deadline > now]
        return overdue

    async def _call(self, batch: list[_Item]) -> dict[str, list[Any] | None]:
        """One round trip; while the database is away, tries again until the first row's patience ends."""
        loop = asyncio.get_running_loop()
        kinds: dict[str, list[bytes]] = {}
        for item in batch:
            kinds.setdefault(item.kind, []).extend(item.rows)
        args = {f"p_{kind}": msgspec.Raw(b"[%s]" % b",".join(rows)) for kind, rows in kinds.items()}
        pause_s = 0.05
        while True:
            try:
                answers: dict[str, list[Any] | None] = await self._database.call("intake", args, scope=SYSTEM)
                return answers
            except DatabaseUnavailable:
                if loop.time() + pause_s > batch[0].deadline:
                    raise
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 1.0)

    def _settle(self, batch: list[_Item], answers: dict[str, list[Any] | None]) -> None:
        self.batches += 1
        taken: dict[str, int] = {}
        for item in batch:
            start = taken.get(item.kind, 0)
            taken[item.kind] = start + len(item.rows)
            self.rows += len(item.rows)
            if not item.done.done():
                told = answers.get(item.kind)  # kinds without answers are only stored
                item.done.set_result(told[start : start + len(item.rows)] if told else [None] * len(item.rows))

    @staticmethod
    def _fail(batch: list[_Item], error: Exception) -> None:
        for item in batch:
            if not item.done.done():
                item.done.set_exception(error)
