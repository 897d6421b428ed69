"""Whose credentials have changed, as one OCPP server asks."""

from __future__ import annotations

from typing import NamedTuple

from backend.database import SYSTEM, Database


class Change(NamedTuple):
    """A charger's password, least profile or certificate changed, or it is served no more; `at` tells two apart."""

    charger_id: str
    at: str


class CredentialChanges:
    """Remembers up to when it has heard of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._since: str | None = None

    async def take(self) -> list[Change]:
        """Those since the last call, and of the minute before it once more. Raises DatabaseUnavailable: the next call
        tells of them then."""
        told = await self._database.call("changed_credentials", {"p_since": self._since}, scope=SYSTEM)
        self._since = told["at"]
        return [Change(*change) for change in told["changes"]]
