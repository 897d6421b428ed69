"""Charging limits: does a session still run that a limit is meant for?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

TOLD_AT_ONCE: Final = timedelta(minutes=10)
HEARD_LATELY: Final = timedelta(minutes=20)


def likely_ongoing(started_at: datetime, told_at: datetime, last_reading_at: datetime | None, now: datetime) -> bool:
    """Whether a session without an end is likely to run still (OCPP 1.6 §5.16.1).

    A start that is told long after it happened comes out of offline history, and its end is under way. Readings taken
    lately speak for it all the same.
    """
    if told_at - started_at <= TOLD_AT_ONCE:
        return True
    return last_reading_at is not None and now - last_reading_at <= HEARD_LATELY
