"""Smart Charging: limits given to chargers (OCPP 1.6 §5.5, §5.7, §5.16, §7.8–7.14)."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import Field

from backend.api.actions.payload import Action, Integer, Limit, Moment, OcppPayload
from backend.api.bodies import absent


class ProfilePurpose(StrEnum):
    """What a profile limits: the whole charger, every session by default, one session."""

    MAX = "ChargePointMaxProfile"
    TX_DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"


class ProfileKind(StrEnum):
    """How the schedule is anchored in time."""

    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"


class RecurrencyKind(StrEnum):
    """The period of a recurring schedule."""

    DAILY = "Daily"
    WEEKLY = "Weekly"


class RateUnit(StrEnum):
    """Unit of the limits: ampere per phase, or watt."""

    AMPERE = "A"
    WATT = "W"


class SchedulePeriod(OcppPayload):
    """One step of a charging schedule."""

    start_period: Integer = Field(description="Begin of this step, in seconds after the begin.")
    limit: Limit = Field(description="Limit, in the unit of `chargingRateUnit`; one decimal.")
    number_phases: Integer = Field(default_factory=absent, description="Phases to charge with.")


class ChargingSchedule(OcppPayload):
    """Limits over time."""

    duration: Integer = Field(default_factory=absent, description="Length of the schedule in seconds.")
    start_schedule: Moment = Field(
        default_factory=absent, description="Start of an absolute schedule, ISO 8601 with offset."
    )
    charging_rate_unit: RateUnit = Field(description="Unit of the limits: `A` or `W`.")
    charging_schedule_period: list[SchedulePeriod] = Field(
        min_length=1, max_length=1000, description="Steps, the first at second 0."
    )
    min_charging_rate: Limit = Field(
        default_factory=absent, description="Smallest useful rate, in the unit of `chargingRateUnit`."
    )


class ChargingProfile(OcppPayload):
    """A limit over time, and what it limits."""

    charging_profile_id: Integer = Field(description="Number of the profile.")
    transaction_id: Integer = Field(default_factory=absent, description="Session that a `TxProfile` limits.")
    stack_level: Integer = Field(description="Higher levels win.")
    charging_profile_purpose: ProfilePurpose = Field(
        description="`ChargePointMaxProfile`, `TxDefaultProfile` or `TxProfile`."
    )
    charging_profile_kind: ProfileKind = Field(description="`Absolute`, `Recurring` or `Relative`.")
    recurrency_kind: RecurrencyKind = Field(
        default_factory=absent, description="`Daily` or `Weekly`, for a recurring profile."
    )
    valid_from: Moment = Field(default_factory=absent, description="Valid from, ISO 8601 with offset.")
    valid_to: Moment = Field(default_factory=absent, description="Valid until, ISO 8601 with offset.")
    charging_schedule: ChargingSchedule = Field(description="The limits.")


class SetChargingProfile(OcppPayload):
    """Give the charger a limit (OCPP 1.6 §5.16)."""

    connector_id: Integer = Field(description="Connector; 0 means the whole charger.")
    cs_charging_profiles: ChargingProfile = Field(description="The profile.")


class ClearChargingProfile(OcppPayload):
    """Take limits away: those that match every member given; without any, all (OCPP 1.6 §5.5)."""

    id: Integer = Field(default_factory=absent, description="Number of the profile.")
    connector_id: Integer = Field(default_factory=absent, description="Connector; 0 means the whole charger.")
    charging_profile_purpose: ProfilePurpose = Field(default_factory=absent, description="Purpose of the profiles.")
    stack_level: Integer = Field(default_factory=absent, description="Level of the profiles.")


class GetCompositeSchedule(OcppPayload):
    """Ask what the charger will allow, all its limits taken together (OCPP 1.6 §5.7)."""

    connector_id: Integer = Field(description="Connector; 0 means the whole charger.")
    duration: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)] = Field(
        description="How far to look ahead, in seconds."
    )
    charging_rate_unit: RateUnit = Field(default_factory=absent, description="Unit wished for: `A` or `W`.")


ACTIONS: Final = MappingProxyType(
    {
        "SetChargingProfile": Action(SetChargingProfile, "Give the charger a limit"),
        "ClearChargingProfile": Action(ClearChargingProfile, "Take limits away"),
        "GetCompositeSchedule": Action(GetCompositeSchedule, "Ask what the charger will allow"),
    }
)
