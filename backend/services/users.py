"""People who log in: EMSV and CPO staff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import Field

from backend.database import Condition, Database
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from backend.domain.roles import House, belongs_to_cpo, house_of, may_grant, permissions_of
from backend.domain.scope import Scope
from backend.services.cpos import Cpos
from backend.services.passwords import Passwords, check_strength
from backend.services.records import Page, PageRequest, Record, own_rows, select_page
from backend.services.second_factor import SecondFactor


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


STAFF: Final[Condition] = ("role", "neq", UserRole.DRIVER.value)
"""Of users and of invitations: those of people who work here."""


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
    second_factor: bool = Field(description="Whether a second factor is enrolled.")
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

    def __init__(self, database: Database, cpos: Cpos, passwords: Passwords, second_factor: SecondFactor) -> None:
        self._database = database
        self._cpos = cpos
        self._passwords = passwords
        self._second_factor = second_factor

    async def list(self, scope: Scope, page: PageRequest) -> Page[User]:
        """By e-mail address; of those who work here, not of drivers."""
        return await select_page(
            self._database, "users", User, page, scope=scope, where=[STAFF, *own_rows(scope)],
            order=[("email", "asc"), ("id", "asc")],
        )  # fmt: skip

    async def get(self, scope: Scope, user_id: str) -> User:
        """One user. Raises NotFound (`user_not_found`)."""
        where = [("id", "eq", user_id), *own_rows(scope)]
        rows = await self._database.select("users", scope=scope, columns=User.columns(), where=where, limit=1)
        if not rows:
            raise NotFound("There is no such user.", code="user_not_found")
        return User.model_validate(rows[0])

    async def create(self, caller: Caller, new: NewUser) -> User:
        """Creates a user.

        Raises Forbidden (`role_forbidden`, `scope_forbidden`) for a role the caller may not give, NotFound
        (`cpo_not_found`), InvalidInput (`cpo_required`, `cpo_not_allowed`) if role and CPO do not fit, InvalidInput
        (`driver_required`) for the role `driver`, InvalidInput (`password_too_short`, `password_weak`), Conflict
        (`user_exists`).
        """
        may_empower(caller, new.role)
        if new.role is UserRole.DRIVER:
            raise InvalidInput("A driver gets a login by invitation.", code="driver_required")
        await check_strength(new.password, new.email, new.name)
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
        return User.model_validate(rows[0])

    async def update(self, caller: Caller, user_id: str, changes: Mapping[str, Any]) -> User:
        """Changes `name`, `locale`, `role`, `active` or `password`; all but the first two end the user's logins.

        Raises NotFound (`user_not_found`), Forbidden (`role_forbidden`, `scope_forbidden`) for a role that the caller
        could not give, InvalidInput (`cpo_required`, `cpo_not_allowed`, `driver_required`, `password_weak`), Conflict
        (`own_user_in_use`) when callers lock themselves out, or replace their own password without the present one.
        """
        before = await self.get(caller.scope, user_id)
        may_empower(caller, before.role)
        _not_oneself(caller, before.id, changes)
        if "role" in changes:
            may_empower(caller, changes["role"])
            _same_home(before, changes["role"])
        values = {key: value for key, value in changes.items() if key != "password"}
        if "password" in changes:
            await check_strength(changes["password"], before.email, before.name)
            values["password_hash"] = await self._passwords.hash(changes["password"])
        where = [("id", "eq", user_id), *own_rows(caller.scope)]
        rows = await self._database.update(
            "users", {**values, "updated_at": "now"}, scope=caller.scope, where=where, columns=User.columns()
        )
        return User.model_validate(rows[0])

    async def reset_second_factor(self, caller: Caller, user_id: str) -> None:
        """Takes the second factor of somebody who lost it away; their logins end.

        Raises NotFound (`user_not_found`), Forbidden (`role_forbidden`, `scope_forbidden`), Conflict
        (`own_user_in_use`).
        """
        user = await self.get(caller.scope, user_id)
        may_empower(caller, user.role)
        if user.id == caller.scope.user_id:
            raise Conflict("Your own second factor goes with a code of it.", code="own_user_in_use")
        await self._second_factor.reset(caller, user_id)


def may_give(caller: Caller, role: str) -> None:
    """Raises Forbidden (`role_forbidden`) unless the caller may give `role`; the platform itself may."""
    if not caller.scope.is_system and not may_grant(caller.scope.role, role):
        raise Forbidden(f"Your role may not give or change the role {role}.", code="role_forbidden")


def may_empower(caller: Caller, role: str) -> None:
    """As `may_give`, for people: who holds a key that is narrowed to scopes could log in as whom they make or change.

    Raises Forbidden (`role_forbidden`, `scope_forbidden`).
    """
    may_give(caller, role)
    scopes = caller.scope.permissions
    if scopes is not None and not scopes >= set(permissions_of(role)):
        raise Forbidden("A key that is narrowed to scopes touches nobody who may do more.", code="scope_forbidden")


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


def _not_oneself(caller: Caller, user_id: str, changes: Mapping[str, Any]) -> None:
    if user_id != caller.scope.user_id:
        return
    if changes.get("active") is False or "role" in changes:
        raise Conflict("You cannot deactivate yourself or change your own role.", code="own_user_in_use")
    if "password" in changes:  # who holds only a token must not keep the account by it
        raise Conflict("Your own password is changed with the present one.", code="own_user_in_use")


def _same_home(user: User, role: str) -> None:
    """Nobody moves between a CPO and the EMSV by a change of role, nor becomes a driver or ceases to be one."""
    if house_of(role) is not house_of(user.role) and House.DRIVER in (house_of(role), house_of(user.role)):
        raise InvalidInput("A driver's login is a driver's, and nobody else's becomes one.", code="driver_required")
    if belongs_to_cpo(role) and user.cpo_id is None:
        raise _misfit("cpo_required", f"The role {role} belongs to a CPO; make a user there.")
    if not belongs_to_cpo(role) and user.cpo_id is not None:
        raise _misfit("cpo_not_allowed", f"The role {role} does not belong to a CPO.")


def _misfit(code: str, detail: str) -> InvalidInput:
    return InvalidInput(detail, code=code, members=[("cpo_id", detail)])
