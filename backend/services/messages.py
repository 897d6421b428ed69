"""The OCPP message log: every frame, as it was on the wire."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from backend.database import Database
from backend.domain.scope import Scope
from backend.services.chargers import Chargers
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page


class Direction(StrEnum):
    """Seen from the platform."""

    IN = "in"
    OUT = "out"


class MessageKind(StrEnum):
    """Kind of frame."""

    CALL = "call"
    RESULT = "result"
    ERROR = "error"
    BAD = "bad"


class Message(Record):
    """One frame."""

    id: int = Field(description="Number in the log.")
    at: datetime = Field(description="When it passed (UTC).")
    direction: Direction = Field(description="`in`: from the charger; `out`: to it.")
    kind: MessageKind = Field(description="`call`, `result`, `error`, or `bad` (not an OCPP frame).")
    action: str | None = Field(description="OCPP action; on answers, that of the call.")
    pair_id: str | None = Field(description="Message id that joins a call with its answer.")
    latency_ms: float | None = Field(description="On answers: time since the call, in ms.")
    payload: str = Field(description="The frame as text, as it was on the wire; bad ones are cut.")


class Messages:
    """Reads the message log in the caller's scope."""

    def __init__(self, database: Database, chargers: Chargers) -> None:
        self._database = database
        self._chargers = chargers

    async def list(
        self,
        scope: Scope,
        page: PageRequest,
        charger_id: str,
        *,
        action: str | None = None,
        direction: Direction | None = None,
        kind: MessageKind | None = None,
    ) -> Page[Message]:
        """Newest first. Raises NotFound (`charger_not_found`)."""
        await self._chargers.get(scope, charger_id)
        where = [
            ("charger_id", "eq", charger_id),
            *own_rows(scope),
            *given(("action", "eq", action), ("direction", "eq", direction), ("kind", "eq", kind)),
        ]
        order = [("at", "desc"), ("id", "desc")]
        return await select_page(self._database, "ocpp_messages", Message, page, scope=scope, where=where, order=order)
