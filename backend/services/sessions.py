"""Charging sessions and their readings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pydantic import Field

from backend.database import Condition, Database
from backend.domain.errors import NotFound
from backend.domain.scope import Scope
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page

MAX_READINGS: Final = 1000


class BillingState(StrEnum):
    """What a session is to those who bill."""

    OPEN = "open"
    PENDING = "pending"
    OK = "ok"
    HELD = "held"
    APPROVED = "approved"
    CORRECTED = "corrected"
    VOID = "void"


class SessionOrder(StrEnum):
    """In which direction of time a list runs, by the begin of the sessions."""

    NEWEST = "newest"
    OLDEST = "oldest"


class Session(Record):
    """A charging session."""

    id: str = Field(description="Identifier (UUID).")
    transaction_id: int = Field(description="The number OCPP 1.6 knows the session by.")
    cpo_id: str | None = Field(description="CPO whose charger it was.")
    station_id: str | None = Field(description="Station.")
    station_name: str | None = Field(description="Name of the station.")
    station_timezone: str | None = Field(description="IANA time zone of the station.")
    charger_id: str = Field(description="OCPP identity of the charger.")
    evse_id: int = Field(description="EVSE number; OCPP 1.6 connectorId n is EVSE n.")
    connector_id: int = Field(description="Connector number within the EVSE.")
    id_token: str = Field(description="Id token that began the session.")
    protocol: str = Field(description="OCPP version the session was reported in.")
    started_at: datetime = Field(description="Begin, by the charger's clock if it can be believed (UTC).")
    stopped_at: datetime | None = Field(description="End (UTC); null while it runs.")
    open: bool = Field(description="True while the session runs.")
    duration_s: int = Field(description="Length so far, in seconds.")
    meter_start_wh: float = Field(description="Meter register at the begin, in Wh.")
    meter_stop_wh: float | None = Field(description="Meter register at the end, in Wh.")
    energy_wh: float | None = Field(description="Energy delivered so far, in Wh; null before the first reading.")
    last_power_w: float | None = Field(description="Last reported power in W.")
    last_soc_percent: float | None = Field(description="Last reported state of charge in percent.")
    last_reading_at: datetime | None = Field(description="When the last reading was taken (UTC).")
    stop_reason: str | None = Field(description="Why it ended, in the words of OCPP.")
    review_reasons: list[str] = Field(
        description="Why the session is not plausible; empty if it is, or was not checked yet."
    )
    plausibility: list[str] | None = Field(
        description="`ok` alone, or the reasons why not; null while the session runs or waits to be checked."
    )
    billing_state: BillingState = Field(
        description="`open` (runs), `pending` (ended, not checked yet), `ok`, `held` (waits for a decision), "
        "`approved`, `corrected` or `void`."
    )
    billable_energy_wh: float | None = Field(
        description="Energy that may be billed, in Wh; null while open, pending or held; 0 when void."
    )
    billable_started_at: datetime | None = Field(description="Begin that may be billed (UTC).")
    billable_stopped_at: datetime | None = Field(description="End that may be billed (UTC).")
    revision: int = Field(description="Rises with every fact or decision that touches the bill.")


class Reading(Record):
    """One normalised meter sample."""

    measured_at: datetime = Field(description="When it was measured, by the charger's clock (UTC).")
    context: str | None = Field(description="Occasion, in the words of OCPP, for example `Sample.Periodic`.")
    energy_wh: float | None = Field(description="Meter register in Wh.")
    power_w: float | None = Field(description="Power in W.")
    current_a: float | None = Field(description="Current in A.")
    voltage_v: float | None = Field(description="Voltage in V.")
    soc_percent: float | None = Field(description="State of charge of the car in percent.")
    temperature_c: float | None = Field(description="Temperature in °C.")


class SessionDetail(Session):
    """A session with its readings."""

    readings: list[Reading] = Field(
        description=f"Readings, oldest first; at most {MAX_READINGS}, thinned evenly if there are more."
    )
    readings_total: int = Field(description="How many readings are stored.")


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """What to list; None does not filter. `since` and `until` bound the begin (until is exclusive)."""

    station_id: str | None = None
    charger_id: str | None = None
    id_token: str | None = None
    open: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    billing_state: BillingState | None = None


class Sessions:
    """Reads sessions in the caller's scope."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self,
        scope: Scope,
        page: PageRequest,
        wanted: SessionFilter,
        *,
        order_by: SessionOrder = SessionOrder.NEWEST,
        count: bool = False,
    ) -> Page[Session]:
        """Newest or oldest first, by the begin. `count` adds how many the filter matches."""
        where = [*own_rows(scope), *_conditions(wanted)]
        direction = "desc" if order_by is SessionOrder.NEWEST else "asc"
        order = [("started_at", direction), ("id", direction)]
        found = await select_page(
            self._database, "session_details", Session, page, scope=scope, where=where, order=order
        )
        total = await self._count(scope, wanted) if count else None
        return Page(found.items, found.after, total)

    async def get(self, scope: Scope, session_id: str) -> Session:
        """One session. Raises NotFound (`session_not_found`), also for a foreign one."""
        return await self._one(scope, ("id", "eq", session_id))

    async def by_transaction(self, scope: Scope, transaction_id: int) -> Session:
        """The session that OCPP 1.6 knows by this number. Raises NotFound (`session_not_found`)."""
        return await self._one(scope, ("transaction_id", "eq", transaction_id))

    async def detail(self, scope: Scope, session_id: str) -> SessionDetail:
        """One session with its readings. Raises NotFound (`session_not_found`)."""
        session = await self.get(scope, session_id)
        readings = await self._database.call(
            "session_readings", {"p_session_id": session_id, "p_limit": MAX_READINGS}, scope=scope
        )
        return SessionDetail.model_validate(
            {**session.model_dump(), "readings": readings["items"], "readings_total": readings["total"]}
        )

    async def _one(self, scope: Scope, condition: Condition) -> Session:
        rows = await self._database.select(
            "session_details",
            scope=scope,
            columns=Session.columns(),
            where=[condition, *own_rows(scope)],
            limit=1,
        )
        if not rows:
            raise NotFound("There is no such session.", code="session_not_found")
        return Session.model_validate(rows[0])

    async def _count(self, scope: Scope, wanted: SessionFilter) -> int:
        arguments: dict[str, Any] = {
            "p_cpo_id": scope.cpo_id,
            "p_station_id": wanted.station_id,
            "p_charger_id": wanted.charger_id,
            "p_id_token": wanted.id_token,
            "p_open": wanted.open,
            "p_from": wanted.since.isoformat() if wanted.since else None,
            "p_to": wanted.until.isoformat() if wanted.until else None,
            "p_billing_state": wanted.billing_state,
        }
        return int(await self._database.call("count_sessions", arguments, scope=scope))


def _conditions(wanted: SessionFilter) -> list[Condition]:
    token = wanted.id_token.lower() if wanted.id_token else None
    return given(
        ("station_id", "eq", wanted.station_id),
        ("charger_id", "eq", wanted.charger_id),
        ("token_key", "eq", token),
        ("open", "eq", wanted.open),
        ("started_at", "gte", wanted.since),
        ("started_at", "lt", wanted.until),
        ("billing_state", "eq", wanted.billing_state),
    )
