"""Logging in and out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from pydantic import Field

from backend.database import Database, Row
from backend.domain.caller import Caller, Visitor
from backend.domain.errors import Forbidden, Unauthenticated
from backend.domain.lockout import Proof
from backend.domain.roles import Permission, permissions_of
from backend.domain.scope import SYSTEM, Scope
from backend.services.attempts import Attempts
from backend.services.cpos import Cpos, CpoStatus
from backend.services.passwords import Passwords
from backend.services.records import Record
from backend.services.second_factor import SecondFactor, required_of
from backend.services.tokens import ACCESS_LIFETIME, CHALLENGE_LIFETIME, Challenged, Tokens
from backend.services.users import Locale, UserRole

KNOWN_FOR: Final = timedelta(days=90)
"""How long an address from which somebody logged in is remembered as theirs."""
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
_COLUMNS: Final = (
    "id,email,name,role,cpo_id,locale,active,demo,password_hash,totp_sealed,totp_confirmed_at,credentials_version"
)


class FactorState(StrEnum):
    """How it stands with a person's second factor."""

    OFF = "off"
    REQUIRED = "required"
    ON = "on"


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
    second_factor: FactorState = Field(
        description="Second factor: `on`, `off`, or `required`: nothing is allowed before one is enrolled."
    )


@dataclass(frozen=True, slots=True)
class Login:
    """A fresh pair of tokens and whose they are."""

    access_token: str
    refresh_token: str
    expires_in_s: int
    user: Me


@dataclass(frozen=True, slots=True)
class Challenge:
    """The password was right; `token` is to be sent back with a code of the second factor."""

    token: str
    expires_in_s: int = int(CHALLENGE_LIFETIME.total_seconds())


class Logins:
    """Checks passwords and second factors, and turns them and refresh tokens into access tokens."""

    def __init__(
        self,
        database: Database,
        cpos: Cpos,
        passwords: Passwords,
        tokens: Tokens,
        attempts: Attempts,
        second_factor: SecondFactor,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._cpos = cpos
        self._passwords = passwords
        self._tokens = tokens
        self._attempts = attempts
        self._second_factor = second_factor
        self._now = now

    async def login(self, email: str, password: str, visitor: Visitor) -> Login | Challenge:
        """Tokens for a person, or a challenge for whoever has a second factor.

        Raises Unauthenticated (`login_failed`; the same, as slowly, for an unknown person, a wrong password
        and an inactive user), Forbidden (`cpo_inactive`), TooManyAttempts.
        """
        address = email.strip().lower()
        row = await self._find("email", address)
        known = await self._knows(row, visitor)
        counted = await self._attempts.begin(Proof.PASSWORD, address, visitor.address, known=known)
        matches = await self._passwords.verify(row["password_hash"] if row else None, password)
        if row is None or not matches or not row["active"]:
            await self._attempts.failed(Proof.PASSWORD, address, visitor.address, counted)
            raise Unauthenticated("E-mail address or password is wrong.", code="login_failed")
        await self._attempts.succeeded(counted)
        return await self.admit(row["id"], "password", visitor)

    async def admit(self, user_id: str, method: str, visitor: Visitor, *, proven: bool = False) -> Login | Challenge:
        """Lets somebody in whose identity is proven by `method` (`password`, `sso`); `proven`: so is the second factor.

        Raises Unauthenticated (`login_failed`), Forbidden (`cpo_inactive`).
        """
        row = await self._find("id", user_id)
        if row is None or not row["active"]:
            raise Unauthenticated("E-mail address or password is wrong.", code="login_failed")
        await self._check_cpo(row)
        if row["totp_confirmed_at"] is not None and not proven:
            return Challenge(self._tokens.challenge(Challenged(row["id"], method, row["credentials_version"])))
        login_id, refresh_token = await self._tokens.open_login(row["id"], method, visitor, second_factor=proven)
        return await self._pair(row, login_id, refresh_token, proven)

    async def answer(self, challenge: str, code: str, visitor: Visitor) -> Login:
        """Tokens for a challenge and a code of the second factor, or a recovery code.

        Raises Unauthenticated (`challenge_invalid`, `code_wrong`), Forbidden (`cpo_inactive`), TooManyAttempts.
        """
        who = self._tokens.read_challenge(challenge)
        row = await self._find("id", who.user_id)
        if row is None or not row["active"] or row["credentials_version"] != who.version:
            raise Unauthenticated("This login took too long; begin it again.", code="challenge_invalid")
        known = await self._knows(row, visitor)
        counted = await self._attempts.begin(Proof.SECOND_FACTOR, row["id"], visitor.address, known=known)
        if not await self._second_factor.proves(row, code):
            await self._attempts.failed(Proof.SECOND_FACTOR, row["email"], visitor.address, counted)
            raise Unauthenticated("The code is wrong or was used already.", code="code_wrong")
        await self._attempts.succeeded(counted)
        login = await self.admit(row["id"], who.method, visitor, proven=True)
        assert isinstance(login, Login)  # nothing is left to prove
        return login

    async def refresh(self, refresh_token: str, visitor: Visitor) -> Login:
        """New tokens for a refresh token, which is used up. Raises Unauthenticated, Forbidden."""
        use = await self._tokens.use_refresh(refresh_token, visitor)
        row = await self._find("id", use.user_id)
        if row is None or not row["active"]:
            raise Unauthenticated("The user may not log in any more.", code="refresh_token_invalid")
        await self._check_cpo(row)
        return await self._pair(row, use.login_id, use.successor, use.second_factor)

    async def logout(self, refresh_token: str) -> None:
        """Ends the login; an unknown token changes nothing."""
        await self._tokens.end_login(refresh_token)

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
            second_factor=FactorState.OFF,
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

    async def _pair(self, row: Row, login_id: str, refresh_token: str, proven: bool) -> Login:
        scope = Scope(UserRole(row["role"]).value, row["id"], row["cpo_id"])
        enrolling = required_of(row) and not proven
        return Login(
            access_token=self._tokens.access(scope, row["name"], login_id=login_id, enrolling=enrolling),
            refresh_token=refresh_token,
            expires_in_s=int(ACCESS_LIFETIME.total_seconds()),
            user=await self._me(row),
        )

    async def _check_cpo(self, row: Row) -> None:
        if row["cpo_id"] and (await self._cpos.get(SYSTEM, row["cpo_id"])).status is not CpoStatus.ACTIVE:
            raise Forbidden("Your CPO is not active on the platform.", code="cpo_inactive")

    async def _knows(self, row: Row | None, visitor: Visitor) -> bool:
        """Whether this person has logged in from here lately; asked for nobody, too, so that it costs the same."""
        where = [
            ("user_id", "eq", row["id"] if row else _NOBODY),
            ("address", "eq", visitor.address or ""),
            ("created_at", "gt", (self._now() - KNOWN_FOR).isoformat()),
        ]
        return bool(await self._database.select("login_sessions", scope=SYSTEM, columns="id", where=where, limit=1))

    async def _me(self, row: Row) -> Me:
        enrolled = row["totp_confirmed_at"] is not None
        state = FactorState.ON if enrolled else FactorState.REQUIRED if required_of(row) else FactorState.OFF
        names = {"cpo_name": await self._cpo_name(row["cpo_id"]), "permissions": permissions_of(row["role"])}
        return Me.model_validate({**row, **names, "second_factor": state})

    async def _cpo_name(self, cpo_id: str | None) -> str | None:
        return (await self._cpos.get(SYSTEM, cpo_id)).name if cpo_id else None

    async def _find(self, column: str, value: str) -> Row | None:
        rows = await self._database.select(
            "users", scope=SYSTEM, columns=_COLUMNS, where=[(column, "eq", value)], limit=1
        )
        return rows[0] if rows else None
