"""People's passwords."""

from __future__ import annotations

import asyncio
import time

import pytest

from backend.domain.errors import InvalidInput
from backend.services.passwords import Passwords, check_strength


async def test_a_password_matches_its_hash_and_no_other() -> None:
    passwords = Passwords()
    stored = await passwords.hash("correct horse battery")
    assert stored.startswith("$argon2id$")
    assert await passwords.verify(stored, "correct horse battery")
    assert not await passwords.verify(stored, "correct horse batterz")
    assert not await passwords.verify("no hash at all", "correct horse battery")


async def test_an_unknown_person_costs_what_a_known_one_costs() -> None:
    passwords = Passwords()
    stored = await passwords.hash("correct horse battery")

    async def cost(kept: str | None) -> float:
        times = []
        for _ in range(5):
            begun = time.process_time()
            assert not await passwords.verify(kept, "wrong")
            times.append(time.process_time() - begun)
        return min(times)

    known, unknown = await cost(stored), await cost(None)
    assert unknown > known / 3


async def test_hashing_leaves_the_event_loop_free() -> None:
    passwords = Passwords()
    ticks = 0
    hashing = asyncio.create_task(passwords.hash("correct horse battery"))
    while not hashing.done():
        ticks += 1
        await asyncio.sleep(0)
    assert ticks > 10


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password_too_short"),
        ("password1234", "password_weak"),
        ("qwertyuiop12", "password_weak"),
        ("Nusantara2026!", "password_weak"),
        ("dimas-nusantara", "password_weak"),
        ("aaaaaaaaaaaaaaaaaaaaaaaa", "password_weak"),
        ("a" * 200, "password_weak"),
    ],
)
async def test_a_password_that_is_guessed_soon_is_refused(password: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await check_strength(password, "dimas@nusantara.test", "Dimas Saputra")
    assert (refused.value.code, refused.value.members[0][0]) == (code, "password")


@pytest.mark.parametrize(
    "password", ["correct horse battery", "seven purple tractors sing", "x9#Lm2@vQ8!pT", "b" * 3 + "k7Tq!" * 30]
)
async def test_a_password_that_withstands_guessing_is_taken(password: str) -> None:
    await check_strength(password, "dimas@nusantara.test", "Dimas Saputra")
    stored = await Passwords().hash(password)
    assert await Passwords().verify(stored, password)
