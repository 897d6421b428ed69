"""What time alone changes: overdue commands, partitions ahead, old messages."""

from __future__ import annotations

from backend.database import SYSTEM, Database

MESSAGES_KEPT_DAYS = 30
PARTITIONS_AHEAD_DAYS = 7


class Upkeep:
    """Duties of the worker; each may run any number of times."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def expire_commands(self) -> int:
        """Ends commands that were not sent, answered, or followed by their effect in time; returns how many."""
        ended: int = await self._database.call("expire_commands", scope=SYSTEM)
        return ended

    async def reboot_for_templates(self) -> int:
        """Restarts chargers whose template needs it, once no session runs; returns how many."""
        begun: int = await self._database.call("reboot_for_templates", scope=SYSTEM)
        return begun

    async def maintain_partitions(self) -> None:
        """Makes partitions ahead of time and drops messages older than MESSAGES_KEPT_DAYS."""
        await self._database.call(
            "maintain_partitions",
            {"p_days_ahead": PARTITIONS_AHEAD_DAYS, "p_keep_days": MESSAGES_KEPT_DAYS},
            scope=SYSTEM,
        )
