"""What time alone changes: overdue commands, partitions ahead, old messages."""

from __future__ import annotations

from backend.database import SYSTEM, Database

MESSAGES_KEPT_DAYS = 30
"""Unless the settings say otherwise."""
PARTITIONS_AHEAD_DAYS = 7
SILENT_SESSIONS_AT_ONCE = 500
FAILED_LOGINS_WINDOW_S = 3600
"""An account's failed logins of this time are one row of the audit log."""


class Upkeep:
    """Duties of the worker; each may run any number of times."""

    def __init__(self, database: Database, *, messages_kept_days: int = MESSAGES_KEPT_DAYS) -> None:
        self._database = database
        self._messages_kept_days = messages_kept_days

    async def expire_commands(self) -> int:
        """Ends commands that were not sent, answered, or followed by their effect in time; returns how many."""
        ended: int = await self._database.call("expire_commands", scope=SYSTEM)
        return ended

    async def expire_reservations(self) -> int:
        """Ends reservations whose time is over or that were never sent; returns how many."""
        ended: int = await self._database.call("expire_reservations", scope=SYSTEM)
        return ended

    async def tend_local_lists(self) -> int:
        """Ends local lists that got no answer, and sends what changed where that is switched on; returns how many."""
        tended: int = await self._database.call("tend_local_lists", scope=SYSTEM)
        return tended

    async def close_silent_sessions(self, silent_s: int) -> int:
        """Closes sessions of which nothing was heard for `silent_s` seconds, to be reviewed; returns how many."""
        closed: int = await self._database.call(
            "close_silent_sessions", {"p_silent_s": silent_s, "p_limit": SILENT_SESSIONS_AT_ONCE}, scope=SYSTEM
        )
        return closed

    async def expire_jobs(self) -> int:
        """Ends firmware and log jobs of which nothing was heard in time; returns how many."""
        ended: int = await self._database.call("expire_jobs", scope=SYSTEM)
        return ended

    async def tell_failed_logins(self) -> int:
        """Tells the audit log of lock-outs, and of failed logins whose time is over; returns how many rows."""
        told: int = await self._database.call(
            "tell_failed_logins", {"p_window_s": FAILED_LOGINS_WINDOW_S}, scope=SYSTEM
        )
        return told

    async def prune_audit(self, keep_days: int) -> int:
        """Takes what is older than that from the beginning of the audit log's chains; returns how many rows."""
        pruned: int = await self._database.call("prune_audit", {"p_keep_days": keep_days}, scope=SYSTEM)
        return pruned

    async def reboot_for_templates(self) -> int:
        """Restarts chargers whose template needs it, once no session runs; returns how many."""
        begun: int = await self._database.call("reboot_for_templates", scope=SYSTEM)
        return begun

    async def take_up_templates(self) -> int:
        """Takes up passes of templates that stand still, once, and then gives them up; returns how many."""
        moved: int = await self._database.call("take_up_templates", scope=SYSTEM)
        return moved

    async def maintain_partitions(self) -> None:
        """Makes partitions ahead of time and drops messages past their time."""
        await self._database.call(
            "maintain_partitions",
            {"p_days_ahead": PARTITIONS_AHEAD_DAYS, "p_keep_days": self._messages_kept_days},
            scope=SYSTEM,
        )
