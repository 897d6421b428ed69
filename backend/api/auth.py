"""Logging in and out."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from backend.api.bodies import Body
from backend.api.dependencies import Identified, Services
from backend.api.problems import responses
from backend.services.logins import Login, Me
from backend.services.users import Locale

public = APIRouter(prefix="/api/auth", tags=["auth"])
router = APIRouter(prefix="/api/auth", tags=["auth"])


class Credentials(Body):
    """What a person logs in with."""

    email: str = Field(min_length=3, max_length=254, description="E-mail address.")
    password: str = Field(min_length=1, max_length=200, description="Password.")


class RefreshToken(Body):
    """A refresh token from login or refresh."""

    refresh_token: str = Field(min_length=1, max_length=200, description="The refresh token.")


class OwnSettings(Body):
    """What a person may change of themselves."""

    locale: Locale = Field(description="Language of the screens: `id` or `en`.")


class TokenPair(BaseModel):
    """Tokens and whose they are."""

    access_token: str = Field(description="Send as `Authorization: Bearer`.")
    refresh_token: str = Field(description="Good for one refresh; the answer brings its successor.")
    token_type: Literal["bearer"] = Field(default="bearer", description="Always `bearer`.")
    expires_in: int = Field(description="Life of the access token in seconds.")
    user: Me = Field(description="The person.")


@public.post("/login", summary="Log in", responses=responses(401, 403, 429))
async def login(services: Services, body: Credentials) -> TokenPair:
    """Gives tokens for an e-mail address and a password. Too many failures: 429 with `Retry-After`."""
    return _pair(await services.logins.login(body.email, body.password))


@public.post("/refresh", summary="Refresh the tokens", responses=responses(401, 403))
async def refresh(services: Services, body: RefreshToken) -> TokenPair:
    """Uses a refresh token up and gives a new pair. Using one twice ends the login."""
    return _pair(await services.logins.refresh(body.refresh_token))


@router.post("/logout", summary="Log out", status_code=204)
async def logout(services: Services, caller: Identified, body: RefreshToken) -> None:
    """Ends the login that the refresh token belongs to. The access token lives out its minutes."""
    await services.logins.logout(body.refresh_token)


@router.get("/me", summary="Who am I")
async def read_me(services: Services, caller: Identified) -> Me:
    """The person, or the API key, behind this request."""
    return await services.logins.me(caller)


@router.patch("/me", summary="Change my own settings", responses=responses(403))
async def update_me(services: Services, caller: Identified, body: OwnSettings) -> Me:
    """Keeps the language of your screens. An API key has none: 403 `people_only`."""
    return await services.logins.set_locale(caller, body.locale)


def _pair(login: Login) -> TokenPair:
    return TokenPair(
        access_token=login.access_token,
        refresh_token=login.refresh_token,
        expires_in=login.expires_in_s,
        user=login.user,
    )
