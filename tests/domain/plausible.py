"""A finished session in a few words: sound unless a test changes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from backend.domain.plausibility import Facts, Judgement, Point, Reason, judge

BEGIN = datetime(2026, 11, 21, 4, tzinfo=UTC)
GAP = timedelta(hours=2)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DAY = 24 * HOUR
UNSET = datetime(2021, 1, 1, tzinfo=UTC)


def facts(**changes: Any) -> Facts:
    """One hour at 22 kW that charged 10 kWh, told as it happened, without readings."""
    sound: dict[str, Any] = {
        "rated_power_w": 22_000, "meter_start_wh": Decimal(5000), "meter_stop_wh": Decimal(15_000),
        "started_at": BEGIN, "start_received_at": BEGIN + SECOND, "stopped_at": BEGIN + HOUR,
        "stop_received_at": BEGIN + HOUR + SECOND, "stop_claimed_at": BEGIN + HOUR,
    }  # fmt: skip
    return Facts(**(sound | changes))


def readings(*registers: int, every: timedelta = 10 * MINUTE) -> tuple[Point, ...]:
    """Registers in Wh, one after another from the start on."""
    return tuple(Point(BEGIN + number * every, Decimal(wh)) for number, wh in enumerate(registers, 1))


def judged(**changes: Any) -> Judgement:
    return judge(facts(**changes), GAP)


def found(**changes: Any) -> set[Reason]:
    return set(judged(**changes).reasons)
