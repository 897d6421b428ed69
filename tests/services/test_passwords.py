"""People's passwords."""

from __future__ import annotations

import asyncio
import time

from backend.services.passwords import Passwords


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
