"""The OCPP message log: every frame as it was on the wire, and calls paired with their answers.

Identifiers of drivers and SIM cards are masked for roles without the permission `messages:identifiers`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import Field

from backend.database import Database, Row
from backend.domain.masking import Mask
from backend.domain.roles import Permission
from backend.domain.scope import Scope
from backend.services.chargers import Chargers
from backend.services.records import Page, PageRequest, Record

EXPORT_ROWS: Final = 200_000
_STEP: Final = 500  # rows of an export that are in memory at once


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


class ExchangeOutcome(StrEnum):
    """What became of a call."""

    ANSWERED = "answered"
    ERROR = "error"
    WAITING = "waiting"
    UNANSWERED = "unanswered"
    BAD = "bad"
    STRAY = "stray"


class Message(Record):
    """One frame."""

    id: int = Field(description="Number in the log.")
    at: datetime = Field(description="When it passed (UTC).")
    direction: Direction = Field(description="`in`: from the charger; `out`: to it.")
    kind: MessageKind = Field(description="`call`, `result`, `error`, or `bad` (not an OCPP frame).")
    action: str | None = Field(description="OCPP action; on answers, that of the call.")
    pair_id: str | None = Field(description="Message id that joins a call with its answer.")
    latency_ms: float | None = Field(description="On answers: time since the call, in ms.")
    error_code: str | None = Field(description="On CALLERRORs their code; on bad frames what is wrong with them.")
    payload: str = Field(
        description="The frame as text, as it was on the wire; bad ones are cut. Unless the role includes "
        "`messages:identifiers`, identifiers are masked as `***` and eight characters, the same for the same "
        "identifier, and so is the `data` of a DataTransfer that is no JSON; in words and broken frames, all behind an "
        "identifier's name is `***`."
    )


class Exchange(Record):
    """A call and its answer, or a frame that stands alone."""

    at: datetime = Field(description="When the call passed (UTC); of a frame that stands alone, when it did.")
    direction: Direction = Field(description="Of the call. `in`: the charger asked; `out`: the platform did.")
    action: str | None = Field(description="OCPP action, where it is known.")
    pair_id: str | None = Field(description="Message id of the call and its answer.")
    outcome: ExchangeOutcome = Field(
        description="`answered`; `error` (CALLERROR); `waiting` for an answer, or `unanswered` after a minute; "
        "`bad`: no OCPP frame; `stray`: an answer to no call."
    )
    error_code: str | None = Field(description="Code of the CALLERROR, or what is wrong with a bad frame.")
    latency_ms: float | None = Field(description="From the call to its answer, in ms.")
    request: str | None = Field(description="The call's frame as text; identifiers masked as in the list of messages.")
    response: str | None = Field(description="The answer's frame as text; null while there is none.")
    answered_at: datetime | None = Field(description="When the answer passed (UTC).")


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """What to list; None does not filter. `errors`: only CALLERRORs and bad frames."""

    action: str | None = None
    direction: Direction | None = None
    errors: bool = False
    error_code: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Messages:
    """Reads the message log in the caller's scope."""

    def __init__(self, database: Database, chargers: Chargers, mask: Mask) -> None:
        self._database = database
        self._chargers = chargers
        self._mask = mask

    async def list(
        self, scope: Scope, page: PageRequest, charger_id: str, wanted: MessageFilter, kind: MessageKind | None = None
    ) -> Page[Message]:
        """Frames, newest first. Raises NotFound (`charger_not_found`)."""
        await self._chargers.get(scope, charger_id)
        rows = await self._frames(scope, charger_id, wanted, page.after, page.limit + 1, kind=kind)
        kept = rows[: page.limit]
        return Page([self._shown(scope, row) for row in kept], _key(kept[-1]) if len(rows) > page.limit else None)

    async def exchanges(
        self, scope: Scope, page: PageRequest, charger_id: str, wanted: MessageFilter
    ) -> Page[Exchange]:
        """One entry per call with its answer, newest first. Raises NotFound (`charger_not_found`)."""
        await self._chargers.get(scope, charger_id)
        arguments = _arguments(charger_id, wanted, page.after, page.limit + 1)
        rows = await self._database.call("message_exchanges", arguments, scope=scope)
        kept = rows[: page.limit]
        return Page([self._exchange(scope, row) for row in kept], _key(kept[-1]) if len(rows) > page.limit else None)

    async def follow(self, scope: Scope, page: PageRequest, charger_id: str, wanted: MessageFilter) -> Page[Message]:
        """Frames behind `page.after`, oldest first; without it the newest ones. `after` of the answer continues.

        Raises NotFound (`charger_not_found`).
        """
        await self._chargers.get(scope, charger_id)
        newest_first = page.after is None
        rows = await self._frames(scope, charger_id, wanted, page.after, page.limit, newest_first=newest_first)
        if newest_first:
            rows = rows[::-1]
        after = _key(rows[-1]) if rows else list(page.after or _BEGINNING)
        return Page([self._shown(scope, row) for row in rows], after)

    async def export(self, scope: Scope, charger_id: str, wanted: MessageFilter) -> AsyncIterator[Sequence[Message]]:
        """Frames, oldest first, some at a time, EXPORT_ROWS at most. Raises NotFound (`charger_not_found`) at once."""
        await self._chargers.get(scope, charger_id)
        return self._pages(scope, charger_id, wanted)

    async def _pages(self, scope: Scope, charger_id: str, wanted: MessageFilter) -> AsyncIterator[Sequence[Message]]:
        after: Sequence[Any] | None = None
        for _ in range(EXPORT_ROWS // _STEP):
            rows = await self._frames(scope, charger_id, wanted, after, _STEP, newest_first=False)
            yield [self._shown(scope, row) for row in rows]
            if len(rows) < _STEP:
                return
            after = _key(rows[-1])

    async def _frames(
        self, scope: Scope, charger_id: str, wanted: MessageFilter, after: Sequence[Any] | None, limit: int, *,
        kind: MessageKind | None = None, newest_first: bool = True,
    ) -> Sequence[Row]:  # fmt: skip
        """Rows of `public.message_frames`."""
        arguments = _arguments(charger_id, wanted, after, limit)
        rows: Sequence[Row] = await self._database.call(
            "message_frames", {**arguments, "p_kind": kind, "p_newest_first": newest_first}, scope=scope
        )
        return rows

    def _shown(self, scope: Scope, row: Row) -> Message:
        message = Message.model_validate(row)
        if _sees_identifiers(scope):
            return message
        return message.model_copy(update={"payload": self._mask.frame(message.payload)})

    def _exchange(self, scope: Scope, row: dict[str, Any]) -> Exchange:
        if not _sees_identifiers(scope):
            row |= {side: row[side] and self._mask.frame(row[side]) for side in ("request", "response")}
        return Exchange.model_validate(row)


_BEGINNING: Final = ("2000-01-01T00:00:00+00:00", 0)


def _sees_identifiers(scope: Scope) -> bool:
    return scope.is_system or scope.may(Permission.MESSAGES_IDENTIFIERS)


def _arguments(charger_id: str, wanted: MessageFilter, after: Sequence[Any] | None, limit: int) -> dict[str, Any]:
    """What the functions of the log have in common."""
    after_at, after_id = after or (None, None)
    return {
        "p_charger_id": charger_id, "p_action": wanted.action, "p_direction": wanted.direction,
        "p_errors": wanted.errors, "p_error_code": wanted.error_code, "p_from": _iso(wanted.since),
        "p_to": _iso(wanted.until), "p_after_at": after_at, "p_after_id": after_id, "p_limit": limit,
    }  # fmt: skip


def _key(row: Row) -> list[Any]:
    """Where a list goes on behind this row."""
    return [row["key_at"], row["key_id"]]


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
