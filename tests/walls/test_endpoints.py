"""Every endpoint × every role × own, foreign and absent things: the permission table decides who may ask, and what
another CPO owns answers, to the letter, like what does not exist."""

from __future__ import annotations

from typing import Any, Final

import pytest
from fastapi.routing import APIRoute

from backend.api.certificates import PemResponse
from backend.api.dependencies import Identified
from backend.database import SYSTEM
from backend.domain.caller import Caller
from backend.domain.roles import Permission, Role, allows
from tests.api.conftest import Tenant, World, world
from tests.support.endpoints import (
    GUARDED_ROUTES,
    NOBODY,
    NOBODYS_CHARGER,
    Answer,
    answer_of,
    ask,
    breaches,
    fitting_body,
    names_of,
    path_of,
    permission_of,
    undocumented,
)
from tests.support.postgres import execute

__all__ = ["world"]  # the fixture
OPEN: Final = {  # asked without a login, or by a token of another kind; each has tests of its own
    "/health", "/ready", "/api/auth/", "/api/cpo/register", "/api/roles",
}  # fmt: skip
# Lists that do not hold one thing of each CPO: the same for everybody, or one's own.
SAME_FOR_ALL = {"/api/analytics/energy", "/api/normalising-rules", "/api/roles", "/api/auth/logins", "/api/invitations"}
# Filters and members of bodies that name something: by which attribute of a tenant.
NAMES = {
    "station_id": "station_id", "cpo_id": "cpo_id", "charger_id": "charger_id", "session_id": "session_id",
    "template_id": "template_id", "profile_id": "profile_id", "firmware_file_id": "file_id", "id_token_id": "token_id",
    "user_id": "user_id", "driver_id": "driver_id", "id_token": "id_token", "token": "id_token", "q": "charger_id",
    "name": "cpo_id",
}  # fmt: skip


def test_the_walk_reaches_every_operation_of_the_document(world: World) -> None:
    missed = {path for path, _ in undocumented(world.app) if not path.startswith(tuple(OPEN))}
    assert missed == set()
    assert len(GUARDED_ROUTES) > 150


@pytest.mark.parametrize("role", list(Role))
async def test_the_permission_table_and_the_borders_hold_on_every_endpoint(world: World, role: Role) -> None:
    assert await breaches(world, role) == []


async def test_without_a_login_nothing_is_told_of_what_there_is(world: World) -> None:
    client = await world.client(None)
    for route in GUARDED_ROUTES:
        answers = {await ask(client, route, tenant, {}) for tenant in (None, world.own)}
        assert {answer.status for answer in answers} == {401} and len(answers) == 1, route.path


async def test_lists_hold_only_what_the_caller_may_see(world: World) -> None:
    own, everybody = await world.client("cpo_admin"), await world.client("emsv_admin")
    for tenant in (world.own, world.other):
        row = {"cpo_id": tenant.cpo_id, "action": "create", "object_type": "charger", "object_id": tenant.charger_id}
        await world.database.insert("audit_log", [row], scope=SYSTEM, columns="id")
    for route in _lists():
        reply, all_of_it = await own.get(route.path), await everybody.get(route.path)
        assert [name for name in names_of(world.other) if name in reply.text] == [], route.path
        if not reply.headers["content-type"].startswith("application/json"):
            assert world.own.cpo_id in reply.text and world.other.cpo_id in all_of_it.text, route.path  # an export
        elif "items" in reply.json() and route.path not in SAME_FOR_ALL:
            assert len(all_of_it.json()["items"]) == 2 * len(reply.json()["items"]) > 0, route.path


def _lists() -> list[APIRoute]:
    return [
        route
        for route in GUARDED_ROUTES
        if "GET" in route.methods and "{" not in route.path and route.response_class is not PemResponse
        and route.include_in_schema
    ]  # fmt: skip


def _named(name: str, tenant: Tenant | None) -> str:
    """The value that a filter or a member takes to name something of the tenant's, or of nobody's."""
    attribute = NAMES[name]
    if attribute == "id_token":
        return f"CARD-{tenant.charger_id}"[:20] if tenant else "CARD-NOBODY"
    if attribute == "charger_id":
        return tenant.charger_id if tenant else NOBODYS_CHARGER
    return str(getattr(tenant, attribute)) if tenant else NOBODY


async def test_no_filter_search_or_count_tells_another_cpos_things_from_none(world: World) -> None:
    client, document, asked = await world.client("cpo_admin"), world.app.openapi(), 0
    for route in _lists():
        for parameter in document["paths"][route.path]["get"].get("parameters", []):
            if parameter["name"] not in NAMES:
                continue
            answers = []
            for tenant in (None, world.other):
                params = {parameter["name"]: _named(parameter["name"], tenant), "count": "true"}
                answers.append(answer_of(await client.get(route.path, params=params), tenant))
            assert answers[0] == answers[1], (route.path, parameter["name"])
            asked += 1
    assert asked > 15


def _properties(world: World, route: APIRoute) -> dict[str, Any]:
    """The members of the JSON body that a route takes."""
    document = world.app.openapi()
    method = next(iter(route.methods)).lower()
    content = document["paths"].get(route.path, {}).get(method, {}).get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rsplit("/", 1)[-1]
    return dict(document["components"]["schemas"].get(name, schema).get("properties", {}))


async def test_no_body_can_name_another_cpos_things(world: World) -> None:
    """As if they did not exist: the same refusal, and nothing is made or changed."""
    client, asked = await world.client("cpo_admin"), 0
    for route in GUARDED_ROUTES:
        permission = permission_of(route)
        if permission is None or not allows("cpo_admin", permission):
            continue
        for member in NAMES.keys() & _properties(world, route).keys() - {"name", "token", "id_token", "q"}:
            answers = []
            for tenant in (None, world.other):
                body = {**(fitting_body(route, world.own) or {}), member: _named(member, tenant)}
                reply = await client.request(next(iter(route.methods)), path_of(route, world.own), json=body)
                answers.append(answer_of(reply, tenant))
            assert answers[0] == answers[1] and answers[0].status >= 400, (route.path, member, answers)
            asked += 1
    assert asked > 8


async def test_the_walk_goes_red_when_an_endpoint_asks_for_no_permission(world: World) -> None:
    async def anybody(caller: Identified) -> Caller:
        return caller

    route = next(r for r in GUARDED_ROUTES if r.path == "/api/users" and "GET" in r.methods)
    loosened = next(need.call for need in route.dependant.dependencies if hasattr(need.call, "permission"))
    assert loosened is not None
    world.app.dependency_overrides[loosened] = anybody
    found = await breaches(world, Role.CPO_OPERATOR)
    assert f"cpo_operator: GET /api/users is open without {Permission.USERS_READ.value}" in found
    assert all("/api/users" in line for line in found)


async def test_the_walk_goes_red_when_a_row_policy_lets_others_in(world: World, dsn: str) -> None:
    await execute(dsn, "alter policy tenant_reads on public.drivers using (true)")
    found = await breaches(world, Role.CPO_ADMIN)
    assert "cpo_admin: GET /api/drivers/{driver_id} tells another CPO's things from none" in found


async def test_a_path_of_something_new_needs_a_meaning(world: World) -> None:
    @world.app.get("/api/vaults/{vault_id}")
    async def read_vault(vault_id: str) -> str:
        return vault_id

    world.app.openapi_schema = None
    assert ("/api/vaults/{vault_id}", "GET") in undocumented(world.app)
    route = next(r for r in world.app.routes if isinstance(r, APIRoute) and r.path == "/api/vaults/{vault_id}")
    with pytest.raises(KeyError, match="vault_id"):
        path_of(route, world.own)
    assert Answer(404, "a") != Answer(404, "b")
