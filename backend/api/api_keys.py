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

router = APIRouter(prefix="/api/apikeys", tags=["api keys"])
former = APIRouter(prefix="/api/api-keys", include_in_schema=False)  # the same by the path before
Reader = Annotated[Caller, Depends(allow(Permission.API_KEYS_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.API_KEYS_WRITE))]


class WantedApiKey(Body):
    """A key to make."""

    name: Name = Field(description="What the key is for.")
    role: KeyRole = Field(default=KeyRole.INTEGRATOR, description="What the key may do.")
    cpo_id: Uuid | None = Field(default=None, description="CPO, for the role `integrator`; else your own.")
    expires_at: Moment | None = Field(default=None, description="End (with offset); null: never.")
    scopes: list[Permission] | None = Field(
        default=None, max_length=100, description="Permissions to narrow it to; null: all of its role."
    )
    requests_per_minute: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Requests it may send in a minute; null: as many as a person."
    )


class Rotation(Body):
    """How a key is exchanged."""

    overlap_s: int = Field(
        default=86_400, ge=0, le=2_592_000, description="How long the former key works beside the new one, in seconds."
    )


@former.get("")
@router.get("", summary="List API keys")
async def list_api_keys(services: Services, caller: Reader, page: Annotated[Paging, Depends()]) -> ItemList[ApiKey]:
    """Newest first, revoked ones included; never with the secret."""
    return page.answer(await services.api_keys.list(caller.scope, page.request))


@former.post("", status_code=201)
@router.post("", summary="Make an API key", status_code=201, responses=responses(404))
async def create_api_key(services: Services, caller: Writer, body: WantedApiKey) -> NewApiKey:
    """The answer shows the key this once."""
    wanted = KeyRequest(body.name, body.role, body.cpo_id, body.expires_at, body.scopes, body.requests_per_minute)
    return await services.api_keys.create(caller, wanted)


@former.delete("/{key_id}", status_code=204)
@router.delete("/{key_id}", summary="Revoke an API key", status_code=204, responses=responses(404))
async def revoke_api_key(services: Services, caller: Writer, key_id: UuidPath) -> None:
    """Ends a key at once and for good."""
    await services.api_keys.revoke(caller, key_id)


@former.post("/{key_id}/rotation", status_code=201)
@router.post("/{key_id}/rotation", summary="Exchange an API key", status_code=201, responses=responses(404, 409))
async def rotate_api_key(services: Services, caller: Writer, key_id: UuidPath, body: Rotation) -> NewApiKey:
    """The answer shows the new key this once; name, role, scopes and rate stay. Both work during the overlap."""
    return await services.api_keys.rotate(caller, key_id, body.overlap_s)
