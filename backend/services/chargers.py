"""Chargers: the units that speak OCPP, known by their identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from pydantic import Field

from backend.database import Condition, Database
from backend.domain.caller import Caller
from backend.domain.charger_password import hash_password
from backend.domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from backend.domain.roles import Permission
from backend.domain.scope import Scope
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page, within
from backend.services.stations import Stations


class CurrentType(StrEnum):
    """Alternating or direct current."""

    AC = "AC"
    DC = "DC"


class Registration(StrEnum):
    """Whether the charger may work on the platform."""

    ACCEPTED = "accepted"
    PENDING = "pending"
    REJECTED = "rejected"


class Availability(StrEnum):
    """Whether the operator wants the charger in service."""

    OPERATIVE = "operative"
    INOPERATIVE = "inoperative"


class Charger(Record):
    """A charger with its live state."""

    id: str = Field(description="OCPP identity, the last path segment of the charger's URL.")
    cpo_id: str | None = Field(description="CPO that runs it; null while it waits for approval.")
    station_id: str | None = Field(description="Station it stands at.")
    station_name: str | None = Field(description="Name of the station.")
    station_timezone: str | None = Field(description="IANA time zone of the station.")
    name: str | None = Field(description="Name for people.")
    vendor: str | None = Field(description="Vendor, as the charger last said.")
    model: str | None = Field(description="Model, as the charger last said.")
    serial_number: str | None = Field(description="Serial number, as the charger last said.")
    firmware_version: str | None = Field(description="Firmware version, as the charger last said.")
    protocol: str | None = Field(description="OCPP version of the last connection, for example `ocpp1.6`.")
    current_type: CurrentType | None = Field(description="`AC` or `DC`.")
    rated_power_w: int | None = Field(description="Rated power in W.")
    registration: Registration = Field(
        description="`accepted`, `pending` (discovered, waits for approval) or `rejected`."
    )
    discovered: bool = Field(description="True if it came by itself instead of being registered.")
    availability: Availability = Field(description="What the operator wants: `operative` or `inoperative`.")
    connected: bool = Field(description="Whether its connection is up.")
    connected_at: datetime | None = Field(description="Begin of the newest connection (UTC).")
    disconnected_at: datetime | None = Field(description="End of the newest connection (UTC).")
    last_seen_at: datetime | None = Field(description="When it last sent anything (UTC).")
    last_boot_at: datetime | None = Field(description="Last BootNotification (UTC).")
    status: str | None = Field(description="Last status of the charger as a whole, in the words of OCPP.")
    error_code: str | None = Field(description="Last error code of the charger as a whole.")
    status_at: datetime | None = Field(description="When that status was reported (UTC).")
    connector_count: int = Field(description="Connectors known.")
    created_at: datetime = Field(description="When it was registered or discovered (UTC).")


@dataclass(frozen=True, slots=True)
class ChargerFilter:
    """What to list; None does not filter. `text` is looked for in what the charger bears and in its station's name."""

    station_ids: Sequence[str] | None = None
    connected: bool | None = None
    registration: Registration | None = None
    text: str | None = None


class Chargers:
    """Reads and changes chargers in the caller's scope."""

    def __init__(self, database: Database, stations: Stations) -> None:
        self._database = database
        self._stations = stations

    async def list(self, scope: Scope, page: PageRequest, wanted: ChargerFilter) -> Page[Charger]:
        """By identity."""
        where = [
            *own_rows(scope),
            *given(
                ("station_id", "in", wanted.station_ids),
                ("connected", "eq", wanted.connected),
                ("registration", "eq", wanted.registration),
                ("search_text", "ilike", within(wanted.text)),
            ),
        ]
        return await select_page(
            self._database, "charger_live", Charger, page, scope=scope, where=where, order=[("id", "asc")]
        )

    async def get(self, scope: Scope, charger_id: str) -> Charger:
        """One charger. Raises NotFound (`charger_not_found`), also for a foreign one."""
        rows = await self._database.select(
            "charger_live", scope=scope, columns=Charger.columns(), where=_row(scope, charger_id), limit=1
        )
        if not rows:
            raise NotFound("There is no such charger.", code="charger_not_found")
        return Charger.model_validate(rows[0])

    async def create(
        self, caller: Caller, values: Mapping[str, Any], connector_count: int, password: str | None
    ) -> Charger:
        """Registers a charger with its connectors at a station of the caller's scope.

        Raises NotFound (`station_not_found`), Conflict (`charger_exists`).
        """
        await self._stations.get(caller.scope, values["station_id"])
        password_hash = hash_password(password.encode()) if password else None
        row = {**values, "password_hash": password_hash, "request_id": str(uuid4())}
        arguments = {"p_charger": row, "p_connector_count": connector_count}
        await self._database.call("register_charger", arguments, scope=caller.scope)
        return await self.get(caller.scope, values["id"])

    async def update(self, caller: Caller, charger_id: str, changes: Mapping[str, Any]) -> Charger:
        """Changes the given columns; `password` replaces the Basic password, null removes it.

        Raises NotFound (`charger_not_found`, `station_not_found`), Conflict (`station_conflict`) for a
        station of another CPO.
        """
        before = await self.get(caller.scope, charger_id)
        if changes.get("station_id") is not None:
            await self._same_cpo(caller.scope, before, changes["station_id"])
        values = {key: value for key, value in changes.items() if key != "password"}
        if "password" in changes:
            password = changes["password"]
            values["password_hash"] = hash_password(password.encode()) if password else None
        await self._write(caller, charger_id, values)
        return await self.get(caller.scope, charger_id)

    async def delete(self, caller: Caller, charger_id: str) -> None:
        """Removes a charger that never had a session.

        Raises NotFound (`charger_not_found`), Conflict (`charger_in_use`).
        """
        await self.get(caller.scope, charger_id)
        try:
            await self._database.delete(
                "chargers", scope=caller.scope, where=_row(caller.scope, charger_id), columns="id"
            )
        except InvalidInput as error:  # a session still refers to it
            detail = "The charger has sessions, so it stays; take it out of service instead."
            raise Conflict(detail, code="charger_in_use") from error

    async def approve(self, caller: Caller, charger_id: str, station_id: str) -> Charger:
        """Gives a discovered charger, or one that was rejected, a station and lets it work. Another CPO's charger is
        handed over: the former CPO keeps the history, and what it had asked of the charger ends.

        Raises Forbidden, NotFound (`charger_not_found`, `station_not_found`), Conflict
        (`charger_approval_conflict`).
        """
        _must_approve(caller.scope)
        arguments = {"p_charger_id": charger_id, "p_station_id": station_id}
        # As the platform: what belongs to the charger belongs to nobody, or to another CPO, until now.
        await self._database.call("approve_charger", arguments, scope=caller.as_platform)
        return await self.get(caller.scope, charger_id)

    async def reject(self, caller: Caller, charger_id: str) -> Charger:
        """Refuses a charger: its next boot is answered `Rejected`. Raises Forbidden, NotFound."""
        _must_approve(caller.scope)
        await self.get(caller.scope, charger_id)
        await self._write(caller, charger_id, {"registration": Registration.REJECTED.value})
        return await self.get(caller.scope, charger_id)

    async def want(self, caller: Caller, charger_id: str, availability: Availability) -> Charger:
        """Records whether the operator wants it in service. Raises NotFound (`charger_not_found`)."""
        await self.get(caller.scope, charger_id)
        # As the platform: an operator may take a charger out of service without owning its master data.
        where = _row(caller.scope, charger_id)
        await self._database.update(
            "chargers",
            {"availability": availability.value, "updated_at": "now"},
            scope=caller.as_platform,
            where=where,
            columns="id",
        )
        return await self.get(caller.scope, charger_id)

    async def _same_cpo(self, scope: Scope, charger: Charger, station_id: str) -> None:
        station = await self._stations.get(scope, station_id)
        if station.cpo_id != charger.cpo_id:
            raise Conflict("The station belongs to another CPO than the charger.", code="station_conflict")

    async def _write(self, caller: Caller, charger_id: str, values: dict[str, Any]) -> None:
        await self._database.update(
            "chargers",
            {**values, "updated_at": "now"},
            scope=caller.scope,
            where=_row(caller.scope, charger_id),
            columns="id",
        )


def _row(scope: Scope, charger_id: str) -> list[Condition]:
    return [("id", "eq", charger_id), *own_rows(scope)]


def _must_approve(scope: Scope) -> None:
    if not scope.is_system and not scope.may(Permission.CHARGERS_APPROVE):
        raise Forbidden("Only the EMSV decides about discovered chargers.")
