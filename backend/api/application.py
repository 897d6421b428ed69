"""The FastAPI application: routers, errors and OpenAPI. The door gives it its services."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline

from backend.api import (
    alarms,
    analytics,
    api_keys,
    applications,
    audit,
    auth,
    campaigns,
    certificates,
    chargers,
    charging_profiles,
    commands,
    configuration,
    configuration_templates,
    connectors,
    cpos,
    drivers,
    evse,
    files,
    firmware,
    fleet,
    health,
    id_tokens,
    invitations,
    local_lists,
    log_jobs,
    messages,
    normalising_rules,
    onboarding,
    own_logins,
    passwords,
    problems,
    quirks,
    reservations,
    revenue_shares,
    reviews,
    roles,
    security,
    sessions,
    sso,
    stations,
    tags,
    timeline,
    users,
)
from backend.api.crossing import Crossing
from backend.api.dependencies import bound_by_address, identify, identify_enrolling
from backend.api.envelope import Envelope
from backend.api.paging import Cursors
from backend.api.timely import Timely
from backend.services.directory import Directory

VERSION: Final = "0.1.0"
UNBOUND: Final = (health.router, files.router)
"""Nobody is counted here: what watches the platform, and chargers that fetch by link, many behind one address."""
PUBLIC: Final[tuple[APIRouter, ...]] = (
    health.router,
    auth.public,
    invitations.public,
    passwords.public,
    sso.public,
    files.router,
    applications.public,
    applications.router,  # with a token of their own
)
GUARDED: Final[tuple[APIRouter, ...]] = tuple(
    noun.router
    for noun in (
        auth,
        own_logins,
        passwords,
        cpos,
        onboarding,
        revenue_shares,
        fleet,  # before stations: `/stations/live` is no station
        stations,
        chargers,
        connectors,
        reviews,  # before sessions: its list is no session's id
        sessions,
        id_tokens,
        drivers,
        commands,
        configuration,
        configuration_templates,
        evse,
        firmware,
        log_jobs,
        reservations,
        local_lists,
        charging_profiles,
        security,
        certificates,
        messages,
        tags,
        campaigns,
        quirks,
        normalising_rules,
        timeline,
        analytics,
        alarms,
        users,
        invitations,
        roles,
        api_keys,
        audit,
    )
)
FORMER: Final = (api_keys.former,)
"""The same under paths of before, told nowhere."""
ENROLLING: Final[tuple[APIRouter, ...]] = (auth.enrolling,)
"""Also for who is known but has yet to enrol the second factor that the role asks for."""
_DESCRIPTION: Final = """\
Public EV charging in Indonesia for many operators at once.

Log in at `POST /api/auth/login` and send the access token as `Authorization: Bearer`, or send an API key as
`X-API-Key`. Lists come in pages (`limit`, `cursor`). Times are ISO 8601 in UTC, energy in Wh, power in W.
Errors are `application/problem+json` with a stable `code`; what another CPO owns answers 404.
"""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


# What any request may meet: input that does not fit, a defect, a database that is away, or slower than one waits.
_ANY_TIME: Final = (422, 500, 503, 504)


def create_app(lifespan: Lifespan | None = None) -> FastAPI:
    """The application. Its services come with `equip`, at the latest in the lifespan."""
    app = FastAPIOffline(  # the documentation page works without the internet
        title="UNIEV",
        version=VERSION,
        description=_DESCRIPTION,
        lifespan=lifespan,
        redirect_slashes=False,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    problems.install(app)
    for router in PUBLIC:
        bounds = [] if router in UNBOUND else [Depends(bound_by_address)]
        answers = problems.responses(*_ANY_TIME, *([429] if bounds else []))
        app.include_router(router, dependencies=bounds, responses=answers)
    for routers, who in ((ENROLLING, identify_enrolling), ((*GUARDED, *FORMER), identify)):
        for router in routers:  # one place asks who calls, so no route can forget it
            answers = problems.responses(401, 403, 429, *_ANY_TIME)
            app.include_router(router, dependencies=[Depends(who)], responses=answers)
    app.add_middleware(Timely)
    app.add_middleware(Crossing)
    app.add_middleware(Envelope)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def equip(app: FastAPI, directory: Directory, secret_key: str, origins: Sequence[str] = ()) -> None:
    """Gives the application its services, and the origins whose pages may call it from a browser."""
    app.state.directory = directory
    app.state.origins = tuple(origins)
    app.state.cursors = Cursors(secret_key)


def _operation_id(route: APIRoute) -> str:
    return route.name


def _add_body_problems(document: dict[str, Any]) -> None:
    """Whatever takes a body may find it unreadable, too slow or too large."""
    for operations in document["paths"].values():
        for operation in operations.values():
            if "requestBody" in operation:
                operation["responses"] |= {str(k): v for k, v in problems.responses(400, 408, 413).items()}


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, with our form of errors instead of its own."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        _add_body_problems(document)
        schemas = document["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs"))
        schemas["Problem"] = problem
        app.openapi_schema = document
    return app.openapi_schema
