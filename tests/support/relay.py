"""A relay between a client and PostgreSQL's socket: counts requests, can fall silent, and can lose an answer."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_SYNC, _SIMPLE_QUERY = ord("S"), ord("Q")


class _Marks:
    """What both directions of one connection know: its transaction was chosen to be lost; its answer is due."""

    chosen = False
    losing = False
    held = False


class Relay:
    """`requests` counts what the client waits for an answer to: one Sync or one simple query is a round trip.

    `lose_commit_of`: the transaction whose statements hold these bytes is committed, but the connection breaks
    before the client hears of it; once. `hold_commit_of`: the same, but the connection stays, without an answer.
    """

    def __init__(self, dsn: str, directory: Path) -> None:
        address = urlsplit(dsn)
        self._target = Path(parse_qs(address.query)["host"][0]) / ".s.PGSQL.5432"
        self._socket = directory / ".s.PGSQL.5432"
        self.dsn = address._replace(query=f"host={directory}").geturl()
        self.requests = 0
        self.silent = False
        self.lose_commit_of: bytes | None = None
        self.hold_commit_of: bytes | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def to(cls, dsn: str) -> AsyncIterator[Relay]:
        """A relay in front of the server of `dsn`, while the block runs."""
        with tempfile.TemporaryDirectory(prefix="uniev-relay-") as directory:
            relay = cls(dsn, Path(directory))
            async with await asyncio.start_unix_server(relay._accept, relay._socket):
                yield relay
                for task in relay._tasks:
                    task.cancel()

    @classmethod
    @asynccontextmanager
    async def over_tcp(cls, dsn: str) -> AsyncIterator[str]:
        """DSN of the same database at a free port of 127.0.0.1, for programs that know no socket in the file system."""
        relay = cls(dsn, Path())
        async with await asyncio.start_server(relay._accept, "127.0.0.1", 0) as server:
            host, port = server.sockets[0].getsockname()
            address = urlsplit(dsn)
            yield address._replace(netloc=f"{address.netloc}{host}:{port}", query="sslmode=disable").geturl()
            for task in relay._tasks:
                task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._target)
        marks = _Marks()
        for source, sink, counted in ((reader, to_server, True), (from_server, writer, False)):
            task = asyncio.create_task(self._pump(source, sink, counted, marks))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, counted: bool, marks: _Marks
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                if counted:
                    self._count(data)
                    self._mark(data, marks)
                elif marks.losing and marks.held:
                    continue
                elif marks.losing:
                    break
                if not self.silent:
                    sink.write(data)
                    await sink.drain()
        sink.close()

    def _mark(self, data: bytes, marks: _Marks) -> None:
        marks.losing = marks.losing or (marks.chosen and b"COMMIT" in data)
        if self.lose_commit_of is not None and self.lose_commit_of in data:
            self.lose_commit_of = None
            marks.chosen = True
        if self.hold_commit_of is not None and self.hold_commit_of in data:
            self.hold_commit_of = None
            marks.chosen = marks.held = True

    def _count(self, data: bytes) -> None:
        """Messages are a letter, a length and a body; asyncpg writes whole messages, small ones at once."""
        position = 0
        while position + 5 <= len(data):
            self.requests += data[position] in (_SYNC, _SIMPLE_QUERY)
            position += 1 + int.from_bytes(data[position + 1 : position + 5])
