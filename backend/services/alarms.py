"""Alarms: what somebody should look at, one open row for each kind of trouble with a charger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from backend.database import SYSTEM, Database
from backend.domain.scope import Scope
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page

KEPT_DAYS = 90
"""How long a closed alarm can be read."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Something was seen `count` times by `at`. Without a charger's identity the address tells who it was.

    `quiet_s`: the alarm closes when nothing was seen for so long; None: whoever opened it closes it.
    """

    kind: str
    charger_id: str | None
    remote_address: str | None
    count: int
    at: datetime
    detail: dict[str, Any]
    quiet_s: int | None


class Alarm(Record):
    """Trouble with a charger, from its first to its last sighting."""

    id: str = Field(description="Identifier of the alarm.")
    cpo_id: str | None = Field(description="CPO of the charger; null: no registered charger, so EMSV's.")
    kind: str = Field(
        description="What is wrong: `flooding` (more messages than a charger may send), `malformed` (frames that are "
        "no OCPP), `oversized` (frames beyond 1 MiB), `not_reading` (takes no answers), `silent` (connected, but "
        "nothing comes), `reconnecting` (connects again and again), `dawdling` (connects without asking for anything), "
        "`tls_refused` (TLS fails; `detail.reason`: `certificate_…` as in a charger's refusals, `tls_version`, "
        "`tls_suites` (none in common), `platform_untrusted` (it does not accept the platform's certificate), "
        "`tls_left` (it broke off), `not_tls`; `detail.claimed`: the name in its certificate), "
        "`certificate_ends` (a charger's own certificate) and `server_certificate_ends` (the TLS port's, or one above "
        "it): within 21 days, then within 7, then over (`detail.within_days` 21, 7, 0; `detail.not_after` in UTC), "
        "`event_given_up` (the platform could not react to an event; `detail.topic`, `detail.event_id`). "
        "More kinds will come."
    )
    charger_id: str | None = Field(description="The charger; null if it did not say who it is.")
    remote_address: str | None = Field(description="IP address, where no charger is known.")
    opened_at: datetime = Field(description="First sighting (UTC).")
    last_seen_at: datetime = Field(description="Latest sighting (UTC).")
    count: int = Field(description="Number of sightings.")
    detail: dict[str, Any] = Field(description="More, by kind; `node`: the OCPP server that saw it.")
    closed_at: datetime | None = Field(description="When it ended (UTC); null while it is open.")


class Alarms:
    """Raises alarms for the platform, reads them in the caller's scope."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, scope: Scope, page: PageRequest, *, open_only: bool, charger_id: str | None, kind: str | None
    ) -> Page[Alarm]:
        """Newest first."""
        where = [*own_rows(scope), *given(("charger_id", "eq", charger_id), ("kind", "eq", kind))]
        if open_only:
            where.append(("closed_at", "is", None))
        order = [("opened_at", "desc"), ("id", "desc")]
        return await select_page(self._database, "alarms", Alarm, page, scope=scope, where=where, order=order)

    async def report(self, sightings: Sequence[Sighting], report_id: UUID) -> None:
        """Opens alarms or counts on in open ones. The same `report_id` again changes nothing.

        Raises DatabaseUnavailable.
        """
        rows = [{**asdict(one), "at": one.at.isoformat()} for one in sightings]
        await self._database.call("raise_alarms", {"p_rows": rows, "p_report": str(report_id)}, scope=SYSTEM)

    async def close_quiet(self) -> int:
        """Closes alarms whose trouble has ended; returns how many."""
        closed: int = await self._database.call("close_quiet_alarms", {"p_keep_days": KEPT_DAYS}, scope=SYSTEM)
        return closed
