"""Alarms."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.alarms import Alarm

router = APIRouter(prefix="/api/alarms", tags=["alarms"])
Reader = Annotated[Caller, Depends(allow(Permission.ALARMS_READ))]


@router.get("", summary="List alarms")
async def list_alarms(
    services: Services,
    caller: Reader,
    page: Annotated[Paging, Depends()],
    open: Annotated[bool, Query(description="Only open ones; false: also those that have ended.")] = True,
    charger_id: Annotated[str | None, Query(max_length=48, description="Only of this charger.")] = None,
    kind: Annotated[str | None, Query(max_length=60, description="Only of this kind.")] = None,
) -> ItemList[Alarm]:
    """Newest first. An alarm that nobody closes by hand ends when its trouble was not seen for a while."""
    wanted = await services.alarms.list(caller.scope, page.request, open_only=open, charger_id=charger_id, kind=kind)
    return page.answer(wanted)
