"""The charger's own books: what it measured, what it said, what was acknowledged.

They are the witness against which a platform's books are compared: energies are the true registers of the
simulated meters, whatever a lying charger put on the wire (that is kept beside them as `said_…`).
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

FRAMES_KEPT = 500
SESSIONS_KEPT = 5_000


@dataclass(slots=True)
class BookedReading:
    """One reading queued for the platform; `acknowledged` once the platform has answered it."""

    measured_at: datetime
    energy_wh: int
    power_w: int
    acknowledged: bool = False


@dataclass(slots=True)
class BookedSession:
    """One charging session as the charger lived it. Energies in Wh, true registers.

    `transaction_id` is None until the platform has answered StartTransaction; `start_acknowledged` and
    `stop_acknowledged` tell which of the two was answered; `given_up` that the retries of one of them ended.
    `said_start_wh`/`said_stop_wh` are what went over the wire. `cause` is why it stopped (OCPP 1.6 Reason);
    `reservation_id` the reservation it used.
    """

    charger_id: str
    connector_id: int
    id_token: str
    started_at: datetime
    meter_start_wh: int
    said_start_wh: int
    transaction_id: int | None = None
    start_acknowledged: bool = False
    start_status: str | None = None
    stopped_at: datetime | None = None
    meter_stop_wh: int | None = None
    said_stop_wh: int | None = None
    cause: str | None = None
    stop_acknowledged: bool = False
    given_up: bool = False
    readings: list[BookedReading] = field(default_factory=list)
    readings_sent: int = 0
    readings_acknowledged: int = 0
    last_meter_wh: int = 0
    reservation_id: int | None = None

    @property
    def open(self) -> bool:
        """True until the charger has ended the session."""
        return self.stopped_at is None

    @property
    def energy_wh(self) -> int:
        """Energy so far, or in all, by the true register."""
        end_wh = self.last_meter_wh if self.meter_stop_wh is None else self.meter_stop_wh
        return max(0, end_wh - self.meter_start_wh)

    def as_dict(self) -> dict[str, Any]:
        """The row of the summary."""
        return {
            "charger_id": self.charger_id,
            "connector_id": self.connector_id,
            "id_token": self.id_token,
            "transaction_id": self.transaction_id,
            "started_at": self.started_at.isoformat(),
            "stopped_at": self.stopped_at.isoformat() if self.stopped_at else None,
            "meter_start_wh": self.meter_start_wh,
            "meter_stop_wh": self.meter_stop_wh,
            "last_meter_wh": self.last_meter_wh,
            "energy_wh": self.energy_wh,
            "said_start_wh": self.said_start_wh,
            "said_stop_wh": self.said_stop_wh,
            "stop_reason": self.cause,
            "start_status": self.start_status,
            "start_acknowledged": self.start_acknowledged,
            "stop_acknowledged": self.stop_acknowledged,
            "given_up": self.given_up,
            "reservation_id": self.reservation_id,
            "readings_sent": self.readings_sent,
            "readings_acknowledged": self.readings_acknowledged,
        }


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame on the wire as text; `direction` is "out" (from the charger) or "in"; `at` is real time,
    UTC.
    """

    at: datetime
    direction: str
    text: str


@dataclass(slots=True)
class Books:
    """Everything one charger remembers.

    `messages` counts the charger's own calls: sent, answered, errors (CALLERROR), unanswered (timeout or
    lost connection); `by_action` counts them by name; `commands` counts what the platform asked. `frames`
    holds the last frames when frames are kept at all.
    """

    sessions: deque[BookedSession] = field(default_factory=lambda: deque(maxlen=SESSIONS_KEPT))
    messages: Counter[str] = field(default_factory=Counter)
    by_action: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    frames: deque[Frame] = field(default_factory=lambda: deque(maxlen=FRAMES_KEPT))
    boots: int = 0
    connections: int = 0
    sessions_begun: int = 0
    sessions_ended: int = 0
    energy_wh: int = 0

    @property
    def last(self) -> BookedSession:
        """The latest session; IndexError when there was none."""
        return self.sessions[-1]

    def open_sessions(self) -> list[BookedSession]:
        """Sessions the charger has not ended."""
        return [session for session in self.sessions if session.open]

    def begin(self, session: BookedSession) -> None:
        """Enter a session."""
        self.sessions.append(session)
        self.sessions_begun += 1

    def end(self, session: BookedSession, at: datetime, meter_wh: int, said_wh: int, cause: str) -> None:
        """Close a session with its true and its stated last register."""
        session.stopped_at, session.meter_stop_wh = at, meter_wh
        session.said_stop_wh, session.cause = said_wh, cause
        self.sessions_ended += 1
        self.energy_wh += session.energy_wh
