"""Connectors with their live state."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from backend.api.bodies import Uuid
from backend.api.dependencies import Services, allow
from backend.api.paging import MAX_LIMIT, ItemList, Paging
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.connectors import Connector, ConnectorState

router = APIRouter(prefix="/api/connectors", tags=["connectors"])
Reader = Annotated[Caller, Depends(allow(Permission.CONNECTORS_READ))]


@router.get("", summary="List connectors")
async def list_connectors(
    services: Services,
    caller: Reader,
    page: Annotated[Paging, Depends()],
    station_id: Annotated[
        list[Uuid] | None, Query(max_length=MAX_LIMIT, description="Only at this station; several may be named.")
    ] = None,
    charger_id: Annotated[str | None, Query(max_length=48, description="Only of this charger.")] = None,
    state: Annotated[
        list[ConnectorState] | None, Query(description="Only in this state; several may be named.")
    ] = None,
    q: Annotated[
        str | None, Query(max_length=100, description="Part of what the charger or its station bears.")
    ] = None,
) -> ItemList[Connector]:
    """By charger and number, with the running session. Offline overrides the last status."""
    found = await services.connectors.list(
        caller.scope, page.request, station_ids=station_id, charger_id=charger_id, states=state, text=q
    )
    return page.answer(found)
