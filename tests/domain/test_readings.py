"""Meter values: nothing is lost, nothing is added twice, nothing is rounded on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain import readings
from backend.domain.readings import COLUMNS, ENERGY, Columns, Sampled, fit, normalise, read_number

POWER = "Power.Active.Import"
MEASURANDS = [*COLUMNS, "Energy.Reactive.Import.Register", "Vendor.Magic", None]
PHASES = [None, "L1", "L2", "L3", "N", "L1-N", "L2-N", "L3-N", "L1-L2", "L2-L3", "L3-L1"]
UNITS = [None, "Wh", "kWh", "W", "kW", "A", "V", "Percent", "Celsius", "Celcius", "Fahrenheit", "K", "varh", "Furlong"]

texts = st.one_of(
    st.text(max_size=12), st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.floats().map(str), st.integers(-(10**15), 10**15).map(str),
)  # fmt: skip
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
samples = st.fixed_dictionaries(
    {"value": texts | anything},
    optional={
        "measurand": st.sampled_from(MEASURANDS), "phase": st.sampled_from(PHASES), "unit": st.sampled_from(UNITS),
        "context": st.sampled_from([None, "Sample.Periodic", "Transaction.End", "Full.Moon"]),
        "location": st.sampled_from([None, "Outlet", "Inlet", "Body", "Cable"]),
        "format": st.sampled_from(["Raw", "SignedData"]),
    },
)  # fmt: skip


def read_samples(said: Sequence[Mapping[str, Any]]) -> tuple[str | None, Columns, list[list[Any]]]:
    """What samples as JSON objects become."""
    return normalise([Sampled.of(sample) for sample in said])


@given(st.lists(samples, max_size=8))
def test_every_sample_is_in_a_column_or_beside(said: list[dict[str, Any]]) -> None:
    _, columns, others = read_samples(said)
    told = sum(value is not None for value in columns.values())

    assert set(columns) == {column for column, *_ in COLUMNS.values()}
    assert len(others) <= len(said) <= len(others) + told
    kept = [(row[0], row[1], row[5]) for row in others]
    for sample in said:
        name = sample.get("measurand") or ENERGY
        beside = (name, sample.get("phase"), sample.get("value")) in kept
        in_column = name in COLUMNS and sample.get("phase") is None and columns[COLUMNS[name][0]] is not None
        assert beside or in_column


@given(st.lists(samples, max_size=8))
def test_what_stands_in_a_column_fits_it(said: list[dict[str, Any]]) -> None:
    _, columns, _ = read_samples(said)

    for column, digits, decimals in COLUMNS.values():
        if (text := columns[column]) is not None:
            number = Decimal(text)
            assert number.is_finite()
            assert abs(number) < 10**digits
            assert number == number.quantize(Decimal(1).scaleb(-decimals))


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**8), min_size=3, max_size=3), st.permutations(range(4)))
def test_a_total_and_its_phases_are_never_added(total: int, lines: list[int], order: list[int]) -> None:
    phased = [{"value": str(line), "phase": f"L{number}"} for number, line in enumerate(lines, 1)]
    all_four = [{"value": str(total)}, *phased]

    assert read_samples([all_four[index] for index in order])[1]["energy_wh"] == str(total)
    assert read_samples(phased)[1]["energy_wh"] == str(sum(lines))


@given(st.decimals(min_value=-999_999_999, max_value=999_999_999, places=3))
def test_a_register_travels_exactly(register: Decimal) -> None:
    assert Decimal(read_samples([{"value": str(register)}])[1]["energy_wh"] or "x") == register
    assert Decimal(read_samples([{"value": f"{register:e}", "unit": "Wh"}])[1]["energy_wh"] or "x") == register


@given(st.decimals(min_value=0, max_value=999_999, places=3))
def test_kilowatt_hours_are_a_thousand_watt_hours(register: Decimal) -> None:
    assert Decimal(read_samples([{"value": str(register), "unit": "kWh"}])[1]["energy_wh"] or "x") == register * 1000


@given(anything)
def test_a_number_is_read_or_is_none(value: object) -> None:
    number = read_number(value)

    assert number is None or (number.is_finite() and abs(number) < Decimal(10) ** 30)
    assert number is None or fit(number, 12) is None or Decimal(fit(number, 12) or "x").is_finite()


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-inf", "sNaN", "", " ", "1,5", "1_000", "٣", "0x10", "1e31",
                                  "9e999999", "1e99999999999999999999", "--1", "1e", ".", "True"])  # fmt: skip
def test_a_text_that_is_no_number_is_none(text: str) -> None:
    assert read_number(text) is None


def test_the_first_context_is_the_contexts_name() -> None:
    said = [
        {"value": "1"},
        {"value": "2", "measurand": POWER, "context": "Trigger"},
        {"value": "3", "context": "Other"},
    ]

    context, columns, others = read_samples(said)

    assert context == "Trigger"
    assert (columns["energy_wh"], columns["power_w"]) == ("1", "2")
    assert others == [[ENERGY, None, None, "Other", None, "3"]]


def test_the_cars_own_register_is_not_the_chargers() -> None:
    for location in ("Inlet", "Body"):
        said = [{"value": "77", "location": location}, {"value": "5", "location": "Outlet"}]
        assert read_samples(said)[1]["energy_wh"] == "5"


def test_an_exponent_beyond_arithmetic_did_fail_the_whole_message() -> None:
    _, columns, others = read_samples([{"value": "9e999999", "unit": "kWh"}, {"value": "5"}])

    assert columns["energy_wh"] == "5"
    assert others == [[ENERGY, None, None, None, "kWh", "9e999999"]]


@pytest.mark.parametrize(("measurand", "unit", "values"), [
    (ENERGY, "Wh", ("99999999999", "99999999999", "1")), (POWER, "W", ("999999999.9999",) * 3),
    ("SoC", "Percent", ("999.999",)), ("Temperature", "Celsius", ("9999.996",)),
    (ENERGY, "kWh", ("99999999.9999999",)),
])  # fmt: skip
def test_a_sum_or_a_rounding_did_overflow_its_column(measurand: str, unit: str, values: tuple[str, ...]) -> None:
    phases = ("L1", "L2", "L3") if len(values) == 3 else (None,)
    said = [{"value": value, "measurand": measurand, "unit": unit, "phase": phase}
            for value, phase in zip(values, phases, strict=True)]  # fmt: skip

    _, columns, others = read_samples(said)

    assert columns[COLUMNS[measurand][0]] is None
    assert len(others) == len(said)


def test_invented_names_did_fill_our_memory() -> None:
    before = len(readings._plans)
    for number in range(100):
        read_samples([{"value": "1", "unit": f"{number}" * 1000}, {"value": "1", "measurand": f"{number}" * 1000}])

    assert len(readings._plans) == before
