"""Single sign-on by OpenID Connect: for the dashboards, which send the browser to the issuer and back."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from backend.api.auth import SecondFactorNeeded, TokenPair, admitted
from backend.api.bodies import Body
from backend.api.dependencies import Services, Visiting
from backend.api.problems import responses

public = APIRouter(prefix="/api/auth/sso", tags=["auth"])


class SsoOffer(BaseModel):
    """Whether there is single sign-on."""

    name: str | None = Field(description="What people know the issuer as; null: there is no single sign-on.")


class SsoBegin(Body):
    """Where the browser shall come back to."""

    dashboard: Literal["cpo", "emsv"] = Field(default="cpo", description="The dashboard that asks.")


class SsoBegun(BaseModel):
    """Where to send the browser."""

    url: str = Field(description="The issuer's login page for this sign-on.")
    state: str = Field(description="Bind it to the browser: what comes back must bear the same.")


class SsoFinish(Body):
    """What the browser brought back."""

    state: str = Field(min_length=1, max_length=200, description="The state, compared with the browser's own before.")
    code: str = Field(min_length=1, max_length=4000, description="The issuer's code.")


@public.get("", summary="Is there single sign-on")
async def read_sso(services: Services) -> SsoOffer:
    """Name of the issuer, if one is set."""
    return SsoOffer(name=services.people.sso.name)


@public.post("/begin", summary="Begin a single sign-on", responses=responses(404, 429, 503))
async def begin_sso(services: Services, body: SsoBegin) -> SsoBegun:
    """Good for ten minutes and once."""
    url, state = await services.people.sso.begin(body.dashboard)
    return SsoBegun(url=url, state=state)


@public.post("/finish", summary="Finish a single sign-on", responses=responses(401, 403, 404, 429, 503))
async def finish_sso(
    services: Services, visitor: Visiting, body: SsoFinish, response: Response
) -> TokenPair | SecondFactorNeeded:
    """Exchanges the code, verifies what the issuer says, and logs in whom it names."""
    return admitted(await services.people.sso.finish(body.state, body.code, visitor), response)
