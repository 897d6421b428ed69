"""Passwords that their owners change: forgotten ones by a mailed code, known ones by the old."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import Field

from backend.api.bodies import Body
from backend.api.dependencies import Identified, Services, Visiting
from backend.api.problems import responses
from backend.api.users import Password

public = APIRouter(prefix="/api/auth/password-reset", tags=["auth"])
router = APIRouter(prefix="/api/auth/password", tags=["auth"])


class ResetRequest(Body):
    """Whose password is forgotten."""

    email: str = Field(min_length=3, max_length=254, description="E-mail address of the login.")
    dashboard: Literal["cpo", "emsv"] = Field(default="cpo", description="Which dashboard the mail's link leads to.")


class Reset(Body):
    """The code from the mail and the new password."""

    email: str = Field(min_length=3, max_length=254, description="E-mail address of the login.")
    code: str = Field(min_length=8, max_length=20, description="The code; dashes and case do not count.")
    password: Password = Field(description="New password, 12 characters or more, not easily guessed.")


class PasswordChange(Body):
    """A new password of one's own."""

    current: str = Field(min_length=1, max_length=200, description="The present password.")
    password: Password = Field(description="New password, 12 characters or more, not easily guessed.")


@public.post("", summary="Ask for a new password", status_code=204, responses=responses(429))
async def ask_password_reset(services: Services, body: ResetRequest) -> None:
    """Mails a one-time code, good for 15 minutes. The answer is the same whether the address has a login or not."""
    await services.people.resets.ask(body.email, body.dashboard)


@public.post("/confirm", summary="Set a new password by code", status_code=204, responses=responses(401, 429))
async def reset_password(services: Services, visitor: Visiting, body: Reset) -> None:
    """Uses the code up and ends all logins of the person. The second factor, if there is one, stays as it is."""
    await services.people.resets.reset(body.email, body.code, body.password, visitor)


@router.put("", summary="Change my password", status_code=204, responses=responses(401, 429))
async def change_password(services: Services, caller: Identified, body: PasswordChange) -> None:
    """Ends your other logins."""
    await services.people.resets.change(caller, body.current, body.password)
