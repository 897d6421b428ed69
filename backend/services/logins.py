"""Logging in and out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import Field

from backend.database import Database, Row
from backend.domain.caller import Caller
from backend.domain.errors import Forbidden, Unauthenticated
from backend.domain.roles import Permission, permissions_of
from backend.domain.scope import SYSTEM, Scope
from backend.services.attempts import Attempts
from backend.services.cpos import Cpos, CpoStatus
from backend.services.passwords import Passwords
from backend.services.records import Record
from backend.services.tokens import ACCESS_LIFETIME, Tokens
from backend.services.users import Locale, UserRole

_COLUMNS: Final = "id,email,name,role,cpo_id,locale,active,password_hash"


class Me(Record):
    """The person who is logged in."""

    id: str = Field(description="Identifier of the user (UUID), or of the API key.")
    email: str | None = Field(description="E-mail address; null for an API key.")
    name: str = Field(description="Name of the person or API key.")
    role: str = Field(description="Role; the permission table says what it may do.")
    cpo_id: str | None = Field(description="CPO; null for EMSV staff.")
    cpo_name: str | None = Field(description="Name of the CPO.")
    locale: Locale = Field(description="Language of the screens: `id` or `en`.")
    permissions: list[str] = Field(description="What the role may do: `<noun>:<act>`.")


@dataclass(frozen=True, slots=True)
class Login:
    """A fresh pair of tokens and whose they are."""

    access_token: str
    refresh_token: str
    expires_in_s: int
    user: Me


class Logins:
    """Checks passwords, and turns them and refresh tokens into access tokens."""

    def __init__(
        self,
        database: Database,
        cpos: Cpos,
        passwords: Passwords,
        tokens: Tokens,
        attempts: Attempts,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._cpos = cpos
        self._passwords = passwords
        self._tokens = tokens
        self._attempts = attempts
        self._now = now

    async def login(self, email: str, password: str) -> Login:
        """Tokens for a person.

        Raises Unauthenticated (`login_failed`; the same, as slowly, for an unknown person, a wrong password
        and an inactive user), Forbidden (`cpo_inactive`), TooManyAttempts.
        """
        address = email.strip().lower()
        self._attempts.check(address)
        row = await self._find("email", address)
        matches = await self._passwords.verify(row["password_hash"] if row else None, password)
        if row is None or not matches or not row["active"]:
            self._attempts.failed(address)
            raise Unauthenticated("E-mail address or password is wrong.", code="login_failed")
        self._attempts.succeeded(address)
        login = await self._tokens_for(row, None)
        values = {"last_login_at": self._now().isoformat()}
        await self._database.update("users", values, scope=SYSTEM, where=[("id", "eq", row["id"])], columns="id")
        return login

    async def refresh(self, refresh_token: str) -> Login:
        """New tokens for a refresh token, which is used up. Raises Unauthenticated, Forbidden."""
        use = await self._tokens.use_refresh(refresh_token)
        row = await self._find("id", use.user_id)
        if row is None or not row["active"]:
            raise Unauthenticated("The user may not log in any more.", code="refresh_token_invalid")
        return await self._tokens_for(row, use.family)

    async def logout(self, refresh_token: str) -> None:
        """Ends the login; an unknown token changes nothing."""
        await self._tokens.end_family(refresh_token)

    async def me(self, caller: Caller) -> Me:
        """The caller, with the names that screens show."""
        user_id = caller.scope.user_id or ""
        row = await self._find("id", user_id)
        if row is not None:
            return await self._me(row)
        cpo_name = await self._cpo_name(caller.scope.cpo_id)
        return Me(
            id=user_id,
            email=None,
            name=caller.name,
            role=caller.scope.role,
            cpo_id=caller.scope.cpo_id,
            cpo_name=cpo_name,
            locale=Locale.INDONESIAN,
            permissions=[name for name in permissions_of(caller.scope.role) if caller.scope.may(Permission(name))],
        )

    async def set_locale(self, caller: Caller, locale: Locale) -> Me:
        """Keeps the language of the caller's screens. Raises Forbidden (`people_only`) for an API key."""
        # As the platform: everybody chooses their own language, whoever may change users.
        rows = await self._database.update(
            "users",
            {"locale": locale.value, "updated_at": "now"},
            scope=SYSTEM,
            where=[("id", "eq", caller.scope.user_id or "")],
            columns=_COLUMNS,
        )
        if not rows:
            raise Forbidden("An API key looks at no screens.", code="people_only")
        return await self._me(rows[0])

    async def _tokens_for(self, row: Row, family: str | None) -> Login:
        if row["cpo_id"] and (await self._cpos.get(SYSTEM, row["cpo_id"])).status is not CpoStatus.ACTIVE:
            raise Forbidden("Your CPO is not active on the platform.", code="cpo_inactive")
        scope = Scope(UserRole(row["role"]).value, row["id"], row["cpo_id"])
        return Login(
            access_token=self._tokens.access(scope, row["name"]),
            refresh_token=await self._tokens.new_refresh(row["id"], family),
            expires_in_s=int(ACCESS_LIFETIME.total_seconds()),
            user=await self._me(row),
        )

    async def _me(self, row: Row) -> Me:
        return Me.model_validate(
            {**row, "cpo_name": await self._cpo_name(row["cpo_id"]), "permissions": permissions_of(row["role"])}
        )

    async def _cpo_name(self, cpo_id: str | None) -> str | None:
        return (await self._cpos.get(SYSTEM, cpo_id)).name if cpo_id else None

    async def _find(self, column: str, value: str) -> Row | None:
        rows = await self._database.select(
            "users", scope=SYSTEM, columns=_COLUMNS, where=[(column, "eq", value)], limit=1
        )
        return rows[0] if rows else None
