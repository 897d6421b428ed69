"""Secrets among what chargers are told: configuration keys (OCPP 1.6 §9, security whitepaper: AuthorizationKey),
one-time links of ours, passwords in the links of others (ftp://user:password@host/…). And the key that may lock a
charger out (SecurityProfile).

They travel to the charger and are kept nowhere: neither with the command nor in the message log. A new password that
the platform makes is not even known before it leaves: the command asks for it by the value HIDDEN.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

from backend.domain.errors import InvalidInput

HIDDEN: Final = "***"
_KEY_BYTES: Final = 20  # 16–20 (whitepaper A01.FR.02)
_LINK = re.compile(r"(/files/(?:firmware|uploads)/)[\w-]{16,}").sub
_TOLD_LINK = re.compile(rb"(/files\\?/(?:firmware|uploads)\\?/)[\w-]{16,}").sub  # some write \/ for /
PROFILE_ELSEWHERE: Final = (
    "A security profile is raised in the room Security (POST /api/chargers/{charger_id}/security-profile), which looks "
    "first whether the charger has what it needs to come back."
)
# A URL from its slashes on, up to the next one: in a value; in JSON, which may write \/ for /, and ends a text by ".
_URL_IN_VALUE = re.compile(r"(://)((?:(?!://)\S)*)").sub
_URL_IN_FRAME = re.compile(r"""(:\\*/\\*/)((?:(?!:\\*/\\*/)(?:\\+/|[^\s"\\<>]))*)""").sub
_AUTHORITY_END = re.compile(r"\\*[/?#]").split
_LEAST_ECHO: Final = 8  # a shorter value might stand anywhere in an answer
_KEY_FORM = re.compile(r"(?:[0-9A-Fa-f]{2}){16,20}", re.ASCII).fullmatch
_IS_SECRET = re.compile(r"authorizationkey|password|secret", re.IGNORECASE).search


def is_secret(key: str) -> bool:
    """Whether the value of this configuration key must be kept nowhere."""
    return _IS_SECRET(key) is not None


def hide_in_call(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload of our call as it may be shown; the very same object when nothing is to be hidden."""
    if action == "ChangeConfiguration" and _IS_SECRET(str(payload.get("key"))):
        return {**payload, "value": HIDDEN}
    return hide_links(payload)


def hide_links(payload: dict[str, Any]) -> dict[str, Any]:
    """Without the secret part of our own one-time links and without passwords in others; the very same object if there
    is none."""
    shown: dict[str, Any] = _without_links(payload)
    return payload if shown == payload else shown


def _without_links(value: Any) -> Any:
    match value:
        case str():
            return _URL_IN_VALUE(_without_password, _LINK(rf"\1{HIDDEN}", value))
        case dict():
            return {name: _without_links(of) for name, of in value.items()}
        case list():
            return [_without_links(item) for item in value]
        case _:
            return value


def hide_url_passwords(frame: str) -> str:
    """A frame as it was on the wire, perhaps cut, with `***` for the password of each URL in it."""
    return _URL_IN_FRAME(_without_password, frame) if "://" in frame or ":\\" in frame else frame


def _without_password(found: re.Match[str]) -> str:
    """user:password@host:port/path. A password that bears a slash ends at the last @; a port alone is none. The same in
    SQL: private.without_url_passwords."""
    slashes, rest = found[1], found[2]
    authority = _AUTHORITY_END(rest, maxsplit=1)[0]
    before, at, _ = authority.rpartition("@")
    user, colon, secret = (before if at else authority).partition(":")
    if not colon or user.startswith("["):  # an address in brackets
        return found[0]
    if at:
        return f"{slashes}{user}:{HIDDEN}{rest[len(before) :]}"
    cut = found.end() == len(found.string)
    if re.fullmatch(r"\d{0,5}", secret) or not (cut or "@" in rest):
        return found[0]
    return f"{slashes}{user}:{HIDDEN}" + (f"@{rest.rpartition('@')[2]}" if "@" in rest else "")


def hide_in_answer(payload: dict[str, Any]) -> dict[str, Any]:
    """The charger's answer to GetConfiguration as it may be shown; any other answer unchanged."""
    entries = payload.get("configurationKey")
    if not isinstance(entries, list) or not any(map(_tells_secret, entries)):
        return payload
    shown = [{**entry, "value": HIDDEN} if _tells_secret(entry) else entry for entry in entries]
    return {**payload, "configurationKey": shown}


def hide_echo(action: str, payload: Mapping[str, Any], answer: bytes) -> bytes:
    """The frame of an answer as it may be shown: some chargers tell back what they were given, above all in errors."""
    if b"files" in answer:
        answer = _TOLD_LINK(rb"\1***", answer)
    if b"://" in answer or b":\\" in answer:
        answer = hide_url_passwords(answer.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    value = str(payload.get("value", ""))
    if action == "ChangeConfiguration" and is_secret(str(payload.get("key"))) and len(value) >= _LEAST_ECHO:
        return answer.replace(value.encode("utf-8", "replace"), HIDDEN.encode())
    return answer


def new_password(action: str, payload: Mapping[str, Any]) -> bytes | None:
    """The Basic password that an accepted call gives the charger: the key's bytes, which travel in hexadecimal."""
    if not _sets_password(action, payload):
        return None
    text = str(payload.get("value", ""))
    try:
        decoded = bytes.fromhex(text)
    except ValueError:
        decoded = b""
    return decoded if len(decoded) >= 16 else text.encode()


def with_fresh_password(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The call as it travels: where it asks for a password of the platform's making, with 20 random bytes in hex."""
    if not _sets_password(action, payload) or payload.get("value") != HIDDEN:
        return payload
    return {**payload, "value": secrets.token_hex(_KEY_BYTES)}


def check_password(action: str, payload: Mapping[str, Any]) -> None:
    """Raises InvalidInput for a password that a charger might take otherwise than it is meant, and not come back: it
    travels as the hexadecimal of 16–20 bytes (whitepaper A01), or as HIDDEN, which asks the platform to make one."""
    value = str(payload.get("value", ""))
    if _sets_password(action, payload) and value != HIDDEN and not _KEY_FORM(value):
        detail = (
            "An AuthorizationKey is 16 to 20 bytes in hexadecimal: 32 to 40 digits. POST …/password-rotation makes one "
            "that nobody sees; POST …/password keeps one that is entered at the charger."
        )
        raise InvalidInput(detail, members=[("value", detail)])


def is_profile(key: str) -> bool:
    """Whether this configuration key is the security profile."""
    return key.strip().lower() == "securityprofile"


def check_profile(action: str, payload: Mapping[str, Any]) -> None:
    """Raises InvalidInput for a security profile among other changes: the charger might not come back."""
    if action == "ChangeConfiguration" and is_profile(str(payload.get("key"))):
        raise InvalidInput(PROFILE_ELSEWHERE, members=[("key", PROFILE_ELSEWHERE)])


def check_links(payload: Mapping[str, Any]) -> None:
    """Raises InvalidInput for a URL whose password is hidden: somebody copied what the platform shows."""
    for name, value in payload.items():
        if isinstance(value, Mapping):
            check_links(value)
        elif isinstance(value, str) and "://" in value and f":{HIDDEN}@" in value:
            detail = f"The password of this URL is hidden. Write it where {HIDDEN} stands."
            raise InvalidInput(detail, members=[(name, detail)])


def _sets_password(action: str, payload: Mapping[str, Any]) -> bool:
    """Keys are compared without regard to case (OCPP 1.6 §7.28): by chargers, too. That is the case of ASCII alone: a
    database need not find the same capitals beyond it, and would keep a password that was refused."""
    key = str(payload.get("key"))
    return action == "ChangeConfiguration" and key.isascii() and key.lower() == "authorizationkey"


def _tells_secret(entry: object) -> bool:
    return isinstance(entry, dict) and "value" in entry and bool(_IS_SECRET(str(entry.get("key"))))
