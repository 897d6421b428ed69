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

from backend.database import Database
from backend.domain.masking import Mask
from backend.domain.roles import Permission
from backend.domain.scope import Scope
from backend.services.chargers import Chargers
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page, select_rows

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
        description="The frame as text, as it was on the wire; bad ones are cut. Identifiers are masked as `***` and "
        "eight characters, the same for the same identifier, unless the role includes `messages:identifiers`."
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
        where = [*_frames_of(scope, charger_id, wanted), *given(("kind", "eq", kind))]
        order = [("at", "desc"), ("id", "desc")]
        found = await select_page(self._database, "ocpp_messages", Message, page, scope=scope, where=where, order=order)
        return Page([self._shown(scope, message) for message in found.items], found.after)

    async def exchanges(
        self, scope: Scope, page: PageRequest, charger_id: str, wanted: MessageFilter
    ) -> Page[Exchange]:
        """One entry per call with its answer, newest first. Raises NotFound (`charger_not_found`)."""
        await self._chargers.get(scope, charger_id)
        after_at, after_id = page.after or (None, None)
        arguments = {
            "p_charger_id": charger_id, "p_action": wanted.action, "p_direction": wanted.direction,
            "p_errors": wanted.errors, "p_error_code": wanted.error_code, "p_from": _iso(wanted.since),
            "p_to": _iso(wanted.until), "p_after_at": after_at, "p_after_id": after_id, "p_limit": page.limit + 1,
        }  # fmt: skip
        rows = await self._database.call("message_exchanges", arguments, scope=scope)
        kept = rows[: page.limit]
        after = [kept[-1]["key_at"], kept[-1]["key_id"]] if len(rows) > page.limit else None
        return Page([self._exchange(scope, row) for row in kept], after)

    async def follow(self, scope: Scope, page: PageRequest, charger_id: str, wanted: MessageFilter) -> Page[Message]:
        """Frames behind `page.after`, oldest first; without it the newest ones. `after` of the answer continues.

        Raises NotFound (`charger_not_found`).
        """
        await self._chargers.get(scope, charger_id)
        way = "desc" if page.after is None else "asc"
        rows = await self._database.select(
            "ocpp_messages", scope=scope, columns=Message.columns(), where=_frames_of(scope, charger_id, wanted),
            order=[("at", way), ("id", way)], after=page.after, limit=page.limit,
        )  # fmt: skip
        messages = sorted((Message.model_validate(row) for row in rows), key=lambda message: (message.at, message.id))
        after = [messages[-1].at.isoformat(), messages[-1].id] if messages else list(page.after or _BEGINNING)
        return Page([self._shown(scope, message) for message in messages], after)

    async def export(self, scope: Scope, charger_id: str, wanted: MessageFilter) -> AsyncIterator[Sequence[Message]]:
        """Frames, oldest first, some at a time, EXPORT_ROWS at most. Raises NotFound (`charger_not_found`) at once."""
        await self._chargers.get(scope, charger_id)
        return self._pages(scope, _frames_of(scope, charger_id, wanted))

    async def _pages(self, scope: Scope, where: Sequence[Any]) -> AsyncIterator[Sequence[Message]]:
        after: Sequence[Any] | None = None
        for _ in range(EXPORT_ROWS // _STEP):
            page = await select_rows(
                self._database, "ocpp_messages", PageRequest(_STEP, after), scope=scope, columns=Message.columns(),
                where=where, order=[("at", "asc"), ("id", "asc")],
            )  # fmt: skip
            yield [self._shown(scope, Message.model_validate(row)) for row in page.items]
            after = page.after
            if after is None:
                return

    def _shown(self, scope: Scope, message: Message) -> Message:
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


def _frames_of(scope: Scope, charger_id: str, wanted: MessageFilter) -> list[Any]:
    where = [
        ("charger_id", "eq", charger_id),
        *own_rows(scope),
        *given(
            ("action", "eq", wanted.action),
            ("direction", "eq", wanted.direction),
            ("error_code", "eq", wanted.error_code),
            ("at", "gte", _iso(wanted.since)),
            ("at", "lt", _iso(wanted.until)),
        ),
    ]
    # Only CALLERRORs and bad frames have a code; in this form the index of errors serves.
    return [*where, ("error_code", "neq", "")] if wanted.errors else where


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
