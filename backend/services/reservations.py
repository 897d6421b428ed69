"""Reservations: connectors that chargers keep free for a token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from pydantic import Field

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, NotFound
from backend.domain.scope import Scope
from backend.services.commands import Command, Commands, Delivery
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page


class ReservationStatus(StrEnum):
    """Where a reservation is in its life."""

    REQUESTED = "requested"
    ACTIVE = "active"
    USED = "used"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


LIVE = frozenset({ReservationStatus.REQUESTED, ReservationStatus.ACTIVE})
"""What may still be used or cancelled."""
WITHDRAWN = "withdrawn"
"""The reason of one that was taken back before it was sent."""


class Reservation(Record):
    """A connector kept free for an id token (OCPP 1.6 §5.13)."""

    id: str = Field(description="Identifier (UUID).")
    cpo_id: str | None = Field(description="CPO of the charger.")
    charger_id: str = Field(description="OCPP identity of the charger.")
    station_name: str | None = Field(description="Name of the charger's station.")
    station_timezone: str | None = Field(description="IANA time zone of the station.")
    reservation_id: int = Field(description="Number of the reservation on the wire.")
    connector_id: int = Field(description="Connector as numbered on the charger; 0: any of them.")
    id_token: str = Field(description="Id token it is kept for.")
    parent_token: str | None = Field(description="Group it is kept for besides.")
    expires_at: datetime = Field(description="Kept until then (UTC).")
    status: ReservationStatus = Field(
        description="`requested` until the charger answered, `active`; then `used`, `expired`, `cancelled` or "
        "`rejected`."
    )
    reason: str | None = Field(
        description="Why it ended: the charger's word (`Faulted`, `Occupied`, `Unavailable`, `Rejected`, or an error "
        "code), `replaced` (by the same number), `withdrawn` (before it was sent), `not_sent`; `no_answer` while it is "
        "open whether the charger took it."
    )
    cancel_answer: str | None = Field(description="The charger's word on the last request to cancel it.")
    session_id: str | None = Field(description="Session that used it.")
    other_session_id: str | None = Field(description="Session that another token began on the reserved connector.")
    command_id: str | None = Field(description="ReserveNow that asked for it.")
    cancel_command_id: str | None = Field(description="Last CancelReservation.")
    requested_by_name: str | None = Field(description="Name of who asked.")
    created_at: datetime = Field(description="When it was asked for (UTC).")
    ended_at: datetime | None = Field(description="When it was used or ended (UTC).")


@dataclass(frozen=True, slots=True)
class ReservationFilter:
    """What to list; None does not filter."""

    charger_id: str | None = None
    id_token: str | None = None
    status: ReservationStatus | None = None
    live: bool | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What to keep free, for whom, until when. `connector_id` 0: any."""

    charger_id: str
    connector_id: int
    id_token: str
    parent_token: str | None
    expires_at: datetime


class Reservations:
    """Asks for reservations and tells how they fare."""

    def __init__(self, database: Database, commands: Commands) -> None:
        self._database = database
        self._commands = commands

    async def list(self, scope: Scope, page: PageRequest, wanted: ReservationFilter) -> Page[Reservation]:
        """Newest first; a token is compared without regard to case."""
        where = [
            *own_rows(scope),
            *given(
                ("charger_id", "eq", wanted.charger_id),
                ("token_key", "eq", wanted.id_token and wanted.id_token.lower()),
                ("status", "eq", wanted.status),
                ("live", "eq", wanted.live),
            ),
        ]
        order = [("created_at", "desc"), ("id", "desc")]
        return await select_page(
            self._database, "reservation_details", Reservation, page, scope=scope, where=where, order=order
        )

    async def get(self, scope: Scope, reservation_id: str) -> Reservation:
        """One reservation. Raises NotFound (`reservation_not_found`), also for a foreign one."""
        where = [("id", "eq", reservation_id), *own_rows(scope)]
        rows = await self._database.select(
            "reservation_details", scope=scope, columns=Reservation.columns(), where=where, limit=1
        )
        if not rows:
            raise NotFound("There is no such reservation.", code="reservation_not_found")
        return Reservation.model_validate(rows[0])

    async def create(self, caller: Caller, wish: Wish, delivery: Delivery) -> Reservation:
        """Asks the charger to keep a connector; the platform chooses the number.

        Raises NotFound (`charger_not_found`), ChargerOffline, Conflict (`idempotency_conflict`).
        """
        arguments: dict[str, Any] = {
            "p_charger_id": wish.charger_id,
            "p_connector_id": wish.connector_id,
            "p_id_token": wish.id_token,
            "p_parent_token": wish.parent_token,
            "p_expires_at": wish.expires_at.isoformat(),
            "p_idempotency_key": delivery.idempotency_key
            or str(uuid4()),  # the call is repeated when its answer is lost
            "p_queue": delivery.queue,
            "p_expires_in_s": delivery.lifetime_s,
            "p_requested_by_name": caller.name,
        }
        made = await self._database.call("reserve_connector", arguments, scope=caller.scope)
        return await self.get(caller.scope, str(made))

    async def cancel(self, caller: Caller, reservation_id: str, delivery: Delivery) -> Command:
        """Ends a reservation: one that was not sent yet is taken back, of another the charger is asked.

        Returns the command that tells of it: ReserveNow, which expires, or CancelReservation; of one that is cancelled
        already the same again. Raises NotFound (`reservation_not_found`), Conflict (`reservation_ended`), and as
        `Commands.enqueue`.
        """
        found = await self.get(caller.scope, reservation_id)
        if found.status in LIVE and await self._withdraw(caller.scope, reservation_id):
            return await self._commands.get(caller.scope, str(found.command_id))
        if found.status in LIVE:
            payload = {"reservationId": found.reservation_id}
            return await self._commands.enqueue(caller, found.charger_id, "CancelReservation", payload, delivery)
        told_by = found.command_id if found.reason == WITHDRAWN else found.cancel_command_id
        if found.status == ReservationStatus.CANCELLED and told_by:
            return await self._commands.get(caller.scope, told_by)
        raise Conflict(f"The reservation is over ({found.status}).", code="reservation_ended")

    async def _withdraw(self, scope: Scope, reservation_id: str) -> bool:
        withdrawn: bool = await self._database.call(
            "withdraw_reservation", {"p_reservation_id": reservation_id}, scope=scope
        )
        return withdrawn
