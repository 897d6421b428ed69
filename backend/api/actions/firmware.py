"""Firmware Management: updates and diagnostics (OCPP 1.6 §5.9, §5.19)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from pydantic import Field

from backend.api.actions.payload import Action, Integer, Location, Moment, OcppPayload
from backend.api.bodies import absent


class GetDiagnostics(OcppPayload):
    """Let the charger upload its diagnostics (OCPP 1.6 §5.9)."""

    location: Location = Field(description="Where to upload to: any URL, as given.")
    retries: Integer = Field(default_factory=absent, description="How often to try again.")
    retry_interval: Integer = Field(default_factory=absent, description="Seconds between tries.")
    start_time: Moment = Field(default_factory=absent, description="Oldest entry wanted, ISO 8601 with offset.")
    stop_time: Moment = Field(default_factory=absent, description="Newest entry wanted, ISO 8601 with offset.")


class UpdateFirmware(OcppPayload):
    """Let the charger download and install firmware (OCPP 1.6 §5.19)."""

    location: Location = Field(description="Where to download from: any URL, as given.")
    retries: Integer = Field(default_factory=absent, description="How often to try again.")
    retrieve_date: Moment = Field(description="When to download, ISO 8601 with offset.")
    retry_interval: Integer = Field(default_factory=absent, description="Seconds between tries.")


ACTIONS: Final = MappingProxyType(
    {
        "GetDiagnostics": Action(GetDiagnostics, "Let the charger upload its diagnostics"),
        "UpdateFirmware": Action(UpdateFirmware, "Let the charger install firmware"),
    }
)
