"""The six verbs, as every transport offers them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Protocol

import msgspec

from backend.domain.errors import InvalidInput
from backend.domain.scope import Scope

Row = dict[str, Any]
Condition = tuple[str, str, Any]
"""(column, operator, value). Operators: eq neq gt gte lt lte in is ilike (wildcards: % or *, and _)."""

OPERATORS = ("eq", "neq", "gt", "gte", "lt", "lte", "in", "is", "ilike")
MAX_ROWS = 1000
"""PostgREST on a hosted project cuts longer answers silently, so no verb asks for more."""


class Database(Protocol):
    """A PostgreSQL reached directly or through PostgREST: same values, same errors, same row policies.

    Values are what `json.loads` gives: timestamps as ISO strings in UTC, numerics as numbers, UUIDs as text.
    Every verb may raise: InvalidInput, Conflict, Forbidden, NotFound (and whatever an SQL function signals),
    DatabaseUnavailable, DatabaseTimeout.
    """

    listens: bool
    """True where `listen` exists (direct transport); elsewhere the caller polls."""

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
        """Rows of a table or view. `columns`: names, comma-separated. `limit`: 1..1000.

        `after` continues a list: the values of the order columns in the last row seen. All directions must be
        equal then, and the order columns unique together and never null.
        """
        ...

    async def insert(self, table: str, rows: Sequence[Row], *, scope: Scope, columns: str = "*") -> list[Row]:
        """Adds rows (all with the same keys); returns `columns` of them, nothing when `columns` is ""."""
        ...

    async def upsert(
        self, table: str, rows: Sequence[Row], *, scope: Scope, on: Sequence[str], columns: str = "*"
    ) -> list[Row]:
        """Adds rows, or changes the sent columns of those whose `on` columns already exist."""
        ...

    async def update(
        self, table: str, values: Row, *, scope: Scope, where: Sequence[Condition], columns: str = "*"
    ) -> list[Row]:
        """Changes the rows that meet `where` (which must not be empty); returns them."""
        ...

    async def delete(self, table: str, *, scope: Scope, where: Sequence[Condition], columns: str = "*") -> list[Row]:
        """Removes the rows that meet `where` (which must not be empty); returns them as they were."""
        ...

    async def call(self, function: str, args: Mapping[str, Any] | None = None, *, scope: Scope) -> Any:
        """Runs an SQL function with named arguments. A `void` function gives None.

        A value may be `msgspec.Raw` or `bytes`: JSON that is already encoded. The function must be
        idempotent: the call is repeated when the connection breaks before the answer.
        """
        ...

    async def close(self) -> None:
        """Gives everything back. The embedded server stops with its last user."""
        ...


def encodable(args: Mapping[str, Any]) -> dict[str, Any]:
    """Marks JSON that is already encoded (bytes), so that it is passed on as it is."""
    return {name: msgspec.Raw(value) if isinstance(value, bytes) else value for name, value in args.items()}


def as_text(value: Any) -> str:
    """A filter's value as text, which PostgreSQL reads as the column's type. Raises InvalidInput for null."""
    if value is None:
        raise InvalidInput("compare with null by `is`", code="invalid_filter")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)


def check_condition(operator: str, value: Any) -> None:
    """Raises InvalidInput for an unknown operator, or an `is` with anything but null, true, false."""
    if operator not in OPERATORS:
        raise InvalidInput(f"unknown operator {operator!r}", code="invalid_filter")
    if operator == "is" and value is not None and not isinstance(value, bool):
        raise InvalidInput("`is` compares with null, true or false", code="invalid_filter")


def check_limit(limit: int) -> None:
    """Raises InvalidInput unless 1 ≤ limit ≤ MAX_ROWS."""
    if not 1 <= limit <= MAX_ROWS:
        raise InvalidInput(f"limit must lie between 1 and {MAX_ROWS}", members=[("limit", f"is {limit}")])


def check_rows(rows: Sequence[Row]) -> list[str]:
    """The keys that all rows share. Raises InvalidInput when rows differ, are absent, or are too many."""
    if not rows:
        raise InvalidInput("there are no rows to write")
    keys = list(rows[0])
    if any(row.keys() != rows[0].keys() for row in rows):
        raise InvalidInput("all rows of one write must have the same members")
    return keys


def check_where(where: Sequence[Condition]) -> None:
    """Raises InvalidInput for an empty filter, which would change every row."""
    if not where:
        raise InvalidInput("update and delete need a filter")


def check_keyset(order: Sequence[tuple[str, str]], after: Sequence[Any] | None) -> None:
    """Raises InvalidInput when `after` cannot continue a list in this order."""
    if any(direction not in ("asc", "desc") for _, direction in order):
        raise InvalidInput("a direction is asc or desc")
    if after is None:
        return
    if not order or len(after) != len(order):
        raise InvalidInput("the cursor does not fit the order of this list", code="invalid_cursor")
    if len({direction for _, direction in order}) > 1:
        raise InvalidInput("a list with mixed directions cannot be continued", code="invalid_cursor")
