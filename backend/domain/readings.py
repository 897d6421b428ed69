"""From what a meter says to a reading: fixed columns for the usual measurands, everything else kept beside.

OCPP 1.6 §7.33, §7.43 and §7.45: an absent measurand is Energy.Active.Import.Register, an absent unit Wh, an
absent context Sample.Periodic, an absent location Outlet. Field facts: values as numbers, exponents, signed
data; both Celcius and Celsius; totals that exist only as phases. A value that cannot be read never costs the
others. Numbers travel as text, so that nothing is rounded on the way to `numeric`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

Sample = Mapping[str, Any]
Columns = dict[str, str | None]

ENERGY: Final = "Energy.Active.Import.Register"
_PLAIN = re.compile(r"-?\d{1,9}(\.\d{1,3})?", re.ASCII).fullmatch
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
    columns: Columns = dict.fromkeys((column for column, _ in COLUMNS.values()), None)
    phases: dict[str, list[Decimal]] = {}
    others: list[list[Any]] = []
    context: str | None = None
    for sample in samples:
        name = sample.get("measurand") or ENERGY
        phase = sample.get("phase")
        context = context or sample.get("context")
        target = COLUMNS.get(name)
        text = _column_text(sample, target) if target else None
        if target and text is not None and phase is None and columns[target[0]] is None:
            columns[target[0]] = text
            continue
        if target and text is not None and _is_line(phase):
            phases.setdefault(target[0], []).append(Decimal(text))
        others.append(
            [
                name,
                phase,
                sample.get("location"),
                sample.get("context"),
                sample.get("unit"),
                sample.get("value"),
            ]
        )
    for column, values in phases.items():
        if columns[column] is None:  # a total was not said: never add total and phases
            columns[column] = str(sum(values) if column in _SUMMED else max(values))
    return context, columns, others


def _column_text(sample: Sample, target: tuple[str, int]) -> str | None:
    """The value in the column's unit as exact text; None if it cannot be read or does not fit."""
    if sample.get("format") == "SignedData" or (
        sample.get("location") in ("Inlet", "Body") and target[0] == "energy_wh"
    ):
        return None
    value, unit = sample.get("value"), sample.get("unit")
    if unit in _BASE_UNITS and isinstance(value, str) and _PLAIN(value) and target[1] >= 9:
        return value
    number = read_number(value)
    if number is None:
        return None
    return fit(_to_base(number, unit), target[1])


def _to_base(number: Decimal, unit: object) -> Decimal:
    if unit == "Fahrenheit":
        return (number - 32) * 5 / 9
    if unit == "K":
        return number - Decimal("273.15")
    return number * _SCALES.get(str(unit), Decimal(1))


def fit(number: Decimal, digits: int) -> str | None:
    """Plain notation with at most three decimals; None when it has more digits before the point than `digits`."""
    if abs(number) >= Decimal(10) ** digits:
        return None
    return f"{number.quantize(Decimal('0.001')).normalize():f}"


def _is_line(phase: object) -> bool:
    """Single lines (L1, L1-N); line-to-line values and N say nothing of the sum."""
    return phase in ("L1", "L2", "L3", "L1-N", "L2-N", "L3-N")
