"""Payloads against the standard's schemas: strict when all is well, lenient by a table when it is not.

The schemas are those of the `ocpp` package, compiled once. A payload that passes costs about a microsecond.
One that fails is mended where the field has shown that mending is right (numbers as text, unknown enumeration
members, surplus or over-long members): refusing it would make the charger send it for ever, or lose it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any, Final

import jsonschema_rs

from backend.domain.quirks import Quirk, payload_quirk

Notice = Callable[[Quirk, str], None]
_SHOWN: Final = 100  # characters of a value in an example


class Violation(Exception):
    """A payload that cannot be accepted. `code` is the CALLERROR name of OCPP 1.6 (OCPP-J §4.2.3)."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


# What an unmendable violation of a JSON schema keyword is called in OCPP 1.6 ("Occurence" is its spelling).
_CODES: Final = {
    "type": "TypeConstraintViolation",
    "required": "OccurenceConstraintViolation",
    "minItems": "OccurenceConstraintViolation",
    "maxItems": "OccurenceConstraintViolation",
    "enum": "PropertyConstraintViolation",
    "maxLength": "PropertyConstraintViolation",
    "multipleOf": "PropertyConstraintViolation",
    "additionalProperties": "FormationViolation",
}

# Members that may be missing, with what then holds. None: our time of receipt stands in for it, or a register that
# nobody can read: the car charges, or has charged, whatever became of the meter, and a start or stop that is refused is
# told again and again, and lost in the end. Such a session is held.
_STAND_INS: Final[dict[tuple[str, str], Any]] = {
    ("StatusNotification", "errorCode"): "NoError",
    ("StartTransaction", "timestamp"): None,
    ("StopTransaction", "timestamp"): None,
    ("StartTransaction", "meterStart"): None,
    ("StopTransaction", "meterStop"): None,
    ("MeterValues", "timestamp"): None,
    ("MeterValues", "sampledValue"): (),
    ("StopTransaction", "sampledValue"): (),
    ("MeterValues", "value"): None,
    ("StopTransaction", "value"): None,
}

# Registers that the standard has as integers of Wh, and chargers as decimals, or, when the meter is dead, as anything.
_REGISTERS: Final = frozenset({"meterStart", "meterStop"})


# Lists of meter values: one that nobody can read is left out, and costs neither the others nor the stop they came with.
_READINGS: Final = frozenset({"meterValue", "transactionData"})

# A time that is none ("format") is believed by nobody and replaced by the time of receipt.
_HARMLESS: Final = frozenset({"enum", "maxLength", "additionalProperties", "minItems", "multipleOf", "format"})


class Validator:
    """One message's schema. `check` returns the payload, mended if need be; it may change it in place."""

    __slots__ = ("_action", "_is_valid", "_schema")

    def __init__(self, action: str, schema: Any) -> None:
        self._action = action
        self._schema = jsonschema_rs.validator_for(schema)
        self._is_valid: Callable[[Any], bool] = self._schema.is_valid

    def check(self, payload: dict[str, Any], notice: Notice | None = None) -> dict[str, Any]:
        """Raises Violation. `notice` is told of every deviation, with an example of it."""
        if not self._is_valid(payload):
            problems = list(self._schema.iter_errors(payload))
            if notice is not None:  # before anything is mended
                for quirk, example in {self._oddity(payload, problem) for problem in problems}:
                    notice(quirk, example)
            for problem in problems:
                self._mend(payload, problem)
            for name in _READINGS & payload.keys():
                payload[name] = _without_gaps(payload[name])
        return payload

    def _oddity(self, payload: dict[str, Any], problem: Any) -> tuple[Quirk, str]:
        keyword, (holder, member) = problem.kind.name, _find(payload, problem.instance_path)
        value = payload if member is None else holder[member]
        if keyword == "required":
            return payload_quirk(keyword, member, value), f"{self._action} without {problem.kind.property}"
        if keyword == "additionalProperties":
            names = ", ".join(str(name)[:_SHOWN] for name in problem.kind.unexpected[:5])
            return Quirk.SURPLUS_MEMBER, f"{self._action} with {names}"
        shown = value if isinstance(value, str | int | float | bool | None) else f"({type(value).__name__})"
        if isinstance(shown, str):
            shown = shown[:_SHOWN]
        example = json.dumps({str(member): shown}, ensure_ascii=False)
        return payload_quirk(keyword, member, value), f"{self._action} {example}"

    def _mend(self, payload: dict[str, Any], problem: Any) -> None:
        keyword, path = problem.kind.name, list(problem.instance_path)
        holder, member = _find(payload, path)
        if holder is None:
            return  # it is left out for another reason
        if keyword in _HARMLESS or (keyword == "type" and (member == "value" or member in _REGISTERS)):
            return  # kept as it is: readers of these members take anything, and cut it
        if keyword == "required" and (self._action, problem.kind.property) in _STAND_INS:
            target = holder[member] if member is not None else payload
            target[problem.kind.property] = _STAND_INS[self._action, problem.kind.property]
            return
        if keyword == "type" and member is not None and _coerce(holder, member, problem.kind.types):
            return
        if path and path[0] in _READINGS and _leave_out(payload, path):
            return
        where = ".".join(str(step) for step in path) or "payload"
        raise Violation(_CODES.get(keyword, "PropertyConstraintViolation"), f"{where}: {problem.message}")


def _find(payload: Any, path: list[Any]) -> tuple[Any, Any]:
    """(holder, key) of the place a path names; (payload, None) for the payload itself, (None, key) within a gap."""
    if not path:
        return payload, None
    for step in path[:-1]:
        payload = None if payload is None else payload[step]
    return payload, path[-1]


def _leave_out(payload: dict[str, Any], path: list[Any]) -> bool:
    """Makes a gap of the innermost meter value or sample on the path, or leaves out what is no list of them where there
    need be none. False if there is nothing to leave out."""
    places = [depth for depth, step in enumerate(path) if isinstance(step, int)]
    if places:
        holder, member = _find(payload, path[: places[-1] + 1])
        holder[member] = None
    elif path == ["transactionData"]:
        del payload["transactionData"]
    return bool(places) or path == ["transactionData"]


def _without_gaps(values: list[Any]) -> list[Any]:
    for value in values:
        if isinstance(value, dict) and isinstance(samples := value.get("sampledValue"), list):
            value["sampledValue"] = [sample for sample in samples if sample is not None]
    return [value for value in values if value is not None]


def _coerce(holder: Any, member: Any, types: list[str]) -> bool:
    """Reads a number out of a text or the other way round; an empty optional member is left out."""
    value = holder[member]
    if value is None and isinstance(holder, dict):
        del holder[member]  # whether it was required is asked by whoever reads it
        return True
    if "string" in types and isinstance(value, int | float) and not isinstance(value, bool):
        holder[member] = str(value)
        return True
    if "integer" in types and not isinstance(value, bool):
        try:
            number = float(value)
            holder[member] = int(value) if isinstance(value, int) else int(number)
            return number.is_integer()
        except (TypeError, ValueError, OverflowError):
            return False
    return False


@cache
def actions(version: str) -> frozenset[str]:
    """The names of all actions of a version, of either direction."""
    files = (entry.name for entry in (resources.files(f"ocpp.{version}") / "schemas").iterdir())
    return frozenset(name.removesuffix(".json") for name in files if not name.endswith("Response.json"))


def arrange(version: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """`payload` with its members in the order of the standard's field lists; unknown ones follow as they stand."""
    schema = schema_of(version, action) or {}
    return _arranged(payload, schema, schema.get("definitions", {}))  # type: ignore[no-any-return]


def _arranged(value: Any, schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    schema = definitions.get(schema.get("$ref", "").rpartition("/")[2], schema)
    if isinstance(value, list):
        return [_arranged(item, schema.get("items", {}), definitions) for item in value]
    if not isinstance(value, dict):
        return value
    members = schema.get("properties", {})
    names = [*(name for name in members if name in value), *(name for name in value if name not in members)]
    return {name: _arranged(value[name], members.get(name, {}), definitions) for name in names}


@cache
def schema_of(version: str, name: str) -> dict[str, Any] | None:
    """The standard's JSON schema of a message, as `validator` names them; None if the version has none of that name."""
    source = resources.files(f"ocpp.{version}") / "schemas" / f"{name}.json"
    return json.loads(source.read_text(encoding="utf-8-sig")) if source.is_file() else None


@cache
def validator(version: str, name: str) -> Validator | None:
    """The schema of `name` (`StartTransaction`, `StartTransactionResponse`) in OCPP `version` (`v16`)."""
    schema = schema_of(version, name)
    return None if schema is None else Validator(name, schema)
