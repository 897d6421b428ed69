"""What services return: typed records, and pages of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from backend.database import Condition, Database, Row
from backend.domain.scope import Scope

T = TypeVar("T")
R = TypeVar("R", bound="Record")


class Record(BaseModel):
    """A row as the outside sees it: field names are column names, units are in the names."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def columns(cls) -> str:
        """The columns to ask the database for: one per field."""
        return ",".join(cls.model_fields)


@dataclass(frozen=True, slots=True)
class PageRequest:
    """At most `limit` rows, after the row whose order values are `after` (None: from the start)."""

    limit: int = 50
    after: Sequence[Any] | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows. `after`: order values of the last, if more follow. `total`: of all pages, if asked."""

    items: list[T]
    after: list[Any] | None = None
    total: int | None = None


def own_rows(scope: Scope) -> list[Condition]:
    """A condition that names the caller's CPO, for the index; the row policy demands it anyway."""
    return [("cpo_id", "eq", scope.cpo_id)] if scope.cpo_id else []


def given(*conditions: Condition) -> list[Condition]:
    """The conditions whose value was given (not None)."""
    return [condition for condition in conditions if condition[2] is not None]


def within(text: str | None) -> str | None:
    r"""A pattern of `ilike` that finds `text` anywhere; the characters %, _ and \ stand for themselves."""
    return f"%{literal(text)}%" if text else None


def literal(text: str) -> str:
    r"""For a pattern of `ilike`: the characters %, _ and \ stand for themselves, * still for any text."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def select_rows(
    database: Database,
    table: str,
    page: PageRequest,
    *,
    scope: Scope,
    columns: str,
    where: Sequence[Condition],
    order: Sequence[tuple[str, str]],
) -> Page[Row]:
    """One page of rows. Asks for one row more than wanted, which tells whether another page follows.

    The order's columns must be among `columns`, and be unique and never null together.
    """
    rows = await database.select(
        table, scope=scope, columns=columns, where=where, order=order, after=page.after, limit=page.limit + 1
    )
    if len(rows) <= page.limit:
        return Page(rows)
    kept = rows[: page.limit]
    return Page(kept, after=[kept[-1][column] for column, _ in order])


async def select_page(
    database: Database,
    table: str,
    record: type[R],
    page: PageRequest,
    *,
    scope: Scope,
    where: Sequence[Condition],
    order: Sequence[tuple[str, str]],
) -> Page[R]:
    """One page of records of a table whose columns are the record's fields."""
    rows = await select_rows(database, table, page, scope=scope, columns=record.columns(), where=where, order=order)
    return Page([record.model_validate(row) for row in rows.items], after=rows.after)
