"""Connectors: what a driver plugs into, and what happens there now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from backend.database import Database
from backend.domain.scope import Scope
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page, within


class ConnectorState(StrEnum):
    """What to show for a connector; a lost connection overrides the last reported status."""

    OFFLINE = "offline"
    AVAILABLE = "available"
    PREPARING = "preparing"
    CHARGING = "charging"
    SUSPENDED = "suspended"
    FINISHING = "finishing"
    RESERVED = "reserved"
    UNAVAILABLE = "unavailable"
    FAULTED = "faulted"
    UNKNOWN = "unknown"


class Connector(Record):
    """A connector with its live state and, while one runs, its session."""

    charger_id: str = Field(description="OCPP identity of the charger.")
    evse_id: int = Field(description="EVSE number; OCPP 1.6 connectorId n is EVSE n.")
    connector_id: int = Field(description="Connector number within the EVSE.")
    cpo_id: str | None = Field(description="CPO that runs the charger; null while it waits for approval.")
    station_id: str | None = Field(description="Station the charger stands at.")
    station_name: str | None = Field(description="Name of the station.")
    station_timezone: str | None = Field(description="IANA time zone of the station.")
    charger_name: str | None = Field(description="Name of the charger.")
    current_type: str | None = Field(description="`AC` or `DC`.")
    rated_power_w: int | None = Field(description="Rated power of the charger in W.")
    connected: bool = Field(description="Whether the charger's connection is up.")
    last_seen_at: datetime | None = Field(description="When the charger last sent anything (UTC).")
    status: str | None = Field(description="Last status the charger reported, in the words of OCPP.")
    error_code: str | None = Field(description="Last error code the charger reported; `NoError` if none.")
    error_info: str | None = Field(description="The charger's free text about the error.")
    vendor_error_code: str | None = Field(description="The vendor's own error code.")
    status_at: datetime | None = Field(description="When the status was reported (UTC).")
    state: ConnectorState = Field(description="What to show: the status, or `offline` without connection.")
    charger_status: str | None = Field(description="Last status of the charger as a whole (connector 0).")
    charger_error_code: str | None = Field(description="Last error code of the charger as a whole.")
    charger_error_info: str | None = Field(description="The charger's free text about that error.")
    charger_status_at: datetime | None = Field(description="When that was reported (UTC).")
    session_id: str | None = Field(description="Session that runs on the connector.")
    transaction_id: int | None = Field(description="OCPP 1.6 number of that session.")
    id_token: str | None = Field(description="Id token of that session.")
    started_at: datetime | None = Field(description="When that session began (UTC).")
    power_w: float | None = Field(description="Last reported power of that session in W.")
    energy_wh: float | None = Field(description="Energy delivered in that session so far, in Wh.")
    soc_percent: float | None = Field(description="Last reported state of charge of the car in percent.")
    last_reading_at: datetime | None = Field(description="When the last reading of that session was taken (UTC).")


class Connectors:
    """Reads connectors in the caller's scope."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self,
        scope: Scope,
        page: PageRequest,
        *,
        station_ids: Sequence[str] | None = None,
        charger_id: str | None = None,
        states: Sequence[ConnectorState] | None = None,
        text: str | None = None,
    ) -> Page[Connector]:
        """By charger, EVSE and connector number."""
        where = [
            *own_rows(scope),
            *given(
                ("station_id", "in", station_ids),
                ("charger_id", "eq", charger_id),
                ("state", "in", states),
                ("search_text", "ilike", within(text)),
            ),
        ]
        order = [("charger_id", "asc"), ("evse_id", "asc"), ("connector_id", "asc")]
        return await select_page(
            self._database, "connector_live", Connector, page, scope=scope, where=where, order=order
        )
