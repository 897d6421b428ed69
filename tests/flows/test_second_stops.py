"""A second stop under the same number: energy that would be charged for nothing, and nobody would know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from backend.database import SYSTEM
from backend.services.reviews import Reviews
from tests.flows.raw import RawCharger, iso
from tests.flows.running import Running

NOW = datetime.now(UTC)
STARTED, LATER, LATEST = (iso(NOW - timedelta(minutes=minutes)) for minutes in (60, 40, 20))


async def test_a_charger_that_went_on_after_its_stop_did_so_for_nothing(platform: Running, charger: RawCharger) -> None:
    transaction_id = await charger.start(meter=1000, at=STARTED)
    await charger.stop(transaction_id, 3000, LATER, reason="PowerLoss")
    assert (await platform.session(transaction_id))["billing_state"] == "ok"
    for _ in range(2):
        await charger.stop(transaction_id, 9000, LATEST, reason="EVDisconnected")

    session = await platform.session(transaction_id)
    review = await Reviews(platform.database).get(SYSTEM, str(session["id"]))
    assert (session["billing_state"], session["review_reasons"]) == ("held", ["stopped_twice"])
    assert (session["energy_wh"], session["meter_stop_wh"], session["revision"]) == (2000, 3000, 2)
    assert [stop.register_wh for stop in review.evidence.other_stops] == [9000]
    assert (review.proposal.energy_wh, iso(review.proposal.stopped_at)) == (8000, LATEST)


async def test_a_session_that_looks_like_one_before_vanished(platform: Running, charger: RawCharger) -> None:
    """The clock begins anew with each power cut, and the register with each session."""
    for meter_stop in (5000, 7000):
        transaction_id = await charger.start(at="2021-01-01T00:00:30Z", meter=0)
        await charger.stop(transaction_id, meter_stop, "2021-01-01T00:40:30Z")

    session = await platform.session(transaction_id)
    assert (session["billing_state"], session["energy_wh"]) == ("held", 5000)
    assert [row["meter_stop_wh"] for row in await platform.rows("select * from public.orphan_stops")] == [7000]


async def test_a_stop_repeated_under_another_time_changes_nothing(platform: Running, charger: RawCharger) -> None:
    transaction_id = await charger.start(meter=1000, at=STARTED)
    await charger.stop(transaction_id, 3000, LATER)
    await charger.stop(transaction_id, 3000, LATEST)

    assert (await platform.session(transaction_id))["billing_state"] == "ok"
    assert await platform.rows("select * from public.orphan_stops") == []


async def test_an_orphan_of_the_same_number_from_before_the_session_is_none_of_its_stops(
    platform: Running, charger: RawCharger
) -> None:
    await charger.stop(1, 9000, STARTED)
    transaction_id = await charger.start(meter=1000, at=STARTED)
    await charger.stop(transaction_id, 3000, LATER)

    assert transaction_id == 1
    assert (await platform.session(transaction_id))["billing_state"] == "ok"
