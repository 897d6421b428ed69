"""Stations: the places where chargers stand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from backend.api.bodies import Body, Name, ShortText, TimeZone, Uuid, UuidPath, absent
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.stations import Station

router = APIRouter(prefix="/api/stations", tags=["stations"])
Reader = Annotated[Caller, Depends(allow(Permission.STATIONS_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.STATIONS_WRITE))]


class _Place(Body):
    address: ShortText | None = Field(default=None, description="Street address.")
    city: ShortText | None = Field(default=None, description="City or regency (kota, kabupaten).")
    province: ShortText | None = Field(default=None, description="Province.")
    latitude: Annotated[float, Field(ge=-90, le=90)] | None = Field(
        default=None, description="Latitude in degrees, WGS 84."
    )
    longitude: Annotated[float, Field(ge=-180, le=180)] | None = Field(
        default=None, description="Longitude in degrees, WGS 84."
    )
    site_type: ShortText | None = Field(default=None, description="Kind of place, for example `mall`.")


class NewStation(_Place):
    """A station to create."""

    cpo_id: Uuid | None = Field(default=None, description="CPO; needed from EMSV staff, else your own.")
    name: Name = Field(description="Name, unique within the CPO.")
    timezone: TimeZone = Field(default="Asia/Jakarta", description="IANA time zone; days close in it.")


class StationChanges(_Place):
    """What to change; members left out stay as they are."""

    name: Name = Field(default_factory=absent, description="Name, unique within the CPO.")
    timezone: TimeZone = Field(default_factory=absent, description="IANA time zone; days close in it.")


@router.get("", summary="List stations")
async def list_stations(
    services: Services,
    caller: Reader,
    page: Annotated[Paging, Depends()],
    cpo_id: Annotated[Uuid | None, Query(description="Only this CPO's.")] = None,
    province: Annotated[str | None, Query(max_length=200, description="Only in this province.")] = None,
    q: Annotated[str | None, Query(max_length=100, description="Part of the name, address, city or province.")] = None,
) -> ItemList[Station]:
    """By name."""
    found = await services.stations.list(caller.scope, page.request, cpo_id=cpo_id, province=province, text=q)
    return page.answer(found)


@router.post("", summary="Create a station", status_code=201, responses=responses(404, 409))
async def create_station(services: Services, caller: Writer, body: NewStation) -> Station:
    """Creates a station without chargers."""
    values = body.model_dump(mode="json", exclude={"cpo_id"})
    return await services.stations.create(caller, values, body.cpo_id)


@router.get("/{station_id}", summary="Read a station", responses=responses(404))
async def read_station(services: Services, caller: Reader, station_id: UuidPath) -> Station:
    """One station."""
    return await services.stations.get(caller.scope, station_id)


@router.put("/{station_id}", summary="Change a station", responses=responses(404, 409))
async def update_station(services: Services, caller: Writer, station_id: UuidPath, body: StationChanges) -> Station:
    """Changes the members that are sent."""
    return await services.stations.update(caller, station_id, body.sent())


@router.delete("/{station_id}", summary="Delete a station", status_code=204, responses=responses(404, 409))
async def delete_station(services: Services, caller: Writer, station_id: UuidPath) -> None:
    """Deletes a station without chargers and sessions; another answers 409 `station_in_use`."""
    await services.stations.delete(caller, station_id)
