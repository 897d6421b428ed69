"""A person's own logins: where they are signed in, and how to end it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from pydantic import Field

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.errors import NotFound
from backend.domain.scope import SYSTEM
from backend.services.records import Record
from backend.services.tokens import REFRESH_LIFETIME

_MOST: Final = 100


class OwnLogin(Record):
    """One login of the caller that can still be used."""

    id: str = Field(description="Identifier (UUID).")
    method: str = Field(description="How it began: `password` or `sso`.")
    second_factor: bool = Field(description="Whether a second factor was proven.")
    address: str | None = Field(description="Network address that used it last, as far as known.")
    agent: str | None = Field(description="Browser or program that began it, in its own words.")
    created_at: datetime = Field(description="When it began (UTC).")
    seen_at: datetime = Field(description="Last refresh of its tokens (UTC).")
    current: bool = Field(description="Whether this request belongs to it.")


class OwnLogins:
    """Lists and ends logins of the caller. Access tokens of an ended one are void within seconds."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def list(self, caller: Caller) -> list[OwnLogin]:
        """Those that can still be used, the one used last first; at most 100. An API key has none."""
        columns = ",".join(name for name in OwnLogin.model_fields if name != "current")
        where = [
            ("user_id", "eq", caller.scope.user_id or ""),
            ("ended_at", "is", None),
            ("seen_at", "gt", (self._now() - REFRESH_LIFETIME).isoformat()),
        ]
        order = [("seen_at", "desc"), ("id", "desc")]
        rows = await self._database.select(
            "login_sessions", scope=SYSTEM, columns=columns, where=where, order=order, limit=_MOST
        )
        return [OwnLogin.model_validate({**row, "current": row["id"] == caller.login_id}) for row in rows]

    async def end(self, caller: Caller, login_id: str) -> None:
        """Ends one. Raises NotFound (`login_not_found`)."""
        if not await self._end(caller, p_id=login_id, p_except=None):
            raise NotFound("There is no such login of yours.", code="login_not_found")

    async def end_others(self, caller: Caller) -> int:
        """Ends all but the one that this request belongs to; returns how many ended."""
        return await self._end(caller, p_id=None, p_except=caller.login_id)

    async def _end(self, caller: Caller, **which: str | None) -> int:
        arguments = {"p_user_id": caller.scope.user_id, "p_reason": "revoked", **which}
        ended: int = await self._database.call("end_logins", arguments, scope=SYSTEM)
        return ended
