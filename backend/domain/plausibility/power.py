"""What a charger of a given power can deliver in a span."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Final

ASSUMED_POWER_W: Final = 1_000_000
"""For a charger whose power nobody told: more than any car takes."""
SLACK: Final = timedelta(minutes=3)
"""Granted to every span: clocks tick in seconds, meters are read a moment after the time they bear."""
_MARGIN: Final = (11, 10)  # the standard's words are silent; the rule is rated power × time × 1.1
_MICROSECOND: Final = timedelta(microseconds=1)
_MILLI: Final = Decimal("0.001")


def above_rated(energy_wh: Decimal, rated_power_w: int | None, span: timedelta) -> bool:
    """Whether a charger of this power could not deliver the energy in that time, with SLACK and a margin of a tenth."""
    times, of = _MARGIN
    most = _power(rated_power_w) * times * _microseconds(span + SLACK)
    return int(energy_wh * 1000) * of * 3_600_000_000 > most * 1000


def limit_wh(rated_power_w: int | None, span: timedelta) -> Decimal:
    """The most that is believed of a span, in Wh, rounded down to three places."""
    times, of = _MARGIN
    return _energy(_power(rated_power_w) * times, span + SLACK, of)


def full_power_wh(rated_power_w: int | None, span: timedelta) -> Decimal:
    """Rated power × time, without slack or margin, in Wh, rounded down to three places."""
    return _energy(_power(rated_power_w), span, 1)


def _power(rated_power_w: int | None) -> int:
    return ASSUMED_POWER_W if rated_power_w is None else rated_power_w


def _microseconds(span: timedelta) -> int:
    return span // _MICROSECOND


def _energy(power_w: int, span: timedelta, divisor: int) -> Decimal:
    """power × time ÷ divisor as Wh, rounded down to three places."""
    return (Decimal(power_w * _microseconds(span) * 1000 // (divisor * 3_600_000_000)) / 1000).quantize(
        _MILLI, ROUND_DOWN
    )
