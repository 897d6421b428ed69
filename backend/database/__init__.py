"""The database as the services see it: six verbs over two transports. See `open_database`."""

import asyncio
import logging

from backend.database.direct import DirectDatabase
from backend.database.interface import MAX_ROWS, Condition, Database, Row
from backend.domain.errors import DatabaseUnavailable, SchemaOutdated, UnknownFunction
from backend.domain.scope import SYSTEM, Scope
from backend.migrate import ensure_database, latest_version, migrate
from backend.settings import Settings

__all__ = [
    "MAX_ROWS",
    "SCHEMA_VERSION",
    "SYSTEM",
    "Condition",
    "Database",
    "DirectDatabase",
    "Row",
    "Scope",
    "check_schema",
    "open_database",
]

_log = logging.getLogger("uniev.database")

SCHEMA_VERSION = int(latest_version())
"""What this program needs of `public.schema_version()`: its newest migration."""
_TRANSACTION_POOLER_PORT = ":6543"


async def open_database(settings: Settings) -> Database:
    """DATABASE_URL, else Supabase, else the embedded PostgreSQL: connected, migrated, ready.

    Raises DatabaseUnavailable or SchemaOutdated with one sentence that says what to do.
    """
    if settings.database_url is not None:
        return await _open_url(settings.database_url.get_secret_value())
    if settings.supabase_url or settings.supabase_key:
        return await _open_supabase(settings)
    return await _open_embedded(settings)


async def check_schema(database: Database) -> None:
    """Raises SchemaOutdated unless the database has every migration that this program needs."""
    try:
        version = await database.call("schema_version", scope=SYSTEM)
    except UnknownFunction:
        version = 0
    if version < SCHEMA_VERSION:
        raise SchemaOutdated(
            f"The Supabase project has schema version {version}, UNIEV needs {SCHEMA_VERSION}: "
            "link the project once (`supabase link`), run `supabase db push --remote`, and start again."
        )


async def _open_url(dsn: str) -> Database:
    if _TRANSACTION_POOLER_PORT in dsn:
        raise DatabaseUnavailable(
            "DATABASE_URL points at Supabase's transaction pooler (port 6543), which keeps no session: "
            "use the session pooler or the direct connection (port 5432)."
        )
    _log.info("database: PostgreSQL at DATABASE_URL")
    await migrate(dsn)
    return await DirectDatabase.open(dsn)


async def _open_supabase(settings: Settings) -> Database:
    if not settings.supabase_url or settings.supabase_key is None:
        raise DatabaseUnavailable("SUPABASE_URL and SUPABASE_KEY belong together: one of them is missing.")
    from backend.database.hosted import SupabaseDatabase  # takes half a second to import, so only when chosen

    _log.info("database: Supabase at %s", settings.supabase_url)
    database = await SupabaseDatabase.open(settings.supabase_url, settings.supabase_key.get_secret_value())
    try:
        await check_schema(database)
    except BaseException:
        await database.close()
        raise
    return database


async def _open_embedded(settings: Settings) -> Database:
    from backend.embedded import DATABASE_NAME, EmbeddedPostgres  # Unix only; not needed with the others

    server = EmbeddedPostgres(settings.data_dir)
    _log.info("database: embedded PostgreSQL in %s", server.cluster)
    await asyncio.to_thread(server.ensure_running)
    try:
        await ensure_database(server.dsn("postgres"), DATABASE_NAME)
        await migrate(server.dsn())
        return await DirectDatabase.open(server.dsn(), revive=server.ensure_running, release=server.close)
    except BaseException:
        await asyncio.to_thread(server.close)
        raise
