"""Real sockets, real server, real database: every test has a platform of its own."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from backend.database import DirectDatabase
from backend.settings import Settings
from tests.flows.raw import RawCharger
from tests.flows.running import Running, running


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """The loop that the real server runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def platform(database: DirectDatabase, settings: Settings, dsn: str) -> AsyncIterator[Running]:
    """The OCPP server with charger CP-1 registered."""
    async with running(database, settings, dsn) as started:
        yield started


@pytest.fixture
async def charger(platform: Running) -> AsyncIterator[RawCharger]:
    """CP-1 on a raw socket."""
    async with platform.plugged() as connected:
        yield connected
