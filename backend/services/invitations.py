"""Invitations: how people come to the platform. A link by e-mail, good once and for a week."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote
from uuid import uuid4

from pydantic import Field

from backend.database import Database, Row
from backend.domain.caller import Caller, Visitor
from backend.domain.errors import Conflict, InvalidInput, NotFound
from backend.domain.lockout import Proof
from backend.domain.roles import belongs_to_cpo
from backend.domain.scope import SYSTEM, Scope
from backend.services.attempts import Attempts
from backend.services.cpos import Cpos
from backend.services.dossiers import Screens
from backend.services.mails import Mails
from backend.services.passwords import Passwords, check_strength
from backend.services.records import Page, PageRequest, Record, own_rows, select_page
from backend.services.users import STAFF, Locale, UserRole, cpo_for_role, may_empower, may_give

INVITATION_LIFETIME: Final = timedelta(days=7)


class Invitation(Record):
    """Somebody who may come; without the link that was mailed."""

    id: str = Field(description="Identifier (UUID).")
    cpo_id: str | None = Field(description="CPO they are invited to; null for EMSV staff and drivers.")
    driver_id: str | None = Field(description="The driver whose login it makes; null for everybody else.")
    email: str = Field(description="Address that the invitation was mailed to.")
    name: str = Field(description="Name of the person.")
    role: UserRole = Field(description="What they may do once they have come.")
    locale: Locale = Field(description="Language of the mail and of the screens: `id` or `en`.")
    invited_by_name: str | None = Field(description="Who invited them.")
    created_at: datetime = Field(description="When (UTC).")
    expires_at: datetime = Field(description="Until when the link is good (UTC).")
    accepted_at: datetime | None = Field(description="When they came (UTC).")
    revoked_at: datetime | None = Field(description="When it was withdrawn or replaced (UTC).")


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """Whom to invite. `cpo_id` None: to the inviter's own CPO, or the EMSV. `driver_id` with the role `driver`."""

    email: str
    name: str
    role: UserRole
    cpo_id: str | None = None
    locale: Locale = Locale.INDONESIAN
    driver_id: str | None = None


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """What an invited person is shown before they accept."""

    email: str
    name: str
    role: UserRole
    cpo_name: str | None


class Invitations:
    """Invites, lists, withdraws, and lets the invited in. `now` is the clock (UTC)."""

    def __init__(
        self,
        database: Database,
        cpos: Cpos,
        passwords: Passwords,
        attempts: Attempts,
        mails: Mails,
        screens: Screens,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._cpos = cpos
        self._passwords = passwords
        self._attempts = attempts
        self._mails = mails
        self._screens = screens
        self._now = now

    async def list(self, scope: Scope, page: PageRequest, *, driver_id: str | None = None) -> Page[Invitation]:
        """Newest first, those that ended included: of people who work here, or of one driver."""
        whose = ("driver_id", "eq", driver_id) if driver_id else STAFF
        return await select_page(
            self._database, "invitations", Invitation, page, scope=scope, where=[whose, *own_rows(scope)],
            order=[("created_at", "desc"), ("id", "desc")],
        )  # fmt: skip

    async def get(self, scope: Scope, invitation_id: str) -> Invitation:
        """One of them. Raises NotFound (`invitation_not_found`)."""
        where = [("id", "eq", invitation_id), *own_rows(scope)]
        rows = await self._database.select(
            "invitations", scope=scope, columns=Invitation.columns(), where=where, limit=1
        )
        if not rows:
            raise _not_found()
        return Invitation.model_validate(rows[0])

    async def invite(self, caller: Caller, new: NewInvitation) -> Invitation:
        """Mails a link. An open invitation of the same address to the same place, or of the same driver, is replaced.

        Whether the address has a login elsewhere is not told: its owner learns it who follows the link. Raises
        Forbidden (`role_forbidden`, `scope_forbidden`), NotFound (`cpo_not_found`, `driver_not_found`), InvalidInput
        (`cpo_required`, `cpo_not_allowed`, `driver_required`, `driver_not_allowed`), Conflict (`driver_login_exists`;
        `user_exists` for somebody whom the inviter sees already).
        """
        may_empower(caller, new.role)
        _check_driver(new)
        cpo_id = await cpo_for_role(self._cpos, caller.scope, new.role, new.cpo_id)
        email = new.email.strip().lower()
        if await self._database.select(
            "users", scope=caller.scope, columns="id", where=[("email", "eq", email)], limit=1
        ):
            raise Conflict("A user with this e-mail address exists already.", code="user_exists")
        token, invitation_id = secrets.token_urlsafe(32), str(uuid4())
        home = self._screens.cpo if belongs_to_cpo(new.role) else self._screens.emsv
        values = {
            "name": new.name,
            "inviter": caller.name,
            "place": await self._place(cpo_id),
            "link": f"{home}/auth/invitation?token={quote(token)}",
            "days": str(INVITATION_LIFETIME.days),
        }
        row = {
            "id": invitation_id,
            "cpo_id": cpo_id,
            "driver_id": new.driver_id,
            "email": email,
            "name": new.name,
            "role": new.role.value,
            "locale": new.locale.value,
            "token_hash": _hash(token),
            "invited_by": caller.scope.user_id,
            "invited_by_name": caller.name,
            "expires_at": (self._now() + INVITATION_LIFETIME).isoformat(),
        }
        template = "driver_invitation" if new.driver_id else "invitation"
        mail = self._mails.prepared(to=email, template=template, language=new.locale.value, values=values)
        await self._database.call("invite", {"p_invitation": row, "p_mail": mail}, scope=caller.as_platform)
        return await self.get(SYSTEM, invitation_id)

    async def revoke(self, caller: Caller, invitation_id: str) -> None:
        """Withdraws one; repeating changes nothing. Raises NotFound, Forbidden (`role_forbidden`)."""
        found = await self.get(caller.scope, invitation_id)
        may_give(caller, found.role)
        where = [("id", "eq", invitation_id), ("accepted_at", "is", None), ("revoked_at", "is", None)]
        await self._database.update(
            "invitations", {"revoked_at": "now"}, scope=caller.as_platform, where=where, columns="id"
        )

    async def look(self, token: str, visitor: Visitor) -> OpenInvitation:
        """What a link leads to. Raises NotFound (`invitation_not_found`), TooManyAttempts."""
        row = await self._open(token, visitor)
        place = (await self._cpos.get(SYSTEM, row["cpo_id"])).name if row["cpo_id"] else None
        return OpenInvitation(row["email"], row["name"], UserRole(row["role"]), place)

    async def accept(self, token: str, name: str, password: str, visitor: Visitor) -> str:
        """Makes the user, an invited driver's joined with the driver, and returns its id.

        Raises NotFound (`invitation_not_found`), Conflict (`user_exists`, `driver_login_exists`), InvalidInput
        (`password_too_short`, `password_weak`), TooManyAttempts.
        """
        row = await self._open(token, visitor)
        await check_strength(password, row["email"], name)
        arguments = {
            "p_token_hash": _hash(token),
            "p_name": name,
            "p_password_hash": await self._passwords.hash(password),
            "p_now": self._now().isoformat(),
        }
        holder = Caller(SYSTEM, "holder of an invitation", address=visitor.address)
        user_id: str = await self._database.call("accept_invitation", arguments, scope=holder.as_platform)
        return user_id

    async def _open(self, token: str, visitor: Visitor) -> Row:
        """The open invitation of a token; wrong ones are counted by address, though 256 bits are not guessed."""
        counted = await self._attempts.begin(Proof.INVITATION, "", visitor.address, known=True)
        columns = "cpo_id,email,name,role"
        where = [
            ("token_hash", "eq", _hash(token)),
            ("accepted_at", "is", None),
            ("revoked_at", "is", None),
            ("expires_at", "gt", self._now().isoformat()),
        ]
        rows = await self._database.select("invitations", scope=SYSTEM, columns=columns, where=where, limit=1)
        if not rows:
            raise _not_found()
        await self._attempts.succeeded(counted)
        return rows[0]

    async def _place(self, cpo_id: str | None) -> str:
        return (await self._cpos.get(SYSTEM, cpo_id)).name if cpo_id else "EMSV"


def _check_driver(new: NewInvitation) -> None:
    """The role `driver` is that of one driver, who is named; no other role is."""
    is_driver = new.role is UserRole.DRIVER
    if is_driver is (new.driver_id is not None):
        return
    detail = "Say which driver gets the login." if is_driver else f"The role {new.role} is not that of a driver."
    code = "driver_required" if is_driver else "driver_not_allowed"
    raise InvalidInput(detail, code=code, members=[("driver_id", detail)])


def _not_found() -> NotFound:
    return NotFound("The invitation has expired, was used or withdrawn.", code="invitation_not_found")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
