"""Forgets applications that came to nothing, with their documents; the worker's part."""

from __future__ import annotations

from typing import Final

from backend.database import SYSTEM, Database
from backend.domain.files import Storage

DRAFT_DAYS: Final = 90
"""A draft, or a question that nobody answers, untouched for so long."""
REFUSED_DAYS: Final = 365
"""In which a refusal may be disputed."""
ADDRESS_DAYS: Final = 2
"""An address that asked for a code and never proved itself."""
_AT_ONCE: Final = 50


class OldApplications:
    """It may run any number of times."""

    def __init__(self, database: Database, storage: Storage) -> None:
        self._database = database
        self._storage = storage

    async def forget(self) -> int:
        """Returns how many addresses, tokens and applications are gone. Raises StorageUnavailable; then again later."""
        total: int = await self._database.call("forget_cpo_registrations", {"p_keep_days": ADDRESS_DAYS}, scope=SYSTEM)
        periods = {"p_draft_days": DRAFT_DAYS, "p_refused_days": REFUSED_DAYS}
        overdue = await self._database.call("overdue_cpo_applications", {**periods, "p_limit": _AT_ONCE}, scope=SYSTEM)
        for one in overdue:
            for content in one["contents"]:  # first: a crash leaves a name without content, which comes again
                await self._storage.delete(content)
            await self._database.call("drop_cpo_application", {"p_cpo_id": one["cpo_id"], **periods}, scope=SYSTEM)
        return total + len(overdue)
