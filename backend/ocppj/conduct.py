"""Who misbehaves: counted by charger, told as alarms when it is more than an accident.

Counting is a dictionary entry in memory; the database hears of it in bulk, with the life signs.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from backend.services.alarms import Sighting

# Offence → how many within a minute make an alarm.
ALARMING: Final[Mapping[str, int]] = {
    "dawdling": 5,  # connections that ended before they said what they want
    "flooding": 3,  # times that its reading was held up
    "malformed": 10,
    "not_reading": 1,
    "oversized": 1,
    "reconnecting": 20,
    "silent": 1,
}
RESTLESS: Final = 60
"""Connections of one charger within a minute after which it is told to come back later."""
WINDOW_S: Final = 60.0
QUIET_S: Final = 300
_MOST: Final = 10_000  # offenders counted at a time: a crowd of strangers must not fill the memory


class _Who(NamedTuple):
    kind: str
    charger_id: str | None
    remote_address: str | None


class Conduct:
    """Counts offences within windows of a minute."""

    def __init__(self, node: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._node = node
        self._clock = clock
        self._begun = clock()
        self._seen: Counter[_Who] = Counter()
        self._told: Counter[_Who] = Counter()

    def note(self, kind: str, charger_id: str | None = None, remote_address: str | None = None) -> None:
        """One offence; `kind` is one of ALARMING. Without a charger the address names the offender."""
        who = _Who(kind, charger_id, None if charger_id else remote_address)
        if who in self._seen or len(self._seen) < _MOST:
            self._seen[who] += 1

    def restless(self, charger_id: str) -> bool:
        """Whether this charger has connected too often in this minute."""
        return self._seen[_Who("reconnecting", charger_id, None)] >= RESTLESS

    def take(self) -> list[Sighting]:
        """What has become alarming, or more, since it was last asked for."""
        at, found = datetime.now(UTC), []
        for who, count in self._seen.items():
            if count >= ALARMING[who.kind] and count > self._told[who]:
                new = count - self._told[who]
                found.append(Sighting(*who, count=new, at=at, detail={"node": self._node}, quiet_s=QUIET_S))
                self._told[who] = count
        if self._clock() - self._begun > WINDOW_S:
            self._begun = self._clock()
            self._seen.clear()
            self._told.clear()
        return found
