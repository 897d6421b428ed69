"""People's passwords: which are good enough, and Argon2id, computed away from the event loop."""

from __future__ import annotations

import asyncio
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from backend.domain.errors import InvalidInput

MIN_PASSWORD_LENGTH: Final = 12
_LEAST_SCORE: Final = 4  # of 4: more than 10^10 guesses for whoever knows the lists
_JUDGED_LENGTH: Final = 72  # what follows only makes it stronger, and judging long texts slow
# What is guessed first here, besides what the person is called.
_OF_THE_HOUSE: Final = ("uniev", "emsv", "spklu", "charger", "charging", "nusantara", "indonesia", "listrik", "admin")
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


async def check_strength(password: str, *about: str) -> None:
    """Whether a password would withstand guessing: by length, lists of leaked passwords, names, words and patterns.

    `about`: e-mail address and names, which are guessed first. Needs no network. Raises InvalidInput
    (`password_too_short`, `password_weak`).
    """
    if len(password) < MIN_PASSWORD_LENGTH:
        raise _unfit("password_too_short", f"A password has {MIN_PASSWORD_LENGTH} characters or more.")
    words = [part for text in about for part in text.lower().replace("@", " ").replace(".", " ").split()]
    if not await asyncio.to_thread(_strong, password, [*words, *_OF_THE_HOUSE]):
        raise _unfit(
            "password_weak", "This password is easily guessed; take several words that do not belong together."
        )


def _strong(password: str, guessed_first: list[str]) -> bool:
    return int(zxcvbn(password[:_JUDGED_LENGTH], user_inputs=guessed_first)["score"]) >= _LEAST_SCORE


def _unfit(code: str, detail: str) -> InvalidInput:
    return InvalidInput(detail, code=code, members=[("password", detail)])
