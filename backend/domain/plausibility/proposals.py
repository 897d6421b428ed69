"""What would mend a session that is not plausible."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from backend.domain.plausibility.facts import OF_THE_REGISTER, Decision, Facts, Neighbour, Proposal, Reason
from backend.domain.plausibility.power import above_rated, full_power_wh
from backend.domain.plausibility.registers import falls_of, meter_energy, resumed, rises, steps_of
from backend.domain.plausibility.times import (
    believed_begin,
    is_before_registration,
    is_begin_unset,
    longest_believed,
    span,
)


def propose(facts: Facts, reasons: frozenset[Reason], overlaps: Sequence[Neighbour], lag: timedelta | None) -> Proposal:
    """`overlaps`: those that count; `lag`: of `times.clock_lag`."""
    started, stopped = _times(facts, reasons, overlaps, lag)
    energy, method = _energy(resumed(facts), reasons)
    same = (energy, started, stopped) == (meter_energy(facts), facts.started_at, facts.stopped_at)
    nothing = method == "none" or not (same or energy)
    decision = Decision.VOID if nothing else Decision.APPROVE if same else Decision.CORRECT
    return Proposal(decision, energy, started, stopped, method)


def _energy(facts: Facts, reasons: frozenset[Reason]) -> tuple[Decimal, str]:
    steps, meter = steps_of(facts), meter_energy(facts)
    suspect = reasons & OF_THE_REGISTER
    if not falls_of(steps):
        suspect -= {Reason.REGISTER_BACK}  # it fell before the session, and is taken from there
    if facts.closed_by_us is None and not suspect:
        return max(_last_stop(facts)[1] - facts.meter_start_wh, Decimal(0)), "meter"
    sound = facts.meter_stop_wh >= facts.meter_start_wh and not above_rated(meter, facts.rated_power_w, span(facts))
    if facts.closed_by_us is None and sound and Reason.UNIT_SUSPECT in suspect:
        return meter, "meter"
    told = sum(point.energy_wh is not None for point in facts.points)
    energy, method = (rises(facts, steps), "readings") if told else (meter, "meter")
    last = max(facts.stopped_at, facts.points[-1].at) if told else facts.stopped_at
    if above_rated(energy, facts.rated_power_w, min(last - facts.started_at, longest_believed(facts))):
        return full_power_wh(facts.rated_power_w, last - believed_begin(facts)), "capped"
    return energy, method if energy or not suspect else "none"


def _last_stop(facts: Facts) -> tuple[datetime, Decimal]:
    """The highest of the stops that can be true: the charger may have gone on after the first."""
    begun = facts.stopped_at - span(facts)
    possible = [
        (at, wh) for at, wh in facts.other_stops
        if not above_rated(wh - facts.meter_start_wh, facts.rated_power_w, at - begun)
    ]  # fmt: skip
    return max([(facts.stopped_at, facts.meter_stop_wh), *possible], key=lambda stop: stop[1])


def _times(
    facts: Facts, reasons: frozenset[Reason], overlaps: Sequence[Neighbour], lag: timedelta | None
) -> tuple[datetime, datetime]:
    started, stopped = believed_begin(facts), max(facts.stopped_at, _last_stop(facts)[0])
    last = facts.points[-1].at if facts.points else None
    if Reason.STOP_MISSING in reasons and last is not None:
        stopped = max(stopped, last)
    elif Reason.NEGATIVE_DURATION in reasons:
        stopped = max(started, last or facts.stop_received_at)
    elif lag and is_before_registration(facts) and not is_begin_unset(facts):
        # Its length is by the clock that was wrong throughout; it ended when it was told, or before.
        started, stopped = _ending_at(facts, max(facts.stop_received_at, facts.stopped_at))
    elif lag and not is_begin_unset(facts):
        started, stopped = facts.start_received_at, facts.stop_received_at
    for other in overlaps:
        if other.started_at > facts.started_at:
            stopped = min(stopped, other.started_at)
        elif other.stopped_at is not None:
            started = max(started, other.stopped_at)
    return min(started, stopped), stopped


def _ending_at(facts: Facts, end: datetime) -> tuple[datetime, datetime]:
    return end - (facts.stopped_at - facts.started_at), end
