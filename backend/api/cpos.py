"""Charge point operators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from backend.api.bodies import Body, Name, UuidPath, absent
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.cpos import Cpo

router = APIRouter(prefix="/api/cpos", tags=["cpos"])
Reader = Annotated[Caller, Depends(allow(Permission.CPOS_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.CPOS_WRITE))]
Administrator = Annotated[Caller, Depends(allow(Permission.CPO_SETTINGS_WRITE))]


class NewCpo(Body):
    """A CPO to register."""

    name: Name = Field(description="Name, unique on the platform.")


class CpoSettings(Body):
    """Settings of a CPO; members left out stay as they are."""

    concurrent_sessions: bool = Field(
        default_factory=absent, description="May one id token run several sessions at once?"
    )
    local_list_sync: bool = Field(
        default_factory=absent, description="Send changes of id tokens to local lists of chargers unasked?"
    )


@router.get("", summary="List CPOs")
async def list_cpos(services: Services, caller: Reader, page: Annotated[Paging, Depends()]) -> ItemList[Cpo]:
    """By name. People of a CPO see their own."""
    return page.answer(await services.cpos.list(caller.scope, page.request))


@router.post("", summary="Register a CPO", status_code=201, responses=responses(409))
async def create_cpo(services: Services, caller: Writer, body: NewCpo) -> Cpo:
    """EMSV administrators only."""
    return await services.cpos.create(caller, body.name)


@router.get("/{cpo_id}", summary="Read a CPO", responses=responses(404))
async def read_cpo(services: Services, caller: Reader, cpo_id: UuidPath) -> Cpo:
    """One CPO."""
    return await services.cpos.get(caller.scope, cpo_id)


@router.put("/{cpo_id}", summary="Change the settings of a CPO", responses=responses(404))
async def update_cpo(services: Services, caller: Administrator, cpo_id: UuidPath, body: CpoSettings) -> Cpo:
    """Administrators of the CPO itself, or of the EMSV."""
    return await services.cpos.change_settings(caller, cpo_id, body.sent())
