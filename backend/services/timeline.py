"""The timeline of a charger: status changes, boots, sockets, commands and sessions in one list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from backend.database import Database
from backend.domain.scope import Scope
from backend.services.chargers import Chargers
from backend.services.records import Page, PageRequest, Record


class TimelineKind(StrEnum):
    """What an entry tells of. The database adds a kind with each view in `private.timeline_sources`."""

    STATUS = "status"
    BOOT = "boot"
    CONNECTION = "connection"
    COMMAND = "command"
    SESSION = "session"


class TimelineEntry(Record):
    """Something that happened to a charger."""

    id: str = Field(description="Identifier of the entry, unique among all kinds.")
    at: datetime = Field(description="When the platform learnt of it (UTC); the list is ordered by this.")
    kind: TimelineKind = Field(description="What it tells of.")
    event: str = Field(
        description="`status`: the status as reported; `boot`: `booted`; `connection`: `connected` or `disconnected`; "
        "`command`: the OCPP action; `session`: `begun` or `ended`."
    )
    evse_id: int | None = Field(description="EVSE number; null for the charger as a whole.")
    connector_id: int | None = Field(description="Connector number within the EVSE, where it is known.")
    actor: str | None = Field(description="Who asked for a command, or the id token of a session.")
    session_id: str | None = Field(description="Session that began, ended, or is the command's effect.")
    command_id: str | None = Field(description="The command, or the one that a session answers.")
    reported_at: datetime | None = Field(description="When it happened by the charger's own clock (UTC).")
    detail: dict[str, Any] = Field(
        description="More, by kind. `status`: `error_code`, `error_info`, `vendor_error_code`. `boot`: `vendor`, "
        "`model`, `firmware_version`, `firmware_before` if it changed. `connection`: `protocol`, `remote_address`, "
        "`replaced` (a socket that was open), `server_restarted`. `command`: `status`, `effect`, errors, times, and of "
        "`payload` and `response` what says where it aims and how it was answered. `session`: `transaction_id`, "
        "`energy_wh`, `duration_s`, `stop_reason`, `review_reasons`."
    )


@dataclass(frozen=True, slots=True)
class TimelineFilter:
    """What to list; None does not filter. `evse_id` keeps what concerns the charger as a whole."""

    kind: TimelineKind | None = None
    evse_id: int | None = None
    until: datetime | None = None


class Timeline:
    """Reads timelines in the caller's scope."""

    def __init__(self, database: Database, chargers: Chargers) -> None:
        self._database = database
        self._chargers = chargers

    async def list(
        self, scope: Scope, page: PageRequest, charger_id: str, wanted: TimelineFilter
    ) -> Page[TimelineEntry]:
        """Newest first. Raises NotFound (`charger_not_found`)."""
        await self._chargers.get(scope, charger_id)
        after_at, after_id = page.after or (None, None)
        arguments = {
            "p_charger_id": charger_id,
            "p_kind": wanted.kind,
            "p_evse_id": wanted.evse_id,
            "p_until": wanted.until.isoformat() if wanted.until else None,
            "p_after_at": after_at,
            "p_after_id": after_id,
            "p_limit": page.limit + 1,
        }
        rows = await self._database.call("charger_timeline", arguments, scope=scope)
        entries = [TimelineEntry.model_validate(row) for row in rows[: page.limit]]
        if len(rows) <= page.limit:
            return Page(entries)
        last = rows[page.limit - 1]
        return Page(entries, after=[last["at"], last["id"]])
