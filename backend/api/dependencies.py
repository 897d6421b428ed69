"""From credentials to a caller, and from a route to the permission it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import IPv6Address, ip_address
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from backend.domain.caller import Caller, Visitor
from backend.domain.errors import Forbidden, Unauthenticated
from backend.domain.rates import Allowance
from backend.domain.roles import Permission, allows
from backend.domain.scope import Scope
from backend.services.directory import Directory

_bearer = HTTPBearer(auto_error=False, scheme_name="accessToken", description="Access token from login.")
_api_key = APIKeyHeader(
    name="X-API-Key", auto_error=False, scheme_name="apiKey", description="API key of an integration."
)

Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
ApiKeyText = Annotated[str | None, Security(_api_key)]


def directory(request: Request) -> Directory:
    """The services."""
    services: Directory = request.app.state.directory
    return services


Services = Annotated[Directory, Depends(directory)]


def sender(request: Request) -> str | None:
    """The network address that the request came from; behind a proxy that uvicorn trusts, the one it tells.

    A server that listens on both families tells IPv4 as `::ffff:203.0.113.9`: that is 203.0.113.9, and not one of a
    network in which all of IPv4 would be counted as one site.
    """
    try:
        address = ip_address(request.client.host) if request.client else None
    except ValueError:  # what a proxy passed on is no address
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address) if address else None


async def identify_enrolling(request: Request, services: Services, bearer: Bearer, api_key: ApiKeyText) -> Caller:
    """Who calls, by access token or API key, also whoever has a second factor yet to enrol.

    Raises Unauthenticated, TooManyRequests.
    """
    try:
        return await _recognised(request, services, bearer, api_key)
    except Unauthenticated:
        await services.rates.refused(sender(request))
        raise


async def _recognised(
    request: Request, services: Directory, bearer: HTTPAuthorizationCredentials | None, api_key: str | None
) -> Caller:
    request_id, address = request.scope.get("state", {}).get("request_id"), sender(request)
    if "authorization" in request.headers:  # if it does not hold, a good key beside it does not excuse it
        if bearer is None:
            raise Unauthenticated("The Authorization header is not of the form `Bearer <access token>`.")
        caller = services.people.tokens.read(bearer.credentials, request_id)
        await services.people.standing.check(caller)
        _note(request, await services.rates.caller("user", caller.scope.user_id or "", None))
        return replace(caller, address=address)
    if api_key:
        caller, rate = await services.api_keys.recognise(api_key, request_id)
        _note(request, await services.rates.caller("key", caller.scope.user_id or "", rate))
        return replace(caller, address=address)
    raise Unauthenticated("Send an access token (Authorization: Bearer) or an API key (X-API-Key).")


async def bound_by_address(request: Request, services: Services) -> None:
    """Counts a request of nobody known, by its address. Raises TooManyRequests."""
    _note(request, await services.rates.address(sender(request), request.scope["route"].path))


def _note(request: Request, allowance: Allowance | None) -> None:
    """For the headers of the answer."""
    request.scope.setdefault("state", {})["allowance"] = allowance


Enrolling = Annotated[Caller, Depends(identify_enrolling)]


async def identify(caller: Enrolling) -> Caller:
    """Who calls, with everything proven that the role asks for. Raises Unauthenticated, Forbidden, TooManyRequests."""
    if caller.enrolling:
        raise Forbidden("Your role asks for a second factor: enrol one first.", code="second_factor_required")
    return caller


def caller_of(request: Request, scope: Scope, name: str) -> Caller:
    """Somebody without a login, as the audit log names them."""
    return Caller(scope, name, request.scope.get("state", {}).get("request_id"), sender(request))


Identified = Annotated[Caller, Depends(identify)]


def visitor(request: Request) -> Visitor:
    """Where a request comes from whose sender is not known yet."""
    return Visitor(sender(request), request.headers.get("user-agent"))


Visiting = Annotated[Visitor, Depends(visitor)]


def allow(permission: Permission) -> Callable[[Caller], Awaitable[Caller]]:
    """A dependency that gives the caller if the permission table lets it; raises Forbidden otherwise."""

    async def check(caller: Identified) -> Caller:
        if not allows(caller.scope.role, permission):
            raise Forbidden(f"The role {caller.scope.role} does not include {permission.value}.")
        if not caller.scope.may(permission):
            raise Forbidden(f"The scopes of this API key do not include {permission.value}.", code="scope_forbidden")
        return caller

    check.permission = permission  # type: ignore[attr-defined]  # read by the test of the permission table
    return check
