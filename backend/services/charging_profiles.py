"""Charging profiles: templates of limits, who holds which, and what chargers say they will allow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from pydantic import Field

from backend.database import Condition, Database
from backend.domain.caller import Caller
from backend.domain.charging import likely_ongoing
from backend.domain.errors import Conflict, InvalidInput, NotFound
from backend.domain.scope import Scope
from backend.services.chargers import Chargers
from backend.services.commands import Command, Commands, Delivery
from backend.services.cpos import Cpos
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page


class Purpose(StrEnum):
    """What a profile limits: the whole charger, every session by default, one session."""

    MAX = "ChargePointMaxProfile"
    TX_DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"


class Period(Record):
    """One step of a schedule."""

    start_s: int = Field(description="Begin of the step, in seconds after the begin of the schedule.")
    limit: float = Field(description="Limit in the unit of `rate_unit`; one digit behind the point.")
    phases: int | None = Field(default=None, description="Phases to charge with.")


class ChargingProfile(Record):
    """A template of a limit over time."""

    id: str = Field(description="Identifier (UUID).")
    cpo_id: str = Field(description="CPO that owns it.")
    wire_id: int = Field(description="`chargingProfileId` on the wire, unique within the CPO.")
    name: str = Field(description="Name, unique within the CPO.")
    purpose: Purpose = Field(description="`ChargePointMaxProfile`, `TxDefaultProfile` or `TxProfile`.")
    stack_level: int = Field(description="Higher levels win.")
    kind: str = Field(description="`Absolute`, `Recurring` or `Relative`.")
    recurrency: str | None = Field(description="`Daily` or `Weekly`, of a recurring profile.")
    valid_from: datetime | None = Field(description="Valid from (UTC).")
    valid_to: datetime | None = Field(description="Valid until (UTC).")
    starts_at: datetime | None = Field(description="Begin of the schedule (UTC), unless it is relative.")
    duration_s: int | None = Field(description="Length of the schedule in seconds; null: until something else holds.")
    rate_unit: str = Field(description="Unit of the limits: `A` per phase, or `W`.")
    min_rate: float | None = Field(description="Smallest useful rate, in the unit of `rate_unit`.")
    periods: list[Period] = Field(description="Steps, the first at second 0.")
    created_at: datetime = Field(description="When it was created (UTC).")
    updated_at: datetime = Field(description="When it was last changed (UTC).")

    def on_wire(self, transaction_id: int | None) -> dict[str, Any]:
        """`csChargingProfiles` (OCPP 1.6 §7.8)."""
        schedule: dict[str, Any] = {
            "duration": self.duration_s,
            "startSchedule": _wire_time(self.starts_at),
            "chargingRateUnit": self.rate_unit,
            "chargingSchedulePeriod": [
                _present({"startPeriod": step.start_s, "limit": step.limit, "numberPhases": step.phases})
                for step in self.periods
            ],
            "minChargingRate": self.min_rate,
        }
        return _present({
            "chargingProfileId": self.wire_id, "transactionId": transaction_id, "stackLevel": self.stack_level,
            "chargingProfilePurpose": self.purpose.value, "chargingProfileKind": self.kind,
            "recurrencyKind": self.recurrency, "validFrom": _wire_time(self.valid_from),
            "validTo": _wire_time(self.valid_to), "chargingSchedule": _present(schedule),
        })  # fmt: skip


class HeldProfile(Record):
    """A limit that a charger holds or held, as its answers tell."""

    id: str = Field(description="Identifier (UUID).")
    cpo_id: str | None = Field(description="CPO of the charger.")
    charger_id: str = Field(description="OCPP identity of the charger.")
    connector_id: int = Field(description="Connector as numbered on the charger; 0: the charger as a whole.")
    wire_id: int = Field(description="`chargingProfileId` on the wire.")
    purpose: str = Field(description="What it limits.")
    stack_level: int = Field(description="Higher levels win.")
    transaction_id: int | None = Field(description="OCPP 1.6 number of the session it limits.")
    session_id: str | None = Field(description="Session it limits.")
    profile: dict[str, Any] = Field(description="The profile as sent, in OCPP's member names.")
    template_id: str | None = Field(description="Template it was made of.")
    template_name: str | None = Field(description="Name of that template.")
    command_id: str | None = Field(description="Command that brought it.")
    installed_at: datetime = Field(description="When the charger took it (UTC).")
    held: bool = Field(description="Whether the charger holds it still.")
    removed_at: datetime | None = Field(description="When it ended (UTC).")
    removed_because: str | None = Field(
        description="`cleared`, `replaced`, `session_ended`, or `unknown` (the charger said that it has none such)."
    )


class CompositeSchedule(Record):
    """What a charger said it would allow, all its limits taken together (OCPP 1.6 §5.7)."""

    id: str = Field(description="Identifier (UUID).")
    cpo_id: str | None = Field(description="CPO of the charger.")
    charger_id: str = Field(description="OCPP identity of the charger.")
    connector_id: int = Field(description="Connector as numbered on the charger; 0: the charger as a whole.")
    starts_at: datetime = Field(description="Begin of the schedule (UTC).")
    duration_s: int | None = Field(description="Length of the schedule in seconds.")
    rate_unit: str = Field(description="Unit of the limits: `A` per phase, or `W`.")
    min_rate: float | None = Field(description="Smallest useful rate, in the unit of `rate_unit`.")
    periods: list[Period] = Field(description="Steps.")
    command_id: str | None = Field(description="GetCompositeSchedule that it answers.")
    received_at: datetime = Field(description="When the charger said so (UTC).")


@dataclass(frozen=True, slots=True)
class Selection:
    """What to clear: one profile by its number, or all that match every value given (None: any)."""

    wire_id: int | None = None
    connector_id: int | None = None
    purpose: Purpose | None = None
    stack_level: int | None = None


class ChargingProfiles:
    """Templates in the caller's scope, and their way to chargers."""

    def __init__(
        self, database: Database, cpos: Cpos, chargers: Chargers, commands: Commands,
        now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._database = database
        self._cpos = cpos
        self._chargers = chargers
        self._commands = commands
        self._now = now

    async def list(self, scope: Scope, page: PageRequest) -> Page[ChargingProfile]:
        """Templates by name."""
        order = [("name", "asc"), ("id", "asc")]
        return await select_page(
            self._database, "charging_profiles", ChargingProfile, page, scope=scope, where=own_rows(scope), order=order
        )

    async def get(self, scope: Scope, profile_id: str) -> ChargingProfile:
        """One template. Raises NotFound (`charging_profile_not_found`), also for a foreign one."""
        rows = await self._database.select(
            "charging_profiles", scope=scope, columns=ChargingProfile.columns(), where=_row(scope, profile_id), limit=1
        )
        if not rows:
            raise NotFound("There is no such charging profile.", code="charging_profile_not_found")
        return ChargingProfile.model_validate(rows[0])

    async def create(self, caller: Caller, values: Mapping[str, Any], cpo_id: str | None) -> ChargingProfile:
        """A template of the named CPO or the caller's own; without `wire_id` under the CPO's next number.

        Raises NotFound (`cpo_not_found`), InvalidInput (`cpo_required`), Conflict (`charging_profile_exists`).
        """
        chosen = cpo_id or caller.scope.cpo_id
        if chosen is None:
            detail = "A charging profile belongs to a CPO; say which."
            raise InvalidInput(detail, code="cpo_required", members=[("cpo_id", detail)])
        owner = (await self._cpos.get(caller.scope, chosen)).id
        arguments = {"p_cpo_id": owner, "p_profile": {**values, "id": str(uuid4())}}
        made = await self._database.call("create_charging_profile", arguments, scope=caller.scope)
        return await self.get(caller.scope, str(made))

    async def update(self, caller: Caller, profile_id: str, changes: Mapping[str, Any]) -> ChargingProfile:
        """Changes a template; chargers keep what they were sent.

        Raises NotFound (`charging_profile_not_found`), Conflict (`charging_profile_exists`), InvalidInput.
        """
        await self.get(caller.scope, profile_id)
        values = {**changes, "updated_at": "now"}
        try:
            await self._database.update(
                "charging_profiles", values, scope=caller.scope, where=_row(caller.scope, profile_id), columns="id"
            )
        except Conflict as error:
            detail = "The CPO has a charging profile with this name or number already."
            raise Conflict(detail, code="charging_profile_exists") from error
        return await self.get(caller.scope, profile_id)

    async def delete(self, caller: Caller, profile_id: str) -> None:
        """Removes a template; chargers keep what they were sent. Raises NotFound (`charging_profile_not_found`)."""
        await self.get(caller.scope, profile_id)
        where = _row(caller.scope, profile_id)
        await self._database.delete("charging_profiles", scope=caller.scope, where=where, columns="id")

    async def apply(
        self, caller: Caller, charger_id: str, profile_id: str, connector_id: int, session_id: str | None,
        delivery: Delivery,
    ) -> Command:  # fmt: skip
        """Gives a charger the limit of a template (SetChargingProfile); a `TxProfile` names its session.

        Raises NotFound (`charger_not_found`, `charging_profile_not_found`, `session_not_found`), InvalidInput
        (`session_required`, `session_not_meant`, `connector_not_meant`), ChargerOffline, Conflict (`session_ended`;
        `session_doubtful`: it is likely over, see `likely_ongoing`).
        """
        charger = await self._chargers.get(caller.scope, charger_id)
        profile = await self.get(caller.scope, profile_id)
        if profile.cpo_id != charger.cpo_id:
            raise NotFound("There is no such charging profile.", code="charging_profile_not_found")
        _check_target(profile.purpose, connector_id, session_id)
        transaction_id = None
        if session_id is not None:
            transaction_id, connector_id = await self._session(caller.scope, charger_id, session_id)
        payload = {"connectorId": connector_id, "csChargingProfiles": profile.on_wire(transaction_id)}
        return await self._commands.enqueue(caller, charger_id, "SetChargingProfile", payload, delivery)

    async def clear(self, caller: Caller, charger_id: str, what: Selection, delivery: Delivery) -> Command:
        """Takes limits away (ClearChargingProfile); without any value all. Raises as `Commands.enqueue`."""
        payload = _present({
            "id": what.wire_id, "connectorId": what.connector_id,
            "chargingProfilePurpose": what.purpose and what.purpose.value, "stackLevel": what.stack_level,
        })  # fmt: skip
        return await self._commands.enqueue(caller, charger_id, "ClearChargingProfile", payload, delivery)

    async def held(
        self, scope: Scope, page: PageRequest, *, charger_id: str | None = None, template_id: str | None = None,
        held: bool | None = None,
    ) -> Page[HeldProfile]:  # fmt: skip
        """What chargers hold, newest first. Raises NotFound (`charger_not_found`, `charging_profile_not_found`)."""
        if charger_id is not None:
            await self._chargers.get(scope, charger_id)
        if template_id is not None:
            await self.get(scope, template_id)
        conditions: list[Condition] = [
            *own_rows(scope),
            *given(("charger_id", "eq", charger_id), ("template_id", "eq", template_id), ("held", "eq", held)),
        ]
        order = [("installed_at", "desc"), ("id", "desc")]
        return await select_page(
            self._database, "held_profile_details", HeldProfile, page, scope=scope, where=conditions, order=order
        )

    async def schedules(self, scope: Scope, page: PageRequest, charger_id: str) -> Page[CompositeSchedule]:
        """Composite schedules of a charger, newest first. Raises NotFound (`charger_not_found`)."""
        await self._chargers.get(scope, charger_id)
        where: list[Condition] = [("charger_id", "eq", charger_id)]
        order = [("received_at", "desc"), ("id", "desc")]
        return await select_page(
            self._database, "composite_schedules", CompositeSchedule, page, scope=scope, where=where, order=order
        )

    async def _session(self, scope: Scope, charger_id: str, session_id: str) -> tuple[int, int]:
        """Number and connector of a session that runs now."""
        columns = "transaction_id,evse_id,started_at,start_received_at,stopped_at,last_reading_at"
        where = [("id", "eq", session_id), ("charger_id", "eq", charger_id), *own_rows(scope)]
        rows = await self._database.select("sessions", scope=scope, columns=columns, where=where, limit=1)
        if not rows:
            raise NotFound("There is no such session.", code="session_not_found")
        row = rows[0]
        if row["stopped_at"] is not None:
            raise Conflict("The session has ended already.", code="session_ended")
        began, told = (datetime.fromisoformat(row[name]) for name in ("started_at", "start_received_at"))
        read = row["last_reading_at"] and datetime.fromisoformat(row["last_reading_at"])
        if not likely_ongoing(began, told, read, self._now()):
            detail = (
                "Its start came out of offline history, and nothing was heard of it since: it is likely to be over."
            )
            raise Conflict(detail, code="session_doubtful")
        return row["transaction_id"], row["evse_id"]


def _check_target(purpose: Purpose, connector_id: int, session_id: str | None) -> None:
    """Where a profile of this purpose may be installed (§5.16.2). Raises InvalidInput."""
    if purpose == Purpose.TX and session_id is None:
        detail = "A TxProfile limits one session; say which."
        raise InvalidInput(detail, code="session_required", members=[("session_id", detail)])
    if purpose != Purpose.TX and session_id is not None:
        detail = f"A {purpose} limits no single session."
        raise InvalidInput(detail, code="session_not_meant", members=[("session_id", detail)])
    if purpose == Purpose.MAX and connector_id != 0:
        detail = "A ChargePointMaxProfile is for the charger as a whole: connector 0."
        raise InvalidInput(detail, code="connector_not_meant", members=[("connector_id", detail)])


def _row(scope: Scope, profile_id: str) -> list[Condition]:
    return [("id", "eq", profile_id), *own_rows(scope)]


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _wire_time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None
