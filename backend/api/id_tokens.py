"""Id tokens: cards, apps and remote tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from backend.api.bodies import Body, Moment, Name, ShortText, Uuid, UuidPath, absent
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.id_tokens import IdToken, TokenKind, TokenStatus

router = APIRouter(prefix="/api/id-tokens", tags=["id tokens"])
Reader = Annotated[Caller, Depends(allow(Permission.ID_TOKENS_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.ID_TOKENS_WRITE))]

TokenText = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[!-~]+$")]
GroupText = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[!-~]+$")]


class _Details(Body):
    expires_at: Moment | None = Field(
        default=None, description="End of validity (with offset); may lie in the past; null: never."
    )
    parent_token: GroupText | None = Field(
        default=None,
        description="Group: tokens with the same parent may stop each other's sessions. At most the 20 characters that "
        "OCPP 1.6 carries.",
    )
    holder_name: Name | None = Field(default=None, description="Who holds it.")
    note: ShortText | None = Field(default=None, description="Free text.")


class NewIdToken(_Details):
    """A token to create."""

    cpo_id: Uuid | None = Field(
        default=None, description="CPO; else your own. Null from EMSV staff: opens the chargers of every CPO."
    )
    token: TokenText = Field(description="The token as the charger sends it; OCPP 1.6 carries 20 characters.")
    kind: TokenKind = Field(default=TokenKind.RFID, description="`rfid`, `app` or `remote`.")
    status: TokenStatus = Field(default=TokenStatus.ACTIVE, description="`active` or `blocked`.")


class IdTokenChanges(_Details):
    """What to change; members left out stay as they are."""

    kind: TokenKind = Field(default_factory=absent, description="`rfid`, `app` or `remote`.")
    status: TokenStatus = Field(default_factory=absent, description="`active` or `blocked`.")


@router.get("", summary="List id tokens")
async def list_id_tokens(
    services: Services,
    caller: Reader,
    page: Annotated[Paging, Depends()],
    token: Annotated[str | None, Query(max_length=255, description="Only this token, without regard to case.")] = None,
    status: Annotated[TokenStatus | None, Query(description="Only active or blocked ones.")] = None,
    kind: Annotated[TokenKind | None, Query(description="Only of this kind.")] = None,
) -> ItemList[IdToken]:
    """Newest first."""
    found = await services.id_tokens.list(caller.scope, page.request, token=token, status=status, kind=kind)
    return page.answer(found)


@router.post("", summary="Create an id token", status_code=201, responses=responses(404, 409))
async def create_id_token(services: Services, caller: Writer, body: NewIdToken) -> IdToken:
    """Creates a token; it opens chargers at once."""
    values = body.model_dump(mode="json", exclude={"cpo_id"})
    return await services.id_tokens.create(caller, values, body.cpo_id)


@router.get("/{token_id}", summary="Read an id token", responses=responses(404))
async def read_id_token(services: Services, caller: Reader, token_id: UuidPath) -> IdToken:
    """One token."""
    return await services.id_tokens.get(caller.scope, token_id)


@router.put("/{token_id}", summary="Change an id token", responses=responses(404))
async def update_id_token(services: Services, caller: Writer, token_id: UuidPath, body: IdTokenChanges) -> IdToken:
    """Changes the members that are sent; blocking takes effect at the next authorization."""
    return await services.id_tokens.update(caller, token_id, body.sent())


@router.delete("/{token_id}", summary="Delete an id token", status_code=204, responses=responses(404))
async def delete_id_token(services: Services, caller: Writer, token_id: UuidPath) -> None:
    """Deletes a token; sessions that it began stay."""
    await services.id_tokens.delete(caller, token_id)
