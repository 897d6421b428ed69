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
from typing import Any, Final, NamedTuple, Protocol

Columns = dict[str, str | None]


class Sample(Protocol):
    """A SampledValue (OCPP 1.6 §7.43): attributes are its members, None where nothing was said."""

    @property
    def value(self) -> Any: ...
    @property
    def context(self) -> Any: ...
    @property
    def format(self) -> Any: ...
    @property
    def measurand(self) -> Any: ...
    @property
    def phase(self) -> Any: ...
    @property
    def location(self) -> Any: ...
    @property
    def unit(self) -> Any: ...


class Sampled(NamedTuple):
    """A SampledValue read leniently."""

    value: Any = None
    context: Any = None
    format: Any = None
    measurand: Any = None
    phase: Any = None
    location: Any = None
    unit: Any = None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Sampled:
        """From a JSON object; members that it has besides are passed over."""
        return cls(*map(said.get, cls._fields))


class Metered(NamedTuple):
    """A MeterValue (§7.33): when, by the charger's clock; what; and the same as it was said, to know a repetition."""

    timestamp: object
    samples: Sequence[Sample]
    content: object

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Metered:
        """From a JSON object."""
        return cls(said.get("timestamp"), [Sampled.of(sample) for sample in said.get("sampledValue") or ()], said)


ENERGY: Final = "Energy.Active.Import.Register"
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII).fullmatch
_LONGEST_NUMBER: Final = 30  # digits before the point; beyond, arithmetic would overflow

REGISTER_DIGITS: Final = 11
"""Before the point, in Wh: 100 GWh are more than a charger delivers in its life. The column holds one digit more,
because the difference of two registers stands in such a one, too."""

# measurand -> (column, digits that are taken before and after the point)
COLUMNS: Final[dict[str, tuple[str, int, int]]] = {
    ENERGY: ("energy_wh", REGISTER_DIGITS, 3),
    "Power.Active.Import": ("power_w", 9, 3),
    "Current.Import": ("current_a", 6, 3),
    "Voltage": ("voltage_v", 6, 3),
    "SoC": ("soc_percent", 3, 2),
    "Temperature": ("temperature_c", 4, 2),
}
_DIGITS: Final = {column: (before, after) for column, before, after in COLUMNS.values()}
_BASE_UNITS: Final = {None, "Wh", "W", "A", "V", "Percent", "Celsius", "Celcius"}
_SCALES: Final = {"kWh": Decimal(1000), "kW": Decimal(1000)}
_LINES: Final = {"L1", "L2", "L3", "L1-N", "L2-N", "L3-N"}  # line-to-line values and N say nothing of the sum
_NOTHING: Final[Columns] = dict.fromkeys(_DIGITS, None)
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
    phases: dict[str, list[str]] = {}
    others: list[list[Any]] = []
    context: str | None = None
    for sample in samples:
        value, measurand, said = sample.value, sample.measurand or ENERGY, sample.context
        context = context or said
        kind = (measurand, sample.phase, sample.unit, sample.location, sample.format)
        try:
            plan = _plans[kind]
        except KeyError:
            plan = _planned(kind)
        if plan is not None:
            text = _column_text(value, plan)
            if plan.total and text is not None and columns[plan.column] is None:
                columns[plan.column] = text
                continue
            if plan.line and text is not None:
                phases.setdefault(plan.column, []).append(text)
        others.append([measurand, sample.phase, sample.location, said, sample.unit, value])
    for column, lines in phases.items():
        if columns[column] is None:  # a total was not said: never add total and phases
            columns[column] = _of_lines(column, lines)
    return context, columns, others


def _of_lines(column: str, lines: list[str]) -> str | None:
    """What the phases together say: their sum, or the highest of them."""
    if column in _SUMMED:
        return fit(sum(map(Decimal, lines), Decimal(0)), *_DIGITS[column])
    return lines[0] if lines.count(lines[0]) == len(lines) else max(lines, key=Decimal)


class _Plan(NamedTuple):
    """How samples of one kind are read. `total`: speaks of all phases; `line`: of a single one (L1, L1-N)."""

    column: str
    total: bool
    line: bool
    unit: str | None
    is_plain: Callable[[str], object] | None  # tells a value that is its own column text


_Kind = tuple[str, str | None, str | None, str | None, str | None]  # measurand, phase, unit, location, format
_plans: dict[_Kind, _Plan | None] = {}  # a charger repeats a dozen kinds for ever
_PLANS_KEPT: Final = 4096
_LONGEST_KIND: Final = 120  # characters; whoever invents names gets none of our memory


def _planned(kind: _Kind) -> _Plan | None:
    """None for samples that no column holds."""
    plan = _made_plan(*kind)
    if len(_plans) < _PLANS_KEPT and sum(len(word) for word in kind if word) <= _LONGEST_KIND:
        _plans[kind] = plan
    return plan


def _made_plan(
    measurand: str, phase: str | None, unit: str | None, location: str | None, form: str | None
) -> _Plan | None:
    if measurand not in COLUMNS or form == "SignedData":
        return None
    column, before, after = COLUMNS[measurand]
    if column == "energy_wh" and location in ("Inlet", "Body"):
        return None
    plain = re.compile(rf"-?\d{{1,{before}}}(\.\d{{1,{after}}})?", re.ASCII).fullmatch
    return _Plan(column, phase is None, phase in _LINES, unit, plain if unit in _BASE_UNITS else None)


def _column_text(value: Any, plan: _Plan) -> str | None:
    """The value in the column's unit as exact text; None if it cannot be read or does not fit."""
    if plan.is_plain is not None and type(value) is str and plan.is_plain(value):
        return value
    number = read_number(value)
    return None if number is None else fit(_to_base(number, plan.unit), *_DIGITS[plan.column])


def _to_base(number: Decimal, unit: str | None) -> Decimal:
    if unit == "Fahrenheit":
        return (number - 32) * 5 / 9
    if unit == "K":
        return number - Decimal("273.15")
    return number * _SCALES.get(unit or "", Decimal(1))


def fit(number: Decimal, digits: int, decimals: int = 3) -> str | None:
    """Plain notation, rounded to `decimals`; None when that has more digits before the point than `digits`."""
    limit = Decimal(10) ** digits
    if abs(number) >= limit or abs(rounded := number.quantize(Decimal(1).scaleb(-decimals))) >= limit:
        return None
    return f"{rounded.normalize():f}"
