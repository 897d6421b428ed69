"""Identifiers of people and SIM cards in OCPP frames, masked for those who may not see them.

The same identifier always becomes the same mask, so that a session can be followed through the log; the key keeps
anybody from trying all tags until the mask fits. A frame stays as it is otherwise, byte for byte, also a broken one.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final

# Members that name a driver's token, a contract, a vehicle or a SIM, in any version of OCPP and in vendors' data.
MEMBERS: Final = (
    "idTag", "parentIdTag", "idToken", "groupIdToken", "additionalIdToken", "iccid", "imsi", "msisdn", "emaid",
    "evccId", "vin", "phone", "rfid", "cardNumber",
)  # fmt: skip
_NAMES: Final = "|".join(MEMBERS)
# A member with a text or a number, at any depth; also inside JSON that travels as a text (DataTransfer), where every
# quotation mark bears the same backslashes.
_MEMBER = re.compile(
    rf'(\\*)"({_NAMES})\1"(\s*:\s*)(?:(?P<quote>\1")(?P<text>.*?)(?<!\\)(?P=quote)|(?P<number>-?\d[\d.eE+-]*))',
    re.IGNORECASE | re.DOTALL,
)
_LOWER: Final = frozenset(name.lower() for name in MEMBERS)
_IN_WORDS = re.compile(rf"\b({_NAMES})\b.*", re.IGNORECASE | re.DOTALL)
_IS_ERROR = re.compile(r"\s*\[\s*4\s*,").match
_HIDDEN: Final = "***"


class Mask:
    """Masks with one secret key (16 bytes or more of it are used)."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.blake2b(key, digest_size=32, person=b"uniev mask").digest()

    def word(self, identifier: str) -> str:
        """`***` and eight characters that stand for this identifier, without regard to case."""
        digest = hashlib.blake2b(identifier.strip().lower().encode("utf-8", "replace"), key=self._key, digest_size=4)
        return _HIDDEN + digest.hexdigest()

    def frame(self, text: str) -> str:
        """An OCPP frame as text with its identifiers masked."""
        if "\\u" in text or _IS_ERROR(text):  # names may be written in escapes; an error tells in words
            try:
                masked = json.dumps(self._masked(json.loads(text)), ensure_ascii=False, separators=(",", ":"))
                return masked.encode("utf-8", "backslashreplace").decode()  # half characters stay escapes
            except (ValueError, RecursionError):
                pass
        return _MEMBER.sub(self._replaced, text)

    def _replaced(self, found: re.Match[str]) -> str:
        slashes, name, colon = found[1], found[2], found[3]
        value = found["number"] if found["text"] is None else _plain(found["text"])
        return f'{slashes}"{name}{slashes}"{colon}{slashes}"{self.word(value)}{slashes}"'

    def _masked(self, value: Any) -> Any:
        match value:
            case [4, message_id, code, str() as words, *details]:
                said = _IN_WORDS.sub(rf"\1: {_HIDDEN}", words)
                return [4, message_id, code, said, *(self._masked(detail) for detail in details)]
            case list():
                return [self._masked(item) for item in value]
            case dict():
                return {name: self._member(name, item) for name, item in value.items()}
            case str():
                return _MEMBER.sub(self._replaced, value)
            case _:
                return value

    def _member(self, name: str, value: Any) -> Any:
        if name.lower() in _LOWER and isinstance(value, str | int | float) and not isinstance(value, bool):
            return self.word(str(value))
        return self._masked(value)


def _plain(text: str) -> str:
    """The identifier itself, whatever way it was written."""
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text
