"""Plausibility before money: may what a finished session's meter says be billed as it is?

Pure and exact: energy is `Decimal` in Wh with three places, time is exact to the microsecond, and limits are compared
by multiplication, never by a quotient that was rounded.
"""

from backend.domain.plausibility.facts import (
    Decided,
    Decision,
    Facts,
    Judgement,
    Neighbour,
    Point,
    Previous,
    Proposal,
    Reason,
    Verdict,
)
from backend.domain.plausibility.judgement import judge
from backend.domain.plausibility.power import above_rated, limit_wh
from backend.domain.plausibility.registers import meter_energy

__all__ = [
    "Decided",
    "Decision",
    "Facts",
    "Judgement",
    "Neighbour",
    "Point",
    "Previous",
    "Proposal",
    "Reason",
    "Verdict",
    "above_rated",
    "judge",
    "limit_wh",
    "meter_energy",
]
