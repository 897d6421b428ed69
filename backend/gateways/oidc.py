"""An OpenID Connect issuer over HTTP: discovery, keys, exchange of codes (Keycloak, Supabase Auth, Google …)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import httpx

from backend.domain.errors import DomainError, Unauthenticated

_KEPT_S: Final = 3600.0
_FRESH_EVERY_S: Final = 30.0  # an unknown key id does not make us ask more often
_MOST_BYTES: Final = 256 * 1024
_TIMEOUT: Final = httpx.Timeout(8, connect=4)


class SsoUnavailable(DomainError):
    """The issuer cannot be reached, or answers what no issuer answers."""

    code = "sso_unavailable"
    status = 503


class OidcIssuer:
    """One issuer and our client there. `client_secret` None: a public client, which PKCE alone protects."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str | None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._issuer = issuer.rstrip("/")
        self._client_id = client_id
        self._client_secret = client_secret
        self._transport = transport
        self._kept: dict[str, tuple[float, Mapping[str, Any]]] = {}

    async def metadata(self) -> Mapping[str, Any]:
        """The discovery document, at most an hour old. Raises SsoUnavailable."""
        found = await self._get(f"{self._issuer}/.well-known/openid-configuration", _KEPT_S)
        if str(found.get("issuer", "")).rstrip("/") != self._issuer:
            raise SsoUnavailable("The issuer calls itself otherwise than OIDC_ISSUER.")
        return found

    async def keys(self, *, fresh: bool) -> Mapping[str, Any]:
        """The JWKS, at most an hour old, or half a minute if `fresh`. Raises SsoUnavailable."""
        return await self._get((await self.metadata())["jwks_uri"], _FRESH_EVERY_S if fresh else _KEPT_S)

    async def exchange(self, code: str, verifier: str, redirect_uri: str) -> Mapping[str, Any]:
        """The token answer. Raises SsoUnavailable, Unauthenticated (`sso_failed`) when the issuer refuses."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "client_id": self._client_id,
        }
        if self._client_secret:
            form["client_secret"] = self._client_secret
        url = (await self.metadata())["token_endpoint"]
        reply = await self._ask("POST", url, data=form)
        if 400 <= reply.status_code < 500:
            raise Unauthenticated("The sign-on was refused by its issuer; begin it again.", code="sso_failed")
        return _document(reply)

    async def _get(self, url: str, good_s: float) -> Mapping[str, Any]:
        at, kept = self._kept.get(url, (0.0, {}))
        if kept and time.monotonic() - at < good_s:
            return kept
        found = _document(await self._ask("GET", url))
        self._kept[url] = (time.monotonic(), found)
        return found

    async def _ask(self, method: str, url: str, **options: Any) -> httpx.Response:
        try:
            async with httpx.AsyncClient(timeout=_TIMEOUT, transport=self._transport) as client:
                return await client.request(method, url, **options)
        except httpx.HTTPError as error:
            raise SsoUnavailable("The issuer of the sign-on does not answer.") from error


def _document(reply: httpx.Response) -> Mapping[str, Any]:
    try:
        found = reply.json() if reply.status_code == 200 and len(reply.content) <= _MOST_BYTES else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise SsoUnavailable("The issuer of the sign-on answers what cannot be understood.")
    return found
