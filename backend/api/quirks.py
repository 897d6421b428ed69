"""Deviations of chargers and their firmware."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from backend.api.bodies import ChargerId
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.quirks import Quirk
from backend.domain.roles import Permission
from backend.services.quirks import ChargerQuirk, QuirkFilter, TreatedQuirk

router = APIRouter(tags=["quirks"])
Reader = Annotated[Caller, Depends(allow(Permission.QUIRKS_READ))]


def _wanted(
    vendor: Annotated[str | None, Query(max_length=200, description="Only of this vendor.")] = None,
    model: Annotated[str | None, Query(max_length=200, description="Only of this model.")] = None,
    firmware_version: Annotated[str | None, Query(max_length=200, description="Only of this firmware.")] = None,
    quirk: Annotated[Quirk | None, Query(description="Only this deviation.")] = None,
) -> QuirkFilter:
    return QuirkFilter(vendor, model, firmware_version, quirk)


@router.get("/api/quirks", summary="List deviations by firmware")
async def list_quirks(
    services: Services,
    caller: Reader,
    page: Annotated[Paging, Depends()],
    wanted: Annotated[QuirkFilter, Depends(_wanted)],
) -> ItemList[TreatedQuirk]:
    """By vendor, model and firmware: how many chargers show which deviation from the standard, and how often."""
    return page.answer(await services.quirks.list(caller.scope, page.request, wanted))


@router.get("/api/chargers/{charger_id}/quirks", summary="List deviations of a charger", responses=responses(404))
async def list_charger_quirks(
    services: Services, caller: Reader, charger_id: ChargerId, page: Annotated[Paging, Depends()]
) -> ItemList[ChargerQuirk]:
    """What it deviated in, under each firmware it ran."""
    return page.answer(await services.quirks.of_charger(caller.scope, page.request, charger_id))
