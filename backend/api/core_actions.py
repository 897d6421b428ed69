"""What may be asked of a charger: one model per action of OCPP 1.6 Core, in the member names of the standard.

The table `CORE_ACTIONS` makes the routes. Members that the caller leaves out stay absent on the wire, so
optional members have no default and are not nullable: see `bodies.absent`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Final, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from backend.api.bodies import absent


class OcppPayload(BaseModel):
    """A payload of OCPP 1.6: member names as in the standard, unknown members refused."""

    model_config = ConfigDict(
        extra="forbid", alias_generator=to_camel, populate_by_name=False, frozen=True, allow_inf_nan=False
    )

    def on_wire(self) -> dict[str, Any]:
        """The JSON object for the charger: only what the caller sent."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _one_decimal(limit: float) -> float:
    """OCPP 1.6 §7.14: at most one digit behind the point."""
    if round(limit, 1) != limit:
        raise ValueError("has more than one digit behind the point")
    return limit


INT32_MAX: Final = 2**31 - 1
Tag = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[ -~]+$")]
Text50 = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[ -~]+$")]
ConnectorNumber = Annotated[int, Field(ge=1, le=INT32_MAX, strict=True)]
NonNegative = Annotated[int, Field(ge=0, le=INT32_MAX, strict=True)]
Limit = Annotated[
    float, Field(ge=0, le=1_000_000_000, json_schema_extra={"multipleOf": 0.1}), AfterValidator(_one_decimal)
]


class AvailabilityType(StrEnum):
    """Whether the connector may serve drivers."""

    INOPERATIVE = "Inoperative"
    OPERATIVE = "Operative"


class ResetType(StrEnum):
    """Hard: reboot at once. Soft: stop sessions properly first."""

    HARD = "Hard"
    SOFT = "Soft"


class ProfilePurpose(StrEnum):
    """The only purpose a remote start may carry (OCPP 1.6 §5.11)."""

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

    start_period: NonNegative = Field(description="Begin of this step, in seconds after the begin.")
    limit: Limit = Field(description="Limit, in the unit of `chargingRateUnit`; one decimal.")
    number_phases: Annotated[int, Field(ge=1, le=3)] = Field(
        default_factory=absent, description="Phases to charge with."
    )


class ChargingSchedule(OcppPayload):
    """Limits over time."""

    duration: NonNegative = Field(default_factory=absent, description="Length of the schedule in seconds.")
    start_schedule: datetime = Field(
        default_factory=absent, description="Start of an absolute schedule, ISO 8601 with offset."
    )
    charging_rate_unit: RateUnit = Field(description="Unit of the limits: `A` or `W`.")
    charging_schedule_period: list[SchedulePeriod] = Field(
        min_length=1, max_length=100, description="Steps, the first at second 0."
    )
    min_charging_rate: Limit = Field(
        default_factory=absent, description="Smallest useful rate, in the unit of `chargingRateUnit`."
    )


class ChargingProfile(OcppPayload):
    """A limit that accompanies the session to be started."""

    charging_profile_id: NonNegative = Field(description="Number of the profile.")
    stack_level: NonNegative = Field(description="Higher levels win.")
    charging_profile_purpose: ProfilePurpose = Field(description="`TxProfile`.")
    charging_profile_kind: ProfileKind = Field(description="`Absolute`, `Recurring` or `Relative`.")
    recurrency_kind: RecurrencyKind = Field(
        default_factory=absent, description="`Daily` or `Weekly`, for a recurring profile."
    )
    valid_from: datetime = Field(default_factory=absent, description="Valid from, ISO 8601 with offset.")
    valid_to: datetime = Field(default_factory=absent, description="Valid until, ISO 8601 with offset.")
    charging_schedule: ChargingSchedule = Field(description="The limits.")


class ChangeAvailability(OcppPayload):
    """Take a connector, or with 0 the whole charger, into or out of service (OCPP 1.6 §5.2)."""

    connector_id: NonNegative = Field(description="Connector; 0 means the whole charger.")
    type: AvailabilityType = Field(description="`Operative` or `Inoperative`.")


class ChangeConfiguration(OcppPayload):
    """Set one configuration key of the charger (OCPP 1.6 §5.3)."""

    key: Text50 = Field(description="Name of the key, for example `MeterValueSampleInterval`.")
    value: Annotated[str, Field(max_length=500)] = Field(description="New value, always as text.")


class ClearCache(OcppPayload):
    """Let the charger forget the id tokens it remembers (OCPP 1.6 §5.4)."""


class DataTransfer(OcppPayload):
    """Send something outside the standard to the charger (OCPP 1.6 §5.5)."""

    vendor_id: Annotated[str, Field(min_length=1, max_length=255)] = Field(
        description="Vendor whose extension this is, in reversed domain form."
    )
    message_id: Text50 = Field(default_factory=absent, description="Kind of message within the extension.")
    data: Annotated[str, Field(max_length=50_000)] = Field(default_factory=absent, description="Content, as text.")


class GetConfiguration(OcppPayload):
    """Read configuration keys of the charger (OCPP 1.6 §5.8); without `key`, all of them."""

    key: list[Text50] = Field(default_factory=absent, max_length=200, description="Names of the keys.")


class RemoteStartTransaction(OcppPayload):
    """Ask the charger to begin a session (OCPP 1.6 §5.11)."""

    connector_id: ConnectorNumber = Field(
        default_factory=absent, description="Connector; absent lets the charger choose."
    )
    id_tag: Tag = Field(description="Id token to charge the session to; at most 20 characters.")
    charging_profile: ChargingProfile = Field(default_factory=absent, description="Limit for this session alone.")


class RemoteStopTransaction(OcppPayload):
    """Ask the charger to end a session (OCPP 1.6 §5.12)."""

    transaction_id: Annotated[int, Field(ge=-(2**31), le=INT32_MAX, strict=True)] = Field(
        description="`transaction_id` of the session."
    )


class Reset(OcppPayload):
    """Restart the charger (OCPP 1.6 §5.14)."""

    type: ResetType = Field(description="`Soft` ends sessions properly first; `Hard` does not wait.")


class UnlockConnector(OcppPayload):
    """Release the lock of a connector (OCPP 1.6 §5.18)."""

    connector_id: ConnectorNumber = Field(description="Connector to unlock.")


class CoreAction(NamedTuple):
    """One line of the table: the payload's model and what the route says of itself."""

    model: type[OcppPayload]
    summary: str


CORE_ACTIONS: Final = MappingProxyType(
    {
        "ChangeAvailability": CoreAction(ChangeAvailability, "Take a connector into or out of service"),
        "ChangeConfiguration": CoreAction(ChangeConfiguration, "Set a configuration key"),
        "ClearCache": CoreAction(ClearCache, "Clear the charger's memory of id tokens"),
        "DataTransfer": CoreAction(DataTransfer, "Send a vendor-specific message"),
        "GetConfiguration": CoreAction(GetConfiguration, "Read configuration keys"),
        "RemoteStartTransaction": CoreAction(RemoteStartTransaction, "Ask the charger to begin a session"),
        "RemoteStopTransaction": CoreAction(RemoteStopTransaction, "Ask the charger to end a session"),
        "Reset": CoreAction(Reset, "Restart the charger"),
        "UnlockConnector": CoreAction(UnlockConnector, "Unlock a connector"),
    }
)
