"""What is known of a finished session, and what is said of it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple


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
OF_THE_REGISTER: Final = frozenset(
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


class Previous(NamedTuple):
    """The session that ended last on the connector before this one began: its end, and its registers in Wh."""

    stopped_at: datetime
    meter_start_wh: Decimal
    meter_stop_wh: Decimal


class Decided(NamedTuple):
    """What was decided, and the two figures it was decided upon."""

    decision: Decision
    meter_energy_wh: Decimal
    proposed_energy_wh: Decimal


class Facts(NamedTuple):
    """All that is known of a finished session. Times are aware; `points` stand in the order of their times.

    Where a charger's clock could not be believed, the time of receipt stands in its place (`timestamps.believe`), so
    both are equal. `closed_by_us`: `silence`, `next_session`, or None if the charger told the stop. `other_stops`: time
    and register of stops that it told after the one that counts. `registered_at`: since when the charger is known here.
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
    registered_at: datetime | None = None
    previous: Previous | None = None


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
