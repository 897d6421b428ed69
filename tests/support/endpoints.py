"""Every route of the API with what it takes to ask it: its permission, a path that names things, a body that fits; and
the walk over all of them as one role."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute

from backend.api.application import ENROLLING, FORMER, GUARDED
from backend.domain.roles import PLATFORM_ROLES, Permission, Role, allows
from tests.api.conftest import Tenant, World
from tests.api.test_commands import PAYLOADS

NOBODY: Final = "00000000-0000-4000-8000-000000000000"
NOBODYS_CHARGER: Final = "ID-NOBODY-1"


def routes_of(routers: tuple[object, ...]) -> Iterator[APIRoute]:
    """The routes of some routers."""
    for router in routers:
        for route in router.routes:  # type: ignore[attr-defined]
            assert isinstance(route, APIRoute)
            yield route


def permission_of(route: APIRoute) -> Permission | None:
    """The permission that a route asks for."""
    found = [getattr(need.call, "permission", None) for need in route.dependant.dependencies]
    return next((permission for permission in found if permission), None)


GUARDED_ROUTES: Final = list(routes_of((*GUARDED, *ENROLLING, *FORMER)))


def path_of(route: APIRoute, tenant: Tenant | None = None) -> str:
    """The route's path, naming what `tenant` owns or nobody does. Fails for a parameter without a meaning here."""
    names = {
        "cpo_id": tenant.cpo_id if tenant else NOBODY,
        "station_id": tenant.station_id if tenant else NOBODY,
        "charger_id": tenant.charger_id if tenant else NOBODYS_CHARGER,
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
        "invitation_id": NOBODY,
        "rule_id": NOBODY,  # a rule belongs to nobody
    }
    return route.path.format(**names)


def fitting_body(route: APIRoute, tenant: Tenant) -> dict[str, object] | None:
    """A body that the route takes, so that it looks for what the path names; `tenant`: whose things it names."""
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
        "approve": {"station_id": tenant.station_id},
        "standing": {"step": "suspend", "message": "x"},
        "revenue-shares": {"valid_from": "2099-01-01", "cpo_percent": "80.00", "settlement_cycle": "monthly"},
    }
    return bodies.get(action, {}) if route.methods & {"POST", "PUT"} else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What matters of an answer when two are compared: the names that were asked for, and the request, are left out."""

    status: int
    text: str


async def ask(client: httpx.AsyncClient, route: APIRoute, tenant: Tenant | None, body: Any = None) -> Answer:
    """Asks a route for what `tenant` owns (None: for what nobody does)."""
    reply = await client.request(next(iter(route.methods)), path_of(route, tenant), json=body)
    return answer_of(reply, tenant)


def answer_of(reply: httpx.Response, tenant: Tenant | None) -> Answer:
    """The comparable part of an answer."""
    text = reply.text
    if "json" in reply.headers.get("content-type", "") and "x-ndjson" not in reply.headers["content-type"]:
        document = reply.json()
        if isinstance(document, dict):
            document.pop("request_id", None)
        text = json.dumps(document, sort_keys=True)
    for name in (NOBODY, NOBODYS_CHARGER, *names_of(tenant)):
        text = text.replace(name, "<name>")
    return Answer(reply.status_code, text)


def names_of(tenant: Tenant | None) -> list[str]:
    """What tells a tenant's things: identifiers, longest first."""
    values = vars(tenant).values() if tenant else ()
    return sorted((value for value in values if isinstance(value, str) and value), key=len, reverse=True)


def undocumented(app: FastAPI) -> set[tuple[str, str]]:
    """Operations of the OpenAPI document that the walk does not reach."""
    walked = {(route.path, method) for route in GUARDED_ROUTES for method in route.methods}
    document = app.openapi()["paths"]
    return {(path, method.upper()) for path, methods in document.items() for method in methods} - walked


async def breaches(world: World, role: Role) -> list[str]:
    """Where a route lets `role` do more or less than the permission table says, or tells what another CPO owns from
    what does not exist; in words."""
    client, wrong = await world.client(role), []
    for route in GUARDED_ROUTES:
        permission = permission_of(route)
        if permission is None:
            continue
        name = f"{role}: {'/'.join(route.methods)} {route.path}"
        if not allows(role, permission):
            wrong += await _refusals(client, world, route, name, permission)
        elif "{" in route.path:
            wrong += await _borders(client, world, route, name, nation=role in PLATFORM_ROLES)
        elif (await ask(client, route, None, {})).status == httpx.codes.FORBIDDEN:
            wrong.append(f"{name} is refused")
    return wrong


async def _refusals(
    client: httpx.AsyncClient, world: World, route: APIRoute, name: str, permission: Permission
) -> list[str]:
    """Refused alike whatever is named, and before anything is looked up."""
    answers = {await ask(client, route, tenant, {}) for tenant in (None, world.other, world.own)}
    if {answer.status for answer in answers} != {httpx.codes.FORBIDDEN}:
        return [f"{name} is open without {permission.value}"]
    if len(answers) > 1 or permission.value not in next(iter(answers)).text:
        return [f"{name} tells more than the permission that lacks"]
    return []


async def _borders(client: httpx.AsyncClient, world: World, route: APIRoute, name: str, *, nation: bool) -> list[str]:
    """What another CPO owns answers like what does not exist; what is one's own (for the EMSV: all) is found."""
    body = fitting_body(route, world.own)
    nobody = await ask(client, route, None, body)
    wrong = []
    if nobody.status != httpx.codes.NOT_FOUND:
        wrong.append(f"{name} answers {nobody.status} for what does not exist: {nobody.text[:200]}")
    if not nation and await ask(client, route, world.other, body) != nobody:
        wrong.append(f"{name} tells another CPO's things from none")
    if "GET" in route.methods and "driver" not in name.split(":")[0] and "{rule_id}" not in route.path:
        found = (await ask(client, route, world.own, None)).status
        own_missing = found in (httpx.codes.NOT_FOUND, httpx.codes.FORBIDDEN, httpx.codes.UNAUTHORIZED)
        if own_missing and not route.path.endswith("/file"):  # no file was uploaded
            wrong.append(f"{name} does not find its own")
    return wrong
