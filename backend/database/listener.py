"""LISTEN on a connection of its own, which comes back when it breaks."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg

_log = logging.getLogger("uniev.database")
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


class Listener:
    """Handle of one subscription; `await stop()` ends it."""

    def __init__(
        self,
        dsn: str,
        channel: str,
        callback: Callable[[str], None],
        *,
        revive: Callable[[], Awaitable[None]],
    ) -> None:
        self._dsn = dsn
        self._channel = channel
        self._callback = callback
        self._revive = revive
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def start(self) -> None:
        """Returns once listening (or after 5 s of trying, which go on in the background)."""
        self._task = asyncio.create_task(self._keep(), name=f"listen {self._channel}")
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await self._ready.wait()

    async def stop(self) -> None:
        """Ends the subscription; may be repeated."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep(self) -> None:
        pause = _FIRST_PAUSE_S
        while True:
            try:
                await self._listen_until_lost()
                pause = _FIRST_PAUSE_S
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                _log.warning("cannot listen on %s: %s", self._channel, error)
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            await asyncio.sleep(pause)
            await self._revive_quietly()

    async def _listen_until_lost(self) -> None:
        lost = asyncio.Event()
        connection = await asyncpg.connect(
            self._dsn, timeout=10, server_settings={"application_name": f"uniev listen {self._channel}"}
        )
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(self._channel, self._notified)
            self._ready.set()
            self._callback("")
            await lost.wait()
            _log.warning("lost the connection that listens on %s", self._channel)
        finally:
            connection.terminate()

    def _notified(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        self._callback(str(payload))

    async def _revive_quietly(self) -> None:
        try:
            await self._revive()
        except Exception as error:
            _log.warning("the database does not come back yet: %s", error)
