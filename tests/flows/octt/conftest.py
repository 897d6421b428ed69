"""One platform for all of these tests: OCPP server, REST API and database; each test has a charger of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from backend.database import DirectDatabase
from backend.embedded import EmbeddedPostgres
from tests.flows.octt.lab import Lab, laboratory
from tests.support.postgres import fresh_database


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def lab(postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    """The platform, with an administrator of its CPO logged in at the API."""
    with fresh_database(postgres_server) as dsn:
        database = await DirectDatabase.open(dsn)
        try:
            async with laboratory(database, dsn, tmp_path_factory.mktemp("lab")) as started:
                yield started
        finally:
            await database.close()
