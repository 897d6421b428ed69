"""The audit log: who did what, when, from where, with the values before and after. Rows are only ever added.

Changes of tables write their row themselves, in their own transaction (`private.audit_changes` in the migrations).
`Audit.record` is for what changes no audited table: a login, a download, an export.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from pydantic import Field

from backend.database import Condition, Database
from backend.domain.caller import Caller
from backend.domain.scope import Scope
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page, within

EXPORT_ROWS: Final = 200_000
_STEP: Final = 500  # rows of an export that are in memory at once


class AuditEntry(Record):
    """One act."""

    id: int = Field(description="Number in the log.")
    at: datetime = Field(description="When (UTC).")
    cpo_id: str | None = Field(description="CPO that it concerns; null: the platform itself.")
    actor_id: str | None = Field(description="User or API key that acted; null: the platform.")
    actor_name: str | None = Field(description="Its name then.")
    actor_role: str | None = Field(description="Its role then.")
    action: str = Field(description="What was done: `<noun>.<verb>`.")
    object_type: str = Field(description="Noun: what was changed or looked at.")
    object_id: str | None = Field(description="Which one: its identifier; parts are joined with a slash.")
    before: dict[str, Any] | None = Field(description="What was changed, as it was; secrets are `***`.")
    after: dict[str, Any] | None = Field(description="What was changed, as it is now; secrets are `***`.")
    address: str | None = Field(description="Network address that the request came from.")
    request_id: str | None = Field(description="`X-Request-ID` of the request.")
    seq: int | None = Field(description="Place in the chain of its CPO, without gaps.")
    hash: str | None = Field(description="SHA-256 over the former row's hash and this row.")


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What to list; None does not filter. `actor`: part of a name. `object_id`: exact."""

    cpo_id: str | None = None
    actor: str | None = None
    actor_id: str | None = None
    action: str | None = None
    object_type: str | None = None
    object_id: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Audit:
    """Reads the log in the caller's scope, and tells it of events."""

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
        """Adds one row about the caller's own CPO, or for an EMSV caller about `cpo_id`.

        `action` is `<noun>.<verb>`; `before`/`after` are JSON values without secrets.
        """
        arguments = {
            "p_event_id": str(uuid4()),
            "p_cpo_id": cpo_id,
            "p_action": action,
            "p_object_type": object_type,
            "p_object_id": object_id,
            "p_before": before,
            "p_after": after,
        }
        await self._database.call("record_audit", arguments, scope=caller.scope)

    async def list(self, scope: Scope, page: PageRequest, wanted: AuditFilter) -> Page[AuditEntry]:
        """Newest first."""
        return await select_page(
            self._database, "audit_log", AuditEntry, page, scope=scope, where=_where(scope, wanted),
            order=[("id", "desc")],
        )  # fmt: skip

    async def export(self, caller: Caller, wanted: AuditFilter) -> AsyncIterator[Sequence[AuditEntry]]:
        """Newest first, in parts, at most EXPORT_ROWS. The export itself stands in the log."""
        shown = {name: str(value) for name in AuditFilter.__slots__ if (value := getattr(wanted, name)) is not None}
        await self.record(caller, "audit.export", "audit", "", cpo_id=wanted.cpo_id, after={"filter": shown})
        return self._parts(caller.scope, wanted)

    async def _parts(self, scope: Scope, wanted: AuditFilter) -> AsyncIterator[Sequence[AuditEntry]]:
        after: Sequence[Any] | None = None
        for _ in range(EXPORT_ROWS // _STEP):
            found = await self.list(scope, PageRequest(_STEP, after), wanted)
            yield found.items
            if (after := found.after) is None:
                return


def _where(scope: Scope, wanted: AuditFilter) -> list[Condition]:
    return [
        *own_rows(scope),
        *given(
            ("cpo_id", "eq", wanted.cpo_id),
            ("actor_name", "ilike", within(wanted.actor)),
            ("actor_id", "eq", wanted.actor_id),
            ("action", "ilike", _beginning(wanted.action)),
            ("object_type", "eq", wanted.object_type),
            ("object_id", "eq", wanted.object_id),
            ("request_id", "eq", wanted.request_id),
            ("at", "gte", wanted.since),
            ("at", "lt", wanted.until),
        ),
    ]


def _beginning(action: str | None) -> str | None:
    pattern = within(action)
    return pattern.removeprefix("%") if pattern else None
