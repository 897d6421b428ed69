"""Fixtures that every test may use. One PostgreSQL serves the whole run; each test has its own database."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from backend.database import DirectDatabase
from backend.embedded import EmbeddedPostgres
from backend.settings import Settings, load_settings
from tests.support.postgres import begin_run, fresh_database, join_server
from tests.support.postgrest import PostgREST, running_postgrest
from tests.support.project import Project, running_project
from tests.support.tools import require_tool

# Many tests share few processors: how long an example takes, or is drawn, says nothing of what is tested.
# A database of a test may serve all examples where they do not see each other's rows.
# CI draws the same examples every time, so that what it refuses is the change; whoever runs the tests draws new ones.
settings.register_profile(
    "busy",
    deadline=None,
    derandomize=os.environ.get("UNIEV_TEST_STRICT") == "1",
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("busy")


def pytest_configure(config: pytest.Config) -> None:
    begin_run(config)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """The run's PostgreSQL server, with the migrated template database."""
    server = join_server()
    yield server
    server.close()


@pytest.fixture
def dsn(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """Connection string (superuser) of a fresh, migrated database."""
    with fresh_database(postgres_server) as address:
        yield address


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[DirectDatabase]:
    """The six verbs, directly, on a fresh database."""
    opened = await DirectDatabase.open(dsn)
    yield opened
    await opened.close()


@pytest.fixture
def settings(dsn: str, tmp_path: Path) -> Settings:
    """Settings for the fresh database and an empty data directory; no `.env` of the machine interferes."""
    return load_settings(
        _env_file=None,
        database_url=dsn,
        data_dir=tmp_path / "data",
        secret_key_given="0123456789abcdef0123456789abcdef",
        demo=False,
        ocpp_host="127.0.0.1",
        ocpp_port=0,
        api_port=0,
    )


@pytest.fixture
def postgrest(dsn: str, tmp_path: Path) -> Iterator[PostgREST]:
    """The real PostgREST over the same fresh database as `dsn` and `database`."""
    with running_postgrest(require_tool("postgrest"), dsn, tmp_path / "postgrest.log") as service:
        yield service


@pytest.fixture
def supabase_project(postgrest: PostgREST) -> Iterator[Project]:
    """SUPABASE_URL and SUPABASE_KEY of a stand-in project over the same fresh database, served over HTTP."""
    with running_project(postgrest) as project:
        yield project
