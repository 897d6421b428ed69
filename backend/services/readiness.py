"""Whether the platform can do its work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from backend.database import Database
from backend.domain.errors import DomainError
from backend.domain.scope import SYSTEM

_PATIENCE_S: Final = 3.0
FULL_BELOW_BYTES: Final = 64 << 20
"""Below this PostgreSQL may find no room for its log, and stop."""
LOW_BELOW_BYTES: Final = 500 << 20
NODE_SILENCE: Final = timedelta(seconds=30)
"""An OCPP server that was not heard of for so long counts as down; the views say the same."""


class CheckResult(StrEnum):
    """Outcome of one check."""

    OK = "ok"
    FAILED = "failed"


class DiskState(StrEnum):
    """Room on the disk of the data directory."""

    OK = "ok"
    LOW = "low"
    FULL = "full"

    @classmethod
    def of(cls, free_bytes: int) -> DiskState:
        """The state of a disk with so much room."""
        if free_bytes < FULL_BELOW_BYTES:
            return cls.FULL
        return cls.LOW if free_bytes < LOW_BELOW_BYTES else cls.OK


@dataclass(frozen=True, slots=True)
class Readiness:
    """Outcome of each check; `schema_version` is None if the database cannot be asked."""

    database: CheckResult
    schema_version: int | None
    ocpp_server: CheckResult
    disk: DiskState = DiskState.OK

    @property
    def ready(self) -> bool:
        """Whether every check is ok; a disk that fills up is no failure yet."""
        checks = (self.database, self.ocpp_server)
        return all(check is CheckResult.OK for check in checks) and self.disk is not DiskState.FULL


_NO_DATABASE: Final = Readiness(CheckResult.FAILED, None, CheckResult.FAILED)


class ReadinessCheck:
    """Asks the database for its version and for an OCPP server that lives, and the disk for its room.

    `free_bytes`: room on the disk that the platform writes to; None if it writes to none of its own.
    """

    def __init__(
        self, database: Database, now: Callable[[], datetime], free_bytes: Callable[[], int] | None = None
    ) -> None:
        self._database = database
        self._now = now
        self._free_bytes = free_bytes
        self._asking: asyncio.Task[Readiness] | None = None

    async def run(self) -> Readiness:
        """Never raises for what it checks. A database that hangs has failed after 3 s, and is not asked twice."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        await asyncio.wait({self._asking}, timeout=_PATIENCE_S)
        found = self._asking.result() if self._asking.done() else _NO_DATABASE
        return found if self._free_bytes is None else replace(found, disk=DiskState.of(self._free_bytes()))

    async def _ask(self) -> Readiness:
        try:
            version = int(await self._database.call("schema_version", scope=SYSTEM))
            since = (self._now() - NODE_SILENCE).isoformat()
            nodes = await self._database.select(
                "nodes", scope=SYSTEM, columns="name", where=[("seen_at", "gt", since)], limit=1
            )
        except DomainError:
            return _NO_DATABASE
        return Readiness(CheckResult.OK, version, CheckResult.OK if nodes else CheckResult.FAILED)
