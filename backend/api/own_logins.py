"""The caller's own logins: where they are signed in, and how to end it."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from backend.api.bodies import UuidPath
from backend.api.dependencies import Identified, Services
from backend.api.problems import responses
from backend.services.own_logins import OwnLogin

router = APIRouter(prefix="/api/auth/logins", tags=["auth"])


class OwnLoginList(BaseModel):
    """The caller's logins."""

    items: list[OwnLogin] = Field(description="Those that can still be used, the one used last first; at most 100.")


class Ended(BaseModel):
    """How many logins ended."""

    ended: int = Field(description="Number of logins that were ended.")


@router.get("", summary="List my logins")
async def list_own_logins(services: Services, caller: Identified) -> OwnLoginList:
    """Where you are signed in. An API key has no logins."""
    return OwnLoginList(items=await services.people.own_logins.list(caller))


@router.delete("/{login_id}", summary="End one of my logins", status_code=204, responses=responses(404))
async def end_own_login(services: Services, caller: Identified, login_id: UuidPath) -> None:
    """Its refresh token is void at once, its access tokens within 10 seconds."""
    await services.people.own_logins.end(caller, login_id)


@router.post("/end-others", summary="End my other logins")
async def end_other_logins(services: Services, caller: Identified) -> Ended:
    """Ends all your logins but the one that this request belongs to."""
    return Ended(ended=await services.people.own_logins.end_others(caller))
