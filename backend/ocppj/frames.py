"""OCPP-J frames: reading what came, writing what goes. OCPP-J 1.6 §4.2.

CALL [2, id, action, payload] · CALLRESULT [3, id, payload] · CALLERROR [4, id, code, description, details]
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

CALL: Final = 2
RESULT: Final = 3
ERROR: Final = 4
_LONGEST_ID: Final = 255
_decode = msgspec.json.Decoder().decode
_decode_call = msgspec.json.Decoder(tuple[int, str, str, msgspec.Raw]).decode
Decoders = Mapping[str, msgspec.json.Decoder[Any]]
_encode = msgspec.json.Encoder().encode

# Field facts: `"transactionId":,` and `"a":}` from chargers that print an absent number as nothing, or as NaN.
_MISSING_VALUE = re.compile(rb'("\s*:)(?:\s*-?(?:nan|inf(?:inity)?))?(\s*[,}\]])', re.IGNORECASE)
# Finds whom to answer in a frame that is not JSON.
_CALL_HEAD = re.compile(rb'\s*\[\s*2\s*,\s*"([^"\\]{1,255})"')


class BadFrame(Exception):
    """Not an OCPP frame. `message_id` is known when an answer is owed; `code` is the 1.6 error name."""

    def __init__(self, code: str, description: str, message_id: Any = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.message_id = message_id


@dataclass(slots=True)
class Frame:
    """A frame that came in. `payload` is a dict on CALL and RESULT, or on CALL what a decoder of its action has made
    of it; ERROR fills code and description."""

    kind: int
    message_id: Any
    action: str = ""
    payload: Any = None
    code: str = ""
    description: str = ""
    mended: bool = False  # it was no JSON as it came
    place: int = field(default=-1, compare=False)  # of a CALL: in the message log


def read_frame(data: bytes | bytearray, decoders: Decoders | None = None) -> Frame:
    """Raises BadFrame for anything that is no CALL, CALLRESULT or CALLERROR. `decoders` read the payloads of calls that
    are valid (`backend.ocppj.typed`), by action."""
    if decoders and (frame := _typed_call(data, decoders)) is not None:
        return frame
    try:
        parts = _decode(data)
    except (ValueError, RecursionError):
        frame = _frame(_mended(data))
        frame.mended = True
        return frame
    return _frame(parts)


def _typed_call(data: bytes | bytearray, decoders: Decoders) -> Frame | None:
    """None for what is no valid call of such an action."""
    try:
        kind, message_id, action, payload = _decode_call(data)
        if kind == CALL and len(message_id) <= _LONGEST_ID and action in decoders:
            return Frame(CALL, message_id, action, decoders[action].decode(payload))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    return None


def _frame(parts: Any) -> Frame:
    match parts:
        case [2, message_id, action, *rest]:
            return _call(message_id, action, rest)
        case [3, str() | int() as message_id, dict() as payload, *_]:
            return Frame(RESULT, message_id, payload=payload)
        case [3, str() | int() as message_id, None, *_]:
            return Frame(RESULT, message_id, payload={})
        case [4, str() | int() as message_id, code, *rest]:
            return Frame(ERROR, message_id, code=str(code), description=str(rest[0]) if rest else "",
                         payload=rest[1] if len(rest) > 1 else None)  # fmt: skip
        case [2, str() | int() as message_id]:
            raise BadFrame("FormationViolation", "A CALL has four elements.", message_id)
        case _:
            raise BadFrame("FormationViolation", "Not an OCPP-J message.")


def _mended(data: bytes | bytearray) -> Any:
    try:
        # Texts in another encoding than UTF-8 lose their accents, not the message.
        mended = _MISSING_VALUE.sub(rb"\1null\2", bytes(data)).decode("utf-8", "replace")
        return _decode(mended)
    except (ValueError, RecursionError):
        head = _CALL_HEAD.match(data)
        message_id = head[1].decode("utf-8", "replace") if head else None
        raise BadFrame("FormationViolation", "The frame is not JSON.", message_id) from None


def _call(message_id: Any, action: Any, rest: list[Any]) -> Frame:
    if isinstance(message_id, bool) or not isinstance(message_id, str | int) or len(str(message_id)) > _LONGEST_ID:
        raise BadFrame("FormationViolation", "A message id is a text of at most 36 characters.")
    if not isinstance(action, str):
        raise BadFrame("FormationViolation", "An action is a text.", message_id)
    payload = rest[0] if rest else None
    if payload is None:  # OCPP-J 1.6 §4.2.1: an empty payload may be null
        payload = {}
    if not isinstance(payload, dict):
        raise BadFrame("FormationViolation", "A payload is an object.", message_id)
    return Frame(CALL, message_id, action, payload)


def call(message_id: str, action: str, payload: Any) -> bytes:
    """A CALL, compact."""
    return _encode([CALL, message_id, action, payload])


def result(message_id: Any, payload: Any) -> bytes:
    """A CALLRESULT, compact."""
    return _encode([RESULT, message_id, payload])


def error(message_id: Any, code: str, description: str) -> bytes:
    """A CALLERROR, compact; the description is at most 255 characters (OCPP-J 1.6 §4.2.3)."""
    return _encode([ERROR, message_id, code, description[:255], {}])
