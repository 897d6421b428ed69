"""The timeline of a charger."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from backend.api.bodies import ChargerId, Moment
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.timeline import TimelineEntry, TimelineFilter, TimelineKind

router = APIRouter(prefix="/api/chargers", tags=["timeline"])
Reader = Annotated[Caller, Depends(allow(Permission.CHARGERS_READ))]


@router.get("/{charger_id}/timeline", summary="Read the timeline of a charger", responses=responses(404))
async def list_timeline(
    services: Services,
    caller: Reader,
    charger_id: ChargerId,
    page: Annotated[Paging, Depends()],
    kind: Annotated[TimelineKind | None, Query(description="Only entries of this kind.")] = None,
    evse_id: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="Only of this EVSE and of the charger as a whole.")
    ] = None,
    until: Annotated[Moment | None, Query(description="Only what was known at this time.")] = None,
) -> ItemList[TimelineEntry]:
    """Newest first, all kinds merged. An entry stays where it is: what is learnt later stands above."""
    wanted = TimelineFilter(kind, evse_id, until)
    return page.answer(await services.timeline.list(caller.scope, page.request, charger_id, wanted))
