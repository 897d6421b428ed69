"""The bound on failed logins."""

from __future__ import annotations

from collections import deque

import pytest

from backend.domain.errors import TooManyAttempts
from backend.services.attempts import MAX_FAILURES, WINDOW_S, Attempts


class Clock:
    """Seconds that the test sets."""

    seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


def _failing(times: int) -> tuple[Attempts, Clock]:
    clock = Clock()
    attempts = Attempts(clock)
    for _ in range(times):
        attempts.failed("a@b.test")
    return attempts, clock


def test_the_bound_counts_failures_and_says_when_to_come_back() -> None:
    attempts, clock = _failing(MAX_FAILURES - 1)
    attempts.check("a@b.test")
    clock.seconds += 10
    attempts.failed("a@b.test")
    with pytest.raises(TooManyAttempts) as refused:
        attempts.check("a@b.test")
    assert refused.value.retry_after_s == WINDOW_S - 10 + 1
    attempts.check("other@b.test")


def test_failures_are_forgotten_with_time_and_with_success() -> None:
    attempts, clock = _failing(MAX_FAILURES)
    clock.seconds += WINDOW_S
    attempts.check("a@b.test")
    attempts, _ = _failing(MAX_FAILURES)
    attempts.succeeded("a@b.test")
    attempts.check("a@b.test")
    assert attempts._failures["a@b.test"] == deque()


def test_memory_is_bounded_and_keeps_the_newest() -> None:
    attempts, _ = _failing(MAX_FAILURES)
    for number in range(10_050):
        attempts.failed(f"{number}@b.test")
    attempts.check("a@b.test")
    assert len(attempts._failures) <= 10_001
