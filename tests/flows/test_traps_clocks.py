"""Clocks that are not set when a session begins: the years in between would let any energy pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from backend.database import SYSTEM
from backend.services.reviews import Review, Reviews
from tests.flows.raw import RawCharger, iso
from tests.flows.running import Running

NOW = datetime.now(UTC)
UNSET = "2021-01-01T00:00:40Z"


async def held(platform: Running, transaction_id: int) -> Review:
    """The review of a session that must be held."""
    session = await platform.session(transaction_id)
    assert session["billing_state"] == "held"
    return await Reviews(platform.database).get(SYSTEM, str(session["id"]))


async def test_an_unset_clock_at_the_start_let_any_energy_pass(platform: Running, charger: RawCharger) -> None:
    """A power failure, a start without connection, and the boot sets the clock before the start is told."""
    transaction_id = await charger.start(meter=0, at=UNSET)
    await charger.stop(transaction_id, 12_345_678)

    review = await held(platform, transaction_id)
    assert review.review_reasons == ["energy_above_rated", "odometer_jump", "clock_off"]
    assert review.evidence.clock_lag_s is not None
    assert review.evidence.clock_lag_s > 5 * 365 * 86_400
    assert review.evidence.limit_wh < 1_000_000
    assert review.proposal.energy_wh < 22_000
    assert review.proposal.started_at == review.evidence.start_received_at


async def test_an_energy_that_can_be_true_is_proposed_with_the_time_of_receipt(
    platform: Running, charger: RawCharger
) -> None:
    transaction_id = await charger.start(meter=1000, at=UNSET)
    await charger.stop(transaction_id, 9000)

    review = await held(platform, transaction_id)
    assert review.review_reasons == ["clock_off"]
    assert (review.proposal.energy_wh, review.proposal.decision) == (8000, "correct")
    assert review.proposal.started_at >= NOW


async def test_a_night_and_days_without_a_connection_are_no_unset_clock(platform: Running, charger: RawCharger) -> None:
    await platform.store_execute("update public.chargers set created_at = now() - interval '1 year'")
    began_offline = await charger.start(meter=1000, at=iso(NOW - timedelta(hours=14)))
    await charger.stop(began_offline, 60_000)
    all_offline = await charger.start(meter=1000, at=iso(NOW - timedelta(days=9)), connector=2)
    await charger.stop(all_offline, 60_000, iso(NOW - timedelta(days=8, hours=14)))

    for transaction_id in (began_offline, all_offline):
        assert (await platform.session(transaction_id))["review_reasons"] == []


async def test_a_session_from_years_before_its_charger_was_known_was_billed_then(
    platform: Running, charger: RawCharger
) -> None:
    """Its clock was unset from the start to the stop, and set when the connection came back."""
    transaction_id = await charger.start(meter=1000, at=UNSET)
    await charger.stop(transaction_id, 9000, "2021-01-01T05:00:40Z")

    review = await held(platform, transaction_id)
    assert review.review_reasons == ["clock_off"]
    assert review.proposal.stopped_at == review.evidence.stop_received_at
    assert review.proposal.stopped_at - review.proposal.started_at == timedelta(hours=5)
