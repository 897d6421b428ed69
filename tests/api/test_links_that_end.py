"""How often and how long a link to firmware leads to its file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from backend.database import SYSTEM
from tests.api.conftest import World
from tests.api.test_files import FIRMWARE, download_link
from tests.support.postgres import execute

HALF_HOUR = timedelta(minutes=30)


@pytest.fixture
async def outside(world: World) -> httpx.AsyncClient:
    """A charger: no credentials."""
    return await world.client(None)


async def expiry(world: World) -> datetime:
    """When the link of the only job with a link ends."""
    rows = await world.database.select("firmware_jobs", scope=SYSTEM, columns="link_expires_at")
    return next(datetime.fromisoformat(row["link_expires_at"]) for row in rows if row["link_expires_at"])


@pytest.mark.parametrize("parts", [
    [""], ["bytes=0-99999", "bytes=100000-199999", "bytes=200000-"], ["bytes=-22", "bytes=150000-", "bytes=0-150000"],
])  # fmt: skip
async def test_a_link_served_the_whole_file_for_a_day(
    world: World, outside: httpx.AsyncClient, dsn: str, parts: list[str]
) -> None:
    path = await download_link(world)
    day = await expiry(world)
    await outside.head(path)
    for part in parts:
        assert await expiry(world) == day  # as long as a byte of it is missing
        assert (await outside.get(path, headers={"Range": part})).status_code in (200, 206)
    soon = await expiry(world)
    again = await outside.get(path)  # what did not pass the charger's check is fetched again
    still = await expiry(world)
    await execute(dsn, "update public.firmware_jobs set link_expires_at = now()")
    over = await outside.get(path)

    assert timedelta(0) < soon - datetime.now(UTC) <= HALF_HOUR
    assert (again.content, still) == (FIRMWARE, soon)
    assert (over.status_code, over.json()["code"]) == (404, "link_not_found")


async def test_a_charger_that_lost_its_answer_or_tries_again_after_a_failure_finds_its_file(
    world: World, outside: httpx.AsyncClient, dsn: str
) -> None:
    path = await download_link(world)
    await execute(dsn, "update public.firmware_jobs set status = 'timed_out', effect = 'pending'")
    unanswered = await outside.get(path, headers={"Range": "bytes=0-9"})
    await execute(dsn, "update public.firmware_jobs set status = 'failed'")
    failed = await outside.get(path)
    await execute(dsn, "update public.firmware_jobs set status = 'downloading'")  # which it says of each try
    again = await outside.get(path)

    assert (unanswered.status_code, failed.status_code, again.status_code) == (206, 404, 200)
