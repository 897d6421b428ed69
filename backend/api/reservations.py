"""Reservations: connectors kept free for an id token."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from backend.api.actions.payload import INT32_MAX, Tag
from backend.api.bodies import Identity, Moment, UuidPath
from backend.api.commands import Ask, CommandAnswer, DeliveryOptions, IdempotencyKey
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.reservations import Reservation, ReservationFilter, ReservationStatus, Wish

router = APIRouter(prefix="/api/reservations", tags=["reservations"])
Reader = Annotated[Caller, Depends(allow(Permission.RESERVATIONS_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.RESERVATIONS_WRITE))]


class NewReservation(Ask):
    """A connector to keep free."""

    charger_id: Identity = Field(description="OCPP identity of the charger.")
    connector_id: Annotated[int, Field(ge=0, le=INT32_MAX, strict=True)] = Field(
        default=0, description="Connector as numbered on the charger; 0: any of them."
    )
    id_token: Tag = Field(description="Id token it is kept for; at most 20 characters.")
    parent_id_token: Tag | None = Field(default=None, description="Group it is kept for besides.")
    expires_at: Moment = Field(description="Kept until then (with offset).")


class ReservationFilters:
    """Query parameters of the list."""

    def __init__(
        self,
        charger_id: Annotated[str | None, Query(max_length=48, description="Only of this charger.")] = None,
        id_token: Annotated[
            str | None, Query(max_length=255, description="Only for this id token, without regard to case.")
        ] = None,
        status: Annotated[ReservationStatus | None, Query(description="Only in this status.")] = None,
        live: Annotated[
            bool | None,
            Query(description="Only those that may still be used (`requested`, `active`); false: the others."),
        ] = None,
    ) -> None:
        self.wanted = ReservationFilter(charger_id=charger_id, id_token=id_token, status=status, live=live)


@router.get("", summary="List reservations")
async def list_reservations(
    services: Services,
    caller: Reader,
    page: Annotated[Paging, Depends()],
    filters: Annotated[ReservationFilters, Depends()],
) -> ItemList[Reservation]:
    """Newest first, those asked for by the command ReserveNow included."""
    return page.answer(await services.reservations.list(caller.scope, page.request, filters.wanted))


@router.post("", summary="Reserve a connector", status_code=202, responses=responses(404, 409))
async def create_reservation(
    services: Services, caller: Writer, body: NewReservation, idempotency_key: IdempotencyKey = None
) -> Reservation:
    """Asks the charger (ReserveNow) under a number that the platform chooses; read it again to see the answer."""
    wish = Wish(body.charger_id, body.connector_id, body.id_token, body.parent_id_token, body.expires_at)
    return await services.reservations.create(caller, wish, body.delivery(idempotency_key))


@router.get("/{reservation_id}", summary="Read a reservation", responses=responses(404))
async def read_reservation(services: Services, caller: Reader, reservation_id: UuidPath) -> Reservation:
    """One reservation."""
    return await services.reservations.get(caller.scope, reservation_id)


@router.delete("/{reservation_id}", summary="Cancel a reservation", status_code=202, responses=responses(404, 409))
async def cancel_reservation(
    services: Services,
    caller: Writer,
    reservation_id: UuidPath,
    options: Annotated[DeliveryOptions, Depends()],
    idempotency_key: IdempotencyKey = None,
) -> CommandAnswer:
    """Asks the charger (CancelReservation); the reservation ends when it says yes.

    One that waits to be sent is taken back at once and never sent: the answer is its ReserveNow, which has expired.
    """
    delivery = options.delivery(idempotency_key)
    return CommandAnswer(command=await services.reservations.cancel(caller, reservation_id, delivery))
