"""Files that travel to and from chargers: how they are named, and what keeps them."""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol
from uuid import uuid4

from backend.domain.errors import StorageUnavailable

_UNUSUAL: Final = re.compile(r"[^\w.+@() -]")
_TOKEN_BYTES: Final = 24
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """What was stored."""

    size_bytes: int
    sha256: str


class Storage(Protocol):
    """Keeps contents under names of our own making. Every method may raise StorageUnavailable."""

    async def write(self, name: str, chunks: AsyncIterator[bytes], limit: int) -> Kept:
        """Keeps the whole content or nothing. Raises FileTooLarge above `limit` bytes, StorageFull."""
        ...

    async def read(self, name: str, start: int, length: int) -> AsyncIterator[bytes]:
        """`length` bytes from `start`, in pieces. Raises NotFound (`file_not_found`)."""
        ...

    async def delete(self, name: str) -> None:
        """Removes a content; one that is not there is no error."""
        ...


class NoStorage:
    """For programs that move no files."""

    async def write(self, name: str, chunks: AsyncIterator[bytes], limit: int) -> Kept:
        """Refuses."""
        raise _none()

    async def read(self, name: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Refuses."""
        raise _none()

    async def delete(self, name: str) -> None:
        """Refuses."""
        raise _none()


@dataclass(frozen=True, slots=True)
class FileRules:
    """Where chargers reach us (base URL, no slash at the end), and how much they and people may send, in bytes."""

    public_url: str = "http://127.0.0.1:8000"
    firmware_limit: int = 512 * MIB
    log_limit: int = 100 * MIB


def content_name(kind: str) -> str:
    """A new name for a content: nothing of it comes from outside."""
    return f"{kind}/{uuid4().hex}"


def shown_name(name: str | None) -> str | None:
    """A file's name from outside as it may be shown and offered: the last part, harmless characters."""
    last = re.split(r"[/\\]", name or "")[-1]
    return _UNUSUAL.sub("_", last).strip(". ")[:120] or None


def new_token() -> str:
    """The secret part of a link: 192 random bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def token_hash(token: str) -> str:
    """What is kept of it."""
    return sha256(token.encode()).hexdigest()


def _none() -> StorageUnavailable:
    return StorageUnavailable("This program keeps no files.")
