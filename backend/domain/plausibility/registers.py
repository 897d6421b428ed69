"""What the registers of a session say: falls, leaps, a wrong unit, and where the session before had left off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from backend.domain.plausibility.facts import Facts
from backend.domain.plausibility.power import above_rated, limit_wh
from backend.domain.plausibility.times import longest_believed

FALL_TOLERATED: Final = Decimal(1)  # meterStop is a whole number, readings have decimals (OCPP 1.6 §6.45, §7.43)
SESSION_METER_WH: Final = Decimal(1000)
"""A start below is that of a meter which begins anew with each session: at 0, or at the little that the charger itself
took, or gave before it read the meter. It falls back every time and harms nobody; it must not fill the review. A meter
that counts for life stands below it during its first charge alone."""


class Step(NamedTuple):
    """From one register to the next."""

    since: datetime
    until: datetime
    from_wh: Decimal
    to_wh: Decimal

    @property
    def rise_wh(self) -> Decimal:
        """Negative if the register fell."""
        return self.to_wh - self.from_wh


def meter_energy(facts: Facts) -> Decimal:
    """What the meter says: stop less start, never negative."""
    return max(facts.meter_stop_wh - facts.meter_start_wh, Decimal(0))


def steps_of(facts: Facts) -> list[Step]:
    """From the start over every reading to the stop; a stop that we made up ourselves says nothing."""
    chain = [(facts.started_at, facts.meter_start_wh)]
    chain += [(point.at, point.energy_wh) for point in facts.points if point.energy_wh is not None]
    if facts.closed_by_us is None:
        chain.append((facts.stopped_at, facts.meter_stop_wh))
    return [Step(at, then, wh, next_wh) for (at, wh), (then, next_wh) in pairwise(chain)]


def falls_of(steps: Sequence[Step]) -> list[Step]:
    """Where the register went back during the session."""
    return [step for step in steps if step.rise_wh <= -FALL_TOLERATED]


def fall_before(facts: Facts) -> Step | None:
    """From the last stop on the connector back to this start, if the meter counts for life: whoever bills both sessions
    bills what lies between them twice."""
    before = facts.previous
    if before is None or facts.meter_start_wh < SESSION_METER_WH:
        return None
    step = Step(before.stopped_at, facts.started_at, before.meter_stop_wh, facts.meter_start_wh)
    return step if step.rise_wh <= -FALL_TOLERATED else None


def resumed(facts: Facts) -> Facts:
    """The same from where the session before had left off, if this start lies below that.

    Who stops above the stop before has read an old register at the start. Who stops below it, and began within the
    session before, tells what was billed already. Otherwise the meter was reset or replaced, and its own figure stands.
    """
    before = facts.previous
    if before is None or fall_before(facts) is None:
        return facts
    if facts.meter_stop_wh > before.meter_stop_wh:
        return facts._replace(meter_start_wh=before.meter_stop_wh)
    if facts.meter_start_wh >= before.meter_start_wh:
        return facts._replace(meter_start_wh=max(facts.meter_start_wh, facts.meter_stop_wh))
    return facts


def step_span(step: Step, facts: Facts) -> timedelta:
    """The time that a step took, as far as that is believed."""
    return min(max(step.until - step.since, timedelta(0)), longest_believed(facts))


def step_limit_wh(step: Step, facts: Facts) -> Decimal:
    """The most that is believed of a step."""
    return limit_wh(facts.rated_power_w, step_span(step, facts))


def jumps_of(facts: Facts, steps: Sequence[Step]) -> list[Step]:
    """Leaps between two registers that no current explains. Without readings only a start at zero tells an odometer."""
    if facts.meter_start_wh != 0 and not any(point.energy_wh is not None for point in facts.points):
        return []
    found, highest = [], facts.meter_start_wh
    for step in steps:  # coming back from a fall is no leap
        if not _possible(step._replace(from_wh=max(step.from_wh, highest)), facts):
            found.append(step)
        highest = max(highest, step.to_wh)
    return found


def is_thousandth(facts: Facts) -> bool:
    """All readings a thousandth of what was expected: kWh under the label Wh."""
    registers = [point.energy_wh for point in facts.points if point.energy_wh is not None]
    if not registers or min(registers) > facts.meter_start_wh - FALL_TOLERATED:
        return False
    least, most = min(registers) * 1000, max(registers) * 1000
    return facts.meter_start_wh * 99 <= least * 100 and most <= facts.meter_start_wh + 1_000_000


def rises(facts: Facts, steps: Sequence[Step]) -> Decimal:
    """The energy of the steps that can be true."""
    return sum((step.rise_wh for step in steps if step.rise_wh > 0 and _possible(step, facts)), Decimal(0))


def _possible(step: Step, facts: Facts) -> bool:
    return not above_rated(step.rise_wh, facts.rated_power_w, step_span(step, facts))
