"""Looking at the sockets less often when there are many: what network cards call interrupt moderation.

A process that sleeps until the next message pays for each message alone: the kernel wakes it, and its code and
data are no longer in the processor's caches, nor those of the database. So the loop rests between looks, and serves
what has come meanwhile together: read and handled in one pass, committed in one batch, answered in one pass
(docs/decisions/0004-group-commit.md; what it saves stands in docs/performance.md).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from backend.services.intake.lane import Lane

_FEW: Final = 500  # up to so many connections are served at once: resting would cost more wakes than it saves
_REST_PER_CONNECTION_S: Final = 15e-6
_LONGEST_REST_S: Final = 0.045
_NAP_S: Final = 0.004
_NAPS: Final = 5  # for a commit, which takes a few milliseconds; a slow one is waited for until the next look
_LOOK_AGAIN_S: Final = 0.5
_STORM_S: Final = 0.01


class Moderation:
    """Rests the event loop between looks, the longer the more `connections()` there are; at few, not at all.

    While `newcomers()` (how many sockets there ever were) grows, or some are `waiting()` at the door, it does not rest
    either: the loop takes one or two new sockets a pass and the door a few, so a storm would be let in at the pace of
    the rests, and commands would wait for all of them. What is to be stored is gathered all the same: small batches
    cost the database twice as much a row, and it is the database that commands then wait for. While somebody
    `hurries()`, it only naps.
    """

    def __init__(
        self, lane: Lane, *, connections: Callable[[], int], newcomers: Callable[[], int], waiting: Callable[[], int],
        hurries: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._lane = lane
        self._connections = connections
        self._newcomers = newcomers
        self._waiting = waiting
        self._hurries = hurries
        self._next: asyncio.Handle | None = None

    def rest_s(self) -> float:
        """How long the loop rests now, in seconds."""
        count = self._connections()
        return min(count * _REST_PER_CONNECTION_S, _LONGEST_REST_S) if count > _FEW else 0.0

    def start(self) -> None:
        """Begins on the running loop."""
        self._step(asyncio.get_running_loop(), self._looks())

    def stop(self) -> None:
        """Ends it."""
        if self._next is not None:
            self._next.cancel()
        self._lane.gather(False)

    def _step(self, loop: asyncio.AbstractEventLoop, looks: Iterator[float]) -> None:
        pause_s = next(looks)
        again = partial(self._step, loop, looks)
        self._next = loop.call_later(pause_s, again) if pause_s else loop.call_soon(again)

    def _looks(self) -> Iterator[float]:
        """Yields how long to let the loop run by itself, in seconds; 0 for one pass."""
        known = self._newcomers()
        while True:
            rest_s = self.rest_s()
            if not rest_s:
                self._lane.gather(False)
                yield _LOOK_AGAIN_S
                continue
            self._lane.gather(True)
            if self._waiting() or known != self._newcomers():
                known = self._newcomers()
                yield _STORM_S
                self._lane.commit()
                continue
            # On purpose on the loop's own thread: everything it serves comes together meanwhile. Not while a batch is
            # on its way, a storm's or a slow one: its answers, and what came meanwhile, would wait for one rest more.
            time.sleep(_NAP_S if self._hurries() or self._lane.is_committing else rest_s)
            yield 0  # what came is read and handled
            yield from self._await_commit()
            self._lane.commit()
            yield 0
            yield 0  # the batch is on its way
            yield from self._await_commit()
            yield 0  # the answers leave

    def _await_commit(self) -> Iterator[float]:
        for _ in range(_NAPS):
            if not self._lane.is_committing:
                return
            time.sleep(_NAP_S)
            yield 0
            yield 0
