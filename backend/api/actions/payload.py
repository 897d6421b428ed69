"""What the payloads of all actions share: the base model and the types of OCPP 1.6.

Values are passed to the charger as given, and what it thinks of them is its answer; only what the standard's
schemas forbid is refused here. Members that the caller leaves out stay absent on the wire, so optional members
have no default and are not nullable: see `bodies.absent`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class OcppPayload(BaseModel):
    """A payload of OCPP 1.6: member names as in the standard, unknown members refused."""

    model_config = ConfigDict(
        extra="forbid", alias_generator=to_camel, populate_by_name=False, frozen=True, allow_inf_nan=False
    )

    def on_wire(self) -> dict[str, Any]:
        """The JSON object for the charger: only what the caller sent."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Action(NamedTuple):
    """One line of a table of actions: the payload's model and what the route says of itself."""

    model: type[OcppPayload]
    summary: str


def _one_decimal(limit: float) -> float:
    """OCPP 1.6 §7.14: at most one digit behind the point."""
    if round(limit, 1) != limit:
        raise ValueError("has more than one digit behind the point")
    return limit


INT32_MAX: Final = 2**31 - 1
Integer = Annotated[int, Field(ge=-(2**31), le=INT32_MAX, strict=True)]
Tag = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[ -~]+$")]
Text50 = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[ -~]+$")]
Location = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[!-~]+$")]
Moment = AwareDatetime
Limit = Annotated[
    float, Field(ge=0, le=1_000_000_000, json_schema_extra={"multipleOf": 0.1}), AfterValidator(_one_decimal)
]


class MessageTrigger(StrEnum):
    """What a charger can be triggered to say (OCPP 1.6 §7.32)."""

    BOOT_NOTIFICATION = "BootNotification"
    DIAGNOSTICS_STATUS_NOTIFICATION = "DiagnosticsStatusNotification"
    FIRMWARE_STATUS_NOTIFICATION = "FirmwareStatusNotification"
    HEARTBEAT = "Heartbeat"
    METER_VALUES = "MeterValues"
    STATUS_NOTIFICATION = "StatusNotification"


class ExtendedMessageTrigger(StrEnum):
    """What a charger can be triggered to say with the security extension (whitepaper §5.6)."""

    BOOT_NOTIFICATION = "BootNotification"
    LOG_STATUS_NOTIFICATION = "LogStatusNotification"
    FIRMWARE_STATUS_NOTIFICATION = "FirmwareStatusNotification"
    HEARTBEAT = "Heartbeat"
    METER_VALUES = "MeterValues"
    SIGN_CHARGE_POINT_CERTIFICATE = "SignChargePointCertificate"
    STATUS_NOTIFICATION = "StatusNotification"
