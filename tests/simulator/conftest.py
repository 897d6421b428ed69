"""A central system to talk to, and a charger with a clock that only moves when asked."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from simulator import SimulatedCharger, StepClock
from tests.simulator.csms import Csms, central_system


@pytest.fixture
async def csms() -> AsyncIterator[Csms]:
    """A running central system that knows TAG-1, TAG-2 and SIM-TAG-1."""
    async with central_system() as running:
        yield running


@pytest.fixture
async def charger(csms: Csms) -> AsyncIterator[SimulatedCharger]:
    """A charger that has not connected yet."""
    async with SimulatedCharger(
        csms.url,
        "SIM-1",
        clock=StepClock(),
        configuration={"TransactionMessageRetryInterval": 0},
        registers_wh=(1_000,),
    ) as made:
        yield made
