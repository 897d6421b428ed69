"""Secrets at rest: sealed with a key made from UNIEV_SECRET_KEY, opened with that or a former one.

A sealed text is `v1.<key id>.<nonce and AES-256-GCM ciphertext, base64url>`. The key id says which key it needs, so
keys can be rotated while old texts stay readable (`python -m backend.admin rotate-secrets`).
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from backend.domain.errors import DomainError

_FORM: Final = "v1"
_NONCE_BYTES: Final = 12
_KEY_ID_BYTES: Final = 6
_SEALING: Final = b"uniev vault"
_NAMING: Final = b"uniev vault key id"
_FIRST_FORM: Final = b"uniev certificate authority"  # Fernet, without a key id: before there was a vault


class SealedElsewhere(DomainError):
    """The text was sealed with a key that is neither UNIEV_SECRET_KEY nor a former one, or was changed since."""

    code = "sealed_elsewhere"
    status = 503


class Vault:
    """Seals and opens short secrets. `secret_key` seals; `former` keys only open."""

    def __init__(self, secret_key: str, former: Sequence[str] = ()) -> None:
        keys = (secret_key, *former)
        self.key_id = _key_id(secret_key)
        self._ciphers = {_key_id(key): AESGCM(_derive(key, _SEALING)) for key in keys}
        self._first_form = [Fernet(base64.urlsafe_b64encode(_derive(key, _FIRST_FORM))) for key in keys]

    def seal(self, text: str) -> str:
        """The text, sealed with the current key; the same text never looks the same twice."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        hidden = nonce + self._ciphers[self.key_id].encrypt(nonce, text.encode(), _label(self.key_id))
        return f"{_FORM}.{self.key_id}.{base64.urlsafe_b64encode(hidden).decode()}"

    def open(self, sealed: str) -> str:
        """What `seal` was given, with whichever known key it was sealed. Raises SealedElsewhere."""
        if not sealed.startswith(f"{_FORM}."):
            return self._open_first_form(sealed)
        try:
            _, key_id, hidden = sealed.split(".")
            content = base64.b64decode(hidden, altchars=b"-_", validate=True)
            nonce, ciphertext = content[:_NONCE_BYTES], content[_NONCE_BYTES:]
            return self._ciphers[key_id].decrypt(nonce, ciphertext, _label(key_id)).decode()
        except (KeyError, ValueError, binascii.Error, InvalidTag) as error:
            raise _unreadable() from error

    def is_current(self, sealed: str) -> bool:
        """Whether the text is sealed in today's form with today's key."""
        return sealed.startswith(f"{_FORM}.{self.key_id}.")

    def _open_first_form(self, sealed: str) -> str:
        for seal in self._first_form:
            try:
                return seal.decrypt(sealed.encode()).decode()
            except InvalidToken:
                continue
        raise _unreadable()


def _unreadable() -> SealedElsewhere:
    return SealedElsewhere(
        "A secret was sealed with another UNIEV_SECRET_KEY: restore it, or name it in UNIEV_FORMER_SECRET_KEYS."
    )


def _label(key_id: str) -> bytes:
    return f"{_FORM}.{key_id}".encode()


def _key_id(secret_key: str) -> str:
    return _derive(secret_key, _NAMING)[:_KEY_ID_BYTES].hex()


def _derive(secret_key: str, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt=None, info=purpose).derive(secret_key.encode())
