"""Lies and spellings: what a misbehaving charger puts on the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.charger import Reading
from simulator.quirks import LIES, QUIRKS, Quirks
from simulator.samples import meter_value

AT = datetime(2026, 11, 20, 3, 4, 5, 678_000, tzinfo=UTC)
AC3 = Reading(AT, 12_345, 11_000, 15.9, 230, 3, None, 40)
DC = Reading(AT, 12_345, 90_000, 225.0, 400, 1, 55, 40)
ALL = [
    "Energy.Active.Import.Register",
    "Power.Active.Import",
    "Current.Import",
    "Voltage",
    "SoC",
    "Temperature",
]


def samples(reading: Reading, quirks: Quirks) -> list[dict[str, str]]:
    """The sampled values of one reading."""
    made = meter_value(reading, reading.energy_wh, context="Sample.Periodic", measurands=ALL, quirks=quirks)
    return list(made["sampledValue"])


def energies(quirks: Quirks) -> list[tuple[str, str, str | None]]:
    """(value, unit, phase) of the energy samples of a three-phase reading."""
    rows = [row for row in samples(AC3, quirks) if row["measurand"] == ALL[0]]
    return [(row["value"], row["unit"], row.get("phase")) for row in rows]


@given(st.integers(0, 10**9), st.integers(0, 10**6))
def test_the_honest_meter_says_what_it_shows(start_wh: int, energy_wh: int) -> None:
    assert LIES["honest"](start_wh + energy_wh, start_wh) == start_wh + energy_wh


@pytest.mark.parametrize("name", ["goes-back", "resets"])
def test_a_register_that_goes_back_does_so_in_mid_session(name: str) -> None:
    said = [LIES[name](5_000 + energy, 5_000) for energy in range(0, 2_000, 100)]
    assert any(later < earlier for earlier, later in pairwise(said))


def test_other_lies_say_what_their_names_say() -> None:
    assert LIES["session-relative"](5_700, 5_000) == 700
    assert LIES["tenfold"](5_700, 5_000) == 12_000
    assert LIES["kwh-called-wh"](5_700, 5_000) == 5
    assert LIES["frozen"](5_700, 5_000) == 5_000


def test_energy_texts_and_phases() -> None:
    assert energies(QUIRKS["none"]) == [("12345", "Wh", None)]
    assert energies(QUIRKS["kwh"]) == [("12.345", "kWh", None)]
    assert energies(QUIRKS["exponent"]) == [("12345.0E0", "Wh", None)]
    assert energies(QUIRKS["first-phase-only"]) == [("12345", "Wh", "L1")]
    split = energies(QUIRKS["phases-only"])
    assert [phase for _value, _unit, phase in split] == ["L1", "L2", "L3"]
    assert sum(int(value) for value, _unit, _phase in split) == 12_345
    assert energies(QUIRKS["phases-and-total"]) == [*split, ("12345", "Wh", None)]


def test_a_dc_reading_has_soc_and_an_ac_reading_has_phases() -> None:
    dc, ac = samples(DC, QUIRKS["none"]), samples(AC3, QUIRKS["none"])
    assert {"measurand": "SoC", "value": "55", "unit": "Percent", "context": "Sample.Periodic"} in dc
    assert not [row for row in ac if row["measurand"] == "SoC"]
    assert [row["phase"] for row in ac if row["measurand"] == "Voltage"] == ["L1-N", "L2-N", "L3-N"]


def test_bare_samples_are_a_number_and_nothing_else() -> None:
    assert samples(AC3, QUIRKS["bare-samples"]) == [{"value": "12345"}]


def test_the_misspelt_unit() -> None:
    assert [row["unit"] for row in samples(DC, QUIRKS["celcius"]) if row["measurand"] == "Temperature"] == ["Celcius"]


def test_clocks_and_their_spellings() -> None:
    assert QUIRKS["none"].timestamp(AT) == "2026-11-20T03:04:05.678Z"
    assert QUIRKS["offset-clock"].timestamp(AT) == "2026-11-20T10:04:05+07:00"
    assert QUIRKS["no-zone"].timestamp(AT) == "2026-11-20T03:04:05"
    assert QUIRKS["slow-clock"].timestamp(AT) == "2026-11-20T02:39:05.678Z"
    assert QUIRKS["born-1970"].timestamp(AT).startswith("1970-")
    assert Quirks(clock_offset=timedelta(hours=1), timestamp_form="microseconds").timestamp(AT) == (
        "2026-11-20T04:04:05.678000Z"
    )
