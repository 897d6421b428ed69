"""Registers that no meter shows: kept from harming the session, the connector, and everybody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backend.services.outbox import Outbox
from backend.services.upkeep import Upkeep
from tests.flows.raw import RawCharger, energy, iso
from tests.flows.running import Running

NOW = datetime.now(UTC)
STARTED, LATER, LATEST = (iso(NOW - timedelta(minutes=minutes)) for minutes in (60, 50, 40))
A_DAY_S = 86_400

# From the lowest to the highest register of as many digits; their difference has one digit more.
ENDS = pytest.mark.parametrize("most", [10**11 - 1, 10**12 - 1])


@ENDS
async def test_a_stop_far_above_a_negative_start_was_refused_for_ever(
    platform: Running, charger: RawCharger, most: int
) -> None:
    transaction_id = await charger.start(meter=-most, at=STARTED)
    await charger.stop(transaction_id, most, LATEST)

    assert (await platform.session(transaction_id))["stopped_at"] is not None


@ENDS
async def test_a_reading_far_above_a_negative_start_locked_the_connector(
    platform: Running, charger: RawCharger, most: int
) -> None:
    first = await charger.start(meter=-most, at=STARTED)
    await charger.meter([energy(LATER, most)], transactionId=first)
    await charger.start(meter=0, at=LATEST)

    assert (await platform.session(first))["billing_state"] == "held"


@ENDS
async def test_a_reading_far_above_a_negative_start_kept_all_silent_sessions_open(
    platform: Running, charger: RawCharger, most: int
) -> None:
    await charger.start(meter=0, at=STARTED, connector=2)
    first = await charger.start(meter=-most, at=STARTED)
    await charger.meter([energy(LATER, most)], transactionId=first)
    await platform.store_execute(
        "update public.sessions set start_received_at = now() - interval '3 days', last_reading_at = null;"
        "update public.meter_values set received_at = now() - interval '3 days'"
    )

    assert await Upkeep(platform.database).close_silent_sessions(A_DAY_S) == 2


async def test_a_broken_meter_kept_its_stations_day_from_being_counted(platform: Running, charger: RawCharger) -> None:
    for _ in range(12):
        transaction_id = await charger.start(meter=0)
        await charger.stop(transaction_id, 10**11 - 1)
    await Outbox(platform.database).relay()

    day = await platform.row("select sum(sessions + held_sessions) as n from public.station_days")
    assert day["n"] == 12
