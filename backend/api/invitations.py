"""Invitations: how people come to the platform."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from backend.api.auth import SecondFactorNeeded, TokenPair, admitted
from backend.api.bodies import Body, Name, Uuid, UuidPath
from backend.api.dependencies import Services, Visiting, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.api.users import Email, Password
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services import invitations as service
from backend.services.invitations import Invitation
from backend.services.users import Locale, UserRole

public = APIRouter(prefix="/api/auth/invitation", tags=["auth"])
router = APIRouter(prefix="/api/invitations", tags=["users"])
Reader = Annotated[Caller, Depends(allow(Permission.USERS_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.USERS_WRITE))]


class NewInvitation(Body):
    """Somebody to invite."""

    email: Email = Field(description="Where the link is mailed to; the login name later.")
    name: Name = Field(description="Name of the person.")
    role: UserRole = Field(description="What they may do; you can give no role that reaches further than yours.")
    cpo_id: Uuid | None = Field(default=None, description="CPO, for roles of a CPO; else your own.")
    driver_id: Uuid | None = Field(default=None, description="The driver who gets the login, for the role `driver`.")
    locale: Locale = Field(default=Locale.INDONESIAN, description="Language of the mail: `id` or `en`.")


class Link(Body):
    """What the mailed link bears."""

    token: str = Field(min_length=1, max_length=200, description="The token of the link.")


class Acceptance(Link):
    """What an invited person adds."""

    name: Name = Field(description="Your name.")
    password: Password = Field(description="A password of 12 characters or more that is not easily guessed.")


class Invited(BaseModel):
    """What a link leads to."""

    email: str = Field(description="Address that was invited; the login name.")
    name: str = Field(description="Name as the inviter wrote it.")
    role: UserRole = Field(description="What the person may do.")
    cpo_name: str | None = Field(description="CPO they are invited to; null for EMSV staff and drivers.")


@router.get("", summary="List invitations")
async def list_invitations(
    services: Services,
    caller: Reader,
    page: Annotated[Paging, Depends()],
    driver_id: Annotated[
        Uuid | None, Query(description="Those of this driver; else those of people who work here.")
    ] = None,
) -> ItemList[Invitation]:
    """Newest first, those that ended included."""
    return page.answer(await services.people.invitations.list(caller.scope, page.request, driver_id=driver_id))


@router.post("", summary="Invite somebody", status_code=201, responses=responses(404, 409))
async def invite(services: Services, caller: Writer, body: NewInvitation) -> Invitation:
    """Mails a link that is good once and for a week. An open one to the same address, or driver, is replaced."""
    new = service.NewInvitation(body.email, body.name, body.role, body.cpo_id, body.locale, body.driver_id)
    return await services.people.invitations.invite(caller, new)


@router.delete("/{invitation_id}", summary="Withdraw an invitation", status_code=204, responses=responses(404))
async def revoke_invitation(services: Services, caller: Writer, invitation_id: UuidPath) -> None:
    """The link leads nowhere from now on."""
    await services.people.invitations.revoke(caller, invitation_id)


@public.post("/look", summary="Look at an invitation", responses=responses(404, 429))
async def look_at_invitation(services: Services, visitor: Visiting, body: Link) -> Invited:
    """Who is invited, to what; for whoever has the link."""
    found = await services.people.invitations.look(body.token, visitor)
    return Invited(email=found.email, name=found.name, role=found.role, cpo_name=found.cpo_name)


@public.post("/accept", summary="Accept an invitation", responses=responses(401, 403, 404, 409, 429))
async def accept_invitation(
    services: Services, visitor: Visiting, body: Acceptance, response: Response
) -> TokenPair | SecondFactorNeeded:
    """Makes the login and uses the link up; the answer is that of a first login."""
    user_id = await services.people.invitations.accept(body.token, body.name, body.password, visitor)
    return admitted(await services.people.logins.admit(user_id, "password", visitor), response)
