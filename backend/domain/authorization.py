"""May this token charge? OCPP 1.6 §7.2 AuthorizationStatus, decided from facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backend.domain.timestamps import read_timestamp


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What is stored of a token. `status` None: unknown token. `open_sessions`: others it runs; for a
    start, those that began earlier.

    `parent_status`, `parent_expires_at`: of the token that bears the group's name, if there is one; a group that is
    a mere name has neither.
    """

    status: str | None
    expires_at: datetime | None = None
    parent_token: str | None = None
    open_sessions: int = 0
    concurrent_sessions: bool = False
    parent_status: str | None = None
    parent_expires_at: datetime | None = None

    @property
    def valid_until(self) -> datetime | None:
        """When the token or its group expires, whichever is first; None: never."""
        return min(filter(None, (self.expires_at, self.parent_expires_at)), default=None)

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> TokenFacts:
        """From the JSON of `private.token_facts`; what is null may be absent."""
        return cls(
            status=row.get("status"),
            expires_at=read_timestamp(row.get("expires_at")),
            parent_token=row.get("parent_token"),
            open_sessions=row.get("open_sessions") or 0,
            concurrent_sessions=bool(row.get("concurrent_sessions")),
            parent_status=row.get("parent_status"),
            parent_expires_at=read_timestamp(row.get("parent_expires_at")),
        )


def decide(facts: TokenFacts, now: datetime, *, starting: bool) -> str:
    """Accepted, Invalid, Blocked, Expired, or, only when a session is `starting` (§7.2), ConcurrentTx.

    Elsewhere a running session is no obstacle: the card that is read may be the one that ends it. What befalls the
    group befalls its members.
    """
    if facts.status is None:
        return "Invalid"
    if "blocked" in (facts.status, facts.parent_status):
        return "Blocked"
    if facts.valid_until is not None and facts.valid_until <= now:
        return "Expired"
    if starting and facts.open_sessions and not facts.concurrent_sessions:
        return "ConcurrentTx"
    return "Accepted"
