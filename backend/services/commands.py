"""Commands: what is asked of chargers, from the request to the effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

from pydantic import Field, model_validator

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.configuration import check_links, check_password, check_profile, hide_in_call
from backend.domain.errors import Conflict, NotFound
from backend.domain.scope import Scope
from backend.services.chargers import Chargers
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page
from backend.services.sessions import Session, Sessions

EXPIRY_S: Final = 60
QUEUED_EXPIRY_S: Final = 15 * 60
MAX_EXPIRY_S: Final = 7 * 24 * 3600


class CommandStatus(StrEnum):
    """Where the command is between us and the charger."""

    QUEUED = "queued"
    SENT = "sent"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    EXPIRED = "expired"


class CommandEffect(StrEnum):
    """Whether what was asked really happened."""

    NONE = "none"
    PENDING = "pending"
    OBSERVED = "observed"
    NO_EFFECT = "no_effect"


class Command(Record):
    """Something asked of a charger."""

    id: str = Field(description="Identifier (UUID).")
    cpo_id: str | None = Field(description="CPO of the charger.")
    charger_id: str = Field(description="OCPP identity of the charger.")
    action: str = Field(description="OCPP action.")
    payload: dict[str, Any] = Field(description="Payload of the call, in the member names of OCPP.")
    status: CommandStatus = Field(
        description="`queued`, `sent`, then `accepted`, `rejected`, `failed`, `timed_out` or `expired`."
    )
    effect: CommandEffect = Field(
        description="`pending` until what was asked is `observed`, or known not to happen (`no_effect`)."
    )
    effect_session_id: str | None = Field(description="Session that began or ended as the effect.")
    response: dict[str, Any] | None = Field(description="Payload of the charger's answer.")
    error_code: str | None = Field(description="Error code of the charger's CALLERROR.")
    error_description: str | None = Field(description="What went wrong, for people.")
    requested_by: str | None = Field(description="User or API key that asked.")
    requested_by_name: str | None = Field(description="Name of who asked.")
    created_at: datetime = Field(description="When it was asked (UTC).")
    expires_at: datetime = Field(description="Not sent after this time (UTC).")
    sent_at: datetime | None = Field(description="When it went on the wire (UTC).")
    answered_at: datetime | None = Field(description="When the charger answered (UTC).")
    effect_at: datetime | None = Field(description="When the effect was observed (UTC).")

    @model_validator(mode="before")
    @classmethod
    def _without_secrets(cls, row: dict[str, Any]) -> dict[str, Any]:
        """One that waits still holds what will travel."""
        return {**row, "payload": hide_in_call(row["action"], row["payload"])}


@dataclass(frozen=True, slots=True)
class Delivery:
    """How to deliver. `queue`: wait for an offline charger. `expires_in_s` None: 60 s, queued 15 minutes."""

    queue: bool = False
    expires_in_s: int | None = None
    idempotency_key: str | None = None

    @property
    def lifetime_s(self) -> int:
        """Seconds until the command expires unsent."""
        return self.expires_in_s or (QUEUED_EXPIRY_S if self.queue else EXPIRY_S)


class Commands:
    """Enqueues commands and reads how they fare."""

    def __init__(self, database: Database, chargers: Chargers, sessions: Sessions) -> None:
        self._database = database
        self._chargers = chargers
        self._sessions = sessions

    async def enqueue(
        self, caller: Caller, charger_id: str, action: str, payload: Mapping[str, Any], delivery: Delivery
    ) -> Command:
        """Asks `action` of a charger; the same idempotency key gives the same command again.

        Raises NotFound (`charger_not_found`), ChargerOffline, Conflict (`idempotency_conflict`), InvalidInput (a
        password of the wrong form, or one that is hidden; a security profile, which `Security.raise_profile` raises).
        """
        check_password(action, payload)
        check_profile(action, payload)
        check_links(payload)
        arguments = {
            "p_charger_id": charger_id,
            "p_action": action,
            "p_payload": dict(payload),
            # The call is repeated when its answer is lost; a Reset must not be.
            "p_idempotency_key": delivery.idempotency_key or str(uuid4()),
            "p_queue": delivery.queue,
            "p_expires_in_s": delivery.lifetime_s,
            "p_requested_by_name": caller.name,
        }
        try:
            answer = await self._database.call("enqueue_command", arguments, scope=caller.scope)
        except NotFound as error:
            raise NotFound("There is no such charger.", code="charger_not_found") from error
        return Command.model_validate(answer)

    async def remote_start(
        self, caller: Caller, charger_id: str, id_token: str, connector_id: int | None, delivery: Delivery
    ) -> Command:
        """Asks a charger to begin a session. Raises as `enqueue`."""
        payload: dict[str, Any] = {"idTag": id_token}
        if connector_id is not None:
            payload = {"connectorId": connector_id, **payload}
        return await self.enqueue(caller, charger_id, "RemoteStartTransaction", payload, delivery)

    async def remote_stop(
        self, caller: Caller, session_id: str | None, transaction_id: int | None, delivery: Delivery
    ) -> Command:
        """Asks the charger of a running session to end it; the session is named by one of the two numbers.

        Raises NotFound (`session_not_found`), Conflict (`session_ended`), and as `enqueue`.
        """
        session = await self._session(caller.scope, session_id, transaction_id)
        payload = {"transactionId": session.transaction_id}
        if session.open:
            return await self.enqueue(caller, session.charger_id, "RemoteStopTransaction", payload, delivery)
        earlier = await self._asked_before(caller.scope, delivery.idempotency_key)
        if earlier is None or earlier.payload != payload:
            raise Conflict("The session has ended already.", code="session_ended")
        return earlier

    async def list(
        self,
        scope: Scope,
        page: PageRequest,
        *,
        charger_id: str | None = None,
        status: CommandStatus | None = None,
    ) -> Page[Command]:
        """Newest first."""
        where = [*own_rows(scope), *given(("charger_id", "eq", charger_id), ("status", "eq", status))]
        order = [("created_at", "desc"), ("id", "desc")]
        return await select_page(self._database, "commands", Command, page, scope=scope, where=where, order=order)

    async def get(self, scope: Scope, command_id: str) -> Command:
        """One command. Raises NotFound (`command_not_found`), also for a foreign one."""
        where = [("id", "eq", command_id), *own_rows(scope)]
        rows = await self._database.select("commands", scope=scope, columns=Command.columns(), where=where, limit=1)
        if not rows:
            raise NotFound("There is no such command.", code="command_not_found")
        return Command.model_validate(rows[0])

    async def _session(self, scope: Scope, session_id: str | None, transaction_id: int | None) -> Session:
        if session_id is not None:
            return await self._sessions.get(scope, session_id)
        return await self._sessions.by_transaction(scope, transaction_id or 0)

    async def _asked_before(self, scope: Scope, key: str | None) -> Command | None:
        """The command this caller asked with this idempotency key: a retry may come after the effect."""
        if key is None or scope.user_id is None:
            return None
        where = [("requested_by", "eq", scope.user_id), ("idempotency_key", "eq", key), *own_rows(scope)]
        rows = await self._database.select("commands", scope=scope, columns=Command.columns(), where=where, limit=1)
        return Command.model_validate(rows[0]) if rows else None
