"""The physics: energy is the integral of power, registers only climb, batteries do not overflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.charger import STEP_S, Charger, ChargerSpec, Fault
from simulator.vehicle import DC_TAPER, MICROJOULES_PER_WH, Vehicle, share_at

START = datetime(2026, 11, 20, 3, 0, 0, tzinfo=UTC)

specs = st.builds(
    ChargerSpec,
    current_type=st.sampled_from(("AC", "DC")),
    rated_power_w=st.sampled_from((7_400, 22_000, 50_000, 120_000, 200_000)),
    connector_count=st.integers(1, 3),
    heat_rise_c=st.sampled_from((30, 70)),
)
vehicles = st.builds(
    Vehicle.at_soc,
    st.integers(0, 100),
    battery_wh=st.integers(1_000, 90_000),
    max_ac_w=st.integers(3_000, 22_000),
    max_dc_w=st.integers(30_000, 250_000),
    phases=st.sampled_from((1, 3)),
    target_soc_percent=st.integers(50, 100),
)
spans = st.lists(st.integers(1, 900_000_000), min_size=1, max_size=12)


def charging(spec: ChargerSpec, vehicle: Vehicle) -> Charger:
    """A charger with one session under way on connector 1."""
    charger = Charger(spec, START, (1_000_000,))
    charger.plug_in(1, vehicle, START)
    charger.begin(1, START)
    return charger


@settings(max_examples=60)
@given(specs, vehicles)
def test_the_register_is_exactly_the_integral_of_power(spec: ChargerSpec, vehicle: Vehicle) -> None:
    charger = charging(spec, vehicle)
    plug = charger.connectors[1]
    before_uj, at, expected_uj = plug.register_uj, START, 0
    for _step in range(300):
        expected_uj += plug.power_w * STEP_S * 1_000_000
        at += timedelta(seconds=STEP_S)
        charger.advance(at)
    assert plug.register_uj - before_uj == expected_uj


@settings(max_examples=80)
@given(specs, vehicles, spans)
def test_however_time_is_cut_up_the_meter_shows_the_same(
    spec: ChargerSpec, vehicle: Vehicle, cuts_us: list[int]
) -> None:
    twin = Vehicle(**{name: getattr(vehicle, name) for name in Vehicle.__slots__})
    whole, pieces = charging(spec, vehicle), charging(spec, twin)
    at = START
    for cut_us in cuts_us:
        at += timedelta(microseconds=cut_us)
        pieces.advance(at)
    whole.advance(at)
    assert whole.connectors[1].register_uj == pieces.connectors[1].register_uj
    assert whole.temperature_milli_c == pieces.temperature_milli_c


@settings(max_examples=80)
@given(specs, vehicles, spans)
def test_registers_climb_and_batteries_never_overflow(spec: ChargerSpec, vehicle: Vehicle, cuts_us: list[int]) -> None:
    charger = charging(spec, vehicle)
    plug, at, last_uj = charger.connectors[1], START, 0
    limit_uj = max(vehicle.stored_uj, vehicle.capacity_uj * vehicle.target_soc_percent // 100)
    for cut_us in cuts_us:
        at += timedelta(microseconds=cut_us)
        charger.advance(at)
        assert plug.register_uj >= last_uj
        assert vehicle.stored_uj <= limit_uj
        assert 0 <= vehicle.soc_percent <= 100
        assert plug.power_w <= spec.rated_power_w
        last_uj = plug.register_uj


@settings(max_examples=60)
@given(specs, st.lists(vehicles, min_size=3, max_size=3), st.integers(10, 3_000))
def test_connectors_together_never_exceed_the_type_plate(spec: ChargerSpec, cars: list[Vehicle], seconds: int) -> None:
    charger = Charger(spec, START)
    for number, car in zip(charger.connectors, cars, strict=False):
        charger.plug_in(number, car, START)
        charger.begin(number, START)
    charger.advance(START + timedelta(seconds=seconds))
    assert charger.power_w <= spec.rated_power_w
    delivered_uj = sum(plug.register_uj for plug in charger.connectors.values())
    assert delivered_uj <= spec.rated_power_w * seconds * 1_000_000


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_dc_power_tapers_as_the_battery_fills(one: int, other: int) -> None:
    low, high = sorted((max(100, one), max(100, other)))
    assert share_at(DC_TAPER, high) <= share_at(DC_TAPER, low)


def test_a_dc_session_tapers_and_ends_suspended_by_the_full_car() -> None:
    charger = charging(ChargerSpec("DC", 120_000), Vehicle.at_soc(20, battery_wh=60_000, max_dc_w=120_000))
    early = charger.read(1, START + timedelta(minutes=5))
    late = charger.read(1, START + timedelta(minutes=40))
    end = charger.read(1, START + timedelta(hours=8))
    assert early.power_w > 100_000 > late.power_w > 0
    assert early.soc_percent is not None
    assert end.soc_percent == 100
    assert end.power_w == 0
    assert charger.connectors[1].status == "SuspendedEV"
    assert charger.connectors[1].register_uj - 1_000_000 * MICROJOULES_PER_WH == pytest.approx(
        48_000 * MICROJOULES_PER_WH, abs=10_000_000
    )


def test_a_single_phase_plug_gives_a_three_phase_car_a_third() -> None:
    charger = charging(ChargerSpec("AC", 7_400), Vehicle.at_soc(10, max_ac_w=11_000, phases=3))
    assert charger.connectors[1].power_w == 3_666
    assert charger.read(1, START).phases == 1


def test_a_single_phase_car_takes_one_phase_of_a_22_kw_plug() -> None:
    charger = charging(ChargerSpec("AC", 22_000), Vehicle.at_soc(10, max_ac_w=7_400, phases=1))
    reading = charger.read(1, START)
    assert (reading.power_w, reading.phases, reading.soc_percent) == (7_333, 1, None)


@pytest.mark.parametrize(("heat_rise_c", "status"), [(95, "Charging"), (300, "Faulted")])
def test_a_hot_cabinet_derates_and_a_too_hot_one_faults(heat_rise_c: int, status: str) -> None:
    spec = ChargerSpec("AC", 22_000, heat_rise_c=heat_rise_c)
    charger = charging(spec, Vehicle.at_soc(0, battery_wh=90_000, max_ac_w=22_000))
    full_w = charger.connectors[1].power_w
    charger.advance(START + timedelta(minutes=30))
    assert charger.connectors[1].power_w < full_w
    assert charger.connectors[1].status == status


@pytest.mark.parametrize("hold", ["ev", "evse"])
def test_suspension_stops_the_meter_and_shows_who_holds_back(hold: str) -> None:
    charger = charging(ChargerSpec(), Vehicle.at_soc(10))
    at = START + timedelta(minutes=1)
    charger.suspend(1, at, **{hold: True})
    held = charger.read(1, at).energy_wh
    assert charger.connectors[1].status == f"Suspended{hold.upper()}"
    assert charger.read(1, at + timedelta(hours=1)).energy_wh == held
    charger.suspend(1, at + timedelta(hours=1), **{hold: False})
    assert charger.connectors[1].status == "Charging"
    assert charger.read(1, at + timedelta(hours=2)).energy_wh > held


def test_status_follows_the_facts() -> None:
    charger = Charger(ChargerSpec(), START)
    plug, seen = charger.connectors[1], []
    seen.append(plug.status)
    charger.expect(1, START, True)
    seen.append(plug.status)
    charger.plug_in(1, Vehicle.at_soc(10), START)
    charger.begin(1, START)
    seen.append(plug.status)
    charger.end(1, START)
    seen.append(plug.status)
    charger.unplug(1, START)
    charger.set_operative(1, START, False)
    seen.append(plug.status)
    charger.set_fault(1, START, Fault("GroundFailure"))
    seen.append(plug.status)
    assert seen == ["Available", "Preparing", "Charging", "Finishing", "Unavailable", "Faulted"]


def test_a_fault_of_the_unit_leaves_its_plugs_as_they_are() -> None:
    charger = charging(ChargerSpec(), Vehicle.at_soc(10))
    charger.set_fault(0, START, Fault("InternalError"))
    assert (charger.status, charger.connectors[1].status) == ("Faulted", "Charging")


def test_without_mains_nothing_flows() -> None:
    charger = charging(ChargerSpec(), Vehicle.at_soc(10))
    charger.set_power(START + timedelta(minutes=1), False)
    dark = charger.connectors[1].register_uj
    charger.advance(START + timedelta(hours=1))
    assert charger.connectors[1].register_uj == dark


def test_two_cars_do_not_fit_one_plug() -> None:
    charger = charging(ChargerSpec(), Vehicle.at_soc(10))
    with pytest.raises(ValueError, match="has a car already"):
        charger.plug_in(1, Vehicle.at_soc(50), START)
