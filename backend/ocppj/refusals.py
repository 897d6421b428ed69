"""Handshakes refused for wrong credentials or within TLS: counted in memory, told to the database now and then; who
tries wrong credentials is slowed down."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from backend.services.alarms import Sighting

_TRIES: Final = 30
_WINDOW_S: Final = 60.0
_MOST_KEPT: Final = 10_000
_MOST_NAMED: Final = 50  # who failed within TLS, a minute; all further ones are one row without a name
_TLS_QUIET_S: Final = 3600  # chargers come back slowly: every few minutes
_NOISE: Final = frozenset({"tls_broken"})  # that is no TLS at all, as any port on the Internet hears it


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


class TlsFailures:
    """Handshakes that ended within TLS, before any path told who came: an alarm for each address, or for the charger
    whose name stands in the certificate; there the refusal is counted, too, as those of the gate are."""

    def __init__(self, refusals: Refusals, node: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._refusals, self._node, self._clock = refusals, node, clock
        self._begun = clock()
        self._known: set[tuple[str | None, str | None]] = set()
        self._untold: dict[tuple[str | None, str | None], tuple[int, str]] = {}  # (how many, the last one's reason)
        self.total = 0

    def note(self, reason: str, claimed: str | None, address: str | None) -> None:
        """One more. `claimed`: the common name of the certificate that was shown, which need not be true."""
        self.total += 1
        if reason in _NOISE and claimed is None:
            return
        if self._clock() - self._begun >= _WINDOW_S:
            self._begun = self._clock()
            self._known.clear()
        who = (claimed, address)
        if who not in self._known and len(self._known) >= _MOST_NAMED:
            who = (None, None)
        elif claimed is not None:
            self._refusals.count(claimed, reason, address)
        if who != (None, None):
            self._known.add(who)
        self._untold[who] = (self._untold.get(who, (0, ""))[0] + 1, reason)

    def take(self) -> list[Sighting]:
        """What was not told yet; it counts as told."""
        untold, self._untold, at = self._untold, {}, datetime.now(UTC)
        return [
            Sighting("tls_refused", claimed, address, count, at,
                     {"node": self._node, "reason": reason, **({"claimed": claimed} if claimed else {})}, _TLS_QUIET_S)
            for (claimed, address), (count, reason) in untold.items()
        ]  # fmt: skip
