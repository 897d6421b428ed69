"""A charger's Basic password: kept as a salted hash, compared in constant time.

The password of OCPP security profile 1 is 16–20 random *bytes* in OCPP 1.6 and 16–40 characters in 2.0.1.
It travels over OCPP in hexadecimal, and chargers differ in what they send in the Authorization header:
the decoded bytes, or the hexadecimal text itself. Both forms of one key are accepted.

The key is random and rotated over OCPP, so one keyed hash suffices: a slow password hash would only
help whoever wants to busy the gate with a reconnect storm.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import secrets
from typing import Final

_FORM: Final = "sha256"
_SALT_BYTES: Final = 16
_MIN_KEY_BYTES: Final = 16


def hash_password(raw: bytes) -> str:
    """`sha256$<salt hex>$<digest hex>` of the password bytes, with a fresh 16-byte salt."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"{_FORM}${salt.hex()}${_digest(salt, raw).hex()}"


def verify(stored: str, raw: bytes) -> bool:
    """Whether `raw` (the bytes after the first colon of the Basic header) is the stored password.

    True also if one is the hexadecimal text of the other. A stored text of an unknown form gives False.
    """
    form, _, rest = stored.partition("$")
    salt_hex, _, digest_hex = rest.partition("$")
    try:
        salt, digest = bytes.fromhex(salt_hex), bytes.fromhex(digest_hex)
    except ValueError:
        return False
    if form != _FORM or not salt:
        return False
    matches = [hmac.compare_digest(_digest(salt, candidate), digest) for candidate in _forms(raw)]
    return any(matches)


def _forms(raw: bytes) -> list[bytes]:
    """The password as sent, and other spellings of the same key: hexadecimal in both cases, or decoded."""
    forms = [raw, raw.hex().encode(), raw.hex().upper().encode()]
    try:
        decoded = binascii.unhexlify(raw)
    except (binascii.Error, ValueError):
        return forms
    if len(decoded) < _MIN_KEY_BYTES:
        return forms
    return [*forms, decoded, raw.lower(), raw.upper()]


def _digest(salt: bytes, raw: bytes) -> bytes:
    return hmac.new(salt, raw, hashlib.sha256).digest()
