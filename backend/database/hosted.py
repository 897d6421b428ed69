"""The Supabase transport: the same six verbs over HTTP, when only a project's URL and key are known.

The service key would pass every row policy, so each request of a person names the caller in headers, and
`private.pre_request()` (a migration) steps down to that caller before anything else happens.
"""

import asyncio
import base64
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import httpx
import msgspec
from postgrest.types import ReturnMethod

from backend.database.failures import outcome
from backend.database.interface import (
    Condition,
    Row,
    as_text,
    check_condition,
    check_keyset,
    check_limit,
    check_rows,
    check_where,
    encodable,
)
from backend.domain.errors import DatabaseTimeout, DatabaseUnavailable, DomainError, InvalidInput
from backend.domain.scope import Scope
from supabase import AsyncClient, AsyncClientOptions, acreate_client

_log = logging.getLogger("uniev.database")

_TIMEOUT_S = 15.0
_ATTEMPTS = 4  # of what may be repeated after a lost connection
_PAUSE_S = 0.15
_NO_FUNCTION_ANSWER = 204  # what PostgREST says after a `void` function


class SupabaseDatabase:
    """Six verbs over the `supabase` package. Make it with `SupabaseDatabase.open`."""

    listens = False

    def __init__(self, client: AsyncClient, http: httpx.AsyncClient) -> None:
        self._client = client
        self._http = http

    @classmethod
    async def open(cls, url: str, key: str, *, transport: httpx.AsyncBaseTransport | None = None) -> "SupabaseDatabase":
        """Makes the client; sends nothing yet. `transport` replaces the network (a bare PostgREST)."""
        http = httpx.AsyncClient(
            http2=False,
            timeout=_TIMEOUT_S,
            transport=transport,
            limits=httpx.Limits(max_connections=50, max_keepalive_connections=50, keepalive_expiry=60),
            event_hooks={"request": [_leave_only_the_api_key]},
        )
        options = AsyncClientOptions(
            httpx_client=http, postgrest_client_retry=False, auto_refresh_token=False, persist_session=False
        )
        return cls(await acreate_client(url, key, options), http)

    # -- the six verbs -------------------------------------------------------------------------------------

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
        query = _filtered(self._client.table(table).select(columns), where).limit(limit)
        for column, direction in order:
            query = query.order(column, desc=direction == "desc")
        if after is not None:
            query = query.or_(_beyond(order, after))
        return await self._rows(query, scope, repeat=True)

    async def insert(self, table: str, rows: Sequence[Row], *, scope: Scope, columns: str = "*") -> list[Row]:
        check_rows(rows)
        query = self._client.table(table).insert(_plain(rows), returning=_returning(columns))
        return await self._rows(_choosing(query, columns), scope)

    async def upsert(
        self, table: str, rows: Sequence[Row], *, scope: Scope, on: Sequence[str], columns: str = "*"
    ) -> list[Row]:
        check_rows(rows)
        query = self._client.table(table).upsert(_plain(rows), on_conflict=",".join(on), returning=_returning(columns))
        return await self._rows(_choosing(query, columns), scope)

    async def update(
        self, table: str, values: Row, *, scope: Scope, where: Sequence[Condition], columns: str = "*"
    ) -> list[Row]:
        check_where(where)
        check_rows([values])
        query = self._client.table(table).update(_plain(values), returning=_returning(columns))
        return await self._rows(_choosing(_filtered(query, where), columns), scope)

    async def delete(self, table: str, *, scope: Scope, where: Sequence[Condition], columns: str = "*") -> list[Row]:
        check_where(where)
        query = self._client.table(table).delete(returning=_returning(columns))
        return await self._rows(_choosing(_filtered(query, where), columns), scope)

    async def call(self, function: str, args: Mapping[str, Any] | None = None, *, scope: Scope) -> Any:
        query = self._client.rpc(function, _plain(encodable(args or {})))
        response = await self._answer(query, scope, repeat=True)
        if response.status_code == _NO_FUNCTION_ANSWER or not response.content:
            return None
        return msgspec.json.decode(response.content)

    async def close(self) -> None:
        await self._http.aclose()

    # -- how a request runs --------------------------------------------------------------------------------

    async def _rows(self, query: "_Query", scope: Scope, *, repeat: bool = False) -> list[Row]:
        response = await self._answer(query, scope, repeat=repeat)
        rows: list[Row] = msgspec.json.decode(response.content) if response.content else []
        return rows

    async def _answer(self, query: "_Query", scope: Scope, *, repeat: bool) -> httpx.Response:
        """Sends once, or up to _ATTEMPTS times what may be repeated. supabase-py never repeats a POST, and
        a connection that the gateway closed while idle shows only when it is used."""
        query.request.headers.update(_caller(scope))
        for left in range(_ATTEMPTS if repeat else 1, 0, -1):
            try:
                response: httpx.Response = await query.request.send(httpx.Headers())
            except httpx.TimeoutException as error:
                raise DatabaseTimeout("the database did not answer in time") from error
            except httpx.TransportError as error:
                if left == 1:
                    raise DatabaseUnavailable(f"The database cannot be reached: {error}.") from error
                _log.warning("request to the database failed, repeating: %r", error)
                await asyncio.sleep(_PAUSE_S)
            else:
                if response.is_success:
                    return response
                raise _failure(response)
        raise AssertionError("unreachable")


class _Query(Protocol):
    """What a request builder of the `postgrest` package has in common."""

    request: Any


def _caller(scope: Scope) -> dict[str, str]:
    """The headers that `private.pre_request()` reads; none for the platform itself, unless it acts for somebody.

    The origin holds names in any script and whatever a client calls itself, so it travels as base64 of JSON.
    """
    origin = base64.b64encode(msgspec.json.encode(scope.origin)).decode() if scope.origin else None
    named = {"x-origin": origin}
    if not scope.is_system:
        named |= {"x-user-role": scope.role, "x-user-id": scope.user_id, "x-cpo-id": scope.cpo_id}
    return {name: value for name, value in named.items() if value is not None}


async def _leave_only_the_api_key(request: httpx.Request) -> None:
    # A new-style secret key is no JWT: as a bearer token it is refused, as `apikey` it is taken.
    if request.headers.get("Authorization", "").startswith("Bearer sb_"):
        del request.headers["Authorization"]


def _plain(value: Any) -> Any:
    """Only what the `json` module knows (Decimal → text, time → ISO, already encoded JSON → its value)."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _returning(columns: str) -> ReturnMethod:
    return ReturnMethod.representation if columns.strip() else ReturnMethod.minimal


def _choosing(query: Any, columns: str) -> Any:
    return query.select(columns) if columns.strip() not in ("", "*") else query


def _filtered(query: Any, where: Sequence[Condition]) -> Any:
    for column, operator, value in where:
        check_condition(operator, value)
        query = query.filter(column, operator, _operand(operator, value))
    return query


def _operand(operator: str, value: Any) -> str:
    if operator == "is":
        return "null" if value is None else as_text(value)
    if operator == "in":
        return f"({','.join(_quoted(item) for item in value)})"
    return as_text(value)


def _quoted(value: Any) -> str:
    escaped = as_text(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _beyond(order: Sequence[tuple[str, str]], after: Sequence[Any]) -> str:
    """(a, b) < (x, y) in PostgREST's words: a.lt.x, or a equal and b.lt.y, …"""
    operator = "lt" if order[0][1] == "desc" else "gt"
    columns = [column for column, _ in order]
    choices = []
    for position, column in enumerate(columns):
        equal = [f"{columns[i]}.eq.{_quoted(after[i])}" for i in range(position)]
        step = f"{column}.{operator}.{_quoted(after[position])}"
        choices.append(f"and({','.join([*equal, step])})" if equal else step)
    return ",".join(choices)


def _failure(response: httpx.Response) -> DomainError:
    try:
        body = msgspec.json.decode(response.content)
        code = str(body["code"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return _gateway_failure(response)
    return outcome(code, str(body.get("message") or ""), detail=body.get("details") or None, hint=body.get("hint"))


def _gateway_failure(response: httpx.Response) -> DomainError:
    """An answer without PostgREST's words: mostly the gateway in front of it speaks."""
    if response.status_code == httpx.codes.NOT_FOUND and response.content in (b"", b"{}"):
        return InvalidInput("there is no such table to write to", code="unknown_table")
    if response.status_code in (401, 403):
        return DatabaseUnavailable(
            "Supabase refuses SUPABASE_KEY: it must be the project's secret (service) key.",
            code="database_key_refused",
        )
    if response.status_code == httpx.codes.GATEWAY_TIMEOUT:
        return DatabaseTimeout("the database did not answer in time")
    return DatabaseUnavailable(f"Supabase answers {response.status_code} {response.reason_phrase}.")
