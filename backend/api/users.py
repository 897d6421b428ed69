"""People who log in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from backend.api.bodies import Body, Name, Uuid, UuidPath, absent
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services import users as service
from backend.services.passwords import MIN_PASSWORD_LENGTH
from backend.services.users import Locale, User, UserRole

router = APIRouter(prefix="/api/users", tags=["users"])
Reader = Annotated[Caller, Depends(allow(Permission.USERS_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.USERS_WRITE))]

Email = Annotated[str, Field(min_length=3, max_length=254, pattern=r"^[!-?A-~]+@[!-?A-~]+$")]
Password = Annotated[str, Field(min_length=MIN_PASSWORD_LENGTH, max_length=200)]


class NewUser(Body):
    """A user to create."""

    email: Email = Field(description="E-mail address; the login name.")
    name: Name = Field(description="Name of the person.")
    role: UserRole = Field(description="What the person may do; you can give no role that reaches further.")
    cpo_id: Uuid | None = Field(default=None, description="CPO, for roles of a CPO; else your own.")
    locale: Locale = Field(default=Locale.INDONESIAN, description="Language of the screens: `id` or `en`.")
    password: Password = Field(description="First password, 12 characters or more.")


class UserChanges(Body):
    """What to change; members left out stay as they are."""

    name: Name = Field(default_factory=absent, description="Name of the person.")
    locale: Locale = Field(default_factory=absent, description="Language of the screens: `id` or `en`.")
    role: UserRole = Field(
        default_factory=absent, description="What the person may do; none that reaches further than yours."
    )
    active: bool = Field(default_factory=absent, description="False: may not log in any more.")
    password: Password = Field(default_factory=absent, description="New password, 12 characters or more.")


@router.get("", summary="List users")
async def list_users(services: Services, caller: Reader, page: Annotated[Paging, Depends()]) -> ItemList[User]:
    """By e-mail address: people who work here. The login of a driver stands in `GET /api/drivers/{driver_id}/kept`."""
    return page.answer(await services.people.users.list(caller.scope, page.request))


@router.post("", summary="Create a user", status_code=201, responses=responses(404, 409))
async def create_user(services: Services, caller: Writer, body: NewUser) -> User:
    """Creates a user who may log in at once."""
    new = service.NewUser(body.email, body.name, body.role, body.password, body.cpo_id, body.locale)
    return await services.people.users.create(caller, new)


@router.get("/{user_id}", summary="Read a user", responses=responses(404))
async def read_user(services: Services, caller: Reader, user_id: UuidPath) -> User:
    """One user."""
    return await services.people.users.get(caller.scope, user_id)


@router.put("/{user_id}", summary="Change a user", responses=responses(404, 409))
async def update_user(services: Services, caller: Writer, user_id: UuidPath, body: UserChanges) -> User:
    """Changes the members that are sent. A new role or password, or `active: false`, ends the user's logins."""
    return await services.people.users.update(caller, user_id, body.sent())


@router.delete(
    "/{user_id}/second-factor", summary="Reset a second factor", status_code=204, responses=responses(404, 409)
)
async def reset_second_factor(services: Services, caller: Writer, user_id: UuidPath) -> None:
    """For somebody who lost telephone and recovery codes. Their logins end; they enrol anew if their role asks."""
    await services.people.users.reset_second_factor(caller, user_id)
