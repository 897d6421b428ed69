"""Access tokens, challenges and refresh tokens.

An access token is a JWT (HS256) of 15 minutes; `standing` asks now and then whether its holder may still act. A
challenge is a JWT of five minutes for whoever has yet to prove the second factor. A refresh token is random, kept as a
hash, and good for one use: using it gives its successor. At most one token of a login is good at any time; a use of any
other shows that two hold it, and ends the login.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import jwt

from backend.database import Database
from backend.domain.caller import Caller, Visitor
from backend.domain.errors import Unauthenticated
from backend.domain.scope import SYSTEM, Scope

ACCESS_LIFETIME: Final = timedelta(minutes=15)
CHALLENGE_LIFETIME: Final = timedelta(minutes=5)
REFRESH_LIFETIME: Final = timedelta(days=30)
REUSE_LEEWAY: Final = timedelta(seconds=10)
"""A client whose answer was lost may use a token again this soon; the successor that it never saw is void."""

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "uniev"
_AUDIENCE: Final = "uniev-api"
_CHALLENGE_AUDIENCE: Final = "uniev-second-factor"
_REQUIRED: Final = ["sub", "exp", "iat", "iss", "aud", "role", "name"]
_REMEMBERED: Final = 4_096  # tokens whose signature need not be checked again; a dashboard sends one every 2 s


@dataclass(frozen=True, slots=True)
class RefreshUse:
    """What using a refresh token gives: whose login it is, whether a second factor was proven, and the successor."""

    user_id: str
    login_id: str
    second_factor: bool
    successor: str


@dataclass(frozen=True, slots=True)
class Challenged:
    """Who has yet to prove the second factor, and by which way they came. `version` of their credentials then."""

    user_id: str
    method: str
    version: int


@dataclass(frozen=True, slots=True)
class _Access:
    """What a signed access token says."""

    scope: Scope
    name: str
    login_id: str | None
    enrolling: bool
    expires_at: datetime


class Tokens:
    """Issues and reads tokens. `secret_key` signs access tokens; `now` is the clock (UTC)."""

    def __init__(self, database: Database, secret_key: str, now: Callable[[], datetime]) -> None:
        self._database = database
        self._secret_key = secret_key
        self._now = now
        self._verified = lru_cache(_REMEMBERED)(self._verify)  # what is refused is not remembered

    def access(self, scope: Scope, name: str, *, login_id: str | None = None, enrolling: bool = False) -> str:
        """A signed access token for a person; `enrolling`: good for nothing but enrolling a second factor."""
        claims: dict[str, Any] = {
            "sub": scope.user_id,
            "role": scope.role,
            "cpo_id": scope.cpo_id,
            "name": name,
            "sid": login_id,
            "enrolling": enrolling,
        }
        return self._signed(claims, _AUDIENCE, ACCESS_LIFETIME)

    def read(self, token: str, request_id: str | None) -> Caller:
        """Who holds this access token. Raises Unauthenticated (`token_expired`, `token_invalid`)."""
        held = self._verified(token)
        if held.expires_at <= self._now():
            raise Unauthenticated("The access token has expired; refresh it.", code="token_expired")
        return Caller(held.scope, held.name, request_id, login_id=held.login_id, enrolling=held.enrolling)

    def challenge(self, who: Challenged) -> str:
        """A signed challenge for the second factor."""
        claims = {"sub": who.user_id, "method": who.method, "version": who.version}
        return self._signed(claims, _CHALLENGE_AUDIENCE, CHALLENGE_LIFETIME)

    def read_challenge(self, token: str) -> Challenged:
        """Who holds this challenge. Raises Unauthenticated (`challenge_invalid`)."""
        try:
            claims = self._claims(token, _CHALLENGE_AUDIENCE, ["sub", "exp", "method", "version"])
            if _expires_at(claims) > self._now():
                return Challenged(str(claims["sub"]), str(claims["method"]), int(claims["version"]))
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError) as error:
            raise _challenge_invalid() from error
        raise _challenge_invalid()

    async def open_login(self, user_id: str, method: str, visitor: Visitor, *, second_factor: bool) -> tuple[str, str]:
        """A new login: its id and its first refresh token."""
        login_id, token, now = str(uuid.uuid4()), secrets.token_urlsafe(32), self._now()
        arguments = {
            "p_id": login_id,
            "p_user_id": user_id,
            "p_method": method,
            "p_second_factor": second_factor,
            "p_address": visitor.address,
            "p_agent": visitor.agent,
            "p_token_hash": _hash(token),
            "p_expires_at": (now + REFRESH_LIFETIME).isoformat(),
            "p_now": now.isoformat(),
        }
        await self._database.call("open_login", arguments, scope=SYSTEM)
        return login_id, token

    async def use_refresh(self, token: str, visitor: Visitor | None = None) -> RefreshUse:
        """Uses a refresh token up and gives its successor. Raises Unauthenticated (`refresh_token_invalid`), and for

        a token that was used or replaced before (`refresh_token_reused`): then its login has ended.
        """
        successor, now = secrets.token_urlsafe(32), self._now()
        arguments = {
            "p_token_hash": _hash(token),
            "p_successor_hash": _hash(successor),
            "p_expires_at": (now + REFRESH_LIFETIME).isoformat(),
            "p_leeway_s": int(REUSE_LEEWAY.total_seconds()),
            "p_address": visitor.address if visitor else None,
            "p_now": now.isoformat(),
        }
        answer = await self._database.call("rotate_refresh_token", arguments, scope=SYSTEM)
        if answer["outcome"] == "reused":
            detail = "The refresh token was used twice, so this login has ended; log in again."
            raise Unauthenticated(detail, code="refresh_token_reused")
        if answer["outcome"] != "ok":
            raise Unauthenticated("The refresh token is not valid; log in again.", code="refresh_token_invalid")
        return RefreshUse(answer["user_id"], answer["family"], answer["second_factor"], successor)

    async def end_login(self, token: str) -> None:
        """Ends the login that a refresh token belongs to; an unknown token changes nothing."""
        where = [("token_hash", "eq", _hash(token))]
        rows = await self._database.select(
            "refresh_tokens", scope=SYSTEM, columns="user_id,family", where=where, limit=1
        )
        if rows:
            arguments = {"p_user_id": rows[0]["user_id"], "p_id": rows[0]["family"], "p_except": None}
            await self._database.call("end_logins", {**arguments, "p_reason": "logout"}, scope=SYSTEM)

    def _verify(self, token: str) -> _Access:
        try:
            claims = self._claims(token, _AUDIENCE, _REQUIRED)
            scope = Scope(claims["role"], claims["sub"], claims.get("cpo_id"))
            enrolling, login_id = bool(claims.get("enrolling", False)), claims.get("sid")
            held = _Access(scope, str(claims["name"]), login_id, enrolling, _expires_at(claims))
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError) as error:
            raise _access_invalid() from error
        if scope.is_system:
            raise _access_invalid()
        return held

    def _signed(self, claims: dict[str, Any], audience: str, lifetime: timedelta) -> str:
        now = self._now()
        frame = {"iss": _ISSUER, "aud": audience, "iat": now, "exp": now + lifetime, "jti": uuid.uuid4().hex}
        return jwt.encode({**frame, **claims}, self._secret_key, algorithm=_ALGORITHM)

    def _claims(self, token: str, audience: str, required: list[str]) -> dict[str, Any]:
        return jwt.decode(
            token,
            self._secret_key,
            algorithms=[_ALGORITHM],
            audience=audience,
            issuer=_ISSUER,
            options={"require": required, "verify_exp": False, "verify_iat": False},
        )


def _expires_at(claims: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(claims["exp"], UTC)


def _access_invalid() -> Unauthenticated:
    return Unauthenticated("The access token is not valid.", code="token_invalid")


def _challenge_invalid() -> Unauthenticated:
    return Unauthenticated("This login took too long; begin it again.", code="challenge_invalid")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
