"""Which sessions a limit may still be meant for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backend.domain.charging import likely_ongoing

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


@pytest.mark.parametrize(("began", "told", "read", "likely"), [
    (1, 1, None, True),  # just begun
    (300, 300, None, True),  # long ago, told at once, no readings: it has not ended
    (120, 0, None, False),  # out of offline history
    (120, 0, 100, False),  # its last reading is history too
    (120, 0, 5, True),  # heard of lately
    (10, 0, None, True),
])  # fmt: skip
def test_a_start_told_late_is_likely_over(began: float, told: float, read: float | None, likely: bool) -> None:
    last = None if read is None else ago(read)
    assert likely_ongoing(ago(began), ago(told), last, NOW) is likely
