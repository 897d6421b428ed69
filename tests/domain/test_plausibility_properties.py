"""The rules of plausibility against a second reading of them in fractions, over whatever a charger may tell."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from backend.domain.plausibility import (
    Decided,
    Decision,
    Facts,
    Neighbour,
    Point,
    Previous,
    Reason,
    Verdict,
    above_rated,
    judge,
    limit_wh,
    meter_energy,
)
from tests.domain.plausible import BEGIN, DAY, GAP, HOUR, MINUTE, facts

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
    before = st.builds(Previous, st.just(BEGIN - HOUR), registers, registers)
    return facts(
        registered_at=draw(st.none() | st.builds(lambda late: BEGIN + 3 * late, spans)),
        previous=draw(st.none() | before),
        rated_power_w=draw(powers), meter_start_wh=start, meter_stop_wh=stop,
        start_received_at=BEGIN + draw(st.sampled_from((1, 4))) * draw(spans),
        stopped_at=max(claimed, BEGIN), stop_claimed_at=claimed, stop_received_at=BEGIN + draw(spans), points=points,
        overlaps=overlaps, closed_by_us=draw(st.sampled_from((None, None, "silence", "next_session"))),
    )  # fmt: skip


def reference(it: Facts) -> set[str]:
    """The rules once more, in fractions of hours, as the text of the specification says them."""

    witnessed = max(it.stop_received_at, it.stopped_at) - it.start_received_at
    longest = max(witnessed, timedelta(0)) + DAY

    def most(since: datetime, until: datetime) -> Fraction:
        lasted = min(max(until - since, timedelta(0)), longest)
        seconds = Fraction(lasted // timedelta(microseconds=1), 10**6)
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
    if it.previous and it.meter_start_wh >= 1000 and it.previous.meter_stop_wh - it.meter_start_wh >= 1:
        why.add("register_back")
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
    if it.stopped_at - it.started_at > longest:
        why.add("clock_off")
    if it.registered_at and BEGIN + 7 * DAY < it.registered_at <= it.start_received_at:
        why.add("clock_off")
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
