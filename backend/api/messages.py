"""The OCPP message log of a charger."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from backend.api.bodies import ChargerId
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.messages import Direction, Message, MessageKind

router = APIRouter(prefix="/api/chargers", tags=["messages"])
Reader = Annotated[Caller, Depends(allow(Permission.MESSAGES_READ))]


@router.get("/{charger_id}/messages", summary="List OCPP messages of a charger", responses=responses(404))
async def list_messages(
    services: Services,
    caller: Reader,
    charger_id: ChargerId,
    page: Annotated[Paging, Depends()],
    action: Annotated[str | None, Query(max_length=50, description="Only of this OCPP action.")] = None,
    direction: Annotated[Direction | None, Query(description="Only from (`in`) or to (`out`) it.")] = None,
    kind: Annotated[MessageKind | None, Query(description="Only of this kind.")] = None,
) -> ItemList[Message]:
    """Newest first. Under pressure the log may have gaps; the dashboard overview counts them."""
    found = await services.messages.list(
        caller.scope, page.request, charger_id, action=action, direction=direction, kind=kind
    )
    return page.answer(found)
