"""Both transports over one scratch database."""

from collections.abc import AsyncIterator

import pytest

from backend.database import Database
from tests.support.postgres import execute
from tests.support.stores import SCRATCH, TRANSPORTS, open_store


@pytest.fixture(params=TRANSPORTS)
async def store(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Database]:
    """Both transports, over a database that also holds the scratch objects."""
    await execute(dsn, SCRATCH)
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as opened:
        yield opened
