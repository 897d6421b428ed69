"""What the times of a session say: silences, overlaps, clocks, and how long it can have lasted."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from backend.domain.plausibility.facts import Facts, Neighbour

OVERLAP_TOLERATED: Final = timedelta(minutes=1)
SLOWEST_DELIVERY: Final = timedelta(minutes=15)
"""A message that is older at receipt was kept back by the charger, or bears a wrong time."""
LONGEST_UNSEEN: Final = timedelta(days=1)
"""How much longer a session is believed to have been than the time between the receipts of its start and its stop.

What is true of a charger without a connection: the start is told late, and the stop as it happens; or both are told
when it comes back, perhaps after days. Either way the part that nobody saw is the part of *one* charge that fell into
the outage: a night, at most a day. An unset clock claims months or years of it. It is the day, too, after which the
platform itself gives up a session of which nothing is heard."""
KEPT_FROM_BEFORE: Final = timedelta(days=7)
"""Chargers are tried out, and keep what they charged, before somebody registers them; an older start is no history."""


def longest_gap(facts: Facts) -> tuple[datetime, datetime] | None:
    """The longest silence; None for a session without readings: its charger is set to send none."""
    if not facts.points:
        return None
    times = [facts.started_at, *(point.at for point in facts.points)]
    if facts.closed_by_us is None:
        times.append(facts.stopped_at)
    return max(pairwise(sorted(times)), key=lambda pair: pair[1] - pair[0])


def overlap(facts: Facts, other: Neighbour) -> timedelta:
    """How long both ran."""
    ends = facts.stopped_at if other.stopped_at is None else min(facts.stopped_at, other.stopped_at)
    return ends - max(facts.started_at, other.started_at)


def longest_believed(facts: Facts) -> timedelta:
    """The longest that the session, or any part of it, can have lasted: what was seen of it, and LONGEST_UNSEEN."""
    seen = max(facts.stop_received_at, facts.stopped_at) - facts.start_received_at
    return max(seen, timedelta(0)) + LONGEST_UNSEEN


def span(facts: Facts) -> timedelta:
    """How long the session lasted, as far as that is believed."""
    return min(facts.stopped_at - facts.started_at, longest_believed(facts))


def is_begin_unset(facts: Facts) -> bool:
    """Whether its begin lies so far back that the clock was not set yet when it began."""
    return facts.stopped_at - facts.started_at > longest_believed(facts)


def believed_begin(facts: Facts) -> datetime:
    """When it surely ran: the claimed begin, or the receipt of the start if the clock was not set then."""
    return min(facts.start_received_at, facts.stopped_at) if is_begin_unset(facts) else facts.started_at


def is_before_registration(facts: Facts) -> bool:
    """Whether it began long before its charger was known here, though it was told since."""
    known = facts.registered_at
    return known is not None and known <= facts.start_received_at and known - facts.started_at > KEPT_FROM_BEFORE


def clock_lag(facts: Facts) -> timedelta | None:
    """How far the charger's clock is behind; zero if it could not be believed at all; None if it is good.

    History that was kept back arrives at once, so its messages are late by differing times. Messages that are all
    late by the same time were told as they happened, under a wrong clock.
    """
    stop_told = facts.closed_by_us is None
    if facts.started_at == facts.start_received_at or (stop_told and facts.stop_claimed_at == facts.stop_received_at):
        return timedelta(0)
    start_lag = facts.start_received_at - facts.started_at
    if is_begin_unset(facts) or is_before_registration(facts):
        return start_lag
    stop_lag = facts.stop_received_at - facts.stop_claimed_at
    differ = min(timedelta(minutes=2), (facts.stopped_at - facts.started_at) / 4)
    alike = differ > timedelta(0) and abs(stop_lag - start_lag) <= differ
    return start_lag if stop_told and alike and min(start_lag, stop_lag) > SLOWEST_DELIVERY else None
