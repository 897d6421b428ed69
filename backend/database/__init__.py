"""The database as the services see it: six verbs over two transports. See `open_database`."""

import logging

from backend.database.direct import DirectDatabase
from backend.database.interface import MAX_ROWS, Condition, Database, Row
from backend.domain.errors import DatabaseUnavailable
from backend.domain.scope import SYSTEM, Scope
from backend.migrate import ensure_database, migrate
from backend.settings import Settings

__all__ = [
    "MAX_ROWS", "SYSTEM", "Condition", "Database", "DirectDatabase", "Row", "Scope", "open_database",
]  # fmt: skip

_log = logging.getLogger("uniev.database")
_TRANSACTION_POOLER_PORT = ":6543/"


async def open_database(settings: Settings) -> Database:
    """DATABASE_URL, else Supabase, else the embedded PostgreSQL: connected, migrated, ready.

    Raises DatabaseUnavailable or SchemaOutdated with one sentence that says what to do.
    """
    if settings.database_url is not None:
        return await _open_url(settings.database_url.get_secret_value())
    return await _open_embedded(settings)


async def _open_url(dsn: str) -> Database:
    if _TRANSACTION_POOLER_PORT in dsn:
        raise DatabaseUnavailable(
            "DATABASE_URL points at Supabase's transaction pooler (port 6543), which keeps no session: "
            "use the session pooler (port 5432) or the direct connection."
        )
    _log.info("database: PostgreSQL at DATABASE_URL")
    await migrate(dsn)
    return await DirectDatabase.open(dsn)


async def _open_embedded(settings: Settings) -> Database:
    import asyncio

    from backend.embedded import DATABASE_NAME, EmbeddedPostgres  # Unix only; not needed with DATABASE_URL

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
