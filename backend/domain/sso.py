"""Single sign-on by OpenID Connect: what an issuer must be able to do, and who its claims say somebody is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from backend.domain.roles import Role

STRONG: Final = frozenset({"mfa", "otp", "hwk", "swk", "fido", "sc", "face", "fpt"})
"""Values of `amr` (RFC 8176) that stand for a second factor proven to the issuer."""
_GIVEN: Final = frozenset(Role) - {Role.DRIVER, Role.INTEGRATOR}


@dataclass(frozen=True, slots=True)
class SsoRules:
    """Which issuer is believed and what its claims mean. Claims are paths with dots (`realm_access.roles`)."""

    issuer: str
    client_id: str
    name: str = "SSO"
    scopes: str = "openid email profile"
    role_claim: str = "roles"
    role_map: Mapping[str, str] = field(default_factory=dict)
    cpo_claim: str = "cpo"

    def role(self, claims: Mapping[str, Any]) -> str | None:
        """The role that the claims give: the first of the map that is among them; without a map, a role's own name."""
        found = _path(claims, self.role_claim)
        values = [found] if isinstance(found, str) else [v for v in found or () if isinstance(v, str)]
        chosen = [role for value, role in self.role_map.items() if value in values] if self.role_map else values
        return next((role for role in chosen if role in _GIVEN), None)

    def cpo(self, claims: Mapping[str, Any]) -> str | None:
        """Identifier or name of the CPO that the claims name."""
        found = _path(claims, self.cpo_claim)
        return found if isinstance(found, str) else None


class Issuer(Protocol):
    """What is asked of an issuer over the network. All raise SsoUnavailable."""

    async def metadata(self) -> Mapping[str, Any]:
        """The discovery document; its `issuer` is the one that was asked."""
        ...

    async def keys(self, *, fresh: bool) -> Mapping[str, Any]:
        """The JWKS; `fresh`: not a kept one, because a key is missing in it."""
        ...

    async def exchange(self, code: str, verifier: str, redirect_uri: str) -> Mapping[str, Any]:
        """The token answer for a code. Raises Unauthenticated (`sso_failed`) when the issuer refuses it."""
        ...


def _path(claims: Mapping[str, Any], path: str) -> Any:
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
