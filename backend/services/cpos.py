"""Charge point operators: the tenants."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, NotFound
from backend.domain.scope import Scope
from backend.services.records import Page, PageRequest, Record, select_page


class CpoStatus(StrEnum):
    """Whether a CPO may work."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Cpo(Record):
    """A charge point operator."""

    id: str = Field(description="Identifier (UUID).")
    name: str = Field(description="Name, unique on the platform.")
    status: CpoStatus = Field(description="`active`, `suspended` (staff locked out) or `closed`.")
    concurrent_sessions: bool = Field(description="Whether one id token may run several sessions at once.")
    local_list_sync: bool = Field(
        description="Whether changes of id tokens are sent to local lists of chargers unasked."
    )
    created_at: datetime = Field(description="When it was registered (UTC).")


class Cpos:
    """Reads and creates CPOs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, scope: Scope, page: PageRequest) -> Page[Cpo]:
        """By name; a CPO's own people see their CPO alone."""
        order = [("name", "asc"), ("id", "asc")]
        return await select_page(self._database, "cpos", Cpo, page, scope=scope, where=[], order=order)

    async def get(self, scope: Scope, cpo_id: str) -> Cpo:
        """One CPO. Raises NotFound (`cpo_not_found`), also for a foreign one."""
        where = [("id", "eq", cpo_id)]
        rows = await self._database.select("cpos", scope=scope, columns=Cpo.columns(), where=where, limit=1)
        if not rows:
            raise NotFound("There is no such CPO.", code="cpo_not_found")
        return Cpo.model_validate(rows[0])

    async def create(self, caller: Caller, name: str) -> Cpo:
        """Registers a CPO. Raises Conflict (`cpo_exists`) if the name is taken."""
        try:
            rows = await self._database.insert("cpos", [{"name": name}], scope=caller.scope, columns=Cpo.columns())
        except Conflict as error:
            raise Conflict("A CPO with this name exists already.", code="cpo_exists") from error
        return Cpo.model_validate(rows[0])

    async def change_settings(self, caller: Caller, cpo_id: str, changes: Mapping[str, Any]) -> Cpo:
        """Sets `concurrent_sessions` and `local_list_sync`, those that are given. Raises NotFound (`cpo_not_found`)."""
        await self.get(caller.scope, cpo_id)
        arguments = {"p_cpo_id": cpo_id, "p_concurrent_sessions": changes.get("concurrent_sessions"),
                     "p_local_list_sync": changes.get("local_list_sync")}  # fmt: skip
        await self._database.call("set_cpo_settings", arguments, scope=caller.scope)
        return await self.get(caller.scope, cpo_id)
