"""What a dashboard shows at a glance."""

from __future__ import annotations

import datetime as dt

from pydantic import Field

from backend.database import Database
from backend.domain.scope import Scope
from backend.services.connectors import ConnectorState
from backend.services.records import Record


class ChargerCounts(Record):
    """Approved chargers."""

    total: int = Field(description="Chargers that were approved.")
    connected: int = Field(description="Those whose connection is up.")


class SessionCounts(Record):
    """Sessions now and today; a day is that of each station's own time zone."""

    active: int = Field(description="Sessions that run now.")
    started_today: int = Field(description="Sessions begun today.")
    ended_today: int = Field(description="Sessions ended today, those held for review among them.")
    held: int = Field(description="Sessions that wait for a person's review now, of whatever day.")


class LogHealth(Record):
    """State of the OCPP message log."""

    dropped_total: int = Field(description="Log entries dropped under pressure since the servers started.")


class StationLoad(Record):
    """A station on the map."""

    id: str = Field(description="Identifier of the station (UUID).")
    name: str = Field(description="Name of the station.")
    city: str | None = Field(description="City or regency.")
    province: str | None = Field(description="Province.")
    latitude: float | None = Field(description="Latitude in degrees, WGS 84.")
    longitude: float | None = Field(description="Longitude in degrees, WGS 84.")
    timezone: str = Field(description="IANA time zone.")
    connectors: dict[ConnectorState, int] = Field(description="Connectors by state.")
    power_w: float = Field(description="Power delivered now, in W.")


class Overview(Record):
    """Counts of now and today."""

    as_of: dt.datetime = Field(description="When this was counted (UTC).")
    connectors: dict[ConnectorState, int] = Field(description="Connectors by state; absent states have none.")
    chargers: ChargerCounts = Field(description="Approved chargers.")
    sessions: SessionCounts = Field(description="Sessions now and today.")
    energy_today_wh: float = Field(
        description="Energy of sessions ended today and of those that run, in Wh; without those held for review."
    )
    energy_held_today_wh: float = Field(
        description="Energy of today's sessions that are held or not checked yet, in Wh."
    )
    power_now_w: float = Field(description="Power delivered now by connected chargers, in W.")
    log: LogHealth = Field(description="State of the OCPP message log.")
    stations: list[StationLoad] = Field(
        description="Stations with their connectors by state, by name; empty if not wanted."
    )


class DayEnergy(Record):
    """One closed or running day."""

    day: dt.date = Field(description="Day, in the time zone of each station.")
    energy_wh: float = Field(description="Energy that may be billed of sessions that ended on the day, in Wh.")
    sessions: int = Field(description="Sessions that ended on the day and may be billed.")
    held_energy_wh: float = Field(description="Energy by the meter of those that are held or not checked yet, in Wh.")
    held_sessions: int = Field(description="Sessions of the day that are held for review or not checked yet.")


class Analytics:
    """Reads overviews of one CPO, or of the nation for EMSV people."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def dashboard(self, scope: Scope, *, stations: bool = True) -> Overview:
        """Counts of now and today; the list of stations only if wanted, since it grows with the fleet."""
        arguments = {"p_cpo_id": scope.cpo_id, "p_stations": stations}
        answer = await self._database.call("dashboard_overview", arguments, scope=scope)
        return Overview.model_validate(answer)

    async def energy(self, scope: Scope, days: int) -> list[DayEnergy]:
        """Energy and sessions of the last `days` days, oldest first, today included."""
        arguments = {"p_cpo_id": scope.cpo_id, "p_days": days}
        answer = await self._database.call("daily_energy", arguments, scope=scope)
        return [DayEnergy.model_validate(item) for item in answer]
