"""Logging in and out."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from backend.api.bodies import Body
from backend.api.dependencies import Enrolling, Identified, Services, Visiting
from backend.api.problems import responses
from backend.services.logins import Challenge, Login, Me
from backend.services.users import Locale

public = APIRouter(prefix="/api/auth", tags=["auth"])
enrolling = APIRouter(prefix="/api/auth", tags=["auth"])
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


class SecondFactorNeeded(BaseModel):
    """The password was right; a code of the second factor is still to come."""

    challenge: str = Field(description="Send it back with the code.")
    expires_in: int = Field(description="For how many seconds it is good.")


class SecondFactorAnswer(Body):
    """A challenge and what proves the second factor."""

    challenge: str = Field(min_length=1, max_length=2000, description="The challenge from login.")
    code: str = Field(min_length=6, max_length=40, description="Six digits from the telephone, or a recovery code.")


class Code(Body):
    """A code of the caller's second factor."""

    code: str = Field(min_length=6, max_length=40, description="Six digits from the telephone, or a recovery code.")


class Enrolment(BaseModel):
    """A secret for the telephone. It counts once it is confirmed by a code."""

    secret: str = Field(description="The secret (base32), to be typed in where no camera is at hand.")
    uri: str = Field(description="The same as `otpauth://` link, to be shown as a QR code.")


class RecoveryCodes(BaseModel):
    """What replaces the telephone when it is lost."""

    recovery_codes: list[str] = Field(description="Each good once; shown this once.")


@public.post(
    "/login",
    summary="Log in",
    responses={
        **responses(401, 403, 429),
        202: {"model": SecondFactorNeeded, "description": "A second factor is due."},
    },
)
async def login(
    services: Services, visitor: Visiting, body: Credentials, response: Response
) -> TokenPair | SecondFactorNeeded:
    """Gives tokens for an e-mail address and a password. Who has a second factor gets 202 and a challenge, to be

    answered at `/api/auth/second-factor`. Failures make the next attempt wait: 429 with `Retry-After`.
    """
    return admitted(await services.people.logins.login(body.email, body.password, visitor), response)


@public.post("/second-factor", summary="Prove the second factor", responses=responses(401, 403, 429))
async def prove_second_factor(services: Services, visitor: Visiting, body: SecondFactorAnswer) -> TokenPair:
    """Gives tokens for a challenge and a code. A code works once: 401 `code_wrong` for one that was used."""
    return _pair(await services.people.logins.answer(body.challenge, body.code, visitor))


@public.post("/refresh", summary="Refresh the tokens", responses=responses(401, 403))
async def refresh(services: Services, visitor: Visiting, body: RefreshToken) -> TokenPair:
    """Uses a refresh token up and gives a new pair. Using one twice ends the login."""
    return _pair(await services.people.logins.refresh(body.refresh_token, visitor))


@enrolling.post("/logout", summary="Log out", status_code=204)
async def logout(services: Services, caller: Enrolling, body: RefreshToken) -> None:
    """Ends the login that the refresh token belongs to. Its access tokens are void within 10 seconds."""
    await services.people.logins.logout(body.refresh_token)


@enrolling.get("/me", summary="Who am I")
async def read_me(services: Services, caller: Enrolling) -> Me:
    """The person, or the API key, behind this request."""
    return await services.people.logins.me(caller)


@router.patch("/me", summary="Change my own settings", responses=responses(403))
async def update_me(services: Services, caller: Identified, body: OwnSettings) -> Me:
    """Keeps the language of your screens. An API key has none: 403 `people_only`."""
    return await services.people.logins.set_locale(caller, body.locale)


@enrolling.post("/second-factor/enrolment", summary="Begin to enrol a second factor", responses=responses(409))
async def enrol_second_factor(services: Services, caller: Enrolling) -> Enrolment:
    """Gives a fresh secret; asking again replaces it, until one is confirmed."""
    begun = await services.people.second_factor.begin(caller)
    return Enrolment(secret=begun.secret, uri=begun.uri)


@enrolling.post(
    "/second-factor/confirmation", summary="Confirm the second factor", responses=responses(401, 403, 409, 429)
)
async def confirm_second_factor(services: Services, caller: Enrolling, body: Code) -> RecoveryCodes:
    """Takes the first code. From now on each login asks for one; refresh the tokens to have whole ones at once."""
    return RecoveryCodes(recovery_codes=await services.people.second_factor.confirm(caller, body.code))


@router.post(
    "/second-factor/removal", summary="Remove my second factor", status_code=204, responses=responses(401, 403, 429)
)
async def remove_second_factor(services: Services, caller: Identified, body: Code) -> None:
    """Takes your second factor away, for a new telephone, and ends all your logins."""
    await services.people.second_factor.remove(caller, body.code)


def admitted(outcome: Login | Challenge, response: Response) -> TokenPair | SecondFactorNeeded:
    """The answer to a login; the status says which of the two it is."""
    if isinstance(outcome, Login):
        return _pair(outcome)
    response.status_code = 202
    return SecondFactorNeeded(challenge=outcome.token, expires_in=outcome.expires_in_s)


def _pair(login: Login) -> TokenPair:
    return TokenPair(
        access_token=login.access_token,
        refresh_token=login.refresh_token,
        expires_in=login.expires_in_s,
        user=login.user,
    )
