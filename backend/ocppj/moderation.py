"""Looking at the sockets less often when there are many: what network cards call interrupt moderation.

A process that sleeps until the next message pays for each message alone: the kernel wakes it, and its code and
data are no longer in the processor's caches. Measured with 2,000 chargers metering every 10 s (200 messages a
second), a MeterValues costs 620 µs that way and 330 µs when the loop rests 30 ms between looks and serves what has
come together, while the work in both is the same (docs/decisions/0004-group-commit.md).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

_FEW: Final = 500  # up to so many connections are served at once: resting would cost more wakes than it saves
_REST_PER_CONNECTION_S: Final = 15e-6
_LONGEST_REST_S: Final = 0.03
_PASSES: Final = 4  # of the loop between rests: read, handle, commit, answer
_LOOK_AGAIN_S: Final = 0.5


class Moderation:
    """Rests the event loop between looks, the longer the more `connections()` there are; at few, not at all.

    While `newcomers()` (how many sockets there ever were) grows, it does not rest either: the loop takes one or two
    new sockets a pass, so a storm would be let in at the pace of the rests.
    """

    def __init__(self, connections: Callable[[], int], newcomers: Callable[[], int]) -> None:
        self._connections = connections
        self._newcomers = newcomers
        self._known = 0
        self._next: asyncio.Handle | None = None
        self._pass = 0

    def rest_s(self) -> float:
        """How long the loop rests now, in seconds."""
        count = self._connections()
        return min(count * _REST_PER_CONNECTION_S, _LONGEST_REST_S) if count > _FEW else 0.0

    def start(self) -> None:
        """Begins on the running loop."""
        self._step(asyncio.get_running_loop())

    def stop(self) -> None:
        """Ends it."""
        if self._next is not None:
            self._next.cancel()

    def _step(self, loop: asyncio.AbstractEventLoop) -> None:
        self._pass = (self._pass + 1) % _PASSES
        rest_s = self.rest_s()
        if not rest_s:
            self._next = loop.call_later(_LOOK_AGAIN_S, self._step, loop)
            return
        known, self._known = self._known, self._newcomers()
        if self._pass == 0 and known == self._known:
            time.sleep(rest_s)  # on purpose on the loop's own thread: everything it serves comes together meanwhile
        self._next = loop.call_soon(self._step, loop)
