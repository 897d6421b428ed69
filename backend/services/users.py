"""People who log in: EMSV and CPO staff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from backend.domain.roles import belongs_to_cpo, may_grant
from backend.domain.scope import SYSTEM, Scope
from backend.services.audit import Audit
from backend.services.cpos import Cpos
from backend.services.passwords import MIN_PASSWORD_LENGTH, Passwords
from backend.services.records import Page, PageRequest, Record, own_rows, select_page


class UserRole(StrEnum):
    """A role that a person may have."""

    EMSV_ADMIN = "emsv_admin"
    EMSV_FINANCE = "emsv_finance"
    NOC_ANALYST = "noc_analyst"
    CPO_ADMIN = "cpo_admin"
    CPO_OPERATOR = "cpo_operator"
    CPO_TECHNICIAN = "cpo_technician"
    CPO_FINANCE = "cpo_finance"
    DRIVER = "driver"


class Locale(StrEnum):
    """Language of the screens."""

    INDONESIAN = "id"
    ENGLISH = "en"


class User(Record):
    """A person who may log in."""

    id: str = Field(description="Identifier (UUID).")
    email: str = Field(description="E-mail address, in small letters; the login name.")
    name: str = Field(description="Name of the person.")
    role: UserRole = Field(description="What the person may do.")
    cpo_id: str | None = Field(description="CPO the person works for; null for EMSV staff.")
    active: bool = Field(description="False: may not log in.")
    locale: Locale = Field(description="Language of the screens: `id` or `en`.")
    last_login_at: datetime | None = Field(description="Last login (UTC).")
    created_at: datetime = Field(description="When the user was created (UTC).")


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to create. `cpo_id` None: the creator's own CPO, or EMSV staff if the creator has none."""

    email: str
    name: str
    role: UserRole
    password: str
    cpo_id: str | None = None
    locale: Locale = Locale.INDONESIAN


class Users:
    """Creates, reads and changes users within what the caller may grant."""

    def __init__(self, database: Database, audit: Audit, cpos: Cpos, passwords: Passwords) -> None:
        self._database = database
        self._audit = audit
        self._cpos = cpos
        self._passwords = passwords

    async def list(self, scope: Scope, page: PageRequest) -> Page[User]:
        """By e-mail address."""
        order = [("email", "asc"), ("id", "asc")]
        return await select_page(self._database, "users", User, page, scope=scope, where=own_rows(scope), order=order)

    async def get(self, scope: Scope, user_id: str) -> User:
        """One user. Raises NotFound (`user_not_found`)."""
        where = [("id", "eq", user_id), *own_rows(scope)]
        rows = await self._database.select("users", scope=scope, columns=User.columns(), where=where, limit=1)
        if not rows:
            raise NotFound("There is no such user.", code="user_not_found")
        return User.model_validate(rows[0])

    async def create(self, caller: Caller, new: NewUser) -> User:
        """Creates a user.

        Raises Forbidden (`role_forbidden`) for a role the caller may not give, NotFound (`cpo_not_found`),
        InvalidInput (`cpo_required`, `cpo_not_allowed`) if role and CPO do not fit, InvalidInput
        (`password_too_short`), Conflict (`user_exists`).
        """
        may_give(caller, new.role)
        _long_enough(new.password)
        cpo_id = await cpo_for_role(self._cpos, caller.scope, new.role, new.cpo_id)
        row = {
            "email": new.email.strip().lower(),
            "name": new.name,
            "role": new.role.value,
            "cpo_id": cpo_id,
            "locale": new.locale.value,
            "password_hash": await self._passwords.hash(new.password),
        }
        try:
            rows = await self._database.insert("users", [row], scope=caller.scope, columns=User.columns())
        except Conflict as error:
            raise Conflict("A user with this e-mail address exists already.", code="user_exists") from error
        user = User.model_validate(rows[0])
        await self._note(caller, "user.create", user, after=user.model_dump(mode="json"))
        return user

    async def update(self, caller: Caller, user_id: str, changes: Mapping[str, Any]) -> User:
        """Changes `name`, `locale`, `active` or `password`. A user who is made inactive is logged out.

        Raises NotFound (`user_not_found`), Forbidden (`role_forbidden`) for a user whose role the caller
        could not give, Conflict (`own_user_in_use`) when callers lock themselves out.
        """
        before = await self.get(caller.scope, user_id)
        may_give(caller, before.role)
        if changes.get("active") is False and user_id == caller.scope.user_id:
            raise Conflict("You cannot deactivate yourself.", code="own_user_in_use")
        values = {key: value for key, value in changes.items() if key != "password"}
        if "password" in changes:
            _long_enough(changes["password"])
            values["password_hash"] = await self._passwords.hash(changes["password"])
        where = [("id", "eq", user_id), *own_rows(caller.scope)]
        rows = await self._database.update(
            "users", {**values, "updated_at": "now"}, scope=caller.scope, where=where, columns=User.columns()
        )
        after = User.model_validate(rows[0])
        if "password" in changes or not after.active:
            await self._end_logins(user_id)
        await self._note(
            caller,
            "user.update",
            after,
            before=before.model_dump(mode="json"),
            after=after.model_dump(mode="json"),
        )
        return after

    async def _end_logins(self, user_id: str) -> None:
        where = [("user_id", "eq", user_id)]
        await self._database.delete("refresh_tokens", scope=SYSTEM, where=where, columns="family")

    async def _note(self, caller: Caller, action: str, user: User, **values: Mapping[str, Any]) -> None:
        await self._audit.record(caller, action, "user", user.id, cpo_id=user.cpo_id, **values)


def may_give(caller: Caller, role: str) -> None:
    """Raises Forbidden (`role_forbidden`) unless the caller may give `role`; the platform itself may."""
    if not caller.scope.is_system and not may_grant(caller.scope.role, role):
        raise Forbidden(f"Your role may not give or change the role {role}.", code="role_forbidden")


async def cpo_for_role(cpos: Cpos, scope: Scope, role: str, cpo_id: str | None) -> str | None:
    """The CPO of a new holder of `role`: named, or the caller's own; None for the EMSV's roles.

    Raises NotFound (`cpo_not_found`) and InvalidInput (`cpo_required`, `cpo_not_allowed`).
    """
    if not belongs_to_cpo(role):
        if cpo_id is not None:
            raise _misfit("cpo_not_allowed", f"The role {role} belongs to the EMSV, not to a CPO.")
        return None
    chosen = cpo_id or scope.cpo_id
    if chosen is None:
        raise _misfit("cpo_required", f"The role {role} belongs to a CPO; say which.")
    return (await cpos.get(scope, chosen)).id


def _long_enough(password: str) -> None:
    if len(password) < MIN_PASSWORD_LENGTH:
        detail = f"A password has {MIN_PASSWORD_LENGTH} characters or more."
        raise InvalidInput(detail, code="password_too_short", members=[("password", detail)])


def _misfit(code: str, detail: str) -> InvalidInput:
    return InvalidInput(detail, code=code, members=[("cpo_id", detail)])
