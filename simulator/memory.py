"""What the chargers of a fleet remember when the simulator itself restarts: registers and unfinished
sessions.

A charger that was in session when the simulator ended behaves as after a power failure: once booted, it
tells how its old session ended. The file is JSON, replaced as a whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulator.books import BookedSession
from simulator.device import SimulatedCharger


class Memory:
    """The file, or nothing when `path` is None. A file that cannot be read counts as empty."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Any] = _read(path) if path else {}

    def registers(self, identity: str) -> tuple[int, ...]:
        """Lifetime registers (Wh) by connector; empty for a charger not remembered."""
        return tuple(self._known.get(identity, {}).get("registers_wh", ()))

    def recall(self, charger: SimulatedCharger) -> set[str]:
        """Give a charger its unfinished sessions back; returns their id tokens."""
        known = self._known.get(charger.identity, {})
        rows = known.get("sessions", ())
        for row in rows:
            charger.sessions.take_over(_session(row), datetime.fromisoformat(known["saved_at"]))
        return {row["id_token"] for row in rows}

    def save(self, chargers: Iterable[SimulatedCharger]) -> None:
        """Write the state of all chargers; chargers that are not among them are kept as they were."""
        if self._path is None:
            return
        for charger in chargers:
            self._known[charger.identity] = _entry(charger)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(self._known))
        os.replace(draft, self._path)


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _entry(charger: SimulatedCharger) -> dict[str, Any]:
    now = charger.clock.now()
    charger.sessions.catch_up(now)
    unfinished = [row for row in charger.books.sessions if not (row.stop_acknowledged or row.given_up)]
    return {
        "saved_at": now.astimezone(UTC).isoformat(),
        "registers_wh": [plug.energy_wh for plug in charger.connectors.values()],
        "sessions": [row.as_dict() for row in unfinished],
    }


def _session(row: dict[str, Any]) -> BookedSession:
    stopped_at = row["stopped_at"]
    return BookedSession(
        charger_id=row["charger_id"],
        connector_id=row["connector_id"],
        id_token=row["id_token"],
        started_at=datetime.fromisoformat(row["started_at"]),
        meter_start_wh=row["meter_start_wh"],
        said_start_wh=row["said_start_wh"],
        transaction_id=row["transaction_id"],
        start_acknowledged=row["start_acknowledged"],
        start_status=row["start_status"],
        stopped_at=datetime.fromisoformat(stopped_at) if stopped_at else None,
        meter_stop_wh=row["meter_stop_wh"],
        said_stop_wh=row["said_stop_wh"],
        cause=row["stop_reason"],
        last_meter_wh=row["last_meter_wh"],
        reservation_id=row.get("reservation_id"),
    )
