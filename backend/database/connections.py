"""The direct transport's connections: lent, taken back, thrown away when broken, revived with the server."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg
import msgspec

from backend.domain.errors import DatabaseTimeout, DatabaseUnavailable

_log = logging.getLogger("uniev.database")

_CONNECT_TIMEOUT_S = 10.0
_REVIVE_TIMEOUT_S = 10.0
_SYSTEM_CLAIMS = '{"role":"service_role"}'
LOST = (
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.ConnectionFailureError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # used in the instant between the server's farewell and the socket's end
    OSError,
)
"""What says that the connection, not the statement, has failed. TimeoutError is an OSError: catch it first."""

Connection = Any  # asyncpg.Connection or the pool's proxy of it
Value = TypeVar("Value")


class Connections:
    """Connections that stand in `service_role`, so that the platform's own calls need no set-up.

    asyncpg's pool opens and cleans them; lending is done here, since the pool's own costs more CPU than a small
    statement.
    """

    def __init__(self, dsn: str, revive: Callable[[], object] | None) -> None:
        self._dsn = dsn
        self._revive = revive
        self._reviving: asyncio.Future[object] | None = None
        self._pool: Any = None
        self._idle: list[Connection] = []
        self._places = asyncio.Semaphore(0)

    async def open(self, size: int, statement_timeout_s: float) -> None:
        """Connects once, to see that it works. Raises DatabaseUnavailable."""
        try:
            self._pool = await asyncpg.create_pool(
                self._dsn,
                min_size=1,
                max_size=size,
                init=_prepare,
                reset=_no_reset,
                max_inactive_connection_lifetime=0,
                timeout=_CONNECT_TIMEOUT_S,
                # Longer than the server's own limit, for a server that has fallen silent.
                command_timeout=statement_timeout_s * 1.5,
                server_settings={
                    "role": "service_role",
                    "request.jwt.claims": _SYSTEM_CLAIMS,
                    "timezone": "UTC",
                    "statement_timeout": str(int(statement_timeout_s * 1000)),
                    "application_name": "uniev",
                },
            )
        except (asyncpg.PostgresError, *LOST) as error:
            raise unavailable(error) from error
        self._places = asyncio.Semaphore(size)

    async def run(self, work: Callable[[Connection], Awaitable[Value]]) -> Value:
        """Does `work` with a connection. Raises DatabaseTimeout, one of LOST, or what `work` raises."""
        await self._take_place()
        try:
            return await self._lend(work)
        finally:
            self._places.release()

    async def revive(self) -> None:
        """Makes the server run where that is in our hands (embedded); returns at once elsewhere.

        One thread tries for all. Raises DatabaseTimeout for whoever has waited 10 s, what `revive` raises otherwise.
        """
        if self._revive is None:
            return
        if self._reviving is None or self._reviving.done():
            self._reviving = asyncio.ensure_future(asyncio.to_thread(self._revive))
            self._reviving.add_done_callback(lambda tried: tried.exception())  # nobody may be left to hear of it
        done, _ = await asyncio.wait({self._reviving}, timeout=_REVIVE_TIMEOUT_S)
        if not done:
            raise DatabaseTimeout("The database does not come back in time.")
        self._reviving.result()

    async def close(self) -> None:
        """Ends all connections, within 5 s also those in use."""
        if self._pool is None:
            return
        try:
            while self._idle:
                await self._pool.release(self._idle.pop())
            await asyncio.wait_for(self._pool.close(), 5)
        except LOST:
            self._pool.terminate()

    async def _take_place(self) -> None:
        """Waits until fewer than all connections are lent; so the pool below never makes anybody wait."""
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await self._places.acquire()
        except TimeoutError as error:
            raise DatabaseTimeout("The database is busy: no connection became free in time.") from error

    async def _lend(self, work: Callable[[Connection], Awaitable[Value]]) -> Value:
        connection = await self._borrow()
        try:
            value = await work(connection)
        except (TimeoutError, *LOST) as error:
            with suppress(*LOST):  # the pool took it back already when it saw it close
                connection.terminate()
            await self._pool.release(connection)
            if isinstance(error, TimeoutError):
                raise DatabaseTimeout("The database did not answer in time.") from error
            raise
        except BaseException:
            await self._pool.release(connection)  # which also clears up after a cancelled statement
            raise
        self._idle.append(connection)
        return value

    async def _borrow(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            with suppress(asyncpg.InterfaceError):  # all that the proxy of a lost connection says
                if not connection.is_closed():
                    return connection
            await self._pool.release(connection)
        try:
            return await self._acquire()
        except TimeoutError as error:
            raise DatabaseTimeout("The database did not take the connection in time.") from error

    async def _acquire(self) -> Connection:
        try:
            return await self._pool.acquire(timeout=_CONNECT_TIMEOUT_S)
        except LOST as error:
            if self._revive is None or isinstance(error, TimeoutError):
                raise
            _log.warning("database refuses connections (%s): making sure that it runs", error)
        await self.revive()
        return await self._pool.acquire(timeout=_CONNECT_TIMEOUT_S)


def unavailable(error: BaseException) -> DatabaseUnavailable:
    """The error to raise when no answer can be had."""
    return DatabaseUnavailable(f"The database cannot be reached: {error}.")


async def _prepare(connection: Connection) -> None:
    # JSON travels as the bytes that msgspec reads and writes, without a detour over str.
    await connection.set_type_codec(
        "json", schema="pg_catalog", encoder=msgspec.json.encode, decoder=msgspec.json.decode, format="binary"
    )


async def _no_reset(_: Connection) -> None:
    """Nothing outlives a statement here (settings are local to transactions), so no round trip is spent."""
