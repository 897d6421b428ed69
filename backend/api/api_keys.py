"""API keys of integrations."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from backend.api.bodies import Body, Moment, Name, Uuid, UuidPath
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.api_keys import ApiKey, KeyRequest, KeyRole, NewApiKey

router = APIRouter(prefix="/api/api-keys", tags=["api keys"])
Reader = Annotated[Caller, Depends(allow(Permission.API_KEYS_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.API_KEYS_WRITE))]


class WantedApiKey(Body):
    """A key to make."""

    name: Name = Field(description="What the key is for.")
    role: KeyRole = Field(default=KeyRole.INTEGRATOR, description="What the key may do.")
    cpo_id: Uuid | None = Field(default=None, description="CPO, for the role `integrator`; else your own.")
    expires_at: Moment | None = Field(default=None, description="End (with offset); null: never.")


@router.get("", summary="List API keys")
async def list_api_keys(services: Services, caller: Reader, page: Annotated[Paging, Depends()]) -> ItemList[ApiKey]:
    """Newest first, revoked ones included; never with the secret."""
    return page.answer(await services.api_keys.list(caller.scope, page.request))


@router.post("", summary="Make an API key", status_code=201, responses=responses(404))
async def create_api_key(services: Services, caller: Writer, body: WantedApiKey) -> NewApiKey:
    """The answer shows the key this once."""
    wanted = KeyRequest(body.name, body.role, body.cpo_id, body.expires_at)
    return await services.api_keys.create(caller, wanted)


@router.delete("/{key_id}", summary="Revoke an API key", status_code=204, responses=responses(404))
async def revoke_api_key(services: Services, caller: Writer, key_id: UuidPath) -> None:
    """Ends a key at once and for good."""
    await services.api_keys.revoke(caller, key_id)
