"""Plausibility before money: each reason told over a real socket, held, and mended (issue "OCPP 1.6J complete" §4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from backend.database import SYSTEM, Scope
from backend.domain.caller import Caller
from backend.domain.plausibility import Decision
from backend.services.outbox import Outbox
from backend.services.reviews import Review, Reviews, Ruling
from tests.flows.raw import RawCharger, energy, iso
from tests.flows.running import CPO, Running

NOW = datetime.now(UTC)
ADMIN = Caller(Scope("cpo_admin", "33333333-0000-0000-0000-000000000001", CPO), "Admin")


def ago(**span: float) -> str:
    """A time as chargers write it."""
    return iso(NOW - timedelta(**span))


async def held(platform: Running, transaction_id: int) -> Review:
    """The review of a session that must be held."""
    session = await platform.session(transaction_id)
    assert (session["billing_state"], session["billable_energy_wh"]) == ("held", None)
    return await Reviews(platform.database).get(SYSTEM, str(session["id"]))


async def ended(
    charger: RawCharger, registers: list[int], *, begin: float = 60, each: float = 10, stop: float | None = None,
    connector: int = 1,
) -> int:  # fmt: skip
    """A session that began `begin` minutes ago, with a register every `each` minutes; the last is the stop's."""
    first, *middle, last = registers
    transaction_id = await charger.start(meter=first, at=ago(minutes=begin), connector=connector)
    for number, register in enumerate(middle, 1):
        values = [energy(ago(minutes=begin - number * each), register)]
        await charger.meter(values, connector, transactionId=transaction_id)
    at = begin - (len(middle) + 1) * each if stop is None else stop
    await charger.stop(transaction_id, last, ago(minutes=at))
    return transaction_id


async def test_a_session_is_pending_until_judged_and_then_billable(platform: Running, charger: RawCharger) -> None:
    transaction_id = await charger.start(meter=1000, at=ago(minutes=60))
    state = "select billing_state, billable_energy_wh from public.sessions where transaction_id = $1"
    running = await platform.row(state, transaction_id)
    await charger.stop(transaction_id, 6000, ago(minutes=20))
    pending = await platform.row(state, transaction_id)
    session = await platform.session(transaction_id)

    assert (running["billing_state"], pending["billing_state"]) == ("open", "pending")
    assert running["billable_energy_wh"] is pending["billable_energy_wh"] is None
    assert (session["billing_state"], session["billable_energy_wh"]) == ("ok", 5000)
    assert (session["billable_started_at"], session["billable_stopped_at"]) == (
        session["started_at"],
        session["stopped_at"],
    )


REASONS: dict[str, tuple[list[int], dict[str, float], float, str]] = {
    "register_back": ([5000, 7000, 6000, 8000], {}, 4000, "readings"),
    "energy_above_rated": ([5000, 40_000], {"each": 30}, 11_000, "capped"),
    "odometer_jump": ([0, 910_000, 911_000, 912_000], {}, 2000, "readings"),
    "negative_duration": ([5000, 6000], {"stop": 90}, 1000, "meter"),
    "reading_gap": ([5000, 6000, 9000], {"begin": 300, "each": 130}, 4000, "meter"),
}


@pytest.mark.parametrize("reason", REASONS)
async def test_a_figure_that_cannot_be_true_is_held_with_a_proposal(
    platform: Running, charger: RawCharger, reason: str
) -> None:
    registers, times, energy_wh, method = REASONS[reason]
    review = await held(platform, await ended(charger, registers, **times))

    assert reason in review.review_reasons
    assert (review.proposal.energy_wh, review.proposal.method) == (pytest.approx(energy_wh, rel=1e-3), method)
    assert review.rated_power_w == review.evidence.rated_power_w == 22_000
    assert review.evidence.meter_energy_wh == registers[-1] - registers[0]


async def test_two_sessions_at_once_on_one_connector_are_both_held(platform: Running, charger: RawCharger) -> None:
    late = await ended(charger, [5000, 9000], begin=30, each=10)
    assert (await platform.session(late))["billing_state"] == "ok"
    early = await ended(charger, [5000, 9000], begin=60, each=35)

    assert (await held(platform, early)).review_reasons == ["overlap"]
    review = await held(platform, late)
    assert [overlap.transaction_id for overlap in review.evidence.overlaps] == [early]
    assert review.evidence.overlaps[0].duration_s == 5 * 60


async def test_a_clock_that_is_off_is_held_with_the_times_of_receipt(platform: Running, charger: RawCharger) -> None:
    transaction_id = await charger.start(meter=0, at="1970-01-01T00:00:00Z")
    await charger.stop(transaction_id, 10, "1970-01-01T00:00:00Z")

    review = await held(platform, transaction_id)
    assert (review.review_reasons, review.evidence.clock_lag_s) == (["clock_off"], 0)
    assert (review.proposal.decision, review.proposal.energy_wh) == ("approve", 10)


# -- facts that come late


async def test_a_late_reading_judges_a_session_again(platform: Running, charger: RawCharger) -> None:
    transaction_id = await ended(charger, [5000, 9000], begin=60, each=40)
    assert (await platform.session(transaction_id))["billing_state"] == "ok"
    await charger.meter([energy(ago(minutes=40), 12_000)], transactionId=transaction_id)
    pending = await platform.row("select billing_state, energy_wh, meter_stop_wh from public.sessions")

    assert tuple(pending.values()) == ("pending", 4000, 9000)
    assert "register_back" in (await held(platform, transaction_id)).review_reasons


async def test_the_same_late_reading_twice_changes_nothing(platform: Running, charger: RawCharger) -> None:
    transaction_id = await ended(charger, [5000, 7000, 9000])
    before = await platform.session(transaction_id)
    await charger.meter([energy(ago(minutes=50), 7000)], transactionId=transaction_id)

    assert await platform.session(transaction_id) == before


async def decide(platform: Running, transaction_id: int, decision: str, **values: Any) -> None:
    """A decision of the CPO's administrator."""
    session = await platform.session(transaction_id)
    ruling = Ruling(Decision(decision), "looked at it", **values)
    await Reviews(platform.database).decide(ADMIN, str(session["id"]), ruling)


async def test_a_late_stop_opens_a_decision_again_if_it_changes_the_energy(
    platform: Running, charger: RawCharger
) -> None:
    first = await charger.start(meter=1000, at=ago(minutes=60))
    await charger.meter([energy(ago(minutes=50), 2000)], transactionId=first)
    await charger.start("TAG-2", 3000, ago(minutes=20))
    assert (await held(platform, first)).evidence.closed_by_us == "next_session"
    await decide(platform, first, "approve")
    assert (await platform.session(first))["billable_energy_wh"] == 1000
    await charger.stop(first, 2500, ago(minutes=30))

    review = await held(platform, first)
    assert review.review_reasons == ["changed_after_decision"]
    assert review.proposal.energy_wh == 1500
    assert review.previous is not None
    assert (review.previous.decision, review.previous.billable_energy_wh) == ("approve", 1000)
    reopened = await platform.row(
        "select before ->> 'decision' as was from public.audit_log where action = 'session.reopen'"
    )
    assert reopened["was"] == "approve"


async def test_late_facts_that_leave_the_energy_leave_the_decision(platform: Running, charger: RawCharger) -> None:
    first = await charger.start(meter=1000, at=ago(minutes=60))
    await charger.meter([energy(ago(minutes=50), 2000)], transactionId=first)
    await charger.start("TAG-2", 3000, ago(minutes=20))
    await decide(platform, first, "correct", energy_wh=Decimal("990.5"))
    await charger.meter([energy(ago(minutes=55), 1500)], transactionId=first)

    session = await platform.session(first)
    assert (session["billing_state"], float(session["billable_energy_wh"])) == ("corrected", 990.5)


async def test_meter_values_are_never_overwritten_by_a_correction(platform: Running, charger: RawCharger) -> None:
    transaction_id = await ended(charger, [0, 910_000, 911_000, 912_000])
    before = await platform.session(transaction_id)
    await decide(platform, transaction_id, "correct", energy_wh=Decimal(2000), stopped_at=NOW - timedelta(minutes=25))
    after = await platform.session(transaction_id)

    kept = ("meter_start_wh", "meter_stop_wh", "energy_wh", "started_at", "stopped_at", "review_reasons")
    assert [after[name] for name in kept] == [before[name] for name in kept]
    assert (after["billing_state"], after["billable_energy_wh"]) == ("corrected", 2000)
    assert after["billable_stopped_at"] == NOW - timedelta(minutes=25)


async def test_held_and_void_sessions_are_not_in_the_energy_of_the_day(platform: Running, charger: RawCharger) -> None:
    sound = await ended(charger, [5000, 8000], begin=120, connector=1)
    odd = await ended(charger, [0, 900_000], begin=120, connector=2)

    async def days() -> list[tuple[Any, ...]]:
        await Outbox(platform.database).relay()
        query = (
            "select sum(sessions) as n, sum(energy_wh) as wh, sum(held_sessions) as held, sum(held_energy_wh) as apart "
            "from public.station_days"
        )
        return [tuple(row.values()) for row in await platform.rows(query)]

    assert await days() == [(0, 0, 2, 903_000)]
    await held(platform, odd)
    assert (await platform.session(sound))["billing_state"] == "ok"
    assert await days() == [(1, 3000, 1, 900_000)]
    await decide(platform, odd, "void")
    assert await days() == [(1, 3000, 0, 0)]
    await decide(platform, odd, "correct", energy_wh=Decimal(1500))
    assert await days() == [(2, 4500, 0, 0)]
