"""Handshakes refused for wrong credentials: counted in memory, told to the database now and then, and slowed down."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

_TRIES: Final = 30
_WINDOW_S: Final = 60.0
_MOST_KEPT: Final = 10_000


class Refusals:
    """`clock`: seconds that only grow. Whoever fails `_TRIES` times within a minute at one charger's door, from one
    address, is turned away unheard for the rest of that minute: a flood costs no look into the database."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tries: dict[tuple[str, str], tuple[float, int]] = {}  # (since, how many)
        self._untold: dict[tuple[str, str], dict[str, Any]] = {}

    def too_many(self, charger_id: str, address: str | None) -> bool:
        """Whether this address need not be asked again yet."""
        since, tries = self._tries.get((charger_id, address or ""), (0.0, 0))
        return tries >= _TRIES and self._clock() - since < _WINDOW_S

    def add(self, charger_id: str, reason: str, address: str | None) -> None:
        """One more, of a charger that is registered."""
        key = (charger_id, address or "")
        since, tries = self._tries.get(key, (self._clock(), 0))
        if self._clock() - since >= _WINDOW_S:
            since, tries = self._clock(), 0
        _bound(self._tries)
        self._tries[key] = (since, tries + 1)
        self.count(charger_id, reason, address)

    def count(self, charger_id: str, reason: str, address: str | None) -> None:
        """Counts without slowing down."""
        _bound(self._untold)
        now = datetime.now(UTC)
        row = self._untold.setdefault((charger_id, reason), {
            "charger_id": charger_id, "reason": reason, "refused_count": 0, "first_at": now.isoformat(),
        })  # fmt: skip
        row |= {"refused_count": row["refused_count"] + 1, "last_at": now.isoformat(), "last_address": address}

    def take(self) -> list[dict[str, Any]]:
        """What was not told yet; it counts as told."""
        rows, self._untold = list(self._untold.values()), {}
        return rows


def _bound(kept: dict[Any, Any]) -> None:
    if len(kept) >= _MOST_KEPT:
        del kept[next(iter(kept))]
