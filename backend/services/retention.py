"""Does away with data past their time, class by class."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from backend.database import SYSTEM, Database
from backend.domain.files import Storage

log = logging.getLogger(__name__)

_ROWS_AT_ONCE: Final = 5_000
_FILES_AT_ONCE: Final = 100


class Retention:
    """A duty of the worker; it may run any number of times. `days`: by class of data."""

    def __init__(self, database: Database, storage: Storage, days: Mapping[str, int]) -> None:
        self._database = database
        self._storage = storage
        self._days = dict(days)

    async def expire(self) -> int:
        """Does away with everything past its time; returns how many rows and files that were.

        Raises StorageUnavailable when files cannot be deleted; they are deleted next time.
        """
        total = 0
        while gone := await self._rows():
            total += sum(gone.values())
            log.info("past their time: %s", ", ".join(f"{count} of {table}" for table, count in gone.items()))
        while removed := await self._logs():
            total += removed
            log.info("past their time: %s uploaded logs", removed)
        return total

    async def sweep(self) -> int:
        """Deletes contents whose job is gone, with its charger for example; returns how many.

        Raises StorageUnavailable; they are deleted next time.
        """
        total = 0
        while left := await self._database.select(
            "contents_left_behind", scope=SYSTEM, columns="content_name", order=[("content_name", "asc")],
            limit=_FILES_AT_ONCE,
        ):  # fmt: skip
            for one in left:
                await self._storage.delete(one["content_name"])
                where = [("content_name", "eq", one["content_name"])]
                await self._database.delete("contents_left_behind", scope=SYSTEM, where=where, columns="content_name")
            total += len(left)
        return total

    async def _rows(self) -> dict[str, int]:
        arguments = {"p_days": self._days, "p_limit": _ROWS_AT_ONCE}
        gone: dict[str, int] = await self._database.call("expire_data", arguments, scope=SYSTEM)
        return gone

    async def _logs(self) -> int:
        """The content first: a crash leaves a name without content, which the next run removes."""
        arguments = {"p_keep_days": self._days["uploaded_logs"], "p_limit": _FILES_AT_ONCE}
        overdue = await self._database.call("overdue_logs", arguments, scope=SYSTEM)
        for one in overdue:
            await self._storage.delete(one["content_name"])
            where = [("id", "eq", one["job_id"]), ("content_name", "eq", one["content_name"])]
            await self._database.update("log_jobs", {"content_name": None}, scope=SYSTEM, where=where, columns="id")
        return len(overdue)
