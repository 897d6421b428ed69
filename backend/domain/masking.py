"""Identifiers of people and SIM cards in OCPP frames, masked for those who may not see them.

The same identifier always becomes the same mask, so that a session can be followed through the log; the key keeps
anybody from trying all tags until the mask fits. Members that name an identifier are found at any depth, also in JSON
that travels as a text; where a frame or a text in it is no JSON, everything behind such a name is hidden. What a vendor
sends as `data` without any names is hidden as a whole. A frame without identifiers stays as it is, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from typing import Any, Final

# Names of a driver's token, a contract, a vehicle or a SIM, in any version of OCPP and in vendors' data, also as a part
# of a longer name (parentIdTag, stop_id_tags); the short ones only as words of their own.
_PARTS: Final = (
    r"id[\W_]?tag", r"tag[\W_]?id", r"id[\W_]?token", r"token[\W_]?id",
    r"(?:rf[\W_]?id|tag|card|user|token|chip|nfc)[\W_]?uid",
    r"rf[\W_]?id[\W_]?(?:number|code|value|card|tag)", r"card[\W_]?(?:number|(?:nr|no|id)(?![^\W_]))", "iccid", "imsi",
    "msisdn", "emaid", r"evcc[\W_]?id", r"vehicle[\W_]?vin", "phone",
)  # fmt: skip
_WORDS: Final = ("uid", r"rf[\W_]?id", "vin")
_NAME: Final = rf"(?:{'|'.join(_PARTS)})s?|(?<![^\W_])(?:{'|'.join(_WORDS)})s?(?![^\W_])"
# As the name of a member these say enough as well; in a sentence they do not.
_MEMBER: Final = r"(?<=[\"'])(?:data|tags?|cards?|tokens?)(?=\\*[\"']\s*:)"
_names = re.compile(_NAME, re.IGNORECASE).search
_names_member = re.compile(r"(?:tag|card|token)s?", re.IGNORECASE).fullmatch
_tells_about = re.compile(r"(?:infos?|status|type|length|enabled)$", re.IGNORECASE).search  # an identifier, without it
# Without one of these no name stands in a text: most frames need no closer look.
_STEMS: Final = (
    "tag",
    "token",
    "uid",
    "card",
    "iccid",
    "imsi",
    "msisdn",
    "emaid",
    "evcc",
    "vin",
    "phone",
    "rf",
    "data",
)
_BEHIND_NAME: Final = re.compile(rf"({_NAME}|{_MEMBER})(?=[\W_]*[^\W_]).*", re.IGNORECASE | re.DOTALL)
_HARMLESS: Final = frozenset(("type", "status", "expirydate"))  # in an object that is an identifier
_LONGEST_KEPT: Final = 50  # of a member's name, whose look is remembered
_HIDDEN: Final = "***"


class _Number(str):
    """As it was written: what is masked in a frame changes nothing else in it."""


class _Members(list[tuple[str, Any]]):
    """An object's members; one may stand there twice."""


class Mask:
    """Masks with one secret key (16 bytes or more of it are used)."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.blake2b(key, digest_size=32, person=b"uniev mask").digest()

    def word(self, identifier: str) -> str:
        """`***` and eight characters that stand for this identifier, without regard to case."""
        digest = hashlib.blake2b(identifier.strip().lower().encode("utf-8", "replace"), key=self._key, digest_size=4)
        return _HIDDEN + digest.hexdigest()

    def frame(self, text: str) -> str:
        """An OCPP frame as text with its identifiers masked; white space between its parts is lost then."""
        if "\\" not in text and not _may_name(text):
            return text
        try:
            shown = self._text(text, self._frame, self._words)
        except RecursionError:
            shown = _cut_behind_names(text)
        return shown.encode("utf-8", "backslashreplace").decode()  # half characters stay escapes

    def _frame(self, frame: Any) -> Any:
        match frame:
            case _Members():
                return self._payload(frame)
            case list():
                return [self._payload(part) if isinstance(part, _Members) else self._value(part) for part in frame]
            case _:
                return self._value(frame)

    def _payload(self, payload: _Members) -> _Members:
        """DataTransfer bears a vendor's own words as `data`, in its call and in its result."""
        named = self._members(payload)
        return _Members(
            (name, self._data(told) if name.lower() == "data" else masked)
            for (name, told), (_, masked) in zip(payload, named, strict=True)
        )

    def _data(self, value: Any) -> Any:
        match value:
            case _Members():
                return self._members(value)
            case list():
                return [self._data(item) for item in value]
            case str():
                return self._text(value, self._data, self.word)
            case _:
                return value

    def _value(self, value: Any) -> Any:
        match value:
            case _Members():
                return self._members(value)
            case list():
                return [self._value(item) for item in value]
            case str() if not isinstance(value, _Number):
                return self._text(value, self._value, self._words)
            case _:
                return value

    def _members(self, members: _Members) -> _Members:
        """{"key": "FreeIdTag", "value": …}: configuration keys name what their values are."""
        named = any(name.lower() in ("key", "name") and isinstance(of, str) and _is_name(of) for name, of in members)
        return _Members(
            (name, self._hidden(value) if _is_name(name) or (named and name.lower() == "value") else self._value(value))
            for name, value in members
        )

    def _hidden(self, value: Any) -> Any:
        """All of what bears the name of an identifier: one, several, or one with its kind."""
        match value:
            case _Members():
                return _Members(
                    (name, of) if name.lower() in _HARMLESS and not isinstance(of, list)
                    else (name if _is_name(name) else self.word(name), self._hidden(of))
                    for name, of in value
                )  # fmt: skip
            case list():
                return [self._hidden(item) for item in value]
            case str() if value:
                return self.word(value)
            case _:
                return value

    def _words(self, text: str) -> str:
        """Words, perhaps with one object or list of JSON among them."""
        start = min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=-1)
        if start < 0 or _names(text, 0, start):
            return _cut_behind_names(text)
        try:
            value, end = _DECODER.raw_decode(text, start)
        except ValueError:
            return _cut_behind_names(text)
        masked = self._frame(value)
        told = text[start:end] if masked == value else _written(masked)
        return text[:start] + told + _cut_behind_names(text[end:])

    def _text(self, text: str, as_json: Any, as_words: Any) -> str:
        """A text that may be JSON itself: an object or a list."""
        if text.lstrip()[:1] in ("{", "["):
            try:
                value = _DECODER.decode(text)
            except ValueError:
                pass
            else:
                masked = as_json(value)
                return text if masked == value else _written(masked)
        return str(as_words(text)) if text else text


def _is_name(name: str) -> bool:
    return _is_usual_name(name) if len(name) <= _LONGEST_KEPT else _is_identifiers(name)


def _is_identifiers(name: str) -> bool:
    return bool((_names(name) and not _tells_about(name)) or _names_member(name))


_is_usual_name = lru_cache(1000)(_is_identifiers)


def _may_name(text: str) -> bool:
    text = text.lower().replace("voltage", "")
    return any(stem in text for stem in _STEMS)


def _cut_behind_names(text: str) -> str:
    return _BEHIND_NAME.sub(rf"\1: {_HIDDEN}", text) if _may_name(text) else text


_DECODER: Final = json.JSONDecoder(
    strict=False, object_pairs_hook=_Members, parse_int=_Number, parse_float=_Number, parse_constant=_Number
)
_text = json.JSONEncoder(ensure_ascii=False).encode


def _written(value: Any) -> str:
    match value:
        case _Number():
            return str(value)
        case _Members():
            return "{" + ",".join(f"{_written(name)}:{_written(of)}" for name, of in value) + "}"
        case list():
            return "[" + ",".join(map(_written, value)) + "]"
        case _:
            return _text(value)
