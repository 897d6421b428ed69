"""A fleet as a whole: stations counted page by page, the map, and the operators' figures."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from backend.database import Database
from backend.domain.scope import Scope
from backend.services.connectors import ConnectorState
from backend.services.records import Page, PageRequest, Record, within


class StationLive(Record):
    """A station with its chargers and connectors counted."""

    id: str = Field(description="Identifier of the station (UUID).")
    cpo_id: str = Field(description="CPO that runs it.")
    name: str = Field(description="Name of the station.")
    city: str | None = Field(description="City or regency.")
    province: str | None = Field(description="Province.")
    timezone: str = Field(description="IANA time zone.")
    chargers: int = Field(description="Chargers that stand there.")
    chargers_connected: int = Field(description="Those whose connection is up.")
    connectors: dict[ConnectorState, int] = Field(description="Connectors by state; absent states have none.")
    power_w: float = Field(description="Power delivered now by connected chargers, in W.")


class MapStation(Record):
    """A station's place and look on the map."""

    id: str = Field(description="Identifier of the station (UUID).")
    name: str = Field(description="Name of the station.")
    city: str | None = Field(description="City or regency.")
    latitude: float = Field(description="Latitude in degrees, WGS 84.")
    longitude: float = Field(description="Longitude in degrees, WGS 84.")
    state: ConnectorState | None = Field(description="Worst state among its connectors; null without connectors.")


class OperatorFigures(Record):
    """What a CPO runs, counted."""

    cpo_id: str = Field(description="Identifier of the CPO (UUID).")
    stations: int = Field(description="Its stations.")
    connectors: dict[ConnectorState, int] = Field(description="Its connectors by state; absent states have none.")
    power_w: float = Field(description="Power delivered now by its connected chargers, in W.")


@dataclass(frozen=True, slots=True)
class FleetFilter:
    """What to list; None does not filter. `text` is looked for in the station and its chargers."""

    station_id: str | None = None
    text: str | None = None
    state: ConnectorState | None = None


class Fleet:
    """Counts in the caller's scope; nothing here grows faster than the page that is asked for, but the map."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stations(self, scope: Scope, page: PageRequest, wanted: FleetFilter) -> Page[StationLive]:
        """By name."""
        after_name, after_id = page.after or (None, None)
        arguments = {
            "p_cpo_id": scope.cpo_id,
            "p_station_id": wanted.station_id,
            "p_pattern": within(wanted.text),
            "p_state": wanted.state,
            "p_after_name": after_name,
            "p_after_id": after_id,
            "p_limit": page.limit + 1,
        }
        rows = await self._database.call("station_live", arguments, scope=scope)
        stations = [StationLive.model_validate(row) for row in rows[: page.limit]]
        if len(rows) <= page.limit:
            return Page(stations)
        return Page(stations, after=[stations[-1].name, stations[-1].id])

    async def map(self, scope: Scope) -> list[MapStation]:
        """Every station that has coordinates, by name."""
        rows = await self._database.call("station_map", {"p_cpo_id": scope.cpo_id}, scope=scope)
        return [MapStation.model_validate(row) for row in rows]

    async def operators(self, scope: Scope) -> list[OperatorFigures]:
        """Every CPO of the scope, by name."""
        rows = await self._database.call("operator_figures", scope=scope)
        return [OperatorFigures.model_validate(row) for row in rows]
