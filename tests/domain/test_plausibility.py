"""The rules of plausibility, each by a case, and against a second reading of them in fractions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backend.domain.plausibility import (
    Decided,
    Decision,
    Facts,
    Judgement,
    Neighbour,
    Point,
    Reason,
    Verdict,
    above_rated,
    judge,
    limit_wh,
    meter_energy,
)

BEGIN = datetime(2026, 11, 21, 4, tzinfo=UTC)
GAP = timedelta(hours=2)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def facts(**changes: Any) -> Facts:
    """One hour at 22 kW that charged 10 kWh, told as it happened, without readings."""
    sound: dict[str, Any] = {
        "rated_power_w": 22_000, "meter_start_wh": Decimal(5000), "meter_stop_wh": Decimal(15_000),
        "started_at": BEGIN, "start_received_at": BEGIN + SECOND, "stopped_at": BEGIN + HOUR,
        "stop_received_at": BEGIN + HOUR + SECOND, "stop_claimed_at": BEGIN + HOUR,
    }  # fmt: skip
    return Facts(**(sound | changes))


def readings(*registers: int, every: timedelta = 10 * MINUTE) -> tuple[Point, ...]:
    """Registers in Wh, one after another from the start on."""
    return tuple(Point(BEGIN + number * every, Decimal(wh)) for number, wh in enumerate(registers, 1))


def judged(**changes: Any) -> Judgement:
    return judge(facts(**changes), GAP)


def found(**changes: Any) -> set[Reason]:
    return set(judged(**changes).reasons)


def test_a_sound_session_is_ok_and_proposes_itself() -> None:
    judgement = judged(points=readings(7000, 9000, 11_000, 13_000))
    assert (judgement.verdict, judgement.reasons) == (Verdict.OK, ())
    assert judgement.proposal == (Decision.APPROVE, Decimal(10_000), BEGIN, BEGIN + HOUR, "meter")


def test_a_session_without_energy_is_ok() -> None:
    assert found(meter_stop_wh=Decimal(5000)) == set()


def test_a_register_that_falls_between_readings_is_held_and_its_rises_are_proposed() -> None:
    judgement = judged(points=readings(7000, 9000, 100, 1100), meter_stop_wh=Decimal(2100))
    assert set(judgement.reasons) == {Reason.REGISTER_BACK}
    assert judgement.proposal[:2] == (Decision.CORRECT, Decimal(4000 + 1000 + 1000))
    [fall] = judgement.evidence["falls"]
    assert (fall["from_wh"], fall["to_wh"]) == (9000, 100)


def test_a_stop_rounded_below_the_last_reading_is_no_fall() -> None:
    points = (Point(BEGIN + MINUTE, Decimal("5100.9")),)
    assert found(points=points, meter_stop_wh=Decimal(5100)) == set()
    assert found(points=points, meter_stop_wh=Decimal("5099.9")) == {Reason.REGISTER_BACK}


def test_energy_above_what_the_charger_can_give_is_held_and_capped() -> None:
    judgement = judged(meter_stop_wh=Decimal(5000 + 25_411))  # 22 kW × 1,05 h × 1,1 = 25,41 kWh
    assert set(judgement.reasons) == {Reason.ENERGY_ABOVE_RATED}
    assert judgement.evidence["limit_wh"] == 25_410
    assert judgement.proposal[:2] == (Decision.CORRECT, Decimal(22_000))
    assert judgement.proposal.method == "capped"
    assert found(meter_stop_wh=Decimal(5000 + 25_410)) == set()


def test_an_odometer_taken_as_zero_proposes_the_start_of_the_first_reading() -> None:
    points = readings(910_000, 912_000, 914_000)
    judgement = judged(meter_start_wh=Decimal(0), points=points, meter_stop_wh=Decimal(916_000))
    assert set(judgement.reasons) == {Reason.ODOMETER_JUMP, Reason.ENERGY_ABOVE_RATED}
    assert judgement.proposal[:2] == (Decision.CORRECT, Decimal(6000))
    assert judgement.proposal.method == "readings"
    assert judgement.evidence["jumps"][0]["to_wh"] == 910_000


def test_a_jump_in_the_middle_is_held_though_the_whole_would_pass() -> None:
    points = (*readings(5000, 5000, every=20 * MINUTE), Point(BEGIN + 41 * MINUTE, Decimal(15_000)))
    assert found(points=points) == {Reason.ODOMETER_JUMP}


def test_kwh_under_the_label_wh_leaves_the_meters_difference_standing() -> None:
    judgement = judged(
        meter_start_wh=Decimal(1_234_000), points=(Point(BEGIN + MINUTE, Decimal("1235.5")),),
        meter_stop_wh=Decimal(1_237_000),
    )  # fmt: skip
    assert set(judgement.reasons) == {Reason.REGISTER_BACK, Reason.UNIT_SUSPECT}
    assert judgement.proposal[:2] == (Decision.APPROVE, Decimal(3000))


def test_a_stop_before_the_start_is_held() -> None:
    judgement = judged(stop_claimed_at=BEGIN - HOUR, stopped_at=BEGIN, meter_stop_wh=Decimal(6000))
    assert set(judgement.reasons) == {Reason.NEGATIVE_DURATION}
    assert judgement.proposal.stopped_at == BEGIN + HOUR + SECOND


def test_sessions_that_overlap_on_a_connector_are_held() -> None:
    other = Neighbour("x", 7, BEGIN + 50 * MINUTE, None)
    judgement = judged(overlaps=(other,))
    assert set(judgement.reasons) == {Reason.OVERLAP}
    assert judgement.proposal.stopped_at == other.started_at
    assert judgement.evidence["overlaps"][0]["duration_s"] == 600
    before = Neighbour("y", 6, BEGIN - HOUR, BEGIN + 10 * MINUTE)
    assert judged(overlaps=(before,)).proposal.started_at == before.stopped_at


def test_a_minute_of_overlap_is_the_clocks() -> None:
    assert found(overlaps=(Neighbour("x", 7, BEGIN + HOUR - MINUTE, None),)) == set()


def test_a_long_silence_between_readings_is_held() -> None:
    points = (*readings(6000), Point(BEGIN + 10 * MINUTE + GAP + SECOND, Decimal(14_000)))
    late = {
        "stopped_at": BEGIN + 4 * HOUR,
        "stop_claimed_at": BEGIN + 4 * HOUR,
        "stop_received_at": BEGIN + 4 * HOUR + SECOND,
    }
    judgement = judged(points=points, **late)
    assert set(judgement.reasons) == {Reason.READING_GAP}
    assert judgement.evidence["longest_gap"]["duration_s"] == GAP.total_seconds() + 1
    assert judgement.proposal.decision == Decision.APPROVE


def test_a_charger_that_never_sends_readings_has_no_gap() -> None:
    late = {
        "stopped_at": BEGIN + 9 * HOUR,
        "stop_claimed_at": BEGIN + 9 * HOUR,
        "stop_received_at": BEGIN + 9 * HOUR + SECOND,
    }
    assert found(**late) == set()


@pytest.mark.parametrize("member", ["start_received_at", "stop_received_at"])
def test_a_clock_that_could_not_be_believed_is_held(member: str) -> None:
    told = {"start_received_at": BEGIN, "stop_received_at": BEGIN + HOUR}
    assert found(**{member: told[member]}) == {Reason.CLOCK_OFF}


def test_a_clock_that_is_slow_throughout_is_held_and_the_times_of_receipt_are_proposed() -> None:
    slow = {"start_received_at": BEGIN + 7 * HOUR, "stop_received_at": BEGIN + 8 * HOUR}
    judgement = judged(**slow)
    assert set(judgement.reasons) == {Reason.CLOCK_OFF}
    assert judgement.evidence["clock_lag_s"] == 7 * 3600
    assert judgement.proposal[2:4] == (BEGIN + 7 * HOUR, BEGIN + 8 * HOUR)


def test_history_told_at_once_when_the_network_returned_is_no_slow_clock() -> None:
    assert found(start_received_at=BEGIN + 9 * HOUR, stop_received_at=BEGIN + 9 * HOUR + SECOND) == set()


def test_a_session_that_we_closed_is_held_with_what_its_readings_say() -> None:
    closed = {"closed_by_us": "silence", "meter_stop_wh": Decimal(9000), "stopped_at": BEGIN + 20 * MINUTE}
    judgement = judged(points=readings(7000, 9000, 11_000), **closed)
    assert set(judgement.reasons) == {Reason.STOP_MISSING}
    assert judgement.proposal == (Decision.CORRECT, Decimal(6000), BEGIN, BEGIN + 30 * MINUTE, "readings")


def test_an_unknown_rated_power_is_taken_as_a_megawatt() -> None:
    assert found(rated_power_w=None, meter_stop_wh=Decimal(1_000_000)) == set()
    assert found(rated_power_w=None, meter_stop_wh=Decimal(2_000_000)) == {Reason.ENERGY_ABOVE_RATED}


@pytest.mark.parametrize("decision", list(Decision))
def test_a_decision_stands_until_the_energy_changes(decision: Decision) -> None:
    decided = Decided(decision, Decimal(10_000), Decimal(10_000))
    kept = judged(decided=decided, overlaps=(Neighbour("x", 7, BEGIN, None),))
    assert kept.verdict == {"approve": "approved", "correct": "corrected", "void": "void"}[decision]
    changed = judged(decided=decided._replace(meter_energy_wh=Decimal(9999)))
    assert (changed.verdict, set(changed.reasons)) == (Verdict.HELD, {Reason.CHANGED_AFTER_DECISION})


# -- properties

registers = st.decimals(0, 2_000_000, places=3)
spans = st.timedeltas(timedelta(0), timedelta(days=3))
powers = st.none() | st.integers(1, 2_000_000)


@st.composite
def any_facts(draw: st.DrawFn) -> Facts:
    """Anything that a charger may have told, likely or not."""
    start, stop = draw(registers), draw(registers)
    claimed = BEGIN + draw(st.timedeltas(-timedelta(days=1), timedelta(days=3)))
    times = sorted(draw(st.lists(spans, max_size=6)))
    points = tuple(Point(BEGIN + at, draw(st.none() | registers)) for at in times)
    neighbours = draw(st.lists(st.tuples(spans, spans), max_size=3))
    overlaps = tuple(Neighbour("x", n, BEGIN + a, BEGIN + a + b) for n, (a, b) in enumerate(neighbours))
    return facts(
        rated_power_w=draw(powers), meter_start_wh=start, meter_stop_wh=stop, start_received_at=BEGIN + draw(spans),
        stopped_at=max(claimed, BEGIN), stop_claimed_at=claimed, stop_received_at=BEGIN + draw(spans), points=points,
        overlaps=overlaps, closed_by_us=draw(st.sampled_from((None, None, "silence", "next_session"))),
    )  # fmt: skip


def reference(it: Facts) -> set[str]:
    """The rules once more, in fractions of hours, as the text of the specification says them."""

    def most(since: datetime, until: datetime) -> Fraction:
        seconds = Fraction(max(until - since, timedelta(0)) // timedelta(microseconds=1), 10**6)
        return (
            Fraction(1_000_000 if it.rated_power_w is None else it.rated_power_w)
            * (seconds + 180)
            / 3600
            * Fraction("1.1")
        )

    told = [(p.at, Fraction(p.energy_wh)) for p in it.points if p.energy_wh is not None]
    line = [(it.started_at, Fraction(it.meter_start_wh)), *told]
    line += [(it.stopped_at, Fraction(it.meter_stop_wh))] if it.closed_by_us is None else []
    why: set[str] = set()
    for n in range(1, len(line)):
        (since, _), (until, after) = line[n - 1], line[n]
        if line[n - 1][1] - after >= 1:
            why.add("register_back")
        if after - max(wh for _, wh in line[:n]) > most(since, until) and (told or it.meter_start_wh == 0):
            why.add("odometer_jump")
    if Fraction(it.meter_stop_wh) - Fraction(it.meter_start_wh) > most(it.started_at, it.stopped_at):
        why.add("energy_above_rated")
    thousandfold = [wh * 1000 for _, wh in told]
    if told and min(wh for _, wh in told) <= it.meter_start_wh - 1 and all(
        Fraction(it.meter_start_wh) * Fraction("0.99") <= wh <= it.meter_start_wh + 1_000_000 for wh in thousandfold
    ):  # fmt: skip
        why.add("unit_suspect")
    if it.stop_claimed_at < it.started_at:
        why.add("negative_duration")
    for other in it.overlaps:
        assert other.stopped_at is not None
        if min(it.stopped_at, other.stopped_at) - max(it.started_at, other.started_at) > MINUTE:
            why.add("overlap")
    signs = sorted([it.started_at, *(p.at for p in it.points), *([it.stopped_at] if it.closed_by_us is None else [])])
    if it.points and any(signs[n + 1] - signs[n] > GAP for n in range(len(signs) - 1)):
        why.add("reading_gap")
    late = (it.start_received_at - it.started_at, it.stop_received_at - it.stop_claimed_at)
    if it.closed_by_us is not None:
        why |= {"stop_missing"} | ({"clock_off"} if late[0] == timedelta(0) else set())
    else:
        length = it.stopped_at - it.started_at
        steady = length > timedelta(0) and abs(late[0] - late[1]) <= min(2 * MINUTE, length / 4)
        if timedelta(0) in late or (steady and min(late) > 15 * MINUTE):
            why.add("clock_off")
    return why


@given(any_facts())
def test_the_reasons_are_those_of_the_reference(it: Facts) -> None:
    judgement = judge(it, GAP)
    assert set(judgement.reasons) == reference(it)
    assert (judgement.verdict == Verdict.OK) == (judgement.reasons == ())


@given(any_facts())
def test_a_proposal_is_always_possible_and_never_more_than_the_charger_gives(it: Facts) -> None:
    proposal = judge(it, GAP).proposal
    assert Decimal(0) <= proposal.energy_wh == round(proposal.energy_wh, 3)
    assert it.started_at <= proposal.started_at <= proposal.stopped_at or proposal.started_at == proposal.stopped_at
    ends = max([it.stopped_at, *(point.at for point in it.points)])
    assert not above_rated(proposal.energy_wh, it.rated_power_w, ends - it.started_at)


@given(any_facts(), st.sampled_from(Decision), registers)
def test_a_decision_survives_facts_that_leave_the_energy_and_no_others(
    it: Facts, decision: Decision, other: Decimal
) -> None:
    figures = (meter_energy(it), judge(it, GAP).proposal.energy_wh)
    assert judge(it._replace(decided=Decided(decision, *figures)), GAP).verdict not in (Verdict.HELD, Verdict.OK)
    assume(other != figures[0])
    again = judge(it._replace(decided=Decided(decision, other, figures[1])), GAP)
    assert (again.verdict, again.reasons[-1]) == (Verdict.HELD, Reason.CHANGED_AFTER_DECISION)


@given(powers, spans)
def test_the_shown_limit_is_the_last_energy_that_passes(rated: int | None, span: timedelta) -> None:
    limit = limit_wh(rated, span)
    assert not above_rated(limit, rated, span)
    assert above_rated(limit + Decimal("0.001"), rated, span)
