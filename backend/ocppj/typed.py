"""Frequent payloads, decoded and checked in one step.

A decoder made from the standard's schema takes what the schema takes and nothing else, and costs a quarter of decoding
to dictionaries, checking these, and reading them. What it refuses goes the ordinary way, where it is mended or named.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from types import GenericAlias
from typing import Annotated, Any, Final, Literal

import msgspec

from backend.ocppj.schemas import schema_of

_PLAIN: Final[dict[str, Any]] = {"integer": int, "number": float, "boolean": bool, "string": str}


@cache
def decoder(version: str, action: str) -> msgspec.json.Decoder[Any]:
    """Reads the payload of `action` as a struct whose attributes are OCPP's members; absent ones are None.

    Raises KeyError for an action that the version does not have. Its `decode` raises `msgspec.MsgspecError` for
    everything that is not valid by the schema.
    """
    schema = schema_of(version, action)
    if schema is None:
        raise KeyError(action)
    return msgspec.json.Decoder(_type_of(schema, action))


def _type_of(schema: dict[str, Any], name: str) -> Any:
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    if schema["type"] == "object":
        return _struct_of(schema, name)
    if schema["type"] == "array":
        size = msgspec.Meta(min_length=schema.get("minItems"), max_length=schema.get("maxItems"))
        return Annotated[GenericAlias(list, _type_of(schema["items"], name)), size]
    if schema.get("format") == "date-time":
        return Annotated[datetime, msgspec.Meta(tz=True)]
    if "maxLength" in schema:
        return Annotated[str, msgspec.Meta(max_length=schema["maxLength"])]
    return _PLAIN[schema["type"]]


def _struct_of(schema: dict[str, Any], name: str) -> Any:
    required = schema.get("required", ())
    fields: list[Any] = []
    for member, rule in schema["properties"].items():
        kind = _type_of(rule, f"{name}_{member}")
        fields.append((member, kind) if member in required else (member, kind, None))  # a null is not valid: refused
    # Structs of plain values make no cycles, so the collector need not know them.
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True, omit_defaults=True, kw_only=True, gc=False)
