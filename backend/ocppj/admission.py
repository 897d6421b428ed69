"""When thousands of chargers come back at once: how many are let in at the same time, and who is told to wait.

Those who are connected already must not notice a storm, so each pass of the event loop takes on a bounded number
of handshakes and boots, in the order they came. A boot that would have to wait longer than a charger's patience is
answered with Pending and an interval, spread at random over the time the others need (OCPP 1.6 §4.2), and is
served when it returns: nobody is put off twice.
"""

from __future__ import annotations

import random
import time
from asyncio import Semaphore
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

_HANDSHAKES: Final = 8  # at once: each costs some 0.2 ms of a pass of the loop, which all others wait for
_BOOTS: Final = 16  # at once: a small batch of group commit
_PATIENCE_S: Final = 8.0  # a boot that would wait longer is put off; chargers give up after about 30 s
_SHORTEST_S: Final = 5
_LONGEST_S: Final = 300
_REMEMBERED: Final = 50_000
_WEIGHT: Final = 0.05  # of the newest interval in the pace


class Guest(Protocol):
    """A socket before the door."""

    @property
    def is_gone(self) -> bool: ...

    def come_in(self) -> bool:
        """Begins the handshake; False if there is none to begin. Who began one says `Door.leave` when it is over."""


class Door:
    """Lets `width` handshakes in at once; the others wait in the order they came."""

    def __init__(self, width: int = _HANDSHAKES) -> None:
        self._free = width
        self._waiting: deque[Guest] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def knock(self, guest: Guest) -> None:
        """`guest.come_in()` is called now, or when others have left."""
        self._waiting.append(guest)
        self._serve()

    def leave(self) -> None:
        """A handshake that was begun is over, whatever became of it."""
        self._free += 1
        self._serve()

    def _serve(self) -> None:
        while self._free and self._waiting:
            guest = self._waiting.popleft()
            if not guest.is_gone and guest.come_in():
                self._free -= 1


class BootQueue:
    """Boots under way: `width` at once. The pace of the last ones tells how long a new one would wait."""

    def __init__(
        self,
        width: int = _BOOTS,
        patience_s: float = _PATIENCE_S,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._turns = Semaphore(width)
        self._patience_s = patience_s
        self._now = now
        self._chance = chance
        self._waiting = 0
        self._pace_s = 0.0  # between two boots that are done, while others wait
        self._mark = 0.0  # when the last one was done, or the first began to wait
        self._put_off: OrderedDict[str, None] = OrderedDict()
        self.put_off = 0

    def expected_wait_s(self) -> float:
        """How long a boot that comes now would wait for its turn, by the pace of the last ones."""
        return self._waiting * self._pace_s

    def put_off_s(self, charger_id: str) -> int | None:
        """Seconds after which the charger shall boot again; None if it is to be served now, at the latest the
        second time it comes."""
        if charger_id in self._put_off:
            del self._put_off[charger_id]
            return None
        wait_s = self.expected_wait_s()
        if wait_s <= self._patience_s:
            return None
        self._put_off[charger_id] = None
        if len(self._put_off) > _REMEMBERED:
            self._put_off.popitem(last=False)
        self.put_off += 1
        return int(min(max(wait_s * (0.5 + self._chance()), _SHORTEST_S), _LONGEST_S))

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for a turn; the boot is under way inside."""
        if not self._waiting:
            self._mark = self._now()
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()
            if self._waiting:
                now = self._now()
                self._pace_s += _WEIGHT * (now - self._mark - self._pace_s)
                self._mark = now
