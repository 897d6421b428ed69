"""OCPP servers and the life signs of the sockets they hold."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from backend.database import SYSTEM, Database

_EPOCH = datetime.fromtimestamp(0, UTC)


def node_name(port: int) -> str:
    """A name for this process alone: machines, containers above all, may share name and port."""
    return f"{socket.gethostname()}:{port}-{secrets.token_hex(4)}"


class Nodes:
    """What an OCPP server tells of itself. All raise DatabaseUnavailable."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self.name = name
        self._ahead: timedelta | None = None  # of the database's clock to this process's monotonic one

    def now(self) -> datetime:
        """By the database's clock, as the last beat told it: those of the machines differ, and are set."""
        return datetime.now(UTC) if self._ahead is None else _EPOCH + self._ahead + timedelta(seconds=time.monotonic())

    async def begin(self) -> None:
        """This node begins to live."""
        await self._beat(True, {})

    async def beat(self, stats: dict[str, Any]) -> bool:
        """Alive; `stats` are counters shown to operators, among them `log_dropped`, and with a port for TLS `tls_port`
        and `tls_certificates` (`pki.chains.served`). True: others may have believed it dead, and released its sockets,
        which are to be reclaimed."""
        return await self._beat(False, stats)

    async def reclaim(self, sockets: Collection[tuple[str, str]]) -> None:
        """These (charger id, connection id) are open after all, unless the charger has come to another node since."""
        rows = [{"charger_id": charger_id, "connection_id": connection_id} for charger_id, connection_id in sockets]
        await self._database.call("reclaim_connections", {"p_node": self.name, "p_rows": rows}, scope=SYSTEM)

    async def end(self) -> None:
        """This node lives no more; nor do its sockets. Of one that cannot say so the others find out."""
        await self._database.call("end_node", {"p_node": self.name}, scope=SYSTEM)

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

    async def _beat(self, started: bool, stats: dict[str, Any]) -> bool:
        told = await self._database.call(
            "beat_node", {"p_node": self.name, "p_started": started, "p_stats": stats}, scope=SYSTEM
        )
        self._ahead = datetime.fromisoformat(told["at"]) - _EPOCH - timedelta(seconds=time.monotonic())
        return bool(told["doubted"])
