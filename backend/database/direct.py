"""The direct transport: asyncpg to PostgreSQL, speaking the JSON that PostgREST speaks.

The platform's own calls (scope "system") cost one round trip: connections already stand in `service_role`.
Anyone else's run in a transaction that first steps down to `authenticated` with the caller's claims; what the platform
does in somebody's name runs in one that names them.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import asyncpg
import msgspec

from backend.database.catalogue import Catalogue, Function
from backend.database.connections import LOST, Connection, Connections, unavailable
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
from backend.database.query import Query, call_parameters, call_sql, delete_sql, insert_sql, select_sql, update_sql
from backend.domain.errors import DomainError, InvalidInput, UnknownFunction
from backend.domain.scope import Scope

_log = logging.getLogger("uniev.database")

POOL_SIZE = 10
STATEMENT_TIMEOUT_S = 8.0
_ATTEMPTS = 4  # of what may be repeated after a lost connection
_PAUSE_S = 0.15
_STEP_DOWN = "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)"
_NAMED = "select set_config('request.jwt.claims', $1, true)"

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
        self._connections = Connections(dsn, revive)
        self._release = release
        self._catalogue = Catalogue()
        self._calls: dict[tuple[str, tuple[str, ...]], tuple[str, Function]] = {}
        self._listeners: set[Listener] = set()

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        revive: Callable[[], object] | None = None,
        release: Callable[[], object] | None = None,
        pool_size: int = POOL_SIZE,
        statement_timeout_s: float = STATEMENT_TIMEOUT_S,
    ) -> "DirectDatabase":
        """Connects and reads the catalogue. Raises DatabaseUnavailable."""
        database = cls(dsn, revive=revive, release=release)
        await database._connections.open(pool_size, statement_timeout_s)
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
        prepared = self._calls.get((function, tuple(values))) or await self._prepare_call(function, tuple(values))
        return await self._run(prepared[0], call_parameters(prepared[1], values), scope, repeat=True)

    async def listen(self, channel: str, callback: Callable[[str], None]) -> Listener:
        """Calls `callback(payload)` for each NOTIFY on `channel`, on a connection of its own that reconnects.

        After each (re)connection it calls `callback("")`: what was notified meanwhile is lost, so look for
        yourself. Stop with `await handle.stop()`.
        """
        listener = Listener(self.dsn, channel, callback, revive=self._connections.revive)
        self._listeners.add(listener)
        await listener.start()
        return listener

    async def close(self) -> None:
        for listener in self._listeners:
            await listener.stop()
        await self._connections.close()
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

    async def _prepare_call(self, function: str, names: tuple[str, ...]) -> tuple[str, Function]:
        known = self._catalogue.functions.get(function)
        if known is None or any(name not in known.arguments for name in names):
            await self._read_catalogue()
            known = self._catalogue.functions.get(function)
        if known is None:
            raise UnknownFunction(f"there is no function {function!r}")
        prepared = self._calls[(function, names)] = (call_sql(known, names), known)
        return prepared

    async def _run(self, statement: str, parameters: list[Any], scope: Scope, *, repeat: bool = False) -> Any:
        fetch = partial(_fetch, statement=statement, parameters=parameters, scope=scope)
        for left in range(_ATTEMPTS if repeat else 1, 0, -1):
            try:
                return await self._connections.run(fetch)
            except LOST as error:
                if left == 1:
                    raise unavailable(error) from error
                _log.warning("database connection lost, repeating: %s", error)
                await asyncio.sleep(_PAUSE_S)
            except asyncpg.PostgresError as error:
                raise self._translated(error) from error
        raise AssertionError("unreachable")

    async def _read_catalogue(self) -> None:
        for left in range(_ATTEMPTS, 0, -1):
            try:
                await self._connections.run(self._catalogue.read)
            except LOST as error:
                if left == 1:
                    raise unavailable(error) from error
                await asyncio.sleep(_PAUSE_S)
            else:
                break
        self._calls.clear()

    def _translated(self, error: asyncpg.PostgresError) -> DomainError:
        if error.sqlstate in ("42883", "42703", "42P01"):
            self._calls.clear()  # the schema changed under us; the next call reads it anew
            self._catalogue = Catalogue()
        return outcome(error.sqlstate or "", error.message or str(error), detail=error.detail, hint=error.hint)


async def _fetch(connection: Connection, statement: str, parameters: list[Any], scope: Scope) -> Any:
    if scope.is_system and scope.origin is None:
        return await connection.fetchval(statement, *parameters)
    async with connection.transaction():
        await connection.execute(_NAMED if scope.is_system else _STEP_DOWN, claims(scope))
        return await connection.fetchval(statement, *parameters)


def claims(scope: Scope) -> str:
    """The JWT claims of a scope, as a hosted project's token would carry them, and who acts (JSON text)."""
    document: dict[str, Any] = {"role": "service_role"}
    if not scope.is_system:
        metadata = {"cpo_id": scope.cpo_id, "role": scope.role}
        document = {"role": "authenticated", "sub": scope.user_id, "app_metadata": metadata}
    if scope.origin is not None:
        document["origin"] = scope.origin
    return msgspec.json.encode(document).decode()
