"""Applies supabase/migrations in order, in agreement with `supabase db push`.

Both keep their book in `supabase_migrations.schema_migrations` and either may continue the other's work.
Copied from the Supabase tool: a file that sorts before one already applied is refused, and so is a database
that holds versions without a file.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg

from backend.domain.errors import DatabaseUnavailable, SchemaOutdated

_log = logging.getLogger("uniev.migrate")

MIGRATIONS = Path(__file__).resolve().parent.parent / "supabase" / "migrations"
_SHIM = Path(__file__).resolve().parent / "embedded_shim.sql"
_LOCK_KEY = 7_204_839_111  # any number that nobody else uses; one runner at a time per database
_PAUSES_S = (0.05, 0.2, 0.5, 1.0)
_CAME_BETWEEN = (asyncpg.InternalServerError, asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError)
_FILE_NAME = re.compile(r"(\d+)_(\w+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `<digits>_<name>.sql`."""

    version: str
    name: str
    path: Path


def list_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """The folder's migrations in order. Raises SchemaOutdated for a name that `supabase` would skip."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise SchemaOutdated(f"{path.name} is not named <digits>_<name>.sql")
        found.append(Migration(match[1], match[2], path))
    return found


def latest_version(folder: Path = MIGRATIONS) -> str:
    """The version this program needs; "" when there are no migrations."""
    return max((migration.version for migration in list_migrations(folder)), default="")


def pending(migrations: list[Migration], applied: set[str]) -> list[Migration]:
    """What is still to be applied. Raises SchemaOutdated when files and database contradict each other."""
    unknown = sorted(applied - {migration.version for migration in migrations})
    if unknown:
        raise SchemaOutdated(
            f"the database holds migrations that this program does not know ({', '.join(unknown)}): "
            "it was used by a newer UNIEV; update this one"
        )
    todo = [migration for migration in migrations if migration.version not in applied]
    if todo and applied and todo[0].version < max(applied):
        raise SchemaOutdated(
            f"{todo[0].path.name} is older than the newest migration applied ({max(applied)}): "
            "give it a newer version number"
        )
    return todo


async def migrate(dsn: str, folder: Path = MIGRATIONS) -> list[str]:
    """Brings one database up to date; returns the versions applied now. Processes may call it at once.

    The first step provides roles and schemas where they are missing (a Supabase project brings its own).
    Raises DatabaseUnavailable or SchemaOutdated; a file that fails is rolled back as a whole and named.
    """
    migrations = list_migrations(folder)
    try:
        connection = await asyncpg.connect(dsn, timeout=10, server_settings={"application_name": "uniev migrate"})
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise DatabaseUnavailable(f"The database cannot be reached: {error}.") from error
    try:
        if await _is_current(connection, migrations):
            return []
        await connection.execute("select pg_advisory_lock($1)", _LOCK_KEY)
        return await _apply_all(connection, migrations)
    finally:
        await connection.close()


async def ensure_database(dsn: str, name: str) -> None:
    """Creates the database `name` on the server of `dsn` if it is missing."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        if await connection.fetchval("select 1 from pg_catalog.pg_database where datname = $1", name) is None:
            await connection.execute(f'create database "{name}"')
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        _log.debug("another process created the database %s first", name)
    finally:
        await connection.close()


async def _apply_all(connection: Any, migrations: list[Migration]) -> list[str]:
    if await connection.fetchval("select to_regprocedure('auth.jwt()') is null"):
        await _beside_others(partial(connection.execute, _SHIM.read_text(encoding="utf-8")))
    await connection.execute(
        "create schema if not exists supabase_migrations;"
        "create table if not exists supabase_migrations.schema_migrations"
        " (version text primary key, statements text[], name text)"
    )
    todo = pending(migrations, await _applied(connection))
    for migration in todo:
        await _beside_others(partial(_apply, connection, migration))
    if todo:
        await connection.execute("notify pgrst, 'reload schema'")
    return [migration.version for migration in todo]


async def _beside_others(step: Callable[[], Awaitable[object]]) -> None:
    """Does a step in one transaction, anew if another database's runner came between.

    Roles are the server's, not the database's. What two change at once is refused to the second ("tuple concurrently
    updated"), and so is a role that both create.
    """
    for pause_s in _PAUSES_S:
        try:
            await step()
            return
        except (SchemaOutdated, asyncpg.PostgresError) as error:
            if not isinstance(error.__cause__ or error, _CAME_BETWEEN):
                raise
        await asyncio.sleep(pause_s)
    await step()


async def _apply(connection: Any, migration: Migration) -> None:
    sql = migration.path.read_text(encoding="utf-8")
    async with connection.transaction():
        try:
            await connection.execute(sql)
        except asyncpg.PostgresError as error:
            raise SchemaOutdated(f"{migration.path.name} fails: {error}", code="migration_failed") from error
        await connection.execute(
            "insert into supabase_migrations.schema_migrations (version, name, statements)"
            " values ($1, $2, $3)",
            migration.version, migration.name, [sql],
        )  # fmt: skip
        # A file may set these for itself; the next one must not inherit them.
        await connection.execute("reset role; reset search_path")
    _log.info("applied migration %s", migration.path.name)


async def _applied(connection: Any) -> set[str]:
    rows = await connection.fetch("select version from supabase_migrations.schema_migrations")
    return {row["version"] for row in rows}


async def _is_current(connection: Any, migrations: list[Migration]) -> bool:
    if await connection.fetchval("select to_regclass('supabase_migrations.schema_migrations') is null"):
        return False
    return not pending(migrations, await _applied(connection))
