"""A bound on failed logins per e-mail address, in this process's memory."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from backend.domain.errors import TooManyAttempts

MAX_FAILURES: Final = 5
WINDOW_S: Final = 300.0
_MAX_KEYS: Final = 10_000


class Attempts:
    """Remembers failures of the last five minutes; the least recently failing address is forgotten first.

    `monotonic` gives seconds that never go back.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, key: str) -> None:
        """Raises TooManyAttempts while `key` has failed `MAX_FAILURES` times within the window."""
        failures = self._recent(key)
        if len(failures) >= MAX_FAILURES:
            raise TooManyAttempts(retry_after_s=int(failures[0] + WINDOW_S - self._monotonic()) + 1)

    def failed(self, key: str) -> None:
        """Counts one failure."""
        self._recent(key).append(self._monotonic())
        self._failures.move_to_end(key)
        while len(self._failures) > _MAX_KEYS:
            self._failures.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forgets the failures of `key`."""
        self._failures.pop(key, None)

    def _recent(self, key: str) -> deque[float]:
        failures = self._failures.setdefault(key, deque(maxlen=MAX_FAILURES))
        while failures and failures[0] <= self._monotonic() - WINDOW_S:
            failures.popleft()
        return failures
