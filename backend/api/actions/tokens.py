"""Local Auth List and Reservation: id tokens a charger knows, for whom it waits (OCPP 1.6 §5)."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from pydantic import Field

from backend.api.actions.payload import Action, Integer, Moment, OcppPayload, Tag
from backend.api.bodies import absent


class AuthorizationStatus(StrEnum):
    """What an id token may (OCPP 1.6 §7.2)."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"
    INVALID = "Invalid"
    CONCURRENT_TX = "ConcurrentTx"


class UpdateType(StrEnum):
    """Replace the list, or change the entries sent."""

    DIFFERENTIAL = "Differential"
    FULL = "Full"


class IdTagInfo(OcppPayload):
    """What is known of an id token (OCPP 1.6 §7.27)."""

    expiry_date: Moment = Field(default_factory=absent, description="Valid until, ISO 8601 with offset.")
    parent_id_tag: Tag = Field(default_factory=absent, description="Group of the id token.")
    status: AuthorizationStatus = Field(description="What it may.")


class AuthorizationData(OcppPayload):
    """One entry of the local list; without `idTagInfo` it is removed from the list."""

    id_tag: Tag = Field(description="Id token; at most 20 characters.")
    id_tag_info: IdTagInfo = Field(default_factory=absent, description="What it may; absent removes the entry.")


class GetLocalListVersion(OcppPayload):
    """Ask for the version of the charger's local list (OCPP 1.6 §5.10)."""


class SendLocalList(OcppPayload):
    """Give the charger id tokens to know without asking (OCPP 1.6 §5.15)."""

    list_version: Integer = Field(description="Version of the list after this.")
    local_authorization_list: list[AuthorizationData] = Field(
        default_factory=absent, max_length=10_000, description="The entries."
    )
    update_type: UpdateType = Field(description="`Full` replaces the list, `Differential` changes it.")


class ReserveNow(OcppPayload):
    """Keep a connector free for an id token (OCPP 1.6 §5.13)."""

    connector_id: Integer = Field(description="Connector; 0 means any of the charger.")
    expiry_date: Moment = Field(description="Reserved until, ISO 8601 with offset.")
    id_tag: Tag = Field(description="Id token it is kept for.")
    parent_id_tag: Tag = Field(default_factory=absent, description="Group it is kept for.")
    reservation_id: Integer = Field(description="Number of the reservation.")


class CancelReservation(OcppPayload):
    """End a reservation (OCPP 1.6 §5.1)."""

    reservation_id: Integer = Field(description="Number of the reservation.")


ACTIONS: Final = MappingProxyType(
    {
        "GetLocalListVersion": Action(GetLocalListVersion, "Ask for the version of the local list"),
        "SendLocalList": Action(SendLocalList, "Give the charger a local list"),
        "ReserveNow": Action(ReserveNow, "Keep a connector free"),
        "CancelReservation": Action(CancelReservation, "End a reservation"),
    }
)
