"""Certificates that end: told in time, as alarms."""

from __future__ import annotations

from typing import Final

from backend.database import SYSTEM, Database

EARLY_DAYS: Final = 21
"""So many days before the end people are told: nine days after the platform began to ask the charger for a new one."""
LATE_DAYS: Final = 7
"""Then again."""


class Ending:
    """A duty of the clock; it may run any number of times."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def watch(self) -> int:
        """Opens, counts on and closes the alarms `certificate_ends` (a charger's own) and `server_certificate_ends`
        (the TLS port's); returns how many changed."""
        arguments = {"p_early_days": EARLY_DAYS, "p_late_days": LATE_DAYS}
        changed: int = await self._database.call("watch_certificates", arguments, scope=SYSTEM)
        return changed
