"""Sockets that are gone leave nothing behind, although the server keeps the cyclic collector from looking."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator, Iterator

import pytest

from backend.database import DirectDatabase
from backend.ocppj.server import Pace
from backend.settings import Settings
from tests.flows.running import CHARGER, Running, running
from tests.support.waiting import eventually


@pytest.fixture
async def impatient(database: DirectDatabase, settings: Settings, dsn: str) -> AsyncIterator[Running]:
    """A platform that looks after its sockets two hundred times as often."""
    pace = Pace(ping_every=0.3, silent_for=30, shy_for=30, tell_every=0.1)
    async with running(database, settings, dsn, pace=pace) as started:
        yield started


@pytest.fixture
def thawed() -> Iterator[None]:
    """The collector looks everywhere again afterwards."""
    yield
    gc.unfreeze()


@pytest.mark.parametrize("farewell", ["close frame", "no word", "newer socket"])
async def test_a_closed_socket_did_stay_in_memory_for_ever(impatient: Running, thawed: None, farewell: str) -> None:
    protocols: list[weakref.ref[object]] = []
    for _ in range(10):
        async with impatient.plugged() as charger:
            assert await charger.boot() == "Accepted"
            protocols.append(weakref.ref(impatient.server._registry._connections[CHARGER].socket._ws))
            gc.collect()
            gc.freeze()  # as the server does every half minute
            if farewell == "no word":
                charger.connection.transport.abort()
            elif farewell == "newer socket":
                async with impatient.plugged() as newer:
                    assert await newer.boot() == "Accepted"

    # The wheel that pings remembers the last socket it looked at.
    await eventually(lambda: sum(protocol() is not None for protocol in protocols) <= 1, "the memory is free again")
