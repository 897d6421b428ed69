"""One PostgreSQL per test run, shared by all workers; a fresh migrated database per test (0.03 s each in memory, up to
a second on a disk: a database is a thousand files)."""

import asyncio
import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from backend.embedded import EmbeddedPostgres
from backend.migrate import ensure_database, migrate

_RUN_DIR = "UNIEV_TEST_RUN_DIR"
_PREFIX = "uniev-tests-"
_TEMPLATE = "uniev_template"
# Nothing here outlives the run, so nothing needs to reach the disk.
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 2 << 30
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def begin_run(config: pytest.Config) -> None:
    """In the controlling process: makes the directory that this run's workers share."""
    if hasattr(config, "workerinput") or _RUN_DIR in os.environ:
        return
    _clear_killed_runs()
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_places()[0]))
    claim = _claim(directory)
    assert claim is not None
    os.environ[_RUN_DIR] = str(directory)
    config.add_cleanup(partial(_end_run, directory, claim))


def _places() -> list[Path]:
    """Where runs may lie, the best first: in memory where there is room, else where temporary files go."""
    disk = Path(tempfile.gettempdir())
    roomy = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES
    return [_MEMORY, disk] if roomy else [disk]


def _end_run(directory: Path, claim: int) -> None:
    os.environ.pop(_RUN_DIR)
    _clear(directory)
    os.close(claim)


def _clear_killed_runs() -> None:
    """A run that was killed leaves its server: nobody holds its directory any more."""
    for directory in (found for place in _places() for found in place.glob(f"{_PREFIX}*")):
        claim = _claim(directory)
        if claim is not None:
            _clear(directory)
            os.close(claim)


def _claim(directory: Path) -> int | None:
    """Holds the directory for as long as this process lives; None if somebody else does."""
    try:
        claim = os.open(directory, os.O_RDONLY)
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return None
    return claim


def _clear(directory: Path) -> None:
    server = EmbeddedPostgres(directory / "data")
    if server.postmaster() is not None:  # a worker was killed: become the last user, and leave
        server.ensure_running()
        server.close()
    shutil.rmtree(directory, ignore_errors=True)


def join_server() -> EmbeddedPostgres:
    """This process's share in the run's server, with the migrated template in place."""
    directory = Path(os.environ[_RUN_DIR])
    server = EmbeddedPostgres(directory / "data", options=_FAST)
    server.ensure_running()
    with _alone(directory / "template.lock"):
        run_sync(_make_template(server))
    return server


@contextmanager
def own_server() -> Iterator[EmbeddedPostgres]:
    """A server apart from the run's, for tests that change what belongs to a whole server, such as roles."""
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_places()[0]))
    claim = _claim(directory)
    assert claim is not None
    server = EmbeddedPostgres(directory / "data", options=_FAST)
    server.ensure_running()
    try:
        yield server
    finally:
        server.close()
        _clear(directory)
        os.close(claim)


@contextmanager
def fresh_database(server: EmbeddedPostgres, template: str = _TEMPLATE) -> Iterator[str]:
    """DSN of a database of one's own, dropped afterwards. `template="template0"` gives an empty one."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    run_sync(execute(server.dsn("postgres"), f'create database "{name}" template "{template}" strategy file_copy'))
    try:
        yield server.dsn(name)
    finally:
        run_sync(execute(server.dsn("postgres"), f'drop database if exists "{name}" with (force)'))


async def execute(dsn: str, statement: str) -> None:
    """Runs SQL as the server's superuser, outside any scope."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def run_sync(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine to its end from a synchronous fixture, whatever loop the test itself uses."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _make_template(server: EmbeddedPostgres) -> None:
    """Migrates under another name, then renames: copying forbids that anybody uses the template."""
    connection = await asyncpg.connect(server.dsn("postgres"))
    try:
        if await connection.fetchval("select 1 from pg_database where datname = $1", _TEMPLATE):
            return
        await ensure_database(server.dsn("postgres"), "uniev_draft")
        await migrate(server.dsn("uniev_draft"))
        await connection.execute(f"alter database uniev_draft rename to {_TEMPLATE}")
    finally:
        await connection.close()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
