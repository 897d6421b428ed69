"""Stations: the places (SPKLU) where chargers stand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, InvalidInput, NotFound
from backend.domain.scope import Scope
from backend.services.cpos import Cpos
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page, within


class Station(Record):
    """A place with chargers."""

    id: str = Field(description="Identifier (UUID).")
    cpo_id: str = Field(description="CPO that runs the station.")
    name: str = Field(description="Name, unique within the CPO.")
    address: str | None = Field(description="Street address.")
    city: str | None = Field(description="City or regency (kota, kabupaten).")
    province: str | None = Field(description="Province.")
    latitude: float | None = Field(description="Latitude in degrees, WGS 84.")
    longitude: float | None = Field(description="Longitude in degrees, WGS 84.")
    timezone: str = Field(description="IANA time zone; the station's days close in it.")
    site_type: str | None = Field(description="Kind of place, for example `mall` or `rest_area`.")
    charger_count: int = Field(description="Chargers registered at the station.")
    created_at: datetime = Field(description="When the station was created (UTC).")
    updated_at: datetime = Field(description="When the station was last changed (UTC).")


class Stations:
    """Reads and changes stations in the caller's scope."""

    def __init__(self, database: Database, cpos: Cpos) -> None:
        self._database = database
        self._cpos = cpos

    async def list(
        self,
        scope: Scope,
        page: PageRequest,
        *,
        cpo_id: str | None = None,
        province: str | None = None,
        text: str | None = None,
    ) -> Page[Station]:
        """By name."""
        where = [
            *own_rows(scope),
            *given(("cpo_id", "eq", cpo_id), ("province", "eq", province), ("search_text", "ilike", within(text))),
        ]
        order = [("name", "asc"), ("id", "asc")]
        return await select_page(
            self._database, "station_details", Station, page, scope=scope, where=where, order=order
        )

    async def get(self, scope: Scope, station_id: str) -> Station:
        """One station. Raises NotFound (`station_not_found`), also for a foreign one."""
        where = [("id", "eq", station_id), *own_rows(scope)]
        rows = await self._database.select(
            "station_details", scope=scope, columns=Station.columns(), where=where, limit=1
        )
        if not rows:
            raise NotFound("There is no such station.", code="station_not_found")
        return Station.model_validate(rows[0])

    async def create(self, caller: Caller, values: Mapping[str, Any], cpo_id: str | None) -> Station:
        """Creates a station for the named CPO, or the caller's own.

        Raises NotFound (`cpo_not_found`), InvalidInput (`cpo_required`), Conflict (`station_exists`).
        """
        chosen = cpo_id or caller.scope.cpo_id
        if chosen is None:
            detail = "A station belongs to a CPO; say which."
            raise InvalidInput(detail, code="cpo_required", members=[("cpo_id", detail)])
        cpo = await self._cpos.get(caller.scope, chosen)
        row = {**values, "cpo_id": cpo.id}
        try:
            rows = await self._database.insert("stations", [row], scope=caller.scope, columns="id")
        except Conflict as error:
            raise _name_taken() from error
        return await self.get(caller.scope, rows[0]["id"])

    async def update(self, caller: Caller, station_id: str, changes: Mapping[str, Any]) -> Station:
        """Changes the given columns. Raises NotFound (`station_not_found`), Conflict (`station_exists`)."""
        await self.get(caller.scope, station_id)
        values = {**changes, "updated_at": "now"}
        try:
            await self._database.update(
                "stations", values, scope=caller.scope, where=_row(caller.scope, station_id), columns="id"
            )
        except Conflict as error:
            raise _name_taken() from error
        return await self.get(caller.scope, station_id)

    async def delete(self, caller: Caller, station_id: str) -> None:
        """Removes a station that never had sessions and has no chargers.

        Raises NotFound (`station_not_found`), Conflict (`station_in_use`).
        """
        before = await self.get(caller.scope, station_id)
        in_use = Conflict("The station has chargers or sessions, so it stays.", code="station_in_use")
        if before.charger_count:
            raise in_use
        try:
            await self._database.delete(
                "stations", scope=caller.scope, where=_row(caller.scope, station_id), columns="id"
            )
        except InvalidInput as error:  # a row still refers to it
            raise in_use from error


def _row(scope: Scope, station_id: str) -> list[tuple[str, str, Any]]:
    return [("id", "eq", station_id), *own_rows(scope)]


def _name_taken() -> Conflict:
    return Conflict("The CPO has a station with this name already.", code="station_exists")
