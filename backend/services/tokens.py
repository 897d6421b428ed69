"""Access and refresh tokens.

An access token is a JWT (HS256) of 15 minutes; `standing` asks now and then whether its holder may still act. A
refresh token is random, kept as a hash, and good for one use: using it gives its successor in the same family.
Using it again reveals that two hold it, and ends the whole family.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

from backend.database import Database, Row
from backend.domain.caller import Caller
from backend.domain.errors import Unauthenticated
from backend.domain.scope import SYSTEM, Scope

ACCESS_LIFETIME: Final = timedelta(minutes=15)
REFRESH_LIFETIME: Final = timedelta(days=30)
REUSE_LEEWAY: Final = timedelta(seconds=10)
"""A client whose answer was lost, or two tabs at once, may use a token again this soon."""

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "uniev"
_AUDIENCE: Final = "uniev-api"
_REQUIRED: Final = ["sub", "exp", "iat", "iss", "aud", "role", "name"]


@dataclass(frozen=True, slots=True)
class RefreshUse:
    """What using a refresh token gives: whose it is, and the family its successor belongs to."""

    user_id: str
    family: str


class Tokens:
    """Issues and reads tokens. `secret_key` signs access tokens; `now` is the clock (UTC)."""

    def __init__(self, database: Database, secret_key: str, now: Callable[[], datetime]) -> None:
        self._database = database
        self._secret_key = secret_key
        self._now = now

    def access(self, scope: Scope, name: str) -> str:
        """A signed access token for a person."""
        now = self._now()
        claims: dict[str, Any] = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "sub": scope.user_id,
            "role": scope.role,
            "cpo_id": scope.cpo_id,
            "name": name,
            "iat": now,
            "exp": now + ACCESS_LIFETIME,
            "jti": uuid.uuid4().hex,
        }
        return jwt.encode(claims, self._secret_key, algorithm=_ALGORITHM)

    def read(self, token: str, request_id: str | None) -> Caller:
        """Who holds this access token. Raises Unauthenticated (`token_expired`, `token_invalid`)."""
        try:
            claims = jwt.decode(
                token,
                self._secret_key,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                issuer=_ISSUER,
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False},
            )
            expired = datetime.fromtimestamp(claims["exp"], UTC) <= self._now()
            scope = Scope(claims["role"], claims["sub"], claims.get("cpo_id"))
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError) as error:
            raise Unauthenticated("The access token is not valid.", code="token_invalid") from error
        if expired:
            raise Unauthenticated("The access token has expired; refresh it.", code="token_expired")
        if scope.is_system:
            raise Unauthenticated("The access token is not valid.", code="token_invalid")
        return Caller(scope, str(claims["name"]), request_id)

    async def new_refresh(self, user_id: str, family: str | None = None) -> str:
        """A refresh token, of a new family unless one is named."""
        token = secrets.token_urlsafe(32)
        row = {
            "token_hash": _hash(token),
            "family": family or str(uuid.uuid4()),
            "user_id": user_id,
            "expires_at": (self._now() + REFRESH_LIFETIME).isoformat(),
        }
        await self._database.insert("refresh_tokens", [row], scope=SYSTEM, columns="family")
        return token

    async def use_refresh(self, token: str) -> RefreshUse:
        """Uses a refresh token up. Raises Unauthenticated (`refresh_token_invalid`), and if it was used

        before (`refresh_token_reused`): then its family has ended.
        """
        now = self._now().isoformat()
        rows = await self._database.update(
            "refresh_tokens",
            {"used_at": now},
            scope=SYSTEM,
            where=[
                ("token_hash", "eq", _hash(token)),
                ("used_at", "is", None),
                ("revoked_at", "is", None),
                ("expires_at", "gt", now),
            ],
            columns="user_id,family",
        )
        row = rows[0] if rows else await self._used_before(token)
        return RefreshUse(row["user_id"], row["family"])

    async def end_family(self, token: str) -> None:
        """Ends the login that a refresh token belongs to; an unknown token changes nothing."""
        row = await self._find(token)
        if row is not None:
            await self._revoke(row["family"])

    async def _used_before(self, token: str) -> Row:
        row = await self._find(token)
        if row is None or row["revoked_at"] is not None or row["used_at"] is None:
            raise Unauthenticated("The refresh token is not valid; log in again.", code="refresh_token_invalid")
        if self._now() - datetime.fromisoformat(row["used_at"]) > REUSE_LEEWAY:
            await self._revoke(row["family"])
            detail = "The refresh token was used twice, so this login has ended; log in again."
            raise Unauthenticated(detail, code="refresh_token_reused")
        return row

    async def _find(self, token: str) -> Row | None:
        columns = "user_id,family,used_at,revoked_at"
        where = [("token_hash", "eq", _hash(token))]
        rows = await self._database.select("refresh_tokens", scope=SYSTEM, columns=columns, where=where, limit=1)
        return rows[0] if rows else None

    async def _revoke(self, family: str) -> None:
        await self._database.update(
            "refresh_tokens",
            {"revoked_at": self._now().isoformat()},
            scope=SYSTEM,
            where=[("family", "eq", family)],
            columns="family",
        )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
