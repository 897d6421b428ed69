"""A charger's security: profile, password, and what happened around them (security whitepaper edition 3)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, Field

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.configuration import HIDDEN
from backend.domain.errors import Conflict, NotFound
from backend.domain.scope import Scope
from backend.services.chargers import Chargers
from backend.services.commands import Command, Commands, Delivery
from backend.services.pki.certificates import Certificate, Certificates
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page

_LAST_EVENTS: Final = 20
_BY_HAND_BYTES: Final = 20


class WantedState(StrEnum):
    """How a change of profile fares."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FAILED = "failed"
    TIMED_OUT = "timed_out"


class EventSource(StrEnum):
    """Who tells."""

    CHARGER = "charger"
    PLATFORM = "platform"


class SecurityEvent(Record):
    """Something that matters for security."""

    id: int = Field(description="Number; the newest has the highest.")
    cpo_id: str | None = Field(description="CPO of the charger.")
    charger_id: str = Field(description="OCPP identity of the charger.")
    source: EventSource = Field(description="`charger` (SecurityEventNotification) or `platform`.")
    type: str = Field(description="Kind of event, in the words of the security whitepaper or the platform's own.")
    tech_info: str | None = Field(description="More, as it was told.")
    critical: bool = Field(description="Whether the whitepaper's list calls it critical.")
    happened_at: datetime = Field(description="When it happened by the charger's clock (UTC).")
    received_at: datetime = Field(description="When the platform learnt of it (UTC).")


class PendingPassword(BaseModel):
    """A password on its way; valid beside the present one until the charger uses one of them."""

    command_id: str = Field(description="Command that brings it.")
    sent_at: datetime = Field(description="When it left (UTC).")
    accepted_at: datetime | None = Field(description="When the charger accepted it (UTC); null if its answer was lost.")


class Obstacles(BaseModel):
    """What is missing for each profile: `password`, `tls`, `root_certificate`, `client_certificate`."""

    profile_1: list[str] = Field(alias="1", serialization_alias="profile_1", description="For Basic authentication.")
    profile_2: list[str] = Field(alias="2", serialization_alias="profile_2", description="For TLS with password.")
    profile_3: list[str] = Field(alias="3", serialization_alias="profile_3", description="For TLS with certificate.")


class Refusal(BaseModel):
    """Handshakes that were refused for one reason. Those that failed within TLS are the charger's if its name stands in
    the certificate that was shown."""

    reason: str = Field(
        description="`password` (wrong or missing), `tls` (came without), `certificate` (missing), "
        "`certificate_other_name`, `certificate_unknown`, `certificate_revoked`, `certificate_expired`, "
        "`certificate_early` (not valid yet), `certificate_untrusted` (of another authority), `certificate_unfit` (not "
        "made for clients, or otherwise wrong); or another reason of the alarm `tls_refused`."
    )
    refused_count: int = Field(description="How many.")
    first_at: datetime = Field(description="The first (UTC).")
    last_at: datetime = Field(description="The last (UTC).")
    last_address: str | None = Field(description="IP address of the last.")


class ChargerSecurity(BaseModel):
    """A charger's security, without any secret."""

    charger_id: str = Field(description="OCPP identity of the charger.")
    profile: int = Field(description="Least security profile that the charger is let in with: 0 none, 1 password, "
                                     "2 TLS and password, 3 TLS and client certificate.")  # fmt: skip
    connected_profile: int | None = Field(description="What its open connection proved; null when offline.")
    wanted_profile: int | None = Field(description="Profile that it was asked for and has not come with yet.")
    wanted_profile_state: WantedState | None = Field(description="How that fares.")
    wanted_profile_at: datetime | None = Field(description="Since when (UTC).")
    wanted_profile_command_id: str | None = Field(description="Command that asked for it.")
    obstacles: Obstacles = Field(description="What is missing for each profile.")
    has_password: bool = Field(description="Whether a Basic password is asked for.")
    password_changed_at: datetime | None = Field(description="Since when the present password is valid (UTC).")
    pending_passwords: list[PendingPassword] = Field(description="Passwords on their way, oldest first.")
    passwords_full: bool = Field(
        description="Whether so many are on their way that no further one can be sent before it has connected again."
    )
    refusals: list[Refusal] = Field(description="Refused handshakes, by reason.")
    certificates: list[Certificate] = Field(description="Its certificates, newest first.")
    events: list[SecurityEvent] = Field(description="The last security events, newest first; at most 20.")


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What to list; None does not filter."""

    charger_id: str | None = None
    critical: bool | None = None
    source: EventSource | None = None


class Security:
    """Reads and changes chargers' security in the caller's scope."""

    def __init__(self, database: Database, chargers: Chargers, commands: Commands, certificates: Certificates) -> None:
        self._database, self._chargers = database, chargers
        self._commands, self._certificates = commands, certificates

    async def get(self, scope: Scope, charger_id: str) -> ChargerSecurity:
        """Raises NotFound (`charger_not_found`), also for a foreign one."""
        row = await self._database.call("charger_security", {"p_charger_id": charger_id}, scope=scope)
        if row is None:
            raise NotFound("There is no such charger.", code="charger_not_found")
        certificates = await self._certificates.of_charger(scope, charger_id)
        events = await self.events(scope, PageRequest(_LAST_EVENTS), EventFilter(charger_id))
        return ChargerSecurity.model_validate({**row, "certificates": certificates, "events": events.items})

    async def rotate_password(self, caller: Caller, charger_id: str, delivery: Delivery) -> Command:
        """Lets the OCPP server make a new password and send it; nobody else ever knows it (whitepaper A01).

        Raises Conflict (`password_rotation_busy`) when so many are on their way that none can make room, and as
        `Commands.enqueue`.
        """
        security = await self.get(caller.scope, charger_id)
        if security.passwords_full:
            detail = "Too many new passwords are on their way since it last connected; restart it, or set one by hand."
            raise Conflict(detail, code="password_rotation_busy")
        payload = {"key": "AuthorizationKey", "value": HIDDEN}
        return await self._commands.enqueue(caller, charger_id, "ChangeConfiguration", payload, delivery)

    async def set_password(self, caller: Caller, charger_id: str, password: str | None) -> str:
        """Sets the password by hand, at once: the present one and those on their way end. Returns it, this once.

        Raises NotFound (`charger_not_found`).
        """
        chosen = password or secrets.token_hex(_BY_HAND_BYTES)
        await self._chargers.update(caller, charger_id, {"password": chosen})
        return chosen

    async def raise_profile(self, caller: Caller, charger_id: str, profile: int, delivery: Delivery) -> Command:
        """Asks the charger to use a higher profile. The present one stays good until it has come with the new one.

        Raises NotFound (`charger_not_found`), Conflict (`security_profile_conflict` when it is not higher,
        `security_profile_busy`, `precondition_conflict` naming what is missing), and as `Commands.enqueue`.
        """
        arguments = {
            "p_charger_id": charger_id,
            "p_profile": profile,
            "p_idempotency_key": delivery.idempotency_key or secrets.token_hex(16),
            "p_queue": delivery.queue,
            "p_expires_in_s": delivery.lifetime_s,
            "p_requested_by_name": caller.name,
        }
        command = Command.model_validate(
            await self._database.call("raise_security_profile", arguments, scope=caller.scope)
        )
        return command

    async def set_profile(self, caller: Caller, charger_id: str, profile: int) -> None:
        """Records the profile that the charger has already. Raises NotFound, Conflict (`security_profile_conflict`)."""
        await self._chargers.get(caller.scope, charger_id)
        arguments = {"p_charger_id": charger_id, "p_profile": profile}
        await self._database.call("set_security_profile", arguments, scope=caller.scope)

    async def events(self, scope: Scope, page: PageRequest, wanted: EventFilter) -> Page[SecurityEvent]:
        """Newest first."""
        where = [
            *own_rows(scope),
            *given(
                ("charger_id", "eq", wanted.charger_id),
                ("critical", "eq", wanted.critical),
                ("source", "eq", wanted.source),
            ),
        ]
        return await select_page(
            self._database, "security_events", SecurityEvent, page, scope=scope, where=where, order=[("id", "desc")]
        )
