"""OCPP servers and the life signs of the sockets they hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from backend.database import SYSTEM, Database


class Nodes:
    """What an OCPP server tells of itself. All raise DatabaseUnavailable."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self.name = name

    async def begin(self) -> None:
        """A new life of this node: the sockets of the former one are gone."""
        await self._beat(True, {})

    async def beat(self, stats: dict[str, Any]) -> None:
        """Alive; `stats` are counters shown to operators, among them `log_dropped`."""
        await self._beat(False, stats)

    async def touch(self, charger_ids: Collection[str], at: datetime) -> list[str]:
        """These chargers were heard of by `at`. Returns those among them that are registered no more."""
        gone: list[str] = await self._database.call(
            "touch_connections",
            {"p_node": self.name, "p_charger_ids": list(charger_ids), "p_at": at.isoformat()},
            scope=SYSTEM,
        )
        return gone

    async def refused(self, rows: Sequence[dict[str, Any]]) -> None:
        """Handshakes refused for wrong credentials, as `ocppj.refusals` counts them."""
        told = [{**row, "node": self.name} for row in rows]
        await self._database.call("record_refusals", {"p_rows": told}, scope=SYSTEM)

    async def _beat(self, started: bool, stats: dict[str, Any]) -> None:
        await self._database.call(
            "beat_node", {"p_node": self.name, "p_started": started, "p_stats": stats}, scope=SYSTEM
        )
