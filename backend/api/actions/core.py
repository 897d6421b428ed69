"""Core and Remote Trigger: what may be asked of every charger (OCPP 1.6 §5)."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import Field

from backend.api.actions.payload import Action, Integer, MessageTrigger, OcppPayload, Tag, Text50
from backend.api.actions.smart_charging import ChargingProfile
from backend.api.bodies import absent


class AvailabilityType(StrEnum):
    """Whether the connector may serve drivers."""

    INOPERATIVE = "Inoperative"
    OPERATIVE = "Operative"


class ResetType(StrEnum):
    """Hard: reboot at once. Soft: stop sessions properly first."""

    HARD = "Hard"
    SOFT = "Soft"


class ChangeAvailability(OcppPayload):
    """Take a connector, or with 0 the whole charger, into or out of service (OCPP 1.6 §5.2)."""

    connector_id: Integer = Field(description="Connector; 0 means the whole charger.")
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

    connector_id: Integer = Field(default_factory=absent, description="Connector; absent lets the charger choose.")
    id_tag: Tag = Field(description="Id token to charge the session to; at most 20 characters.")
    charging_profile: ChargingProfile = Field(default_factory=absent, description="Limit for this session alone.")


class RemoteStopTransaction(OcppPayload):
    """Ask the charger to end a session (OCPP 1.6 §5.12)."""

    transaction_id: Integer = Field(description="`transaction_id` of the session.")


class Reset(OcppPayload):
    """Restart the charger (OCPP 1.6 §5.14)."""

    type: ResetType = Field(description="`Soft` ends sessions properly first; `Hard` does not wait.")


class TriggerMessage(OcppPayload):
    """Ask the charger to send a message now (OCPP 1.6 §5.17)."""

    requested_message: MessageTrigger = Field(description="Message to send.")
    connector_id: Integer = Field(default_factory=absent, description="Connector it concerns.")


class UnlockConnector(OcppPayload):
    """Release the lock of a connector (OCPP 1.6 §5.18)."""

    connector_id: Integer = Field(description="Connector to unlock.")


ACTIONS: Final = MappingProxyType(
    {
        "ChangeAvailability": Action(ChangeAvailability, "Take a connector into or out of service"),
        "ChangeConfiguration": Action(ChangeConfiguration, "Set a configuration key"),
        "ClearCache": Action(ClearCache, "Clear the charger's memory of id tokens"),
        "DataTransfer": Action(DataTransfer, "Send a vendor-specific message"),
        "GetConfiguration": Action(GetConfiguration, "Read configuration keys"),
        "RemoteStartTransaction": Action(RemoteStartTransaction, "Ask the charger to begin a session"),
        "RemoteStopTransaction": Action(RemoteStopTransaction, "Ask the charger to end a session"),
        "Reset": Action(Reset, "Restart the charger"),
        "TriggerMessage": Action(TriggerMessage, "Ask for a message"),
        "UnlockConnector": Action(UnlockConnector, "Unlock a connector"),
    }
)
