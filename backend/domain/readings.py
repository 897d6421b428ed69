"""From what a meter says to a reading: fixed columns for the usual measurands, everything else kept beside.

OCPP 1.6 §7.33, §7.43 and §7.45: an absent measurand is Energy.Active.Import.Register, an absent unit Wh, an
absent context Sample.Periodic, an absent location Outlet. Field facts: values as numbers, exponents, signed
data; both Celcius and Celsius; totals that exist only as phases. A value that cannot be read never costs the
others. Numbers travel as text, so that nothing is rounded on the way to `numeric`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, NamedTuple

Sample = Mapping[str, Any]
Columns = dict[str, str | None]

ENERGY: Final = "Energy.Active.Import.Register"
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII).fullmatch
_LONGEST_NUMBER: Final = 30  # digits before the point; beyond, arithmetic would overflow

# measurand -> (column, digits before the point the column holds)
COLUMNS: Final[dict[str, tuple[str, int]]] = {
    ENERGY: ("energy_wh", 12),
    "Power.Active.Import": ("power_w", 9),
    "Current.Import": ("current_a", 6),
    "Voltage": ("voltage_v", 6),
    "SoC": ("soc_percent", 3),
    "Temperature": ("temperature_c", 4),
}
_BASE_UNITS: Final = {None, "Wh", "W", "A", "V", "Percent", "Celsius", "Celcius"}
_SCALES: Final = {"kWh": Decimal(1000), "kW": Decimal(1000)}
_LINES: Final = {"L1", "L2", "L3", "L1-N", "L2-N", "L3-N"}  # line-to-line values and N say nothing of the sum
_NOTHING: Final[Columns] = dict.fromkeys((column for column, _ in COLUMNS.values()), None)
_SUMMED: Final = {"energy_wh", "power_w"}  # over phases; of current and voltage the highest phase is told


def read_number(value: object) -> Decimal | None:
    """A number of at most 30 digits before the point out of what the wire carried, else None."""
    text = str(value).strip()
    if not _NUMBER(text):
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent that no computer holds
        return None
    return number if number.adjusted() < _LONGEST_NUMBER else None


def normalise(samples: Sequence[Sample]) -> tuple[str | None, Columns, list[list[Any]]]:
    """(context, columns, others) of one MeterValue.

    `columns` has every column of COLUMNS, None where nothing was said. `others` holds what no column tells:
    [measurand, phase, location, context, unit, value].
    """
    columns: Columns = _NOTHING.copy()
    phases: dict[str, list[Decimal]] = {}
    others: list[list[Any]] = []
    context: str | None = None
    for sample in samples:
        get = sample.get
        value, phase, unit, location = get("value"), get("phase"), get("unit"), get("location")
        context = context or get("context")
        plan = _plan(get("measurand") or ENERGY, phase, unit, location, get("format"))
        if plan is not None:
            text = _column_text(value, plan)
            if plan.total and text is not None and columns[plan.column] is None:
                columns[plan.column] = text
                continue
            if plan.line and text is not None:
                phases.setdefault(plan.column, []).append(Decimal(text))
        others.append([get("measurand") or ENERGY, phase, location, get("context"), unit, value])
    for column, values in phases.items():
        if columns[column] is None:  # a total was not said: never add total and phases
            columns[column] = str(sum(values) if column in _SUMMED else max(values))
    return context, columns, others


class _Plan(NamedTuple):
    """How samples of one kind are read. `total`: speaks of all phases; `line`: of a single one (L1, L1-N)."""

    column: str
    digits: int
    total: bool
    line: bool
    unit: str | None
    is_plain: Callable[[str], object] | None  # tells a value that is its own column text


@lru_cache(maxsize=4096)
def _plan(measurand: str, phase: str | None, unit: str | None, location: str | None, form: str | None) -> _Plan | None:
    """None for samples that no column holds. A charger repeats a dozen kinds for ever, hence the cache."""
    if measurand not in COLUMNS or form == "SignedData":
        return None
    column, digits = COLUMNS[measurand]
    if column == "energy_wh" and location in ("Inlet", "Body"):
        return None
    is_plain = re.compile(rf"-?\d{{1,{digits}}}(\.\d{{1,3}})?", re.ASCII).fullmatch if unit in _BASE_UNITS else None
    return _Plan(column, digits, phase is None, phase in _LINES, unit, is_plain)


def _column_text(value: Any, plan: _Plan) -> str | None:
    """The value in the column's unit as exact text; None if it cannot be read or does not fit."""
    if plan.is_plain is not None and type(value) is str and plan.is_plain(value):
        return value
    number = read_number(value)
    return None if number is None else fit(_to_base(number, plan.unit), plan.digits)


def _to_base(number: Decimal, unit: str | None) -> Decimal:
    if unit == "Fahrenheit":
        return (number - 32) * 5 / 9
    if unit == "K":
        return number - Decimal("273.15")
    return number * _SCALES.get(unit or "", Decimal(1))


def fit(number: Decimal, digits: int) -> str | None:
    """Plain notation with at most three decimals; None when it has more digits before the point than `digits`."""
    if abs(number) >= Decimal(10) ** digits:
        return None
    return f"{number.quantize(Decimal('0.001')).normalize():f}"
