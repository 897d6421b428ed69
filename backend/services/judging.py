"""Judges finished sessions: the worker's part of plausibility. What is plausible is decided in the domain."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from backend.database import SYSTEM, Database
from backend.domain.plausibility import Decided, Decision, Facts, Judgement, Neighbour, Point, Previous, judge

BATCH: Final = 200
MAX_POINTS: Final = 20_000
"""Readings looked at per session; more are thinned evenly, so that no charger can fill the worker's memory."""


class Judge:
    """Settles a judgement for every session that waits for one. `longest_gap_s`: silence tolerated between readings.

    Two workers do no harm: a judgement of facts that have changed meanwhile is passed over and made anew.
    """

    def __init__(self, database: Database, longest_gap_s: int) -> None:
        self._database = database
        self._longest_gap = timedelta(seconds=longest_gap_s)

    async def judge(self) -> int:
        """Judges until none waits; returns how many were judged. Raises what `Database.call` raises."""
        total = 0
        while True:
            wanted = {"p_limit": BATCH, "p_points": MAX_POINTS}
            waiting = await self._database.call("sessions_to_judge", wanted, scope=SYSTEM)
            rows = [_settled(row, judge(read_facts(row), self._longest_gap)) for row in waiting]
            settled = await self._database.call("settle_judgements", {"p_rows": rows}, scope=SYSTEM) if rows else 0
            total += settled
            if len(rows) < BATCH or not settled:
                return total


def read_facts(row: dict[str, Any]) -> Facts:
    """One element of what `sessions_to_judge` answers."""
    start_wh, stopped_at = Decimal(row["meter_start_wh"]), _moment(row["stopped_at"])
    return Facts(
        rated_power_w=row["rated_power_w"],
        meter_start_wh=start_wh,
        meter_stop_wh=start_wh if row["meter_stop_wh"] is None else Decimal(row["meter_stop_wh"]),
        started_at=_moment(row["started_at"]),
        start_received_at=_moment(row["start_received_at"]),
        stopped_at=stopped_at,
        stop_received_at=_moment(row["stop_received_at"] or row["stopped_at"]),
        stop_claimed_at=_moment(row["stop_claimed_at"]),
        closed_by_us=row["closed_by_us"],
        points=tuple(Point(_moment(at), None if wh is None else Decimal(wh)) for at, wh in row["points"]),
        overlaps=tuple(map(_neighbour, row["overlaps"])),
        other_stops=tuple((_moment(at), Decimal(wh)) for at, wh in row["other_stops"]),
        decided=row["decided"] and _decided(row["decided"]),
        registered_at=_moment(row["registered_at"]),
        previous=row["previous"] and _previous(row["previous"]),
    )


def _neighbour(row: dict[str, Any]) -> Neighbour:
    stopped_at = row["stopped_at"] and _moment(row["stopped_at"])
    return Neighbour(row["session_id"], row["transaction_id"], _moment(row["started_at"]), stopped_at)


def _previous(row: dict[str, Any]) -> Previous:
    return Previous(_moment(row["stopped_at"]), Decimal(row["meter_start_wh"]), Decimal(row["meter_stop_wh"]))


def _decided(row: dict[str, Any]) -> Decided:
    figures = (Decimal(row[name]) for name in ("meter_energy_wh", "proposed_energy_wh"))
    return Decided(Decision(row["decision"]), *figures)


def _settled(row: dict[str, Any], judgement: Judgement) -> dict[str, Any]:
    proposal = judgement.proposal
    return {
        "session_id": row["session_id"],
        "revision": row["revision"],
        "verdict": judgement.verdict,
        "reasons": judgement.reasons,
        "evidence": judgement.evidence,
        "proposal": {
            "decision": proposal.decision,
            "energy_wh": float(proposal.energy_wh),
            "started_at": proposal.started_at.isoformat(),
            "stopped_at": proposal.stopped_at.isoformat(),
            "method": proposal.method,
        },
    }


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
