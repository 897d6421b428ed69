"""The migration runner and Supabase's own command line take turns on one database, and never disagree."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import asyncpg
import pytest

from backend import embedded
from backend.database import check_schema, open_database
from backend.domain.errors import SchemaOutdated
from backend.embedded import EmbeddedPostgres
from backend.migrate import list_migrations, migrate
from backend.settings import load_settings
from tests.flows.raw import energy, iso
from tests.flows.running import running
from tests.support.postgres import fresh_database, own_server, run_sync
from tests.support.postgrest import running_postgrest
from tests.support.project import running_project
from tests.support.supabase_cli import CommandLine, make_project, project_folder
from tests.support.tools import ROOT, require_tool

FILES = [migration.path for migration in list_migrations()]
VERSIONS = [migration.version for migration in list_migrations()]
HALF = len(FILES) // 2
Who = Literal["runner", "push"]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server whose roles no other test changes at the same time."""
    require_tool("supabase")
    with own_server() as started:
        yield started


@contextmanager
def new_project(server: EmbeddedPostgres) -> Iterator[tuple[str, str]]:
    """DSNs of a new project's database: the superuser's, the owner's."""
    with fresh_database(server, "template0") as dsn:
        yield dsn, run_sync(make_project(dsn))


@pytest.fixture
def project(server: EmbeddedPostgres) -> Iterator[tuple[str, str]]:
    """DSNs of a new project's database: the superuser's, the owner's."""
    with new_project(server) as made:
        yield made


@pytest.fixture
def owner(project: tuple[str, str]) -> str:
    """DSN of a new project's database, for its owner."""
    return project[1]


@pytest.fixture(scope="module")
def by_the_runner(server: EmbeddedPostgres) -> str:
    """The schema as the runner alone makes it."""
    with new_project(server) as (dsn, owner):
        run_sync(migrate(owner))
        schema = schema_of(dsn)
    assert "CREATE POLICY tenant_reads ON public.sessions" in schema
    return schema


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    """The real command line, logged in nowhere."""
    return CommandLine(require_tool("supabase"), tmp_path)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The migrations' folder of a project with one small file."""
    folder = project_folder(tmp_path / "small", [])
    (folder / "20260101_first.sql").write_text("create table public.a (n integer);")
    return folder


def schema_of(dsn: str) -> str:
    """Tables, columns, policies, grants, functions with their owners; without the partitions named after days."""
    dump = [embedded._binaries() / "pg_dump", "--schema-only", "-n", "public", "-n", "private", "-d", dsn]
    said = subprocess.run([*dump, "-T", "public.*_20[0-9]*"], check=True, capture_output=True, text=True).stdout
    return "\n".join(line for line in said.splitlines() if not line.startswith(("\\restrict", "\\unrestrict")))


async def fetch(dsn: str, query: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def book(dsn: str) -> list[str]:
    return await fetch(dsn, "select version from supabase_migrations.schema_migrations order by version")


async def bring_up(who: Who, cli: CommandLine, dsn: str, migrations: Path) -> str:
    """What the one or the other says against it; "" when the database is up to date afterwards."""
    if who == "push":
        answer = await cli.push(dsn, migrations.parent.parent)
        return answer.error
    try:
        await migrate(dsn, migrations)
    except SchemaOutdated as refusal:
        return str(refusal)
    return ""


# -- taking turns


async def test_push_alone_brings_all_of_it(
    project: tuple[str, str], cli: CommandLine, tmp_path: Path, by_the_runner: str
) -> None:
    dsn, owner = project
    folder = tmp_path / "project"
    project_folder(folder, FILES)

    answer = await cli.push(owner, folder)

    assert (answer.error, answer.said.get("upToDate")) == ("", False), answer
    assert "WARN" not in answer.told, "supabase/config.toml holds what this version does not know"
    assert await book(dsn) == VERSIONS
    assert await migrate(owner) == []
    assert schema_of(dsn) == by_the_runner
    await _charge_over_supabase(dsn, tmp_path)


async def test_push_finds_nothing_to_do_after_the_runner(dsn: str, cli: CommandLine, tmp_path: Path) -> None:
    project_folder(tmp_path / "project", FILES)
    answer = await cli.push(dsn, tmp_path / "project")
    assert (answer.ok, answer.said.get("upToDate")) == (True, True), answer


@pytest.mark.parametrize("order", [("runner", "push"), ("push", "runner")])
async def test_one_goes_on_where_the_other_stopped(
    project: tuple[str, str], cli: CommandLine, tmp_path: Path, by_the_runner: str, order: tuple[Who, Who]
) -> None:
    dsn, owner = project
    half, whole = project_folder(tmp_path / "half", FILES[:HALF]), project_folder(tmp_path / "whole", FILES)

    assert await bring_up(order[0], cli, owner, half) == ""
    assert await book(dsn) == VERSIONS[:HALF]
    assert await bring_up(order[1], cli, owner, whole) == ""

    assert await book(dsn) == VERSIONS
    assert schema_of(dsn) == by_the_runner
    assert await bring_up(order[0], cli, owner, whole) == ""


# -- what both refuse


@pytest.mark.parametrize("who", ["runner", "push"])
async def test_a_file_that_fails_leaves_nothing_of_itself(owner: str, cli: CommandLine, small: Path, who: Who) -> None:
    bad = small / "20260102_bad.sql"
    bad.write_text("create table public.b (n integer);\ninsert into public.nowhere values (1);")

    complaint = await bring_up(who, cli, owner, small)

    assert ("nowhere" in complaint) if who == "runner" else (complaint == "DbPushApplyError"), complaint
    assert await book(owner) == ["20260101"]
    assert await fetch(owner, "select relname from pg_class where relname in ('a', 'b')") == ["a"]
    bad.write_text("create table public.b (n integer);")
    assert await bring_up("push" if who == "runner" else "runner", cli, owner, small) == ""
    assert await book(owner) == ["20260101", "20260102"]


@pytest.mark.parametrize("first", ["runner", "push"])
async def test_a_file_out_of_order_is_refused_by_both(owner: str, cli: CommandLine, small: Path, first: Who) -> None:
    assert await bring_up(first, cli, owner, small) == ""
    (small / "20251231_late.sql").write_text("create table public.late (n integer);")

    assert "older than the newest migration" in await bring_up("runner", cli, owner, small)
    assert await bring_up("push", cli, owner, small) == "DbPushMissingRemoteError"
    assert await book(owner) == ["20260101"]


@pytest.mark.parametrize("first", ["runner", "push"])
async def test_a_database_ahead_of_the_files_is_refused_by_both(
    owner: str, cli: CommandLine, small: Path, first: Who
) -> None:
    assert await bring_up(first, cli, owner, small) == ""
    (small / "20260101_first.sql").rename(small / "20260102_other.sql")

    assert "does not know" in await bring_up("runner", cli, owner, small)
    assert await bring_up("push", cli, owner, small) == "DbPushMissingLocalError"
    assert await book(owner) == ["20260101"]


# -- the platform on what `supabase db push` made


async def _charge_over_supabase(dsn: str, place: Path) -> None:
    """The platform starts with URL and key alone, and a charger's session is in its books."""
    began = datetime.now(UTC) - timedelta(hours=1)
    with (
        running_postgrest(require_tool("postgrest"), dsn, place / "postgrest.log") as postgrest,
        running_project(postgrest) as hosted,
    ):
        settings = load_settings(
            _env_file=None, supabase_url=hosted.url, supabase_key=hosted.key, data_dir=place / "data",
            secret_key_given="0123456789abcdef0123456789abcdef", demo=False,
        )  # fmt: skip
        database = await open_database(settings)
        await check_schema(database)
        async with running(database, settings, dsn) as platform, platform.plugged() as charger:
            await charger.boot()
            transaction = await charger.start(meter=1000, at=iso(began))
            await charger.meter([energy(iso(began + timedelta(minutes=10)), 2500)], transactionId=transaction)
            await charger.stop(transaction, meter=4000, at=iso(began + timedelta(minutes=20)))
            session = await platform.session(transaction)
            assert (session["energy_wh"], session["billing_state"]) == (3000, "ok")
        await database.close()


# -- the README


README_COMMANDS = [
    line.strip() for line in (ROOT / "README.md").read_text().splitlines() if line.strip().startswith("supabase ")
]
# What each answers to somebody who has not done what comes before it: the words are right, and only that is missing.
LACKS = {
    "login": "LoginMissingTokenError",
    "link": "AccessTokenRequiredError",
    "db": "ProjectRefNotLinkedError",
}


async def test_the_readmes_commands_are_those_of_this_command_line(cli: CommandLine, tmp_path: Path) -> None:
    project_folder(tmp_path / "project", [])
    commands = [shlex.split(line)[1:] for line in README_COMMANDS]
    assert [command[0] for command in commands] == list(LACKS)
    for command in commands:
        words = ["abcdefghijklmnopqrst" if word == "YOUR-PROJECT-REF" else word for word in command]
        answer = await cli.run(tmp_path / "project", *words)
        assert answer.error == LACKS[command[0]], answer
        assert "deprecated" not in answer.told
