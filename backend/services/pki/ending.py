"""Certificates that end: told in time, as alarms, and listed."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from pydantic import Field

from backend.database import SYSTEM, Database
from backend.domain.scope import Scope
from backend.services.records import Page, PageRequest, Record, own_rows, select_page

EARLY_DAYS: Final = 21
"""So many days before the end people are told: nine days after the platform began to ask the charger for a new one."""
LATE_DAYS: Final = 7
"""Then again."""


class CertificateEnd(Record):
    """When a charger's own certificate ends."""

    id: str = Field(description="Identifier of the certificate (UUID).")
    cpo_id: str | None = Field(description="CPO of the charger.")
    charger_id: str = Field(description="OCPP identity of the charger.")
    security_profile: int = Field(description="Its security profile; at 3 it is locked out when the certificate ends.")
    serial_number: str = Field(description="Serial number, hexadecimal without leading zeros.")
    not_after: datetime = Field(description="Valid until (UTC).")
    last_used_at: datetime | None = Field(description="Last connection with it (UTC, to the hour).")
    renewal_asked_at: datetime | None = Field(description="When the platform last asked for its renewal (UTC).")


class Ending:
    """Tells of ends: a duty of the clock, which may run any number of times, and a list."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def watch(self) -> int:
        """Opens, counts on and closes the alarms `certificate_ends` (a charger's own) and `server_certificate_ends`
        (the TLS port's); returns how many changed."""
        arguments = {"p_early_days": EARLY_DAYS, "p_late_days": LATE_DAYS}
        changed: int = await self._database.call("watch_certificates", arguments, scope=SYSTEM)
        return changed

    async def soonest(self, scope: Scope, page: PageRequest) -> Page[CertificateEnd]:
        """Of each charger the certificate that it has; those first that end soonest, or have ended."""
        order = [("not_after", "asc"), ("id", "asc")]
        return await select_page(
            self._database, "certificate_ends", CertificateEnd, page, scope=scope, where=own_rows(scope), order=order
        )
