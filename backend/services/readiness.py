"""Whether the platform can do its work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from backend.database import Database
from backend.domain.errors import DomainError
from backend.domain.scope import SYSTEM

NODE_SILENCE: Final = timedelta(seconds=30)
"""An OCPP server that was not heard of for so long counts as down; the views say the same."""


class CheckResult(StrEnum):
    """Outcome of one check."""

    OK = "ok"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Outcome of each check; `schema_version` is None if the database cannot be asked."""

    database: CheckResult
    schema_version: int | None
    ocpp_server: CheckResult

    @property
    def ready(self) -> bool:
        """Whether every check is ok."""
        return self.database is CheckResult.OK and self.ocpp_server is CheckResult.OK


class ReadinessCheck:
    """Asks the database for its version and for an OCPP server that lives."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def run(self) -> Readiness:
        """Never raises for what it checks."""
        try:
            version = int(await self._database.call("schema_version", scope=SYSTEM))
            since = (self._now() - NODE_SILENCE).isoformat()
            nodes = await self._database.select(
                "nodes", scope=SYSTEM, columns="name", where=[("seen_at", "gt", since)], limit=1
            )
        except DomainError:
            return Readiness(CheckResult.FAILED, None, CheckResult.FAILED)
        return Readiness(CheckResult.OK, version, CheckResult.OK if nodes else CheckResult.FAILED)
