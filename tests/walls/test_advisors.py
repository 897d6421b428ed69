"""What Supabase's own advisors say of the schema: each finding on security is mended, or excused here with a reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from tests.support.postgres import execute
from tests.support.supabase_cli import CommandLine, project_folder
from tests.support.tools import require_tool
from tests.support.walls import PLACES

_PLATFORM_ALONE = "|".join(sorted(name for name, place in PLACES.items() if place.whose == "platform"))
# (what is found, at which relations of `public`, why it may stand)
EXCUSED: Final = (
    ("rls_enabled_no_policy", _PLATFORM_ALONE,
     "the platform's alone (PLACES in tests/support/walls.py): row security that lets nobody in is what is meant"),
    ("rls_enabled_no_policy", r"(meter_values|ocpp_messages|charger_events)_\d{6,8}",
     "a part of a table, reached through the whole, whose policies hold; by itself it is closed"),
)  # fmt: skip


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """The real command line, logged in nowhere."""
    project_folder(tmp_path / "project", [])
    return CommandLine(require_tool("supabase"), tmp_path)


async def findings(cli: CommandLine, dsn: str, place: Path) -> set[tuple[str, str]]:
    """(lint, schema.object) of all that concerns security, however small."""
    asked = ("db", "advisors", "--type", "security", "--level", "info", "--fail-on", "none")
    answer = await cli.on(dsn, place / "project", *asked)
    assert answer.ok, answer
    about = ((one["name"], one["metadata"]) for one in answer.said["results"])
    return {(lint, f"{found['schema']}.{found['name']}") for lint, found in about}


def excused(lint: str, found: str) -> bool:
    return any(lint == name and re.fullmatch(rf"public\.({where})", found) for name, where, _ in EXCUSED)


async def test_the_advisors_find_nothing_that_is_not_excused(cli: CommandLine, dsn: str, tmp_path: Path) -> None:
    found = await findings(cli, dsn, tmp_path)

    assert sorted(one for one in found if not excused(*one)) == []
    for lint, where, _ in EXCUSED:
        assert any(lint == name and re.fullmatch(rf"public\.({where})", at) for name, at in found), f"{lint}: {where}"


_OPEN_TO_PEOPLE = """
select c.relname from pg_class c, unnest(array['anon', 'authenticated']) as person
where c.oid = any ($1::text[]::regclass[]) and (has_any_column_privilege(person, c.oid, 'select, insert, update')
                                         or has_table_privilege(person, c.oid, 'delete, truncate'))
"""


async def test_what_is_excused_for_having_no_policy_is_granted_to_nobody(
    cli: CommandLine, dsn: str, tmp_path: Path
) -> None:
    tables = sorted(at for lint, at in await findings(cli, dsn, tmp_path) if lint == "rls_enabled_no_policy")
    connection = await asyncpg.connect(dsn)
    try:
        assert tables and await connection.fetch(_OPEN_TO_PEOPLE, tables) == []
        await connection.execute("grant select (id) on public.mails to authenticated")
        assert [row["relname"] for row in await connection.fetch(_OPEN_TO_PEOPLE, tables)] == ["mails"]
    finally:
        await connection.close()


DAMAGES = (
    ("function_search_path_mutable", "lax", "create function public.lax() returns int language sql as 'select 1'"),
    ("security_definer_view", "peek", "create view public.peek as select * from public.users;"
     "grant select on public.peek to authenticated"),
    ("rls_disabled_in_public", "open", "create table public.open (n integer);"
     "grant select on public.open to authenticated"),
    ("policy_exists_rls_disabled", "stations", "alter table public.stations disable row level security"),
    ("rls_enabled_no_policy", "shut", "create table public.shut (n integer);"
     "alter table public.shut enable row level security"),
    ("unsupported_reg_types", "kinds", "create table public.kinds (reaction regprocedure)"),
)  # fmt: skip


async def test_the_advisors_go_red_when_a_wall_falls(cli: CommandLine, dsn: str, tmp_path: Path) -> None:
    for _, _, damage in DAMAGES:
        await execute(dsn, damage)

    found = {one for one in await findings(cli, dsn, tmp_path) if not excused(*one)}

    assert {(lint, f"public.{name}") for lint, name, _ in DAMAGES} <= found
