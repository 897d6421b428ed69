"""Clocks of chargers: read whatever they send, believe only what can be true.

Field facts (OCPP-J erratum 3.10 and public issues): offsets, fractions of any length, no zone at all, a clock
at 1970 after a power failure, a local time labelled UTC (so hours in the future).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
AHEAD = timedelta(minutes=5)


class Moment(NamedTuple):
    """`at`: when it happened, as well as can be known (UTC). `trusted`: `at` is the charger's own clock."""

    at: datetime
    trusted: bool


def read_timestamp(text: object) -> datetime | None:
    """An ISO 8601 text, or a moment, as UTC; without a zone it is taken as UTC (OCPP's rule). None if it is no date."""
    if not isinstance(text, str | datetime):
        return None
    try:
        # RFC 3339 allows t and z.
        moment = text if isinstance(text, datetime) else datetime.fromisoformat(text.strip().upper())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def believe(text: object, received_at: datetime) -> Moment:
    """The charger's time if it can be true (2020 … five minutes ahead of ours), else the time of receipt."""
    moment = read_timestamp(text)
    if moment is None or not EARLIEST <= moment <= received_at + AHEAD:
        return Moment(received_at, False)
    return Moment(moment, True)
