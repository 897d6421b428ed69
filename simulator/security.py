"""Security events (whitepaper §3 and the list of events): kept in the security log, and told to the platform."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ocpp.v16 import call

from simulator.clock import Clock
from simulator.quirks import Quirks

KEPT = 200


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """`kind` is the `type` of SecurityEventNotification."""

    at: datetime
    kind: str
    info: str | None


class SecurityLog:
    """The security log of one charger. Events wait in the outbox like transactions: they must not be lost."""

    def __init__(self, clock: Clock, queue: Callable[[Any], None], quirks: Callable[[], Quirks]) -> None:
        self._clock, self._queue, self._quirks = clock, queue, quirks
        self.events: deque[SecurityEvent] = deque(maxlen=KEPT)

    def note(self, kind: str, info: str | None = None) -> SecurityEvent:
        """Enter an event that the platform learns in another way."""
        event = SecurityEvent(self._clock.now(), kind, info)
        self.events.append(event)
        return event

    def tell(self, kind: str, info: str | None = None) -> None:
        """Enter an event and queue its SecurityEventNotification."""
        event = self.note(kind, info)
        timestamp = self._quirks().timestamp(event.at)
        self._queue(call.SecurityEventNotification(kind[:50], timestamp, info[:255] if info else None))
