"""What to make of what a known firmware says: treatments of OCPP 1.6 payloads, as rules in a table name them.

Pure functions of a payload of any form. They leave what they were given unchanged, and what they cannot read as it is:
a rule never costs a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from backend.domain.errors import InvalidInput
from backend.domain.readings import ENERGY, read_number
from backend.domain.timestamps import read_timestamp

Payload = dict[str, Any]
Change = Callable[[Payload], Payload]
_LISTS: Final = ("meterValue", "transactionData")
_WITH_READINGS: Final = frozenset({"MeterValues", "StopTransaction"})
_WITH_TIMES: Final = frozenset({"MeterValues", "StartTransaction", "StatusNotification", "StopTransaction"})
_WITH_TAGS: Final = frozenset({"Authorize", "StartTransaction", "StopTransaction"})
_REGISTERS: Final = ("meterStart", "meterStop")
_MEMBERS: Final = ("readings", "registers", "both")
_LARGEST_FACTOR: Final = 10**6
_LONGEST_OFFSET_S: Final = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Rule:
    """Whose firmware (patterns with `*`, whatever the case), and what to do."""

    id: str
    vendor_pattern: str
    model_pattern: str
    firmware_pattern: str
    treatment: str
    parameters: Mapping[str, Any]

    def fits(self, vendor: str | None, model: str | None, firmware: str | None) -> bool:
        """Whether it is meant for this firmware; what was not told is an empty text."""
        told = ((self.vendor_pattern, vendor), (self.model_pattern, model), (self.firmware_pattern, firmware))
        return all(_like(pattern, text or "") for pattern, text in told)


def _like(pattern: str, text: str) -> bool:
    parts = map(re.escape, pattern.split("*"))
    return re.fullmatch(".*".join(parts), text, re.IGNORECASE | re.DOTALL) is not None


class Treatment:
    """Several rules, compiled: applied to a payload in their order."""

    __slots__ = ("_changes", "rules")

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Raises InvalidInput for parameters that mean nothing."""
        self.rules = tuple(rules)
        self._changes: dict[str, list[Change]] = {}
        for rule in self.rules:
            kind = _kind(rule.treatment)
            change = kind.compiled(rule.parameters)
            for action in kind.actions:
                self._changes.setdefault(action, []).append(change)

    @property
    def actions(self) -> frozenset[str]:
        """The messages that these rules may change."""
        return frozenset(self._changes)

    def apply(self, action: str, payload: Payload) -> Payload:
        """The payload as it should have been."""
        for change in self._changes.get(action, ()):
            payload = change(payload)
        return payload


def check_parameters(treatment: str, parameters: Mapping[str, Any]) -> None:
    """Raises InvalidInput for an unknown treatment, or for parameters that mean nothing to it."""
    _kind(treatment).compiled(parameters)


@dataclass(frozen=True, slots=True)
class _Kind:
    actions: frozenset[str]
    compiled: Callable[[Mapping[str, Any]], Change]


def _kind(treatment: str) -> _Kind:
    if treatment not in TREATMENTS:
        raise _meaningless("treatment", f"is none of {', '.join(TREATMENTS)}")
    return TREATMENTS[treatment]


def _meaningless(member: str, why: str) -> InvalidInput:
    return InvalidInput(f"{member} {why}.", members=[(member, why)])


def _given(parameters: Mapping[str, Any], *names: str) -> list[Any]:
    if set(parameters) != set(names):
        raise _meaningless("parameters", f"must have exactly the members {', '.join(names)}")
    return [parameters[name] for name in names]


# -- meters


def _energy_factor(parameters: Mapping[str, Any]) -> Change:
    """`factor` (a text or number) times the energy of `members`: readings, the registers at start and stop, or both."""
    given, members = _given(parameters, "factor", "members")
    factor = read_number(given)
    if factor is None or not 0 < factor <= _LARGEST_FACTOR:
        raise _meaningless("parameters.factor", "is no number above 0 and up to a million")
    if members not in _MEMBERS:
        raise _meaningless("parameters.members", f"is none of {', '.join(_MEMBERS)}")

    def change(payload: Payload) -> Payload:
        changed = dict(payload)
        if members != "readings":
            changed |= {name: _times(payload[name], factor) for name in _REGISTERS if name in payload}
        return changed if members == "registers" else _with_samples(changed, lambda sample: _scaled(sample, factor))

    return change


def _times(value: Any, factor: Decimal) -> Any:
    number = read_number(value)
    return value if number is None else f"{(number * factor).normalize():f}"


def _scaled(sample: Payload, factor: Decimal) -> Payload:
    if (sample.get("measurand") or ENERGY) != ENERGY or sample.get("format") == "SignedData":
        return sample
    return {**sample, "value": _times(sample.get("value"), factor)}


def _ignore_phases(parameters: Mapping[str, Any]) -> Change:
    """Samples of these `phases` are not there."""
    [phases] = _given(parameters, "phases")
    if not isinstance(phases, list) or not phases or not all(isinstance(phase, str) for phase in phases):
        raise _meaningless("parameters.phases", "is no list of phases such as L2")
    return lambda payload: _with_samples(payload, lambda sample: None if sample.get("phase") in phases else sample)


def _with_samples(payload: Payload, changed: Callable[[Payload], Payload | None]) -> Payload:
    """Every sampled value changed; one that becomes None is left out."""

    def treated(value: Payload) -> Payload:
        samples = value.get("sampledValue")
        return {**value, "sampledValue": _each(samples, changed)} if isinstance(samples, list) else value

    return _with_values(payload, treated)


def _each(things: list[Any], changed: Callable[[Payload], Payload | None]) -> list[Any]:
    kept: list[Any] = []
    for thing in things:
        made = changed(thing) if isinstance(thing, dict) else thing
        if made is not None or thing is None:
            kept.append(made)
    return kept


def _with_values(payload: Payload, changed: Callable[[Payload], Payload]) -> Payload:
    lists = {name: _each(payload[name], changed) for name in _LISTS if isinstance(payload.get(name), list)}
    return {**payload, **lists}


# -- clocks


def _clock_offset(parameters: Mapping[str, Any]) -> Change:
    """`seconds` are added to every time; negative for a clock that is ahead."""
    [seconds] = _given(parameters, "seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int) or abs(seconds) > _LONGEST_OFFSET_S:
        raise _meaningless("parameters.seconds", "is no whole number of seconds within a year")
    return _with_times(lambda moment: moment + timedelta(seconds=seconds))


def _clock_zone(parameters: Mapping[str, Any]) -> Change:
    """The clock shows the time of `timezone` (IANA), whatever zone stands behind it."""
    [name] = _given(parameters, "timezone")
    try:
        zone = ZoneInfo(str(name))
    except (ValueError, OSError, KeyError) as error:
        raise _meaningless("parameters.timezone", "is no IANA time zone such as Asia/Jakarta") from error
    return _with_times(lambda moment: moment.replace(tzinfo=zone).astimezone(UTC))


def _with_times(changed: Callable[[Any], Any]) -> Change:
    def moved(holder: Payload) -> Payload:
        moment = read_timestamp(holder.get("timestamp"))
        if moment is None:
            return holder
        try:
            return {**holder, "timestamp": changed(moment).isoformat()}
        except (OverflowError, ValueError):  # beyond the calendar
            return holder

    return lambda payload: _with_values(moved(payload), moved)


# -- words


def _word_map(member: str) -> Callable[[Mapping[str, Any]], Change]:
    def compiled(parameters: Mapping[str, Any]) -> Change:
        [words] = _given(parameters, "map")
        if not isinstance(words, dict) or not words or not all(isinstance(word, str) for word in words.values()):
            raise _meaningless("parameters.map", "is no object of texts to texts")

        def change(payload: Payload) -> Payload:
            said = payload.get(member)
            return {**payload, member: words[said]} if isinstance(said, str) and said in words else payload

        return change

    return compiled


def _token_prefix(parameters: Mapping[str, Any]) -> Change:
    """`prefix` is taken off an id tag, whatever its case; a tag that is nothing else stays."""
    [prefix] = _given(parameters, "prefix")
    if not isinstance(prefix, str) or not 0 < len(prefix) <= 20:
        raise _meaningless("parameters.prefix", "is no text of 1 to 20 characters")

    def change(payload: Payload) -> Payload:
        tag = payload.get("idTag")
        if not isinstance(tag, str) or len(tag) <= len(prefix) or tag[: len(prefix)].lower() != prefix.lower():
            return payload
        return {**payload, "idTag": tag[len(prefix) :]}

    return change


TREATMENTS: Final[Mapping[str, _Kind]] = MappingProxyType(
    {
        "energy_factor": _Kind(_WITH_READINGS | {"StartTransaction"}, _energy_factor),
        "ignore_phases": _Kind(_WITH_READINGS, _ignore_phases),
        "clock_offset": _Kind(_WITH_TIMES, _clock_offset),
        "clock_zone": _Kind(_WITH_TIMES, _clock_zone),
        "status_map": _Kind(frozenset({"StatusNotification"}), _word_map("status")),
        "error_code_map": _Kind(frozenset({"StatusNotification"}), _word_map("errorCode")),
        "token_prefix": _Kind(_WITH_TAGS, _token_prefix),
    }
)
"""Name of a treatment → the actions it concerns, and what makes its parameters a function."""
