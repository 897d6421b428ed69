"""A network between chargers and the platform that can be cut without a word, reset, and slow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from bench.servers import HOST

_AT_ONCE = 1 << 16


@dataclass(eq=False)
class _Pair:
    """The two halves of one connection."""

    charger: asyncio.StreamWriter
    platform: asyncio.StreamWriter


class Relay:
    """Cut: nothing passes, no half hears of the other's end, new connections come to nothing. `delay_s`: each way."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._light = asyncio.Event()
        self._light.set()
        self.delay_s = 0.0
        self.port = 0

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator[Relay]:
        """A relay in front of a port of the loopback."""
        relay = cls(port)
        server = await asyncio.start_server(relay._accept, HOST, 0, backlog=4096)
        relay.port = server.sockets[0].getsockname()[1]
        try:
            yield relay
        finally:
            server.close()
            relay.reset()
            for task in list(relay._tasks):
                task.cancel()
            await asyncio.gather(*relay._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where chargers connect; the identity is appended."""
        return f"ws://{HOST}:{self.port}"

    def cut(self) -> None:
        """The cable is gone: neither side is told."""
        self._light.clear()

    def mend(self) -> None:
        """The network is back. Connections from before are forgotten: chargers are reset, the platform is not told."""
        for pair in self._pairs:
            pair.charger.transport.abort()
        self._light.set()

    def reset(self) -> None:
        """Every connection ends at both ends, at once."""
        for pair in list(self._pairs):
            pair.charger.transport.abort()
            pair.platform.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError):
            await self._light.wait()
            from_platform, to_platform = await asyncio.open_connection(HOST, self._target)
            pair = _Pair(writer, to_platform)
            self._pairs.add(pair)
            try:
                await asyncio.gather(self._pump(reader, to_platform), self._pump(from_platform, writer))
            finally:
                self._pairs.discard(pair)
                to_platform.transport.abort()
                writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Passes on what comes, and the end; in the dark both stay where they are until there is light."""
        with contextlib.suppress(ConnectionError, RuntimeError):  # uvloop's word for a transport that was aborted
            while data := await source.read(_AT_ONCE):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._light.wait()
                sink.write(data)
                await sink.drain()
        await self._light.wait()
        if not sink.is_closing():
            sink.close()
