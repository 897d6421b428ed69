"""Smart Charging."""

from __future__ import annotations

from typing import Any

from ocpp.v16 import call_result

from simulator.answers.device import Device
from simulator.charging_profiles import Profile
from simulator.smart_charging import DEFAULT, STATION
from simulator.v16 import Answer, Handler

UNITS = {"A": "Current", "W": "Power"}


class SmartChargingAnswers:
    """Handlers of the profile."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def table(self) -> dict[str, Handler]:
        """OCPP action → handler."""
        return {
            "ClearChargingProfile": self.clear,
            "GetCompositeSchedule": self.composite,
            "SetChargingProfile": self.install,
        }

    def install(self, connector_id: int, cs_charging_profiles: dict[str, Any]) -> Answer:
        """1.6 §5.16."""
        device = self._device
        profile = readable(device, connector_id, cs_charging_profiles)
        if profile is None or not self._has_place(profile):
            return Answer(call_result.SetChargingProfile("Rejected"))
        if not device.quirks.ignores_limits:
            device.profiles.install(profile, device.clock.now())
        return Answer(call_result.SetChargingProfile("Accepted"), device.report)

    def _has_place(self, profile: Profile) -> bool:
        """Purpose and connector fit, and there is room (1.6 §3.13.1)."""
        device, connector_id = self._device, profile.connector_id
        if len(device.profiles) >= device.configuration.number("MaxChargingProfilesInstalled"):
            return False
        if profile.purpose == STATION:
            return connector_id == 0
        if profile.purpose == DEFAULT:
            return connector_id in {0, *device.connectors}
        if connector_id not in device.connectors or not device.has_session(connector_id):
            return False
        if profile.transaction_id is None:
            return True
        session = device.session_by_transaction(profile.transaction_id)
        return session is not None and session.connector_id == connector_id

    def clear(
        self,
        id: int | None = None,
        connector_id: int | None = None,
        charging_profile_purpose: str | None = None,
        stack_level: int | None = None,
    ) -> Answer:
        """1.6 §5.5: Unknown when nothing fits."""
        device = self._device
        removed = device.profiles.clear(device.clock.now(), id, connector_id, charging_profile_purpose, stack_level)
        return Answer(call_result.ClearChargingProfile("Accepted" if removed else "Unknown"), device.report)

    def composite(self, connector_id: int, duration: int, charging_rate_unit: str | None = None) -> Answer:
        """1.6 §5.7: in watts for DC and amperes for AC unless told."""
        device = self._device
        unit = charging_rate_unit or ("W" if device.charger.spec.current_type == "DC" else "A")
        if connector_id not in {0, *device.connectors} or not _speaks(device, unit):
            return Answer(call_result.GetCompositeSchedule("Rejected"))
        start = device.clock.now()
        periods = device.profiles.composite(connector_id, start, duration, unit)
        stamp = device.quirks.timestamp(start)
        schedule = {
            "duration": duration,
            "start_schedule": stamp,
            "charging_rate_unit": unit,
            "charging_schedule_period": [{"start_period": row.start_s, "limit": row.limit} for row in periods],
        }
        return Answer(call_result.GetCompositeSchedule("Accepted", connector_id, stamp, schedule))


def readable(device: Device, connector_id: int, wire: dict[str, Any]) -> Profile | None:
    """The profile, if this charger can carry it out: unit, level, number of periods, times."""
    try:
        profile = Profile.read(connector_id, wire)
    except ValueError:
        return None
    configuration = device.configuration
    fits = (
        _speaks(device, profile.unit)
        and 0 <= profile.stack_level <= configuration.number("ChargeProfileMaxStackLevel")
        and len(profile.periods) <= configuration.number("ChargingScheduleMaxPeriods")
    )
    return profile if fits else None


def _speaks(device: Device, unit: str) -> bool:
    return UNITS[unit] in device.configuration.names("ChargingScheduleAllowedChargingRateUnit")
