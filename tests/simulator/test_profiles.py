"""Charging profiles: which limit holds when, what the composite schedule says, and that power obeys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.charger import Charger, ChargerSpec
from simulator.charging_profiles import Profile
from simulator.smart_charging import DEFAULT, SESSION, STATION, ChargingProfiles
from simulator.vehicle import Vehicle

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
AC = ChargerSpec("AC", 22_000)
DC = ChargerSpec("DC", 60_000, 2)


def wire(number: int, purpose: str, *limits: tuple[int, float], unit: str = "W", level: int = 0, **more: Any) -> Any:
    """A profile as it arrives, in snake case; `schedule` holds more members of the schedule."""
    periods = [{"start_period": start, "limit": limit} for start, limit in limits]
    schedule = {"charging_rate_unit": unit, "charging_schedule_period": periods, **more.pop("schedule", {})}
    return {"charging_profile_id": number, "stack_level": level, "charging_profile_purpose": purpose,
            "charging_profile_kind": "Relative", "charging_schedule": schedule, **more}  # fmt: skip


class Bench:
    """A charger with a car at each plug, sessions under way since noon."""

    def __init__(self, spec: ChargerSpec = DC, sessions: bool = True) -> None:
        self.charger = Charger(spec, NOON)
        self.sessions: dict[int, tuple[datetime, int | None]] = {}
        self.profiles = ChargingProfiles(self.charger, self.sessions.get)
        for number in self.charger.connectors:
            self.charger.plug_in(number, Vehicle.at_soc(10, battery_wh=200_000, max_ac_w=22_000), NOON)
            if sessions:
                self.charger.begin(number, NOON)
                self.sessions[number] = (NOON, 100 + number)

    def install(self, connector_id: int, profile: Any, at: datetime = NOON) -> None:
        self.profiles.install(Profile.read(connector_id, profile), at)

    def power(self, seconds: float, connector_id: int = 1) -> int:
        return self.charger.read(connector_id, NOON + timedelta(seconds=seconds)).power_w


def iso(hours: float) -> str:
    """A time relative to noon."""
    return (NOON + timedelta(hours=hours)).isoformat()


def test_the_sessions_own_profile_goes_before_the_default_and_the_station_caps_both() -> None:
    bench = Bench()
    bench.install(1, wire(1, DEFAULT, (0, 20_000)))
    assert (bench.power(10), bench.power(10, 2)) == (20_000, 30_000)
    bench.install(1, wire(2, SESSION, (0, 25_000)))
    assert bench.power(12) == 25_000
    bench.install(0, wire(3, STATION, (0, 24_000)))
    assert bench.power(14) + bench.power(14, 2) == 24_000


def test_a_connectors_default_goes_before_that_of_the_charger_and_the_highest_level_counts() -> None:
    bench = Bench()
    bench.install(0, wire(1, DEFAULT, (0, 9_000), level=5))
    bench.install(1, wire(2, DEFAULT, (0, 12_000), level=0))
    bench.install(1, wire(3, DEFAULT, (0, 14_000), level=1, valid_to=iso(1)))
    assert (bench.power(2), bench.power(2, 2)) == (14_000, 9_000)
    assert bench.profiles.limit_w(1, NOON + timedelta(hours=2)) == 12_000


def test_a_limit_of_zero_suspends_and_its_end_resumes() -> None:
    bench = Bench()
    bench.install(1, wire(1, SESSION, (0, 0), (60, 7_000)))
    assert (bench.power(30), bench.charger.connectors[1].status) == (0, "SuspendedEVSE")
    assert (bench.power(62), bench.charger.connectors[1].status) == (7_000, "Charging")


def test_amperes_count_per_phase() -> None:
    bench = Bench(AC)
    bench.install(1, wire(1, DEFAULT, (0, 10), unit="A"))
    assert bench.power(2) == 10 * 230 * 3
    bench.install(1, wire(2, DEFAULT, (0, 10), unit="A"))
    bench.profiles.clear(NOON)
    one = wire(3, DEFAULT, (0, 16), unit="A")
    one["charging_schedule"]["charging_schedule_period"][0]["number_phases"] = 1
    bench.install(1, one)
    assert bench.power(4) == 16 * 230


def test_a_daily_profile_comes_back_every_day() -> None:
    bench = Bench()
    daily = wire(1, DEFAULT, (0, 5_000), charging_profile_kind="Recurring", recurrency_kind="Daily",
                 schedule={"start_schedule": iso(1), "duration": 3_600})  # fmt: skip
    bench.install(1, daily)
    limits = [bench.profiles.limit_w(1, NOON + timedelta(hours=hours)) for hours in (0.5, 1.5, 2.5, 25.5, 26.5)]
    assert limits == [None, 5_000, None, 5_000, None]
    periods = bench.profiles.composite(1, NOON, 30 * 3_600, "W")
    assert [(row.start_s // 3_600, row.limit) for row in periods] == [
        (0, 60_000), (1, 5_000), (2, 60_000), (25, 5_000), (26, 60_000)
    ]  # fmt: skip


def test_replacing_clearing_and_the_end_of_a_session() -> None:
    bench = Bench()
    bench.install(1, wire(1, DEFAULT, (0, 1_000)))
    bench.install(1, wire(2, DEFAULT, (0, 2_000)))
    bench.install(2, wire(2, DEFAULT, (0, 3_000)))
    assert [(row.profile_id, row.connector_id) for row in bench.profiles] == [(2, 2)]
    bench.install(1, wire(4, SESSION, (0, 4_000), transaction_id=101))
    bench.profiles.session_ended(1, NOON)
    assert [row.profile_id for row in bench.profiles] == [2]
    assert bench.profiles.clear(NOON, connector_id=1) == 0
    assert bench.profiles.clear(NOON, purpose=DEFAULT, stack_level=0) == 1
    assert bench.charger.limiter is None


def test_a_profile_of_another_transaction_does_not_hold() -> None:
    bench = Bench()
    bench.install(1, wire(1, SESSION, (0, 4_000), transaction_id=999))
    assert bench.profiles.limit_w(1, NOON) is None


@pytest.mark.parametrize("starts", [[5, 10], [0, 20, 10], []])
def test_periods_begin_at_zero_and_ascend(starts: list[int]) -> None:
    with pytest.raises(ValueError, match="begin at 0"):
        Profile.read(1, wire(1, DEFAULT, *((start, 1.0) for start in starts)))


@given(
    limits=st.lists(st.integers(0, 80_000), min_size=1, max_size=5),
    width_s=st.integers(1, 900),
    cap=st.integers(0, 80_000),
    duration_s=st.integers(1, 5_000),
)
def test_the_composite_schedule_is_what_holds_at_every_second(
    limits: list[int], width_s: int, cap: int, duration_s: int
) -> None:
    bench = Bench()
    bench.install(1, wire(1, DEFAULT, *((place * width_s, limit) for place, limit in enumerate(limits))))
    bench.install(0, wire(2, STATION, (0, cap)))
    periods = bench.profiles.composite(1, NOON, duration_s, "W")
    assert periods[0].start_s == 0
    for second in {0, duration_s - 1, *(row.start_s for row in periods), *(row.start_s - 1 for row in periods[1:])}:
        said = [row.limit for row in periods if row.start_s <= second][-1]
        own = limits[min(second // width_s, len(limits) - 1)]
        assert said == min(60_000, cap, own)


@given(limit_w=st.integers(0, 60_000), seconds=st.integers(2, 2_000))
def test_energy_never_exceeds_what_a_limit_lets_through(limit_w: int, seconds: int) -> None:
    bench = Bench(ChargerSpec("DC", 60_000))
    bench.install(1, wire(1, DEFAULT, (0, limit_w)))
    bench.power(seconds)
    assert bench.charger.connectors[1].register_uj <= limit_w * seconds * 1_000_000
