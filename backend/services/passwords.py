"""People's passwords: Argon2id, computed away from the event loop."""

from __future__ import annotations

import asyncio
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_PASSWORD_LENGTH: Final = 12
_HASHER: Final = PasswordHasher()
# Each hash takes 64 MiB and a core for some tens of milliseconds: a burst of logins waits in line.
_AT_ONCE: Final = 2
# A hash of nothing anybody knows; comparing with it makes an unknown e-mail cost what a known one costs.
NO_PASSWORD: Final = "$argon2id$v=19$m=65536,t=3,p=4$b9xMw4L+iRN2nZ+a/V+alg$NoSX2NjfuJVznyhRrw0sIbI39VMzGg92g4c54yX/jDU"


class Passwords:
    """Hashes and verifies; at most two at a time."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        """The PHC string to store."""
        async with self._slots:
            return await asyncio.to_thread(_HASHER.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password matches. `stored` None (no such user) takes as long and is False."""
        async with self._slots:
            matches = await asyncio.to_thread(_matches, stored or NO_PASSWORD, password)
        return matches and stored is not None


def _matches(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False
