# ruff: noqa: S608 (names are checked against the catalogue; see the docstring)
"""SQL text for the direct transport. Names come from the catalogue, values only ever travel as parameters.

Rows go in and come out as one JSON document, exactly as PostgREST does it, so both transports agree.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from backend.database.catalogue import Catalogue, Function
from backend.database.interface import Condition, as_text, check_condition
from backend.domain.errors import InvalidInput, UnknownFunction

Columns = dict[str, str]
_COMPARISONS = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_IS = {None: "null", True: "true", False: "false"}


class Query:
    """One statement under construction: its text and its parameters."""

    def __init__(self, catalogue: Catalogue, table: str) -> None:
        if table not in catalogue.tables:
            raise InvalidInput(f"there is no table {table!r}", code="unknown_table")
        self.table = f'public."{table}"'
        self.columns: Columns = catalogue.tables[table]
        self.parameters: list[Any] = []

    def name(self, column: str) -> str:
        """The quoted column. Raises InvalidInput if the table has none of that name."""
        if column not in self.columns:
            raise InvalidInput(f"there is no column {column!r} in {self.table}", code="unknown_column")
        return f'"{column}"'

    def names(self, columns: Iterable[str]) -> str:
        """Several quoted columns, comma-separated."""
        return ", ".join(self.name(column) for column in columns)

    def wanted(self, columns: str) -> str:
        """The list behind `select` or `returning`."""
        if columns.strip() == "*":
            return "*"
        return self.names(column.strip() for column in columns.split(","))

    def parameter(self, value: Any) -> str:
        """Adds a value and returns the placeholder that stands for it."""
        self.parameters.append(value)
        return f"${len(self.parameters)}"

    def typed(self, column: str, value: Any) -> str:
        """A parameter sent as text and read as the column's type, as in a URL filter."""
        return f"{self.parameter(as_text(value))}::text::{self.columns[column]}"

    def where(self, conditions: Sequence[Condition]) -> str:
        """The condition of a `where` clause; `true` without any."""
        return " and ".join(self._condition(*condition) for condition in conditions) or "true"

    def _condition(self, column: str, operator: str, value: Any) -> str:
        name = self.name(column)
        check_condition(operator, value)
        if operator == "is":
            return f"{name} is {_IS[value]}"
        if operator == "ilike":
            return f"{name} ilike {self.parameter(as_text(value).replace('*', '%'))}::text"
        if operator == "in":
            values = self.parameter([as_text(item) for item in value])
            return f"{name} = any({values}::text[]::{self.columns[column]}[])"
        return f"{name} {_COMPARISONS[operator]} {self.typed(column, value)}"

    def beyond(self, order: Sequence[tuple[str, str]], after: Sequence[Any]) -> str:
        """Keyset: rows behind the last one seen."""
        sign = "<" if order[0][1] == "desc" else ">"
        values = ", ".join(self.typed(column, value) for (column, _), value in zip(order, after, strict=True))
        return f"({self.names(column for column, _ in order)}) {sign} ({values})"


def select_sql(
    query: Query,
    columns: str,
    where: Sequence[Condition],
    order: Sequence[tuple[str, str]],
    after: Sequence[Any] | None,
    limit: int,
) -> str:
    """One page of a table as one JSON array."""
    wanted, filters = query.wanted(columns), query.where(where)
    if after is not None:
        filters += f" and {query.beyond(order, after)}"
    sorting = ", ".join(f"{query.name(column)} {direction}" for column, direction in order)
    return _as_json(
        f"select {wanted} from {query.table} where {filters}"
        f"{f' order by {sorting}' if sorting else ''} limit {int(limit)}"
    )


def insert_sql(query: Query, keys: Sequence[str], columns: str, on: Sequence[str] | None = None) -> str:
    """`$1` is a JSON array of rows with these keys; with `on`, existing rows take the sent columns."""
    names = query.names(keys)
    rows = f"json_populate_recordset(null::{query.table}, {query.parameter(None)}::json)"
    statement = f"insert into {query.table} ({names}) select {names} from {rows}"
    if on is not None:
        changed = ", ".join(f"{query.name(key)} = excluded.{query.name(key)}" for key in keys)
        statement += f" on conflict ({query.names(on)}) do update set {changed}"
    return _returning(query, statement, columns)


def update_sql(query: Query, keys: Sequence[str], where: Sequence[Condition], columns: str) -> str:
    """`$1` is one JSON object with the new values."""
    document = f"json_populate_record(null::{query.table}, {query.parameter(None)}::json)"
    changes = ", ".join(f"{query.name(key)} = (select {query.name(key)} from {document})" for key in keys)
    return _returning(query, f"update {query.table} set {changes} where {query.where(where)}", columns)


def delete_sql(query: Query, where: Sequence[Condition], columns: str) -> str:
    """Removes and returns."""
    return _returning(query, f"delete from {query.table} where {query.where(where)}", columns)


def call_sql(function: Function, names: Sequence[str]) -> str:
    """Absent arguments take their defaults. The parameters are those of `call_parameters`: documents and columns by
    themselves, the others in one JSON object, whose values PostgreSQL reads as what the function wants. (Documents in
    that object would be parsed four times instead of twice; batches are large.)"""
    unknown = [name for name in names if name not in function.arguments]
    if unknown:
        raise UnknownFunction(f"{function.name} has no argument {', '.join(unknown)}")
    packed, alone = _parted(function, names)
    fields = ", ".join(f'"{name}" {function.arguments[name]}' for name in packed)
    source = f"json_to_record($1::json) as a({fields}), lateral " if packed else ""
    passed = [f'"{name}" => a."{name}"' for name in packed]
    passed += [
        f'"{name}" => ${number}::{function.cast_of(name)}' for number, name in enumerate(alone, 1 + bool(packed))
    ]
    answer = "to_json(f)"
    if function.returns_nothing:
        answer = "null::json"
    elif function.returns_set:
        answer = "coalesce(json_agg(f), '[]'::json)"
    return f'select {answer} from {source}public."{function.name}"({", ".join(passed)}) as f'


def call_parameters(function: Function, values: Mapping[str, Any]) -> list[Any]:
    """What `call_sql` wants for these arguments, in their order."""
    packed, alone = _parted(function, values)
    parameters = [values[name] for name in alone]
    return [{name: values[name] for name in packed}, *parameters] if packed else parameters


def _parted(function: Function, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Those that travel in one object, and those that travel by themselves."""
    alone = [name for name in names if function.cast_of(name)]
    return [name for name in names if name not in alone], alone


def _returning(query: Query, statement: str, columns: str) -> str:
    if not columns.strip():
        return f"with w as ({statement} returning 1) select '[]'::json from (select count(*) from w) c"
    return f"with w as ({statement} returning {query.wanted(columns)}) {_as_json('select * from w')}"


def _as_json(select: str) -> str:
    return f"select coalesce(json_agg(t), '[]'::json) from ({select}) t"
