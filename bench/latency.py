"""Answer times of one window, and what became of the calls that got none."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of an ascending sequence; NaN of an empty one. `share` is 0..1."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summary_ms(seconds: Sequence[float]) -> dict[str, float]:
    """`{count, p50_ms, p99_ms, p999_ms, max_ms}` of durations in seconds."""
    ordered = sorted(seconds)
    return {
        "count": len(ordered),
        "p50_ms": percentile(ordered, 0.5) * 1000,
        "p99_ms": percentile(ordered, 0.99) * 1000,
        "p999_ms": percentile(ordered, 0.999) * 1000,
        "max_ms": (ordered[-1] if ordered else math.nan) * 1000,
    }


@dataclass(slots=True)
class Window:
    """Calls that fell due in `[begin, end)` (seconds of `perf_counter`).

    An answer's time runs from the moment the call was *due*, not from when it was sent: a server that holds
    up a charger's earlier call, or a load generator that wakes late, makes the figure worse, never better.
    """

    begin: float
    end: float
    due: Counter[str] = field(default_factory=Counter)
    answered_inside: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    took: dict[str, list[float]] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)

    def scheduled(self, action: str, due: float, now: float) -> None:
        """A call fell due; `now - due` is how late the load generator itself was."""
        if self.begin <= due < self.end:
            self.due[action] += 1
            self.late.append(now - due)

    def answered(self, action: str, due: float, at: float, error: str | None) -> None:
        """The answer of a call: `error` is a CALLERROR's code or the reason why none came."""
        if self.begin <= at < self.end and error is None:
            self.answered_inside[action] += 1
        if not self.begin <= due < self.end:
            return
        if error is None:
            self.took.setdefault(action, []).append(at - due)
        else:
            self.errors[f"{action}: {error}"] += 1

    def outstanding(self) -> int:
        """How many calls of the window have neither answer nor error yet."""
        return self.due.total() - sum(map(len, self.took.values())) - self.errors.total()

    def report(self) -> dict[str, Any]:
        """The window as JSON: counts by action, errors by reason, answer times by action and together."""
        return {
            "seconds": self.end - self.begin,
            "due": dict(self.due),
            "answered_in_window": dict(self.answered_inside),
            "unanswered": self.outstanding(),
            "errors": dict(self.errors),
            "answers": {action: summary_ms(took) for action, took in self.took.items()},
            "all_answers": summary_ms([one for took in self.took.values() for one in took]),
            "load_lateness": summary_ms(self.late),
        }
