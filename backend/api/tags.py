"""Tags of chargers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from backend.api.bodies import Body, ChargerId
from backend.api.dependencies import Services, allow
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.tags import ChargerTags

router = APIRouter(prefix="/api/chargers", tags=["chargers"])
Reader = Annotated[Caller, Depends(allow(Permission.CHARGERS_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.CHARGERS_WRITE))]


class WantedTags(Body):
    """Tags to set."""

    tags: list[Annotated[str, Field(min_length=1, max_length=50)]] = Field(
        default_factory=list, max_length=50, description="All tags of the charger; case does not matter."
    )


@router.get("/{charger_id}/tags", summary="Read the tags of a charger", responses=responses(404))
async def read_tags(services: Services, caller: Reader, charger_id: ChargerId) -> ChargerTags:
    """Words to choose chargers by, for campaigns."""
    return await services.tags.get(caller.scope, charger_id)


@router.put("/{charger_id}/tags", summary="Set the tags of a charger", responses=responses(404))
async def put_tags(services: Services, caller: Writer, charger_id: ChargerId, body: WantedTags) -> ChargerTags:
    """Replaces all of them."""
    return await services.tags.put(caller, charger_id, body.tags)
