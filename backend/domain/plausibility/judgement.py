"""The judgement of a finished session: its reasons, and the evidence for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from backend.domain.plausibility import times
from backend.domain.plausibility.facts import VERDICT_OF, Facts, Judgement, Neighbour, Reason, Verdict
from backend.domain.plausibility.power import above_rated, limit_wh
from backend.domain.plausibility.proposals import propose
from backend.domain.plausibility.registers import (
    FALL_TOLERATED,
    Step,
    fall_before,
    falls_of,
    is_thousandth,
    jumps_of,
    meter_energy,
    step_limit_wh,
    steps_of,
)

_MANY: Final = 10


def judge(facts: Facts, longest_gap: timedelta) -> Judgement:
    """Judges a finished session. `longest_gap`: the longest silence that is tolerated between two readings."""
    steps, before = steps_of(facts), fall_before(facts)
    falls = [*([before] if before else []), *falls_of(steps)]
    jumps = jumps_of(facts, steps)
    gap = times.longest_gap(facts)
    overlaps = [o for o in facts.overlaps if times.overlap(facts, o) > times.OVERLAP_TOLERATED]
    lag = times.clock_lag(facts)
    found = {
        Reason.REGISTER_BACK: bool(falls),
        Reason.UNIT_SUSPECT: is_thousandth(facts),
        Reason.ENERGY_ABOVE_RATED: above_rated(meter_energy(facts), facts.rated_power_w, times.span(facts)),
        Reason.ODOMETER_JUMP: bool(jumps),
        Reason.NEGATIVE_DURATION: facts.stop_claimed_at < facts.started_at,
        Reason.OVERLAP: bool(overlaps),
        Reason.READING_GAP: gap is not None and gap[1] - gap[0] > longest_gap,
        Reason.CLOCK_OFF: lag is not None,
        Reason.STOP_MISSING: facts.closed_by_us is not None,
        Reason.STOPPED_TWICE: any(abs(wh - facts.meter_stop_wh) >= FALL_TOLERATED for _, wh in facts.other_stops),
    }
    reasons = tuple(reason for reason, holds in found.items() if holds)
    proposal = propose(facts, frozenset(reasons), overlaps, lag)
    evidence = _evidence(facts, falls, jumps, gap, overlaps, lag)
    return _with_decision(facts, Judgement(Verdict.HELD if reasons else Verdict.OK, reasons, evidence, proposal))


def _with_decision(facts: Facts, judgement: Judgement) -> Judgement:
    """A decision stands until the energy it was made upon changes."""
    decided = facts.decided
    if decided is None:
        return judgement
    if (decided.meter_energy_wh, decided.proposed_energy_wh) == (meter_energy(facts), judgement.proposal.energy_wh):
        return judgement._replace(verdict=VERDICT_OF[decided.decision])
    return judgement._replace(verdict=Verdict.HELD, reasons=(*judgement.reasons, Reason.CHANGED_AFTER_DECISION))


def _evidence(
    facts: Facts, falls: Sequence[Step], jumps: Sequence[Step], gap: tuple[datetime, datetime] | None,
    overlaps: Sequence[Neighbour], lag: timedelta | None,
) -> dict[str, Any]:  # fmt: skip
    return {
        "rated_power_w": facts.rated_power_w,
        "limit_wh": float(limit_wh(facts.rated_power_w, times.span(facts))),
        "meter_energy_wh": float(meter_energy(facts)),
        "readings": len(facts.points),
        "closed_by_us": facts.closed_by_us,
        "other_stops": [{"at": at.isoformat(), "register_wh": float(wh)} for at, wh in facts.other_stops[:_MANY]],
        "stop_claimed_at": facts.stop_claimed_at.isoformat(),
        "start_received_at": facts.start_received_at.isoformat(),
        "stop_received_at": facts.stop_received_at.isoformat(),
        "clock_lag_s": None if lag is None else int(lag.total_seconds()),
        "falls": [_step(step) for step in falls[:_MANY]],
        "jumps": [{**_step(step), "limit_wh": float(step_limit_wh(step, facts))} for step in jumps[:_MANY]],
        "longest_gap": gap and {
            "from": gap[0].isoformat(), "to": gap[1].isoformat(), "duration_s": int((gap[1] - gap[0]).total_seconds())
        },
        "overlaps": [
            {"session_id": o.session_id, "transaction_id": o.transaction_id, "from": o.started_at.isoformat(),
             "to": o.stopped_at and o.stopped_at.isoformat(),
             "duration_s": int(times.overlap(facts, o).total_seconds())}
            for o in overlaps[:_MANY]
        ],
    }  # fmt: skip


def _step(step: Step) -> dict[str, Any]:
    return {"from": step.since.isoformat(), "to": step.until.isoformat(), "from_wh": float(step.from_wh),
            "to_wh": float(step.to_wh)}  # fmt: skip
