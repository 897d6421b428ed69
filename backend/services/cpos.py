"""Charge point operators: the tenants."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, NotFound
from backend.domain.scope import Scope
from backend.services.audit import Audit
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
    created_at: datetime = Field(description="When it was registered (UTC).")


class Cpos:
    """Reads and creates CPOs."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

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
        cpo = Cpo.model_validate(rows[0])
        await self._audit.record(caller, "cpo.create", "cpo", cpo.id, cpo_id=cpo.id, after=cpo.model_dump(mode="json"))
        return cpo
