"""Charging profiles: limits for chargers, and what they hold."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import Field, model_validator

from backend.api.actions.payload import INT32_MAX, Limit
from backend.api.actions.smart_charging import ProfileKind, RateUnit, RecurrencyKind
from backend.api.bodies import Body, ChargerId, Moment, Name, Uuid, UuidPath, absent
from backend.api.commands import Ask, CommandAnswer, IdempotencyKey
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.charging_profiles import ChargingProfile, CompositeSchedule, HeldProfile, Purpose, Selection

router = APIRouter(prefix="/api", tags=["charging profiles"])
Reader = Annotated[Caller, Depends(allow(Permission.CHARGING_PROFILES_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.CHARGING_PROFILES_WRITE))]
Level = Annotated[int, Field(ge=0, le=INT32_MAX, strict=True)]
Number = Annotated[int, Field(ge=1, le=INT32_MAX, strict=True)]


class Step(Body):
    """One step of a schedule."""

    start_s: Level = Field(description="Begin of the step, in seconds after the begin of the schedule.")
    limit: Limit = Field(description="Limit in the unit of `rate_unit`; one digit behind the point.")
    phases: Annotated[int, Field(ge=1, le=3, strict=True)] | None = Field(
        default=None, description="Phases to charge with."
    )


class ProfileDetails(Body):
    """The whole of a charging profile: changing it sends all members again."""

    name: Name = Field(description="Name, unique within the CPO.")
    purpose: Purpose = Field(description="`ChargePointMaxProfile`, `TxDefaultProfile` or `TxProfile`.")
    stack_level: Level = Field(default=0, description="Higher levels win.")
    kind: ProfileKind = Field(default=ProfileKind.RELATIVE, description="`Absolute`, `Recurring` or `Relative`.")
    recurrency: RecurrencyKind | None = Field(default=None, description="`Daily` or `Weekly`, of a recurring profile.")
    valid_from: Moment | None = Field(default=None, description="Valid from (with offset).")
    valid_to: Moment | None = Field(default=None, description="Valid until (with offset).")
    starts_at: Moment | None = Field(
        default=None, description="Begin of the schedule (with offset); needed unless it is relative."
    )
    duration_s: Number | None = Field(default=None, description="Length of the schedule in seconds.")
    rate_unit: RateUnit = Field(description="Unit of the limits: `A` per phase, or `W`.")
    min_rate: Limit | None = Field(default=None, description="Smallest useful rate, in the unit of `rate_unit`.")
    periods: list[Step] = Field(min_length=1, max_length=1000, description="Steps, the first at second 0, ascending.")

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        starts = [step.start_s for step in self.periods]
        if starts[0] != 0 or any(late <= early for early, late in pairwise(starts)):
            raise ValueError("periods begin at second 0 and ascend")
        if (self.kind == ProfileKind.RECURRING) != (self.recurrency is not None):
            raise ValueError("recurrency goes with the kind Recurring")
        if (self.kind == ProfileKind.RELATIVE) != (self.starts_at is None):
            raise ValueError("starts_at goes with the kinds Absolute and Recurring")
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise ValueError("valid_to lies after valid_from")
        return self


class NewProfile(ProfileDetails):
    """A charging profile to create."""

    cpo_id: Uuid | None = Field(default=None, description="CPO; else your own.")
    wire_id: Number | None = Field(
        default_factory=absent, description="`chargingProfileId` on the wire; else the CPO's next number."
    )


class ProfileToApply(Ask):
    """Which profile to give the charger."""

    profile_id: Uuid = Field(description="Identifier of the template (UUID).")
    connector_id: Level = Field(
        default=0, description="Connector as numbered on the charger; 0: the charger as a whole. Of a session its own."
    )
    session_id: Uuid | None = Field(default=None, description="Session that a `TxProfile` limits.")


class ProfilesToClear(Ask):
    """Which limits to take away: one by its number, or all that match every member given; without any, all."""

    wire_id: Number | None = Field(default=None, description="`chargingProfileId` on the wire.")
    connector_id: Level | None = Field(default=None, description="Connector; 0: the charger as a whole.")
    purpose: Purpose | None = Field(default=None, description="Purpose of the profiles.")
    stack_level: Level | None = Field(default=None, description="Level of the profiles.")


@router.get("/charging-profiles", summary="List charging profiles")
async def list_charging_profiles(
    services: Services, caller: Reader, page: Annotated[Paging, Depends()]
) -> ItemList[ChargingProfile]:
    """Templates by name."""
    return page.answer(await services.charging_profiles.list(caller.scope, page.request))


@router.post("/charging-profiles", summary="Create a charging profile", status_code=201, responses=responses(404, 409))
async def create_charging_profile(services: Services, caller: Writer, body: NewProfile) -> ChargingProfile:
    """A template; nothing is sent."""
    values = body.model_dump(mode="json", exclude={"cpo_id"})
    return await services.charging_profiles.create(caller, values, body.cpo_id)


@router.get("/charging-profiles/{profile_id}", summary="Read a charging profile", responses=responses(404))
async def read_charging_profile(services: Services, caller: Reader, profile_id: UuidPath) -> ChargingProfile:
    """One template."""
    return await services.charging_profiles.get(caller.scope, profile_id)


@router.put("/charging-profiles/{profile_id}", summary="Change a charging profile", responses=responses(404, 409))
async def update_charging_profile(
    services: Services, caller: Writer, profile_id: UuidPath, body: ProfileDetails
) -> ChargingProfile:
    """Replaces a template but for its number; chargers keep what they were sent."""
    return await services.charging_profiles.update(caller, profile_id, body.model_dump(mode="json"))


@router.delete(
    "/charging-profiles/{profile_id}", summary="Delete a charging profile", status_code=204, responses=responses(404)
)
async def delete_charging_profile(services: Services, caller: Writer, profile_id: UuidPath) -> None:
    """Deletes a template; chargers keep what they were sent."""
    await services.charging_profiles.delete(caller, profile_id)


@router.get(
    "/charging-profiles/{profile_id}/chargers", summary="List who holds a charging profile", responses=responses(404)
)
async def list_profile_holders(
    services: Services, caller: Reader, profile_id: UuidPath, page: Annotated[Paging, Depends()]
) -> ItemList[HeldProfile]:
    """Chargers that hold a limit made of this template, newest first."""
    found = await services.charging_profiles.held(caller.scope, page.request, template_id=profile_id, held=True)
    return page.answer(found)


@router.get("/chargers/{charger_id}/charging-profiles", summary="List limits of a charger", responses=responses(404))
async def list_held_profiles(
    services: Services,
    caller: Reader,
    charger_id: ChargerId,
    page: Annotated[Paging, Depends()],
    held: Annotated[bool | None, Query(description="True: only what it holds now.")] = None,
) -> ItemList[HeldProfile]:
    """Limits that the charger holds or held, as its answers tell; newest first."""
    found = await services.charging_profiles.held(caller.scope, page.request, charger_id=charger_id, held=held)
    return page.answer(found)


@router.post(
    "/chargers/{charger_id}/charging-profiles", summary="Give a charger a limit", status_code=202,
    responses=responses(404, 409),
)  # fmt: skip
async def apply_charging_profile(
    services: Services,
    caller: Writer,
    charger_id: ChargerId,
    body: ProfileToApply,
    idempotency_key: IdempotencyKey = None,
) -> CommandAnswer:
    """Sends SetChargingProfile. A session whose start came late, out of offline history, is refused as likely over."""
    command = await services.charging_profiles.apply(
        caller, charger_id, body.profile_id, body.connector_id, body.session_id, body.delivery(idempotency_key)
    )
    return CommandAnswer(command=command)


@router.post(
    "/chargers/{charger_id}/charging-profiles/clear", summary="Take limits of a charger away", status_code=202,
    responses=responses(404, 409),
)  # fmt: skip
async def clear_charging_profiles(
    services: Services,
    caller: Writer,
    charger_id: ChargerId,
    body: ProfilesToClear,
    idempotency_key: IdempotencyKey = None,
) -> CommandAnswer:
    """Sends ClearChargingProfile."""
    what = Selection(body.wire_id, body.connector_id, body.purpose, body.stack_level)
    command = await services.charging_profiles.clear(caller, charger_id, what, body.delivery(idempotency_key))
    return CommandAnswer(command=command)


@router.get("/chargers/{charger_id}/composite-schedules", summary="List composite schedules", responses=responses(404))
async def list_composite_schedules(
    services: Services, caller: Reader, charger_id: ChargerId, page: Annotated[Paging, Depends()]
) -> ItemList[CompositeSchedule]:
    """What the charger said it would allow, newest first; ask it with the command GetCompositeSchedule."""
    return page.answer(await services.charging_profiles.schedules(caller.scope, page.request, charger_id))
