"""A charger's security: profile, password, security events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from backend.api.bodies import Body, ChargerId
from backend.api.chargers import BasicPassword
from backend.api.commands import CommandAnswer, DeliveryOptions, IdempotencyKey
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.commands import Command
from backend.services.security import ChargerSecurity, EventFilter, EventSource, SecurityEvent

router = APIRouter(prefix="/api", tags=["security"])
Reader = Annotated[Caller, Depends(allow(Permission.CHARGERS_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.CHARGERS_WRITE))]
Sender = Annotated[Caller, Depends(allow(Permission.COMMANDS_SEND))]


class PasswordByHand(Body):
    """A password that somebody enters at the charger."""

    password: BasicPassword | None = Field(
        default=None, description="16–40 characters; null lets the platform make one of 40 hexadecimal digits."
    )


class PasswordAnswer(BaseModel):
    """Shown this once; only a hash is kept."""

    password: str = Field(description="Basic password to enter at the charger.")


class ProfileWish(Body):
    """A security profile."""

    profile: int = Field(ge=0, le=3, strict=True, description="0 none, 1 password, 2 TLS and password, 3 TLS and "
                                                              "client certificate.")  # fmt: skip
    by_hand: bool = Field(
        default=False,
        description="True: only record what the charger has already (set at the factory, or reset there), also a lower "
        "one. False: ask the charger for a higher one.",
    )


class ProfileAnswer(BaseModel):
    """What becomes of it."""

    command: Command | None = Field(description="ChangeConfiguration of SecurityProfile; null when set by hand.")


@router.get("/chargers/{charger_id}/security", summary="Read a charger's security", responses=responses(404))
async def read_security(services: Services, caller: Reader, charger_id: ChargerId) -> ChargerSecurity:
    """Profile, state of the password, certificates, refused handshakes, last events; no secrets."""
    return await services.security.get(caller.scope, charger_id)


@router.post(
    "/chargers/{charger_id}/password-rotation",
    summary="Give a charger a new password over OCPP",
    status_code=202,
    responses=responses(404, 409),
)
async def rotate_password(
    services: Services,
    caller: Sender,
    charger_id: ChargerId,
    options: Annotated[DeliveryOptions, Depends()],
    idempotency_key: IdempotencyKey = None,
) -> CommandAnswer:
    """The platform makes the password and shows it to nobody. Both are valid until the charger has used the new one."""
    command = await services.security.rotate_password(caller, charger_id, options.delivery(idempotency_key))
    return CommandAnswer(command=command)


@router.post("/chargers/{charger_id}/password", summary="Set a charger's password by hand", responses=responses(404))
async def set_password(
    services: Services, caller: Writer, charger_id: ChargerId, body: PasswordByHand
) -> PasswordAnswer:
    """Valid at once, the former ones are not: a socket that came with one of them is closed within ten seconds. Enter
    it at the charger: it is never shown again."""
    return PasswordAnswer(password=await services.security.set_password(caller, charger_id, body.password))


@router.post(
    "/chargers/{charger_id}/security-profile",
    summary="Raise a charger's security profile",
    status_code=202,
    responses=responses(404, 409),
)
async def change_security_profile(
    services: Services,
    caller: Writer,
    charger_id: ChargerId,
    body: ProfileWish,
    options: Annotated[DeliveryOptions, Depends()],
    idempotency_key: IdempotencyKey = None,
) -> ProfileAnswer:
    """Asks the charger, if all it needs is there (409 `precondition_conflict` names what is not). The former profile
    stays good until the charger has come with the new one; then it is refused."""
    if body.by_hand:
        await services.security.set_profile(caller, charger_id, body.profile)
        return ProfileAnswer(command=None)
    delivery = options.delivery(idempotency_key)
    return ProfileAnswer(command=await services.security.raise_profile(caller, charger_id, body.profile, delivery))


@router.get("/security-events", summary="List security events")
async def list_security_events(
    services: Services,
    caller: Reader,
    page: Annotated[Paging, Depends()],
    charger_id: Annotated[str | None, Query(max_length=48, description="Only of this charger.")] = None,
    critical: Annotated[bool | None, Query(description="Only critical ones, or only the others.")] = None,
    source: Annotated[EventSource | None, Query(description="Only told by the charger, or by the platform.")] = None,
) -> ItemList[SecurityEvent]:
    """Newest first."""
    wanted = EventFilter(charger_id, critical, source)
    return page.answer(await services.security.events(caller.scope, page.request, wanted))
