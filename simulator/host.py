"""What the jobs of a charger (firmware, logs) need from it, and an errand that may be repeated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from simulator.books import Books
from simulator.clock import Clock
from simulator.presence import Presence
from simulator.quirks import Quirks
from simulator.security import SecurityLog
from simulator.transfers import TransferFailed
from simulator.vault import Vault


class Host(Protocol):
    """A charger as its jobs see it."""

    identity: str
    clock: Clock
    books: Books
    quirks: Quirks
    presence: Presence
    vault: Vault
    security: SecurityLog

    async def until_idle(self) -> None:
        """Return when no session is open."""

    async def reboot(self, kind: str = "Soft") -> None:
        """Restart."""

    def queue(self, payload: Any) -> None:
        """Send a call as soon as the platform can be reached, in order with what waits already."""


@dataclass(frozen=True, slots=True)
class Errand:
    """Where a file is or goes; `retries` more attempts, `pause_s` simulated seconds apart; `request_id` of a message
    of the security extension.
    """

    location: str
    retries: int = 0
    pause_s: int = 0
    request_id: int | None = None


async def attempt(clock: Clock, errand: Errand, act: Callable[[], Awaitable[Any]]) -> Any | None:
    """Do `act` until it passes; None when every attempt failed."""
    for left in range(errand.retries, -1, -1):
        try:
            return await act()
        except TransferFailed:
            if left:
                await clock.sleep_until(clock.now() + timedelta(seconds=errand.pause_s))
    return None


async def wait_for(clock: Clock, moment: datetime | None) -> None:
    """Return at once when there is nothing to wait for."""
    if moment is not None and moment > clock.now():
        await clock.sleep_until(moment)
