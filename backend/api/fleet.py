"""A fleet as a whole: live stations in pages, the map, the operators' figures."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from backend.api.bodies import Uuid
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.connectors import ConnectorState
from backend.services.fleet import FleetFilter, MapStation, OperatorFigures, StationLive

router = APIRouter(prefix="/api", tags=["fleet"])
StationReader = Annotated[Caller, Depends(allow(Permission.STATIONS_READ))]
Analyst = Annotated[Caller, Depends(allow(Permission.ANALYTICS_READ))]


class StationMap(BaseModel):
    """Stations on the map."""

    items: list[MapStation] = Field(description="Stations that have coordinates, by name.")


class Operators(BaseModel):
    """Figures of CPOs."""

    items: list[OperatorFigures] = Field(description="One row per CPO, by name.")


@router.get("/stations/live", summary="List stations with live counts")
async def list_live_stations(
    services: Services,
    caller: StationReader,
    page: Annotated[Paging, Depends()],
    q: Annotated[
        str | None, Query(max_length=100, description="Part of a name or place, or of what a charger there bears.")
    ] = None,
    state: Annotated[ConnectorState | None, Query(description="Only with a connector in this state.")] = None,
    station_id: Annotated[Uuid | None, Query(description="Only this station.")] = None,
) -> ItemList[StationLive]:
    """By name: chargers and connectors counted, power summed. Read the connectors of a station when it is opened."""
    return page.answer(await services.fleet.stations(caller.scope, page.request, FleetFilter(station_id, q, state)))


@router.get("/analytics/map", summary="Read the station map")
async def read_map(services: Services, caller: Analyst) -> StationMap:
    """Place and worst state of every station: of your CPO, or of the nation for EMSV staff."""
    return StationMap(items=await services.fleet.map(caller.scope))


@router.get("/analytics/operators", summary="Read the operators' figures")
async def read_operators(services: Services, caller: Analyst) -> Operators:
    """Stations, connectors by state and power of each CPO you may see."""
    return Operators(items=await services.fleet.operators(caller.scope))
