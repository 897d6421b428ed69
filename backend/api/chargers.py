"""Chargers: master data, approval, availability."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from backend.api.bodies import Body, ChargerId, Identity, Name, ShortText, Uuid, absent
from backend.api.commands import DeliveryOptions, IdempotencyKey
from backend.api.dependencies import Services, allow
from backend.api.paging import MAX_LIMIT, ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.chargers import Availability, Charger, ChargerFilter, CurrentType, Registration
from backend.services.commands import Command, Delivery

router = APIRouter(prefix="/api/chargers", tags=["chargers"])
Reader = Annotated[Caller, Depends(allow(Permission.CHARGERS_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.CHARGERS_WRITE))]
Approver = Annotated[Caller, Depends(allow(Permission.CHARGERS_APPROVE))]
Sender = Annotated[Caller, Depends(allow(Permission.COMMANDS_SEND))]

RatedPower = Annotated[int, Field(ge=1, le=10_000_000)]
BasicPassword = Annotated[str, Field(min_length=16, max_length=40, pattern=r"^[!-~]+$")]


class NewCharger(Body):
    """A charger to register."""

    id: Identity = Field(description="OCPP identity, the last path segment of the charger's URL.")
    station_id: Uuid = Field(description="Station it stands at.")
    name: Name | None = Field(default=None, description="Name for people.")
    vendor: ShortText | None = Field(default=None, description="Vendor; the charger's own word replaces it.")
    model: ShortText | None = Field(default=None, description="Model; the charger's own word replaces it.")
    current_type: CurrentType = Field(description="`AC` or `DC`.")
    rated_power_w: RatedPower = Field(description="Rated power in W.")
    connector_count: int = Field(ge=1, le=32, description="Connectors, numbered from 1.")
    password: BasicPassword | None = Field(
        default=None, description="Basic password (security profile 1), 16–40 characters; kept as a hash."
    )


class ChargerChanges(Body):
    """What to change; members left out stay as they are."""

    station_id: Uuid = Field(default_factory=absent, description="Another station of the same CPO.")
    name: Name | None = Field(default=None, description="Name for people.")
    vendor: ShortText | None = Field(default=None, description="Vendor.")
    model: ShortText | None = Field(default=None, description="Model.")
    current_type: CurrentType = Field(default_factory=absent, description="`AC` or `DC`.")
    rated_power_w: RatedPower = Field(default_factory=absent, description="Rated power in W.")
    password: BasicPassword | None = Field(
        default=None, description="New Basic password, 16–40 characters; null: none is asked for."
    )


class Approval(Body):
    """Where a discovered charger belongs."""

    station_id: Uuid = Field(description="Station it stands at; its CPO becomes the charger's.")


class ServiceStatus(StrEnum):
    """Whether the charger may serve drivers."""

    AVAILABLE = "Available"
    UNAVAILABLE = "Unavailable"


class StatusWish(Body):
    """What the operator wants of the charger."""

    status: ServiceStatus = Field(description="`Available` puts it into service, `Unavailable` takes it out.")


class StatusAnswer(BaseModel):
    """The charger as it is, and the command that makes it so."""

    charger: Charger = Field(description="The charger, with the availability the operator wants.")
    command: Command = Field(description="ChangeAvailability for the whole charger (connector 0).")


@router.get("", summary="List chargers")
async def list_chargers(
    services: Services,
    caller: Reader,
    page: Annotated[Paging, Depends()],
    station_id: Annotated[
        list[Uuid] | None, Query(max_length=MAX_LIMIT, description="Only at this station; several may be named.")
    ] = None,
    connected: Annotated[bool | None, Query(description="Only connected, or only offline ones.")] = None,
    registration: Annotated[Registration | None, Query(description="Only in this registration state.")] = None,
    q: Annotated[
        str | None,
        Query(max_length=100, description="Part of the identity, name, vendor, model, serial number or station."),
    ] = None,
) -> ItemList[Charger]:
    """By identity, with the live state."""
    wanted = ChargerFilter(station_id, connected, registration, q)
    return page.answer(await services.chargers.list(caller.scope, page.request, wanted))


@router.post("", summary="Register a charger", status_code=201, responses=responses(404, 409))
async def create_charger(services: Services, caller: Writer, body: NewCharger) -> Charger:
    """Registers a charger at a station; it may connect at once."""
    values = body.model_dump(mode="json", exclude={"connector_count", "password"})
    return await services.chargers.create(caller, values, body.connector_count, body.password)


@router.get("/{charger_id}", summary="Read a charger", responses=responses(404))
async def read_charger(services: Services, caller: Reader, charger_id: ChargerId) -> Charger:
    """One charger with its live state."""
    return await services.chargers.get(caller.scope, charger_id)


@router.put("/{charger_id}", summary="Change a charger", responses=responses(404, 409))
async def update_charger(services: Services, caller: Writer, charger_id: ChargerId, body: ChargerChanges) -> Charger:
    """Changes the members that are sent."""
    return await services.chargers.update(caller, charger_id, body.sent())


@router.delete("/{charger_id}", summary="Delete a charger", status_code=204, responses=responses(404, 409))
async def delete_charger(services: Services, caller: Writer, charger_id: ChargerId) -> None:
    """Deletes a charger that never had a session; another answers 409 `charger_in_use`."""
    await services.chargers.delete(caller, charger_id)


@router.post("/{charger_id}/approve", summary="Approve a discovered charger", responses=responses(404, 409))
async def approve_charger(services: Services, caller: Approver, charger_id: ChargerId, body: Approval) -> Charger:
    """Gives a discovered charger, or one that was rejected, a station and lets it work. At another CPO's station the
    former CPO keeps the history; what it had asked of the charger ends. EMSV administrators only."""
    return await services.chargers.approve(caller, charger_id, body.station_id)


@router.post("/{charger_id}/reject", summary="Reject a charger", responses=responses(404))
async def reject_charger(services: Services, caller: Approver, charger_id: ChargerId) -> Charger:
    """Its next BootNotification is answered `Rejected`. EMSV administrators only."""
    return await services.chargers.reject(caller, charger_id)


@router.put(
    "/{charger_id}/status",
    summary="Put into or out of service",
    status_code=202,
    responses=responses(404, 409),
)
async def set_charger_status(
    services: Services,
    caller: Sender,
    charger_id: ChargerId,
    body: StatusWish,
    options: Annotated[DeliveryOptions, Depends()],
    idempotency_key: IdempotencyKey = None,
) -> StatusAnswer:
    """Records what the operator wants and asks the charger for it.

    The wish holds for an offline charger too: the command then waits for it, at most a day unless
    `expires_in_s` says otherwise. `queue=false` refuses instead (409 `charger_offline`, nothing recorded).
    """
    operative = body.status is ServiceStatus.AVAILABLE
    queue = options.queue is not False
    expires_in_s = options.expires_in_s or (WISH_EXPIRY_S if queue else None)
    await services.chargers.get(caller.scope, charger_id)
    command = await services.commands.enqueue(
        caller,
        charger_id,
        "ChangeAvailability",
        {"connectorId": 0, "type": "Operative" if operative else "Inoperative"},
        Delivery(queue, expires_in_s, idempotency_key),
    )
    wanted = Availability.OPERATIVE if operative else Availability.INOPERATIVE
    return StatusAnswer(charger=await services.chargers.want(caller, charger_id, wanted), command=command)


WISH_EXPIRY_S = 24 * 3600
