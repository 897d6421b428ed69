"""Bounds failed proofs of identity, for all processes together: the counts stand in the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from backend.database import Database
from backend.domain.errors import TooManyAttempts
from backend.domain.lockout import FIRST_WAIT_S, Counted, Proof, counted
from backend.domain.scope import SYSTEM


class Attempts:
    """Counts each attempt before it is made, so that many at once cannot slip through. `now` is the clock (UTC)."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def begin(self, proof: Proof, account: str, address: str | None, *, known: bool = False) -> list[Counted]:
        """Counts an attempt as failed until `succeeded` says otherwise. Raises TooManyAttempts."""
        keys = counted(proof, account, address, known=known)
        arguments = {
            "p_keys": [one.key for one in keys],
            "p_free": [one.bound.free for one in keys],
            "p_cap_s": [one.bound.cap_s for one in keys],
            "p_first_s": FIRST_WAIT_S,
            "p_now": self._now().isoformat(),
        }
        wait_s: int = await self._database.call("begin_attempt", arguments, scope=SYSTEM)
        if wait_s:
            raise TooManyAttempts(retry_after_s=wait_s)
        return keys

    async def succeeded(self, keys: Sequence[Counted]) -> None:
        """Takes an attempt back that `begin` had counted, and forgets the failures of its pair."""
        await self._database.call("attempt_succeeded", {"p_keys": [one.key for one in keys]}, scope=SYSTEM)

    async def failed(self, proof: Proof, email: str, address: str | None, keys: Sequence[Counted]) -> None:
        """Notes for the audit log that an attempt was wrong; the same work whether `email` is anybody's or not."""
        arguments = {
            "p_email": email,
            "p_proof": proof.value,
            "p_address": address,
            "p_keys": [one.key for one in keys],
            "p_now": self._now().isoformat(),
        }
        await self._database.call("note_failed_login", arguments, scope=SYSTEM)
