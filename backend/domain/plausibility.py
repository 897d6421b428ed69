"""Plausibility before money: may what a finished session's meter says be billed as it is?

Pure and exact: energy is `Decimal` in Wh with three places, time is exact to the microsecond, and limits are compared
by multiplication, never by a quotient that was rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, NamedTuple

ASSUMED_POWER_W: Final = 1_000_000
"""For a charger whose power nobody told: more than any car takes."""
SLACK: Final = timedelta(minutes=3)
"""Granted to every span: clocks tick in seconds, meters are read a moment after the time they bear."""
OVERLAP_TOLERATED: Final = timedelta(minutes=1)
SLOWEST_DELIVERY: Final = timedelta(minutes=15)
"""A message that is older at receipt was kept back by the charger, or bears a wrong time."""
_MARGIN: Final = (11, 10)  # the standard's words are silent; the rule is rated power × time × 1.1
_FALL_TOLERATED: Final = Decimal(1)  # meterStop is a whole number, readings have decimals (OCPP 1.6 §6.45, §7.43)
_MICROSECOND: Final = timedelta(microseconds=1)
_MILLI: Final = Decimal("0.001")
_MANY: Final = 10


class Reason(StrEnum):
    """Why a session is not plausible."""

    REGISTER_BACK = "register_back"
    UNIT_SUSPECT = "unit_suspect"
    ENERGY_ABOVE_RATED = "energy_above_rated"
    ODOMETER_JUMP = "odometer_jump"
    NEGATIVE_DURATION = "negative_duration"
    OVERLAP = "overlap"
    READING_GAP = "reading_gap"
    CLOCK_OFF = "clock_off"
    STOP_MISSING = "stop_missing"
    STOPPED_TWICE = "stopped_twice"
    CHANGED_AFTER_DECISION = "changed_after_decision"


class Verdict(StrEnum):
    """What a judged session is to those who bill."""

    OK = "ok"
    HELD = "held"
    APPROVED = "approved"
    CORRECTED = "corrected"
    VOID = "void"


class Decision(StrEnum):
    """What a person says of a session that is held."""

    APPROVE = "approve"
    CORRECT = "correct"
    VOID = "void"


VERDICT_OF: Final = {
    Decision.APPROVE: Verdict.APPROVED,
    Decision.CORRECT: Verdict.CORRECTED,
    Decision.VOID: Verdict.VOID,
}
_OF_THE_REGISTER: Final = frozenset(
    {Reason.REGISTER_BACK, Reason.UNIT_SUSPECT, Reason.ENERGY_ABOVE_RATED, Reason.ODOMETER_JUMP}
)


class Point(NamedTuple):
    """A reading: its time, and the register in Wh if it told one."""

    at: datetime
    energy_wh: Decimal | None


class Neighbour(NamedTuple):
    """Another session of the same connector; `stopped_at` None: it runs."""

    session_id: str
    transaction_id: int
    started_at: datetime
    stopped_at: datetime | None


class Decided(NamedTuple):
    """What was decided, and the two figures it was decided upon."""

    decision: Decision
    meter_energy_wh: Decimal
    proposed_energy_wh: Decimal


class Facts(NamedTuple):
    """All that is known of a finished session. Times are aware; `points` stand in the order of their times.

    Where a charger's clock could not be believed, the time of receipt stands in its place (`timestamps.believe`), so
    both are equal. `closed_by_us`: `silence`, `next_session`, or None if the charger told the stop. `other_stops`: time
    and register of stops that it told after the one that counts.
    """

    rated_power_w: int | None
    meter_start_wh: Decimal
    meter_stop_wh: Decimal
    started_at: datetime
    start_received_at: datetime
    stopped_at: datetime
    stop_received_at: datetime
    stop_claimed_at: datetime
    closed_by_us: str | None = None
    points: tuple[Point, ...] = ()
    overlaps: tuple[Neighbour, ...] = ()
    other_stops: tuple[tuple[datetime, Decimal], ...] = ()
    decided: Decided | None = None


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


class Proposal(NamedTuple):
    """A correction that a person may take over. `method` says where the energy comes from: `meter` (stop less start),
    `readings` (the rises between neighbouring readings that can be true), `capped` (rated power × time), `none`."""

    decision: Decision
    energy_wh: Decimal
    started_at: datetime
    stopped_at: datetime
    method: str


class Judgement(NamedTuple):
    """The verdict with its reasons, in the order of `Reason`. Evidence holds JSON values."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    evidence: dict[str, Any]
    proposal: Proposal


def above_rated(energy_wh: Decimal, rated_power_w: int | None, span: timedelta) -> bool:
    """Whether a charger of this power could not deliver the energy in that time, with SLACK and a margin of a tenth."""
    times, of = _MARGIN
    power_w = ASSUMED_POWER_W if rated_power_w is None else rated_power_w
    most = power_w * times * (_microseconds(span) + _microseconds(SLACK))
    return int(energy_wh * 1000) * of * 3_600_000_000 > most * 1000


def limit_wh(rated_power_w: int | None, span: timedelta) -> Decimal:
    """The most that is believed of a span, in Wh, rounded down to three places."""
    times, of = _MARGIN
    power_w = ASSUMED_POWER_W if rated_power_w is None else rated_power_w
    return _energy(power_w * times, _microseconds(span) + _microseconds(SLACK), of)


def judge(facts: Facts, longest_gap: timedelta) -> Judgement:
    """Judges a finished session. `longest_gap`: the longest silence that is tolerated between two readings."""
    steps = _steps(facts)
    falls = [step for step in steps if step.rise_wh <= -_FALL_TOLERATED]
    jumps = _jumps(facts, steps)
    gap = _longest_gap(facts)
    overlaps = [o for o in facts.overlaps if _overlap(facts, o) > OVERLAP_TOLERATED]
    lag = _clock_lag(facts)
    energy = meter_energy(facts)
    found = {
        Reason.REGISTER_BACK: bool(falls),
        Reason.UNIT_SUSPECT: _thousandth(facts),
        Reason.ENERGY_ABOVE_RATED: above_rated(energy, facts.rated_power_w, facts.stopped_at - facts.started_at),
        Reason.ODOMETER_JUMP: bool(jumps),
        Reason.NEGATIVE_DURATION: facts.stop_claimed_at < facts.started_at,
        Reason.OVERLAP: bool(overlaps),
        Reason.READING_GAP: gap is not None and gap[1] - gap[0] > longest_gap,
        Reason.CLOCK_OFF: lag is not None,
        Reason.STOP_MISSING: facts.closed_by_us is not None,
        Reason.STOPPED_TWICE: any(abs(wh - facts.meter_stop_wh) >= _FALL_TOLERATED for _, wh in facts.other_stops),
    }
    reasons = tuple(reason for reason, holds in found.items() if holds)
    proposal = _propose(facts, frozenset(reasons), steps, overlaps, lag)
    evidence = _evidence(facts, falls, jumps, gap, overlaps, lag)
    return _with_decision(facts, Judgement(Verdict.HELD if reasons else Verdict.OK, reasons, evidence, proposal))


def meter_energy(facts: Facts) -> Decimal:
    """What the meter says: stop less start, never negative."""
    return max(facts.meter_stop_wh - facts.meter_start_wh, Decimal(0))


def _with_decision(facts: Facts, judgement: Judgement) -> Judgement:
    """A decision stands until the energy it was made upon changes."""
    decided = facts.decided
    if decided is None:
        return judgement
    if (decided.meter_energy_wh, decided.proposed_energy_wh) == (meter_energy(facts), judgement.proposal.energy_wh):
        return judgement._replace(verdict=VERDICT_OF[decided.decision])
    return judgement._replace(verdict=Verdict.HELD, reasons=(*judgement.reasons, Reason.CHANGED_AFTER_DECISION))


# ---------------------------------------------------------------- what the registers say


def _steps(facts: Facts) -> list[Step]:
    """From the start over every reading to the stop; a stop that we made up ourselves says nothing."""
    chain = [(facts.started_at, facts.meter_start_wh)]
    chain += [(point.at, point.energy_wh) for point in facts.points if point.energy_wh is not None]
    if facts.closed_by_us is None:
        chain.append((facts.stopped_at, facts.meter_stop_wh))
    return [Step(at, then, wh, next_wh) for (at, wh), (then, next_wh) in pairwise(chain)]


def _possible(step: Step, rated_power_w: int | None) -> bool:
    return not above_rated(step.rise_wh, rated_power_w, max(step.until - step.since, timedelta(0)))


def _jumps(facts: Facts, steps: Sequence[Step]) -> list[Step]:
    """Leaps between two registers that no current explains. Without readings only a start at zero tells an odometer."""
    if facts.meter_start_wh != 0 and not any(point.energy_wh is not None for point in facts.points):
        return []
    found, highest = [], facts.meter_start_wh
    for step in steps:  # coming back from a fall is no leap
        if not _possible(step._replace(from_wh=max(step.from_wh, highest)), facts.rated_power_w):
            found.append(step)
        highest = max(highest, step.to_wh)
    return found


def _thousandth(facts: Facts) -> bool:
    """All readings a thousandth of what was expected: kWh under the label Wh."""
    registers = [point.energy_wh for point in facts.points if point.energy_wh is not None]
    if not registers or min(registers) > facts.meter_start_wh - _FALL_TOLERATED:
        return False
    least, most = min(registers) * 1000, max(registers) * 1000
    return facts.meter_start_wh * 99 <= least * 100 and most <= facts.meter_start_wh + 1_000_000


def _rises(facts: Facts, steps: Sequence[Step]) -> Decimal:
    """The energy of the steps that can be true."""
    possible = [step.rise_wh for step in steps if step.rise_wh > 0 and _possible(step, facts.rated_power_w)]
    return sum(possible, Decimal(0))


# ---------------------------------------------------------------- what the times say


def _longest_gap(facts: Facts) -> tuple[datetime, datetime] | None:
    """The longest silence; None for a session without readings: its charger is set to send none."""
    if not facts.points:
        return None
    times = [facts.started_at, *(point.at for point in facts.points)]
    if facts.closed_by_us is None:
        times.append(facts.stopped_at)
    return max(pairwise(sorted(times)), key=lambda pair: pair[1] - pair[0])


def _overlap(facts: Facts, other: Neighbour) -> timedelta:
    ends = facts.stopped_at if other.stopped_at is None else min(facts.stopped_at, other.stopped_at)
    return ends - max(facts.started_at, other.started_at)


def _clock_lag(facts: Facts) -> timedelta | None:
    """How far the charger's clock is behind; zero if it could not be believed at all; None if it is good.

    History that was kept back arrives at once, so its messages are late by differing times. Messages that are all
    late by the same time were told as they happened, under a wrong clock.
    """
    stop_told = facts.closed_by_us is None
    if facts.started_at == facts.start_received_at or (stop_told and facts.stop_claimed_at == facts.stop_received_at):
        return timedelta(0)
    start_lag = facts.start_received_at - facts.started_at
    stop_lag = facts.stop_received_at - facts.stop_claimed_at
    differ = min(timedelta(minutes=2), (facts.stopped_at - facts.started_at) / 4)
    alike = differ > timedelta(0) and abs(stop_lag - start_lag) <= differ
    return start_lag if stop_told and alike and min(start_lag, stop_lag) > SLOWEST_DELIVERY else None


# ---------------------------------------------------------------- what would mend it


def _propose(
    facts: Facts, reasons: frozenset[Reason], steps: Sequence[Step], overlaps: Sequence[Neighbour],
    lag: timedelta | None,
) -> Proposal:  # fmt: skip
    started, stopped = _proposed_times(facts, reasons, overlaps, lag)
    energy, method = _proposed_energy(facts, reasons, steps)
    same = (energy, started, stopped) == (meter_energy(facts), facts.started_at, facts.stopped_at)
    nothing = method == "none" or not (same or energy)
    decision = Decision.VOID if nothing else Decision.APPROVE if same else Decision.CORRECT
    return Proposal(decision, energy, started, stopped, method)


def _proposed_energy(facts: Facts, reasons: frozenset[Reason], steps: Sequence[Step]) -> tuple[Decimal, str]:
    meter, span = meter_energy(facts), facts.stopped_at - facts.started_at
    if facts.closed_by_us is None and not reasons & _OF_THE_REGISTER:
        return max(_last_stop(facts)[1] - facts.meter_start_wh, Decimal(0)), "meter"
    sound = facts.meter_stop_wh >= facts.meter_start_wh and not above_rated(meter, facts.rated_power_w, span)
    if facts.closed_by_us is None and sound and Reason.UNIT_SUSPECT in reasons:
        return meter, "meter"
    told = sum(point.energy_wh is not None for point in facts.points)
    energy, method = (_rises(facts, steps), "readings") if told else (meter, "meter")
    end = max(span, facts.points[-1].at - facts.started_at) if told else span
    if above_rated(energy, facts.rated_power_w, end):
        power_w = ASSUMED_POWER_W if facts.rated_power_w is None else facts.rated_power_w
        return _energy(power_w, _microseconds(end), 1), "capped"
    return energy, method if energy or not reasons & _OF_THE_REGISTER else "none"


def _last_stop(facts: Facts) -> tuple[datetime, Decimal]:
    """The highest of the stops that can be true: the charger may have gone on after the first."""
    possible = [
        (at, wh) for at, wh in facts.other_stops
        if not above_rated(wh - facts.meter_start_wh, facts.rated_power_w, at - facts.started_at)
    ]  # fmt: skip
    return max([(facts.stopped_at, facts.meter_stop_wh), *possible], key=lambda stop: stop[1])


def _proposed_times(
    facts: Facts, reasons: frozenset[Reason], overlaps: Sequence[Neighbour], lag: timedelta | None
) -> tuple[datetime, datetime]:
    started, stopped = facts.started_at, max(facts.stopped_at, _last_stop(facts)[0])
    last = facts.points[-1].at if facts.points else None
    if Reason.STOP_MISSING in reasons and last is not None:
        stopped = max(stopped, last)
    elif Reason.NEGATIVE_DURATION in reasons:
        stopped = max(started, last or facts.stop_received_at)
    elif lag:
        started, stopped = facts.start_received_at, facts.stop_received_at
    for other in overlaps:
        if other.started_at > facts.started_at:
            stopped = min(stopped, other.started_at)
        elif other.stopped_at is not None:
            started = max(started, other.stopped_at)
    return min(started, stopped), stopped


# ---------------------------------------------------------------- what is shown


def _evidence(
    facts: Facts, falls: Sequence[Step], jumps: Sequence[Step], gap: tuple[datetime, datetime] | None,
    overlaps: Sequence[Neighbour], lag: timedelta | None,
) -> dict[str, Any]:  # fmt: skip
    span = facts.stopped_at - facts.started_at
    return {
        "rated_power_w": facts.rated_power_w,
        "limit_wh": float(limit_wh(facts.rated_power_w, span)),
        "meter_energy_wh": float(meter_energy(facts)),
        "readings": len(facts.points),
        "closed_by_us": facts.closed_by_us,
        "other_stops": [{"at": at.isoformat(), "register_wh": float(wh)} for at, wh in facts.other_stops[:_MANY]],
        "stop_claimed_at": facts.stop_claimed_at.isoformat(),
        "start_received_at": facts.start_received_at.isoformat(),
        "stop_received_at": facts.stop_received_at.isoformat(),
        "clock_lag_s": None if lag is None else int(lag.total_seconds()),
        "falls": [_step(step) for step in falls[:_MANY]],
        "jumps": [{**_step(step), "limit_wh": float(_step_limit_wh(step, facts))} for step in jumps[:_MANY]],
        "longest_gap": gap and {
            "from": gap[0].isoformat(), "to": gap[1].isoformat(), "duration_s": int((gap[1] - gap[0]).total_seconds())
        },
        "overlaps": [
            {"session_id": o.session_id, "transaction_id": o.transaction_id, "from": o.started_at.isoformat(),
             "to": o.stopped_at and o.stopped_at.isoformat(),
             "duration_s": int(_overlap(facts, o).total_seconds())}
            for o in overlaps[:_MANY]
        ],
    }  # fmt: skip


def _step_limit_wh(step: Step, facts: Facts) -> Decimal:
    return limit_wh(facts.rated_power_w, max(step.until - step.since, timedelta(0)))


def _step(step: Step) -> dict[str, Any]:
    return {"from": step.since.isoformat(), "to": step.until.isoformat(), "from_wh": float(step.from_wh),
            "to_wh": float(step.to_wh)}  # fmt: skip


def _microseconds(span: timedelta) -> int:
    return span // _MICROSECOND


def _energy(power_w: int, microseconds: int, divisor: int) -> Decimal:
    """power × time ÷ divisor as Wh, rounded down to three places."""
    return (Decimal(power_w * microseconds * 1000 // (divisor * 3_600_000_000)) / 1000).quantize(_MILLI, ROUND_DOWN)
