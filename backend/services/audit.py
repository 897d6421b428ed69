"""The audit log: who did what, with the values before and after. Rows are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.database import Database
from backend.domain.caller import Caller


class Audit:
    """Writes audit rows in the caller's own scope, so that nobody can write into another's log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self,
        caller: Caller,
        action: str,
        object_type: str,
        object_id: str,
        *,
        cpo_id: str | None,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Adds one row. `action` is `<noun>.<verb>`; `before`/`after` are JSON values without secrets."""
        row = {
            "cpo_id": caller.scope.cpo_id or cpo_id,
            "actor_id": caller.scope.user_id,
            "actor_name": caller.name,
            "actor_role": caller.scope.role,
            "action": action,
            "object_type": object_type,
            "object_id": object_id,
            "before": dict(before) if before is not None else None,
            "after": dict(after) if after is not None else None,
            "request_id": caller.request_id,
        }
        await self._database.insert("audit_log", [row], scope=caller.scope, columns="id")
