"""Single sign-on by OpenID Connect: the code flow with PKCE, state and nonce; the id token verified; claims → roles."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import jwt
import msgspec

from backend.database import Database
from backend.domain.caller import Visitor
from backend.domain.errors import Forbidden, NotFound, Unauthenticated
from backend.domain.scope import SYSTEM
from backend.domain.sso import STRONG, Issuer, SsoRules
from backend.services.dossiers import Screens
from backend.services.logins import Challenge, Login, Logins
from backend.services.vault import Vault

FLOW_LIFETIME: Final = timedelta(minutes=10)
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_LEEWAY_S: Final = 60
_REQUIRED: Final = ["iss", "sub", "aud", "exp", "iat"]


@dataclass(frozen=True, slots=True)
class Sso:
    """The issuer that is believed, and what its claims mean."""

    rules: SsoRules
    issuer: Issuer


class _Flow(msgspec.Struct):
    nonce: str
    verifier: str
    redirect_uri: str


class SingleSignOn:
    """Begins and finishes sign-ons; without settings there is none. `now` is the clock (UTC)."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        logins: Logins,
        screens: Screens,
        sso: Sso | None,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._vault = vault
        self._logins = logins
        self._screens = screens
        self._sso = sso
        self._now = now

    @property
    def name(self) -> str | None:
        """What people know the issuer as; None without single sign-on."""
        return self._sso.rules.name if self._sso else None

    async def begin(self, dashboard: str) -> tuple[str, str]:
        """Where the browser goes, and the state that it must bring back; the caller binds it to the browser.

        Raises NotFound (`sso_not_found`), SsoUnavailable.
        """
        sso = self._configured()
        metadata = await sso.issuer.metadata()
        state, flow = secrets.token_urlsafe(32), self._new_flow(dashboard)
        arguments = {
            "p_state_hash": _hash(state),
            "p_content_sealed": self._vault.seal(msgspec.json.encode(flow).decode()),
            "p_expires_at": (self._now() + FLOW_LIFETIME).isoformat(),
            "p_now": self._now().isoformat(),
        }
        await self._database.call("begin_sso", arguments, scope=SYSTEM)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(flow.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": sso.rules.client_id,
            "redirect_uri": flow.redirect_uri,
            "scope": sso.rules.scopes,
            "state": state,
            "nonce": flow.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{metadata['authorization_endpoint']}?{urlencode(asked)}", state

    async def finish(self, state: str, code: str, visitor: Visitor) -> Login | Challenge:
        """Lets in whom the issuer vouches for.

        Raises Unauthenticated (`sso_failed`), Forbidden (`sso_unknown_person`, `cpo_inactive`), NotFound,
        SsoUnavailable.
        """
        sso = self._configured()
        arguments = {"p_state_hash": _hash(state), "p_now": self._now().isoformat()}
        sealed = await self._database.call("take_sso", arguments, scope=SYSTEM)
        if not sealed:
            raise _failed("This sign-on took too long or was used already; begin it again.")
        flow = msgspec.json.decode(self._vault.open(sealed), type=_Flow)
        answer = await sso.issuer.exchange(code, flow.verifier, flow.redirect_uri)
        claims = await self.verified(str(answer.get("id_token", "")), flow.nonce)
        user_id = await self._user(sso.rules, claims)
        amr = claims.get("amr")
        proven = isinstance(amr, list) and bool(STRONG.intersection(v for v in amr if isinstance(v, str)))
        return await self._logins.admit(user_id, "sso", visitor, proven=proven)

    async def verified(self, id_token: str, nonce: str) -> Mapping[str, Any]:
        """The claims of an id token: signed by a key of the issuer (asked anew if the key is not known: keys rotate),

        for us, now, and for this sign-on (OpenID Connect Core 3.1.3.7). Raises Unauthenticated (`sso_failed`).
        """
        sso = self._configured()
        try:
            claims: dict[str, Any] = jwt.decode(
                id_token,
                await self._key(sso.issuer, id_token),
                algorithms=list(_ALGORITHMS),
                audience=sso.rules.client_id,
                issuer=(await sso.issuer.metadata())["issuer"],
                leeway=_LEEWAY_S,
                options={"require": _REQUIRED},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise _failed("The issuer's answer does not hold; begin the sign-on again.") from error
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if (several or "azp" in claims) and claims.get("azp") != sso.rules.client_id:
            raise _failed("The issuer's answer is for somebody else.")
        if not hmac.compare_digest(str(claims.get("nonce", "")), nonce):
            raise _failed("The issuer's answer belongs to another sign-on.")
        return claims

    async def _key(self, issuer: Issuer, id_token: str) -> jwt.PyJWK:
        kid = jwt.get_unverified_header(id_token).get("kid")
        for fresh in (False, True):
            keys = jwt.PyJWKSet.from_dict(dict(await issuer.keys(fresh=fresh))).keys
            fitting = [key for key in keys if (kid is None and len(keys) == 1) or (kid and key.key_id == kid)]
            if fitting:
                return fitting[0]
        raise jwt.InvalidKeyError("the issuer has no such key")

    async def _user(self, rules: SsoRules, claims: Mapping[str, Any]) -> str:
        email = str(claims.get("email", "")).strip().lower()
        arguments = {
            "p_issuer": claims["iss"],
            "p_subject": claims["sub"],
            "p_email": email,
            "p_verified": claims.get("email_verified") is True and "@" in email,
            "p_name": str(claims.get("name") or email)[:120],
            "p_role": rules.role(claims),
            "p_cpo": rules.cpo(claims),
        }
        user_id: str | None = await self._database.call("sso_user", arguments, scope=SYSTEM)
        if user_id is None:
            raise Forbidden("You have no access here; ask an administrator to invite you.", code="sso_unknown_person")
        return user_id

    def _new_flow(self, dashboard: str) -> _Flow:
        home = self._screens.emsv if dashboard == "emsv" else self._screens.cpo
        return _Flow(secrets.token_urlsafe(32), secrets.token_urlsafe(48), f"{home}/auth/sso/callback")

    def _configured(self) -> Sso:
        if self._sso is None:
            raise NotFound("There is no single sign-on here.", code="sso_not_found")
        return self._sso


def _failed(detail: str) -> Unauthenticated:
    return Unauthenticated(detail, code="sso_failed")


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()
