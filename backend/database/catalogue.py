"""What the database holds: columns with types, functions with arguments. For the direct transport."""

from dataclasses import dataclass, field
from typing import Any

import asyncpg

_COLUMNS = """
select c.relname as table_name, a.attname as column_name, format_type(a.atttypid, null) as type_name
from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
  and a.attnum > 0 and not a.attisdropped
order by c.relname, a.attnum
"""
# proargmodes is null when all arguments are plain inputs.
_FUNCTIONS = """
select p.proname as name, p.proretset as returns_set, p.prorettype = 'void'::regtype as returns_nothing,
  array(select p.proargnames[i] from generate_subscripts(coalesce(p.proallargtypes, p.proargtypes::oid[]), 1)
          with ordinality as s(subscript, i)
        where p.proargmodes is null or p.proargmodes[i] in ('i', 'b') order by i) as arg_names,
  array(select format_type(t, null) from unnest(p.proargtypes) with ordinality as u(t, n)
        order by n) as arg_types
from pg_catalog.pg_proc p
where p.pronamespace = 'public'::regnamespace and p.prokind = 'f'
"""

_COLUMN_TYPES = ("text[]", "real[]", "timestamp with time zone[]")


@dataclass(frozen=True, slots=True)
class Function:
    """One SQL function: argument name → type name, and the shape of its answer."""

    name: str
    arguments: dict[str, str]
    returns_set: bool
    returns_nothing: bool

    def cast_of(self, name: str) -> str | None:
        """How an argument that travels by itself is cast: documents and columns. None for the others."""
        kind = self.arguments[name]
        if kind in ("json", "jsonb"):
            return f"json::{kind}"
        return kind if kind in _COLUMN_TYPES else None


@dataclass(slots=True)
class Catalogue:
    """Names and types of schema `public`, read once and read again when an unknown name is asked for."""

    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)

    async def read(self, connection: "asyncpg.Connection[Any] | Any") -> None:
        """Replaces what is known."""
        tables: dict[str, dict[str, str]] = {}
        for row in await connection.fetch(_COLUMNS):
            tables.setdefault(row["table_name"], {})[row["column_name"]] = row["type_name"]
        self.functions = {
            row["name"]: Function(
                row["name"],
                dict(zip(row["arg_names"], row["arg_types"], strict=False)),
                row["returns_set"],
                row["returns_nothing"],
            )
            for row in await connection.fetch(_FUNCTIONS)
        }
        self.tables = tables
