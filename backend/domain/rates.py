"""How often somebody may ask: a rate, how it stands, and who counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `requests` in each window of `period_s` seconds; the windows follow the clock. 0 requests: no bound."""

    requests: int
    period_s: int = 60


USUAL_RATE = Rate(6000)
"""Of a person or a key: more than any screen asks for."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How a rate stands after a request. `name` says whose it is: `user`, `key` or `address`."""

    name: str
    rate: Rate
    used: int
    reset_s: int

    @property
    def remaining(self) -> int:
        """Requests left in this window."""
        return max(0, self.rate.requests - self.used)

    @property
    def exceeded(self) -> bool:
        """Whether this request was one too many."""
        return self.used > self.rate.requests


class Counter(Protocol):
    """Counts under names that are forgotten after a while."""

    async def add(self, name: str, period_s: int) -> int:
        """Adds one and returns the sum; the name is forgotten `period_s` seconds after its first use."""
        ...


class NoCounter:
    """Counts nothing, so nothing is ever exceeded."""

    async def add(self, name: str, period_s: int) -> int:
        """Always 0."""
        return 0
