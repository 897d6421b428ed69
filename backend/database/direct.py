"""The direct transport: asyncpg to PostgreSQL, speaking the JSON that PostgREST speaks.

The platform's own calls (scope "system") cost one round trip: connections already stand in `service_role`.
Anyone else's run in a transaction that first steps down to `authenticated` with the caller's claims.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from backend.database.catalogue import Catalogue, Function
from backend.database.failures import outcome
from backend.database.interface import (
    Condition,
    Row,
    check_keyset,
    check_limit,
    check_rows,
    check_where,
    encodable,
)
from backend.database.listener import Listener
from backend.database.query import Query, call_sql, delete_sql, insert_sql, select_sql, update_sql
from backend.domain.errors import (
    DatabaseTimeout,
    DatabaseUnavailable,
    DomainError,
    InvalidInput,
    UnknownFunction,
)
from backend.domain.scope import Scope

_log = logging.getLogger("uniev.database")

POOL_SIZE = 10
STATEMENT_TIMEOUT_S = 8.0
_ACQUIRE_TIMEOUT_S = 10.0
_ATTEMPTS = 4  # of what may be repeated after a lost connection
_PAUSE_S = 0.15
_SPARES = 2  # connections kept out of the pool between statements
_SYSTEM_CLAIMS = '{"role":"service_role"}'
_STEP_DOWN = "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)"
_LOST = (
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.ConnectionFailureError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,
    ConnectionError,
    OSError,
)

Connection = Any  # asyncpg.Connection or the pool's proxy of it
Builder = Callable[[Catalogue], tuple[str, list[Any]]]


class DirectDatabase:
    """Six verbs over a pool of connections. Make it with `DirectDatabase.open`."""

    listens = True

    def __init__(
        self,
        dsn: str,
        *,
        revive: Callable[[], object] | None = None,
        release: Callable[[], object] | None = None,
    ) -> None:
        """`revive`: blocking; makes the server run if it does not. `release`: called by `close`."""
        self.dsn = dsn
        self._revive = revive
        self._release = release
        self._catalogue = Catalogue()
        self._calls: dict[tuple[str, tuple[str, ...]], str] = {}
        self._listeners: set[Listener] = set()
        self._pool: Any = None
        self._spare: list[Connection] = []

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        revive: Callable[[], object] | None = None,
        release: Callable[[], object] | None = None,
        pool_size: int = POOL_SIZE,
    ) -> "DirectDatabase":
        """Connects and reads the catalogue. Raises DatabaseUnavailable."""
        database = cls(dsn, revive=revive, release=release)
        database._pool = await _connected(
            asyncpg.create_pool(
                dsn, min_size=1, max_size=pool_size, init=_prepare, reset=_no_reset,
                max_inactive_connection_lifetime=600, command_timeout=STATEMENT_TIMEOUT_S + 5,
                timeout=_ACQUIRE_TIMEOUT_S,
                server_settings={
                    "role": "service_role", "request.jwt.claims": _SYSTEM_CLAIMS, "timezone": "UTC",
                    "statement_timeout": str(int(STATEMENT_TIMEOUT_S * 1000)), "application_name": "uniev",
                },
            )
        )  # fmt: skip
        await database._read_catalogue()
        return database

    # -- the six verbs ---------------------------------------------------------------------------------------

    async def select(
        self,
        table: str,
        *,
        scope: Scope,
        columns: str = "*",
        where: Sequence[Condition] = (),
        order: Sequence[tuple[str, str]] = (),
        after: Sequence[Any] | None = None,
        limit: int = 100,
    ) -> list[Row]:
        check_limit(limit)
        check_keyset(order, after)

        def build(catalogue: Catalogue) -> tuple[str, list[Any]]:
            query = Query(catalogue, table)
            return select_sql(query, columns, where, order, after, limit), query.parameters

        return await self._rows(build, scope, repeat=True)

    async def insert(self, table: str, rows: Sequence[Row], *, scope: Scope, columns: str = "*") -> list[Row]:
        return await self._write_rows(table, rows, None, scope, columns)

    async def upsert(
        self, table: str, rows: Sequence[Row], *, scope: Scope, on: Sequence[str], columns: str = "*"
    ) -> list[Row]:
        return await self._write_rows(table, rows, on, scope, columns)

    async def update(
        self, table: str, values: Row, *, scope: Scope, where: Sequence[Condition], columns: str = "*"
    ) -> list[Row]:
        check_where(where)
        keys = check_rows([values])

        def build(catalogue: Catalogue) -> tuple[str, list[Any]]:
            query = Query(catalogue, table)
            statement = update_sql(query, keys, where, columns)
            return statement, [values, *query.parameters[1:]]

        return await self._rows(build, scope)

    async def delete(self, table: str, *, scope: Scope, where: Sequence[Condition], columns: str = "*") -> list[Row]:
        check_where(where)

        def build(catalogue: Catalogue) -> tuple[str, list[Any]]:
            query = Query(catalogue, table)
            return delete_sql(query, where, columns), query.parameters

        return await self._rows(build, scope)

    async def call(self, function: str, args: Mapping[str, Any] | None = None, *, scope: Scope) -> Any:
        values = encodable(args) if args else {}
        statement = self._calls.get((function, tuple(values)))
        if statement is None:
            statement = await self._prepare_call(function, tuple(values))
        return await self._run(statement, [values], scope, repeat=True)

    async def listen(self, channel: str, callback: Callable[[str], None]) -> Listener:
        """Calls `callback(payload)` for each NOTIFY on `channel`, on a connection of its own that reconnects.

        After each (re)connection it calls `callback("")`: what was notified meanwhile is lost, so look for
        yourself. Stop with `await handle.stop()`.
        """
        listener = Listener(self.dsn, channel, callback, revive=self._revived)
        self._listeners.add(listener)
        await listener.start()
        return listener

    async def close(self) -> None:
        for listener in self._listeners:
            await listener.stop()
        if self._pool is not None:
            try:
                while self._spare:
                    await self._pool.release(self._spare.pop())
                await asyncio.wait_for(self._pool.close(), 5)
            except (TimeoutError, *_LOST):
                self._pool.terminate()
        if self._release is not None:
            await asyncio.to_thread(self._release)

    # -- how a statement runs --------------------------------------------------------------------------------

    async def _write_rows(
        self, table: str, rows: Sequence[Row], on: Sequence[str] | None, scope: Scope, columns: str
    ) -> list[Row]:
        keys = check_rows(rows)

        def build(catalogue: Catalogue) -> tuple[str, list[Any]]:
            return insert_sql(Query(catalogue, table), keys, columns, on), [rows]

        return await self._rows(build, scope)

    async def _rows(self, build: Builder, scope: Scope, *, repeat: bool = False) -> list[Row]:
        statement, parameters = await self._built(build)
        rows: list[Row] = await self._run(statement, parameters, scope, repeat=repeat)
        return rows

    async def _built(self, build: Builder) -> tuple[str, list[Any]]:
        try:
            return build(self._catalogue)
        except InvalidInput as error:
            if error.code not in ("unknown_table", "unknown_column"):
                raise
        await self._read_catalogue()  # a migration may have run since
        return build(self._catalogue)

    async def _prepare_call(self, function: str, names: tuple[str, ...]) -> str:
        known: Function | None = self._catalogue.functions.get(function)
        if known is None or any(name not in known.arguments for name in names):
            await self._read_catalogue()
            known = self._catalogue.functions.get(function)
        if known is None:
            raise UnknownFunction(f"there is no function {function!r}")
        statement = self._calls[(function, names)] = call_sql(known, names)
        return statement

    async def _run(self, statement: str, parameters: list[Any], scope: Scope, *, repeat: bool = False) -> Any:
        attempts = _ATTEMPTS if repeat else 1
        while True:
            attempts -= 1
            try:
                connection = await self._borrow()
                try:
                    value = await _fetch(connection, statement, parameters, scope)
                except BaseException:
                    await self._pool.release(connection)  # which also clears up after a cancelled statement
                    raise
                await self._give_back(connection)
                return value
            except _LOST as error:
                if attempts < 1:
                    raise _unavailable(error) from error
                _log.warning("database connection lost, repeating: %s", error)
            except TimeoutError as error:
                raise DatabaseTimeout("the database did not answer in time") from error
            except asyncpg.PostgresError as error:
                raise self._translated(error) from error
            await asyncio.sleep(_PAUSE_S)

    async def _borrow(self) -> Connection:
        """A connection at hand, else one of the pool. The pool's own way costs more than a small statement."""
        while self._spare:
            connection = self._spare.pop()
            if not connection.is_closed():
                return connection
            await self._pool.release(connection)
        return await self._acquire()

    async def _give_back(self, connection: Connection) -> None:
        if len(self._spare) < _SPARES:
            self._spare.append(connection)
        else:
            await self._pool.release(connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        connection = await self._acquire()
        try:
            yield connection
        finally:
            await self._pool.release(connection)

    async def _acquire(self) -> Connection:
        try:
            return await self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S)
        except _LOST as error:
            if self._revive is None:
                raise
            _log.warning("database refuses connections (%s): making sure that it runs", error)
            await self._revived()
            return await self._pool.acquire(timeout=_ACQUIRE_TIMEOUT_S)

    async def _revived(self) -> None:
        if self._revive is not None:
            await asyncio.to_thread(self._revive)

    async def _read_catalogue(self) -> None:
        try:
            async with self._connection() as connection:
                await self._catalogue.read(connection)
        except _LOST as error:
            raise _unavailable(error) from error
        self._calls.clear()

    def _translated(self, error: asyncpg.PostgresError) -> DomainError:
        if error.sqlstate in ("42883", "42703", "42P01"):
            self._calls.clear()  # the schema changed under us; the next call reads it anew
            self._catalogue = Catalogue()
        return outcome(error.sqlstate or "", error.message or str(error), detail=error.detail, hint=error.hint)


async def _fetch(connection: Connection, statement: str, parameters: list[Any], scope: Scope) -> Any:
    if scope.role == "system":
        return await connection.fetchval(statement, *parameters)
    async with connection.transaction():
        await connection.execute(_STEP_DOWN, claims(scope))
        return await connection.fetchval(statement, *parameters)


def claims(scope: Scope) -> str:
    """The JWT claims of a scope, as a hosted project's token would carry them (JSON text)."""
    metadata = {"cpo_id": scope.cpo_id, "role": scope.role}
    document = {"role": "authenticated", "sub": scope.user_id, "app_metadata": metadata}
    return msgspec.json.encode(document).decode()


def _unavailable(error: BaseException) -> DatabaseUnavailable:
    return DatabaseUnavailable(f"The database cannot be reached: {error}.")


async def _connected(pool: Awaitable[Any]) -> Any:
    try:
        return await pool
    except (asyncpg.PostgresError, TimeoutError, *_LOST) as error:
        raise _unavailable(error) from error


async def _prepare(connection: Connection) -> None:
    # JSON travels as the bytes that msgspec reads and writes, without a detour over str.
    await connection.set_type_codec(
        "json", schema="pg_catalog", encoder=msgspec.json.encode, decoder=msgspec.json.decode, format="binary"
    )


async def _no_reset(_: Connection) -> None:
    """Nothing outlives a statement here (settings are local to transactions), so no round trip is spent."""
