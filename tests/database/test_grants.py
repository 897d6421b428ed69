"""Who may do what in the database is what the migrations say, also where a project gives everything to everybody."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import pytest

from backend.embedded import EmbeddedPostgres
from backend.migrate import migrate
from tests.support.postgres import execute, fresh_database, run_sync
from tests.support.postgrest import PostgREST, running_postgrest
from tests.support.tenancy import found_nation
from tests.support.tools import require_tool

_GENEROUS: Final = "".join(
    f"alter default privileges in schema public grant all on {kind} to anon, authenticated, service_role;"
    for kind in ("tables", "sequences", "functions")
)
_LATER: Final = """
create table public.later (id integer);
create function public.later() returns integer language sql as 'select 1';
revoke execute on function public.later() from public
"""
_STRANGERS: Final = ("anon", "authenticated")
_RIGHTS: Final = """
select c.relname::text as thing, role, verb || coalesce(' ' || a.attname, '') as might
from pg_class c cross join unnest($1::text[]) as role cross join unnest(array['select', 'insert', 'update']) as verb
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
    and has_column_privilege(role, c.oid, a.attnum, verb)
union all
select c.relname, role, verb
from pg_class c cross join unnest($1::text[]) as role cross join unnest(array['delete', 'truncate', 'trigger']) as verb
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
    and has_table_privilege(role, c.oid, verb)
union all
select c.relname, role, 'number' from pg_class c cross join unnest($1::text[]) as role
where c.relnamespace = 'public'::regnamespace and c.relkind = 'S'
    and has_sequence_privilege(role, c.oid, 'usage, update')
union all
select p.oid::regprocedure::text, role, 'call' from pg_proc p cross join unnest($1::text[]) as role
where p.pronamespace = 'public'::regnamespace and has_function_privilege(role, p.oid, 'execute')
"""


@pytest.fixture
def generous(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """A project that gave everything to everybody while it was migrated."""
    with fresh_database(postgres_server, template="template0") as dsn:
        run_sync(_migrated(dsn))
        yield dsn


async def _migrated(dsn: str) -> None:
    await execute(dsn, _GENEROUS)
    await migrate(dsn)


async def _rights(dsn: str) -> set[tuple[str, str, str]]:
    connection = await asyncpg.connect(dsn)
    try:
        return {(row["role"], row["might"], row["thing"]) for row in await connection.fetch(_RIGHTS, list(_STRANGERS))}
    finally:
        await connection.close()


async def test_a_project_that_gives_everything_to_everybody_gives_no_more_than_another(generous: str, dsn: str) -> None:
    """Whoever adds a table or function after migration 100 need do nothing; before it, it is named there."""
    assert await _rights(generous) - await _rights(dsn) == set()
    assert await _rights(dsn) - await _rights(generous) == set()
    await execute(generous, _LATER)
    assert [thing for _, _, thing in await _rights(generous) if "later" in thing] == []


@pytest.fixture
async def project(generous: str, tmp_path: Path) -> AsyncIterator[PostgREST]:
    """Such a project, in use, behind the real PostgREST."""
    await found_nation(generous)
    with running_postgrest(require_tool("postgrest"), generous, tmp_path / "postgrest.log") as service:
        yield service


@pytest.mark.parametrize(("function", "arguments"), [
    ("prune_audit", {"p_keep_days": 0}),
    ("expire_data", {"p_days": {"meter_values": 0}, "p_limit": 1000}),
    ("maintain_partitions", {"p_days_ahead": 0, "p_keep_days": 0}),
])  # fmt: skip
@pytest.mark.parametrize("role", _STRANGERS)
async def test_the_public_key_of_such_a_project_removes_nothing(
    project: PostgREST, role: str, function: str, arguments: dict[str, Any]
) -> None:
    bearer = {"Authorization": f"Bearer {project.key(role)}", "x-user-role": "emsv_admin"}
    async with httpx.AsyncClient(base_url=project.url, headers=bearer, trust_env=False) as anybody:
        reply = await anybody.post(f"/rpc/{function}", json=arguments)
    assert (reply.status_code, reply.json()["code"]) in ((403, "42501"), (401, "42501")), reply.text
