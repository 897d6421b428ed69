"""Ready or not: a full disk and a database that hangs are said clearly, and soon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from backend.database import DirectDatabase
from backend.services.readiness import FULL_BELOW_BYTES, LOW_BELOW_BYTES, CheckResult, ReadinessCheck
from tests.support.relay import Relay


def check(database: Any, free_bytes: int = LOW_BELOW_BYTES) -> ReadinessCheck:
    """The check with a disk of so much room."""
    room: Callable[[], int] = lambda: free_bytes  # noqa: E731
    return ReadinessCheck(database, lambda: datetime.now(UTC), room)


@pytest.mark.parametrize(
    ("free_bytes", "disk", "ready"),
    [(LOW_BELOW_BYTES, "ok", True), (LOW_BELOW_BYTES - 1, "low", True), (FULL_BELOW_BYTES - 1, "full", False)],
)
async def test_a_full_disk_is_not_ready(database: DirectDatabase, free_bytes: int, disk: str, ready: bool) -> None:
    await database.call("beat_node", {"p_node": "n", "p_started": True, "p_stats": {}}, scope=_system())
    found = await check(database, free_bytes).run()
    assert (found.disk, found.ready) == (disk, ready)


async def test_a_database_that_hangs_has_failed_after_three_seconds(dsn: str) -> None:
    async with Relay.to(dsn) as relay:
        opened = await DirectDatabase.open(relay.dsn, statement_timeout_s=4)
        relay.silent = True
        readiness = check(opened)
        async with asyncio.timeout(5):
            found = await readiness.run()
        assert (found.database, found.schema_version) == (CheckResult.FAILED, None)
        await opened.close()


def _system() -> Any:
    from backend.database import SYSTEM

    return SYSTEM
