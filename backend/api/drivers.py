"""Drivers: people who charge, and their rights. A driver with a login finds here their own, nobody else's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from backend.api.bodies import Body, Moment, Name, Uuid, UuidPath, absent
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.drivers import Driver, HeldToken
from backend.services.personal_data import Consent, ConsentMethod, ConsentPurpose, Erasure, Kept, Said
from backend.services.sessions import Session

router = APIRouter(prefix="/api/drivers", tags=["drivers"])
Reader = Annotated[Caller, Depends(allow(Permission.DRIVERS_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.DRIVERS_WRITE))]
Registrar = Annotated[Caller, Depends(allow(Permission.DRIVERS_REGISTER))]
Person = Annotated[Caller, Depends(allow(Permission.PERSONAL_DATA_EXPORT))]
Eraser = Annotated[Caller, Depends(allow(Permission.PERSONAL_DATA_ERASE))]

Contact = Annotated[str, Field(min_length=3, max_length=200, pattern=r"^[^\s\x00-\x1f][^\x00-\x1f]*$")]


class _Details(Body):
    contact: Contact | None = Field(
        default=None, description="E-mail address or telephone number. CPOs see it once the driver agreed."
    )
    car: Name | None = Field(default=None, description="Make and model of the car.")
    battery_wh: int | None = Field(default=None, ge=1, le=2_000_000, description="Capacity of the car's battery in Wh.")


class NewDriver(_Details):
    """A driver to register."""

    name: Name = Field(description="Name of the person.")


class DriverChanges(_Details):
    """What to change; members left out stay as they are."""

    name: Name = Field(default_factory=absent, description="Name of the person.")


class TokenToHold(Body):
    """A token that the driver got."""

    id_token_id: Uuid = Field(description="The id token.")
    since: Moment | None = Field(default=None, description="Since when the driver holds it; null: from now on.")


class NewConsent(Body):
    """What the driver said."""

    purpose: ConsentPurpose = Field(description="What it is about.")
    text_version: Annotated[str, Field(min_length=1, max_length=40)] = Field(
        description="Version of the words that the driver saw."
    )
    given: bool = Field(description="True: agreed; false: withdrawn.")
    method: ConsentMethod = Field(description="How it was said.")


class PersonalDataExport(BaseModel):
    """Everything that is kept of a driver."""

    model_config = ConfigDict(json_schema_extra={"description": "Everything that is kept of a driver."})

    driver_id: str = Field(description="The driver (UUID).")
    exported_at: datetime = Field(description="When it was put together (UTC).")
    data: dict[str, list[dict[str, Any]]] = Field(description="Rows by the name of their table.")


@router.get("", summary="List drivers")
async def list_drivers(
    services: Services,
    caller: Reader,
    page: Annotated[Paging, Depends()],
    name: Annotated[str | None, Query(max_length=120, description="Only whose name contains this.")] = None,
) -> ItemList[Driver]:
    """Newest first: for a CPO those that it registered, gave a token, or charged; for a driver themself."""
    return page.answer(await services.drivers.list(caller.scope, page.request, name=name))


@router.post("", summary="Register a driver", status_code=201, responses=responses(404, 409))
async def register_driver(services: Services, caller: Registrar, body: NewDriver) -> Driver:
    """A new driver, known to your CPO."""
    return await services.drivers.register(caller, body.sent())


@router.get("/{driver_id}", summary="Read a driver", responses=responses(404))
async def read_driver(services: Services, caller: Reader, driver_id: UuidPath) -> Driver:
    """Name, car, battery, and the contact if the driver lets you have it."""
    return await services.drivers.get(caller.scope, driver_id)


@router.put("/{driver_id}", summary="Change a driver", responses=responses(404, 409))
async def update_driver(services: Services, caller: Writer, driver_id: UuidPath, body: DriverChanges) -> Driver:
    """Changes the members that are sent. A CPO changes drivers that it registered, until they have a login."""
    return await services.drivers.change(caller, driver_id, body.sent())


@router.get("/{driver_id}/sessions", summary="List what a driver charged", responses=responses(404))
async def list_driver_sessions(
    services: Services, caller: Reader, driver_id: UuidPath, page: Annotated[Paging, Depends()]
) -> ItemList[Session]:
    """Newest first: for a CPO what was charged at its own stations."""
    return page.answer(await services.drivers.sessions(caller.scope, driver_id, page.request))


@router.get("/{driver_id}/id-tokens", summary="List the id tokens of a driver", responses=responses(404))
async def list_driver_tokens(services: Services, caller: Reader, driver_id: UuidPath) -> ItemList[HeldToken]:
    """Those held now or once, latest first; for a CPO its own."""
    return ItemList(items=list(await services.drivers.tokens(caller.scope, driver_id)), next_cursor=None)


@router.post("/{driver_id}/id-tokens", summary="Give a driver an id token", responses=responses(404))
async def hold_token(
    services: Services, caller: Registrar, driver_id: UuidPath, body: TokenToHold
) -> ItemList[HeldToken]:
    """Whoever held the token before holds it no longer; what was charged before stays theirs."""
    since = body.since or datetime.now(UTC)
    held = await services.drivers.hold(caller, driver_id, body.id_token_id, since)
    return ItemList(items=list(held), next_cursor=None)


@router.delete(
    "/{driver_id}/id-tokens/{token_id}", summary="Take an id token from a driver", status_code=204,
    responses=responses(404),
)  # fmt: skip
async def release_token(services: Services, caller: Registrar, driver_id: UuidPath, token_id: UuidPath) -> None:
    """The token leads to this driver no longer; what was charged until now stays theirs."""
    await services.drivers.release(caller, driver_id, token_id)


@router.get("/{driver_id}/consents", summary="List what a driver agreed to", responses=responses(404))
async def list_consents(
    services: Services, caller: Person, driver_id: UuidPath, page: Annotated[Paging, Depends()]
) -> ItemList[Consent]:
    """Latest first; the latest of a purpose holds."""
    return page.answer(await services.personal_data.consents(caller.scope, driver_id, page.request))


@router.post("/{driver_id}/consents", summary="Record a consent or its end", responses=responses(404))
async def record_consent(services: Services, caller: Writer, driver_id: UuidPath, body: NewConsent) -> Consent:
    """Nothing is overwritten: giving and withdrawing are rows of their own."""
    said = Said(body.purpose, body.text_version, body.given, body.method)
    return await services.personal_data.say(caller, driver_id, said)


@router.get("/{driver_id}/kept", summary="Read what is kept of a driver, in figures", responses=responses(404))
async def read_kept(services: Services, caller: Person, driver_id: UuidPath) -> Kept:
    """Sessions, energy and the login: what the driver, and the EMSV's administrator, sees before deciding."""
    return await services.personal_data.kept(caller.scope, driver_id)


@router.get(
    "/{driver_id}/export", summary="Download all that is kept of a driver", response_model=PersonalDataExport,
    responses=responses(404),
)  # fmt: skip
async def export_driver(services: Services, caller: Person, driver_id: UuidPath) -> JSONResponse:
    """One JSON file, by table; for the driver and the EMSV's administrator. The export is noted in the audit log."""
    headers = {"Content-Disposition": f'attachment; filename="driver-{driver_id}.json"'}
    return JSONResponse(await services.personal_data.export(caller, driver_id), headers=headers)


@router.post("/{driver_id}/erasure", summary="Erase a driver", responses=responses(404, 409))
async def erase_driver(services: Services, caller: Eraser, driver_id: UuidPath) -> Erasure:
    """Deletes the personal data for good; sessions stay in the books under a pseudonym each. Idempotent."""
    return await services.personal_data.erase(caller, driver_id)
