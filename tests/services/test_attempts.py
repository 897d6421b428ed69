"""The bounds on failed proofs: guessing is slow, and nobody is locked out by others."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.database import SYSTEM, DirectDatabase
from backend.domain.errors import TooManyAttempts
from backend.domain.lockout import ACCOUNT, ADDRESS, FIRST_WAIT_S, PAIR, Proof, site_of
from backend.services.attempts import Attempts
from tests.services.test_tokens import Clock

HOME, AWAY = "192.0.2.1", "198.51.100.7"
OWNER = "a@b.test"


async def _fail(attempts: Attempts, account: str = OWNER, address: str = AWAY, *, known: bool = False) -> int:
    """0 if the attempt was taken (and failed), else the seconds to wait."""
    try:
        await attempts.begin(Proof.PASSWORD, account, address, known=known)
    except TooManyAttempts as error:
        return error.retry_after_s
    return 0


async def test_each_failure_after_the_free_ones_doubles_the_wait_up_to_a_bound(database: DirectDatabase) -> None:
    clock = Clock()
    attempts = Attempts(database, clock)
    assert [await _fail(attempts) for _ in range(PAIR.free)] == [0] * PAIR.free
    waits = []
    for _ in range(9):
        waits.append(await _fail(attempts))
        clock.turn(timedelta(seconds=waits[-1]))
        assert await _fail(attempts) == 0
    assert waits == [min(FIRST_WAIT_S * 2**n, PAIR.cap_s) for n in range(9)]


async def test_knocking_while_it_is_closed_does_not_lengthen_the_wait(database: DirectDatabase) -> None:
    attempts = Attempts(database, Clock())
    for _ in range(PAIR.free):
        await _fail(attempts)
    assert {await _fail(attempts) for _ in range(10)} == {FIRST_WAIT_S}


async def test_many_at_once_do_not_slip_through(database: DirectDatabase) -> None:
    attempts = Attempts(database, Clock())
    waits = await asyncio.gather(*(_fail(attempts) for _ in range(20)))
    assert waits.count(0) == PAIR.free


async def test_success_forgets_the_own_failures_and_a_day_forgets_all(database: DirectDatabase) -> None:
    clock = Clock()
    attempts = Attempts(database, clock)
    for _ in range(PAIR.free - 1):
        await _fail(attempts)
    await attempts.succeeded(await attempts.begin(Proof.PASSWORD, OWNER, AWAY))
    assert [await _fail(attempts) for _ in range(PAIR.free)] == [0] * PAIR.free
    clock.turn(timedelta(days=1, seconds=1))
    assert [await _fail(attempts) for _ in range(PAIR.free)] == [0] * PAIR.free


async def test_one_address_cannot_try_one_password_on_many_accounts(database: DirectDatabase) -> None:
    attempts = Attempts(database, Clock())
    waits = [await _fail(attempts, f"p{number}@b.test") for number in range(ADDRESS.free + 1)]
    assert (waits[:-1], waits[-1]) == ([0] * ADDRESS.free, FIRST_WAIT_S)
    assert await _fail(attempts, "p1@b.test", HOME) == 0


async def test_the_database_keeps_no_address_and_no_account(database: DirectDatabase) -> None:
    await _fail(Attempts(database, Clock()))
    kept = str(await database.select("login_attempts", scope=SYSTEM))
    assert OWNER not in kept and AWAY not in kept


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        (None, "a proxy", True),
    ],
)
def test_whoever_has_one_address_of_a_site_has_them_all(one: str | None, other: str, same: bool) -> None:
    assert (site_of(one) == site_of(other)) is same


STRANGERS = st.lists(
    st.tuples(st.sampled_from(["x", "y", "z"]), st.integers(1, 40), st.sampled_from([0, 1, 20, 400, 1000])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=30)
@given(rounds=STRANGERS)
async def test_whatever_strangers_do_the_owner_gets_in_from_where_they_were_before(
    database: DirectDatabase, rounds: list[tuple[str, int, int]]
) -> None:
    await database.delete("login_attempts", scope=SYSTEM, where=[("failures", "gte", 0)])
    clock = Clock()
    attempts = Attempts(database, clock)
    for site, times, pause_s in rounds:
        for number in range(times):
            await _fail(attempts, OWNER, f"2001:db8:{ord(site):x}:{number:x}::1")
        clock.turn(timedelta(seconds=pause_s))
        await attempts.succeeded(await attempts.begin(Proof.PASSWORD, OWNER, HOME, known=True))
    clock.turn(timedelta(seconds=ACCOUNT.cap_s))  # and once strangers pause for that long, from anywhere
    assert await _fail(attempts, OWNER, "203.0.113.9") == 0


@settings(max_examples=20)
@given(pauses=st.lists(st.integers(0, 60), min_size=50, max_size=150))
async def test_however_many_addresses_guess_an_account_takes_few_guesses(
    database: DirectDatabase, pauses: list[int]
) -> None:
    await database.delete("login_attempts", scope=SYSTEM, where=[("failures", "gte", 0)])
    clock = Clock()
    attempts = Attempts(database, clock)
    taken = 0
    for number, pause_s in enumerate(pauses):
        taken += await _fail(attempts, OWNER, f"203.0.{number // 250}.{number % 250}") == 0
        clock.turn(timedelta(seconds=pause_s))
    waited = sum(pauses)
    assert taken <= ACCOUNT.free + 6 + waited / ACCOUNT.cap_s
