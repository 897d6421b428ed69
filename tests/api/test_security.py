"""Who gets in, what their role lets them do, and that nobody sees another CPO's things."""

from __future__ import annotations

import httpx
import pytest
from fastapi.routing import APIRoute

from backend.api import applications
from backend.api.application import PUBLIC
from tests.api.conftest import World
from tests.support.endpoints import GUARDED_ROUTES, NOBODY, path_of, permission_of, routes_of

WITHOUT_PERMISSION = {  # what everybody may do with what is their own
    "/api/auth/logout", "/api/auth/me", "/api/roles", "/api/auth/logins", "/api/auth/logins/{login_id}",
    "/api/auth/logins/end-others", "/api/auth/second-factor/enrolment", "/api/auth/second-factor/confirmation",
    "/api/auth/second-factor/removal", "/api/auth/password",
}  # fmt: skip
PUBLIC_PATHS = {
    "/health", "/ready", "/api/auth/login", "/api/auth/second-factor", "/api/auth/refresh", "/api/auth/password-reset",
    "/api/auth/password-reset/confirm", "/api/auth/invitation/look", "/api/auth/invitation/accept",
    "/api/auth/sso", "/api/auth/sso/begin",
    "/api/auth/sso/finish", "/api/cpo/register",
    "/api/cpo/register/code", "/api/cpo/register/verify",
}  # fmt: skip
BY_APPLICANT = {route.path for route in applications.router.routes}  # type: ignore[attr-defined]  # a token of their own
BY_LINK = {  # the link is the secret; chargers have no login
    "/files/firmware/{token}", "/files/firmware/{token}/{name}", "/files/uploads/{token}",
    "/files/uploads/{token}/{name:path}",
}  # fmt: skip


async def _ask(client: httpx.AsyncClient, route: APIRoute, path: str) -> httpx.Response:
    (method,) = route.methods
    return await client.request(method, path, json={} if method in ("POST", "PUT") else None)


async def test_without_credentials_only_login_refresh_and_health_answer(world: World) -> None:
    client = await world.client(None)
    assert {route.path for route in routes_of(PUBLIC)} == PUBLIC_PATHS | BY_LINK | BY_APPLICANT
    for route in routes_of((applications.router,)):
        reply = await client.request(next(iter(route.methods)), route.path.format(kind="nib", document_id=NOBODY))
        assert reply.status_code == 401, route.path
    for route in GUARDED_ROUTES:
        reply = await _ask(client, route, path_of(route))
        assert reply.status_code == 401, route.path
        assert reply.headers["www-authenticate"] == "Bearer"
        assert reply.json()["code"] == "unauthenticated"


async def test_the_document_names_no_open_operation_but_those(world: World) -> None:
    document = world.app.openapi()
    open_paths = {
        path
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if not operation.get("security")
    }
    assert open_paths == PUBLIC_PATHS


def test_every_guarded_route_names_its_permission() -> None:
    without = {route.path for route in GUARDED_ROUTES if permission_of(route) is None}
    assert without == WITHOUT_PERMISSION


async def test_a_station_of_another_cpo_cannot_be_named(world: World) -> None:
    client = await world.client("cpo_admin")
    new = {"id": "X-1", "current_type": "AC", "rated_power_w": 7_400, "connector_count": 1}
    created = await client.post("/api/chargers", json={**new, "station_id": world.other.station_id})
    moved = await client.put(f"/api/chargers/{world.own.charger_id}", json={"station_id": world.other.station_id})
    placed = await client.post("/api/stations", json={"name": "Foreign", "cpo_id": world.other.cpo_id})
    carded = await client.post("/api/id-tokens", json={"token": "T", "cpo_id": world.other.cpo_id})
    assert [reply.status_code for reply in (created, moved, placed, carded)] == [404] * 4


@pytest.mark.parametrize(
    "header",
    ["Bearer nonsense", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0."],
)
async def test_a_token_that_is_not_ours_is_refused(world: World, header: str) -> None:
    client = await world.client(None)
    reply = await client.get("/api/auth/me", headers={"Authorization": header})
    assert reply.status_code == 401


async def test_a_bad_bearer_token_is_not_excused_by_a_good_key(world: World) -> None:
    client = await world.client("emsv_admin")
    made = (await client.post("/api/apikeys", json={"name": "n", "role": "noc_analyst"})).json()
    headers = {"Authorization": "Bearer nonsense", "X-API-Key": made["key"]}
    assert (await client.get("/api/auth/me", headers=headers)).status_code == 401
