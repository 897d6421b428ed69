"""Who gets in, what their role lets them do, and that nobody sees another CPO's things."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi.routing import APIRoute

from backend.api import applications
from backend.api.application import ENROLLING, GUARDED, PUBLIC
from backend.api.certificates import PemResponse
from backend.domain.roles import Permission, Role, allows
from tests.api.conftest import Tenant, World
from tests.api.test_commands import PAYLOADS

# Lists that do not hold one thing of each CPO: the same for everybody, one's own, or what was done so far.
ALIKE = {"/api/analytics/energy", "/api/normalising-rules", "/api/roles", "/api/auth/logins", "/api/audit"}
NOBODY = "00000000-0000-4000-8000-000000000000"
WITHOUT_PERMISSION = {  # what everybody may do with what is their own
    "/api/auth/logout", "/api/auth/me", "/api/roles", "/api/auth/logins", "/api/auth/logins/{login_id}",
    "/api/auth/logins/end-others", "/api/auth/second-factor/enrolment", "/api/auth/second-factor/confirmation",
    "/api/auth/second-factor/removal",
}  # fmt: skip
PUBLIC_PATHS = {
    "/health", "/ready", "/api/auth/login", "/api/auth/second-factor", "/api/auth/refresh", "/api/cpo/register",
    "/api/cpo/register/code", "/api/cpo/register/verify",
}  # fmt: skip
BY_APPLICANT = {route.path for route in applications.router.routes}  # type: ignore[attr-defined]  # a token of their own
BY_LINK = {  # the link is the secret; chargers have no login
    "/files/firmware/{token}", "/files/firmware/{token}/{name}", "/files/uploads/{token}",
    "/files/uploads/{token}/{name:path}",
}  # fmt: skip


def _routes(routers: tuple[object, ...]) -> Iterator[APIRoute]:
    for router in routers:
        for route in router.routes:  # type: ignore[attr-defined]
            assert isinstance(route, APIRoute)
            yield route


def _permission(route: APIRoute) -> Permission | None:
    found = [getattr(need.call, "permission", None) for need in route.dependant.dependencies]
    return next((permission for permission in found if permission), None)


GUARDED_ROUTES = list(_routes(GUARDED + ENROLLING))


def _path(route: APIRoute, tenant: Tenant | None = None) -> str:
    names = {
        "cpo_id": tenant.cpo_id if tenant else NOBODY,
        "station_id": tenant.station_id if tenant else NOBODY,
        "charger_id": tenant.charger_id if tenant else "ID-NOBODY-1",
        "session_id": tenant.session_id if tenant else NOBODY,
        "token_id": tenant.token_id if tenant else NOBODY,
        "user_id": tenant.user_id if tenant else NOBODY,
        "key_id": tenant.key_id if tenant else NOBODY,
        "command_id": tenant.command_id if tenant else NOBODY,
        "reservation_id": tenant.reservation_id if tenant else NOBODY,
        "profile_id": tenant.profile_id if tenant else NOBODY,
        "file_id": tenant.file_id if tenant else NOBODY,
        "job_id": (tenant.log_job_id if "log" in route.path else tenant.firmware_job_id) if tenant else NOBODY,
        "template_id": tenant.template_id if tenant else NOBODY,
        "certificate_id": tenant.certificate_id if tenant else NOBODY,
        "campaign_id": tenant.campaign_id if tenant else NOBODY,
        "driver_id": tenant.driver_id if tenant else NOBODY,
        "document_id": tenant.document_id if tenant else NOBODY,
        "share_id": NOBODY,
        "login_id": NOBODY,
        "rule_id": NOBODY,  # a rule belongs to nobody
    }
    return route.path.format(**names)


async def _ask(client: httpx.AsyncClient, route: APIRoute, path: str) -> httpx.Response:
    (method,) = route.methods
    return await client.request(method, path, json={} if method in ("POST", "PUT") else None)


async def test_without_credentials_only_login_refresh_and_health_answer(world: World) -> None:
    client = await world.client(None)
    assert {route.path for route in _routes(PUBLIC)} == PUBLIC_PATHS | BY_LINK | BY_APPLICANT
    for route in _routes((applications.router,)):
        reply = await client.request(next(iter(route.methods)), route.path.format(kind="nib", document_id=NOBODY))
        assert reply.status_code == 401, route.path
    for route in GUARDED_ROUTES:
        reply = await _ask(client, route, _path(route))
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
    without = {route.path for route in GUARDED_ROUTES if _permission(route) is None}
    assert without == WITHOUT_PERMISSION


@pytest.mark.parametrize("role", list(Role))
async def test_the_permission_table_decides_on_every_route(world: World, role: Role) -> None:
    client = await world.client(role)
    for route in GUARDED_ROUTES:
        permission = _permission(route)
        reply = await _ask(client, route, _path(route))
        refused = permission is not None and not allows(role, permission)
        assert (reply.status_code == 403) is refused, (role, route.methods, route.path, reply.text)
        if refused and permission is not None:
            assert permission.value in reply.json()["detail"]


@pytest.mark.parametrize("role", ["cpo_admin", "cpo_operator", "cpo_technician", "cpo_finance", "integrator"])
async def test_what_another_cpo_owns_does_not_exist(world: World, role: str) -> None:
    client = await world.client(role)
    for route in GUARDED_ROUTES:
        permission = _permission(route)
        if "{" not in route.path or permission is None or not allows(role, permission):
            continue
        reply = await client.request(
            next(iter(route.methods)), _path(route, world.other), json=_fitting_body(route, world.own)
        )
        assert reply.status_code == 404, (role, route.methods, route.path, reply.text)


def _fitting_body(route: APIRoute, tenant: Tenant) -> dict[str, object] | None:
    action = route.path.rsplit("/", 1)[-1]
    bodies: dict[str, dict[str, object]] = {
        **{action: payloads[0] for action, payloads in PAYLOADS.items()},
        "status": {"status": "Available"},
        "configuration-template": {"template_id": tenant.template_id},
        "security-profile": {"profile": 1},
        "review": {"decision": "void", "reason": "curious"},
        "local-list": {"mode": "full"} if "POST" in route.methods else {},
        "charging-profiles": {"profile_id": tenant.profile_id},
        "{profile_id}": {
            "name": "P",
            "purpose": "TxProfile",
            "rate_unit": "W",
            "periods": [{"start_s": 0, "limit": 1}],
        },
        "firmware-jobs": {"firmware_file_id": tenant.file_id},
        "log-jobs": {"kind": "diagnostics"},
        "id-tokens": {"id_token_id": tenant.token_id},
        "consents": {"purpose": "service", "text_version": "1", "given": True, "method": "app"},
        "verify": {"decision": "refuse", "message": "x", "revision": 1},
        "standing": {"step": "suspend", "message": "x"},
    }
    return bodies.get(action, {}) if route.methods & {"POST", "PUT"} else None


async def test_lists_hold_only_what_the_caller_may_see(world: World) -> None:
    lists = [
        route.path
        for route in GUARDED_ROUTES
        if "GET" in route.methods and "{" not in route.path and route.response_class is not PemResponse
    ]
    own, everybody = await world.client("cpo_admin"), await world.client("emsv_admin")
    for path in lists:
        mine, all_of_it = (await own.get(path)).json(), (await everybody.get(path)).json()
        text = str(mine)
        assert world.other.cpo_id not in text and world.other.charger_id not in text, path
        if "items" in mine and path not in ALIKE:
            assert len(all_of_it["items"]) == 2 * len(mine["items"]) > 0, path


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
