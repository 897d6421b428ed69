"""Who may ask how often, with a clock that the test turns."""

from __future__ import annotations

import pytest

from backend.domain.errors import TooManyRequests
from backend.domain.rates import NoCounter, Rate
from backend.gateways.rate_counter import open_counter
from backend.services.rate_limits import REFUSED, STRICT, RateLimits


class Clock:
    """Seconds that stand until they are turned."""

    def __init__(self) -> None:
        self.time = 1_800_000_010.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    """At ten seconds past a full minute."""
    return Clock()


@pytest.fixture
def rates(clock: Clock) -> RateLimits:
    """Three requests a minute."""
    return RateLimits(open_counter(None), Rate(3), clock)


async def test_what_is_left_counts_down_to_the_end_of_the_window(rates: RateLimits, clock: Clock) -> None:
    left = []
    for _ in range(3):
        allowance = await rates.caller("user", "a", None)
        assert allowance is not None
        left.append((allowance.remaining, allowance.reset_s))
    assert left == [(2, 51), (1, 51), (0, 51)]
    with pytest.raises(TooManyRequests) as refused:
        await rates.caller("user", "a", None)
    assert (refused.value.retry_after_s, refused.value.code, refused.value.status) == (51, "too_many_requests", 429)

    clock.time += 51
    assert await rates.caller("user", "a", None) is not None


async def test_each_is_counted_apart_and_a_key_may_have_a_rate_of_its_own(rates: RateLimits) -> None:
    for who in ("a", "b"):
        for kind in ("user", "key"):
            assert (allowance := await rates.caller(kind, who, None)) and allowance.used == 1
    assert (allowance := await rates.caller("key", "c", 500)) and allowance.remaining == 499


async def test_an_address_is_strictly_bound_where_it_could_guess(rates: RateLimits) -> None:
    path = "/api/auth/login"
    for _ in range(STRICT[path].requests):
        await rates.address("192.0.2.1", path)
    with pytest.raises(TooManyRequests):
        await rates.address("192.0.2.1", path)
    await rates.address("192.0.2.2", path)
    await rates.address("192.0.2.1", "/api/auth/refresh")
    own = [await rates.address("127.0.0.1", path) for _ in range(3)]
    assert [allowance.rate.requests for allowance in own if allowance] == [3, 3, 3]  # screens beside the API


async def test_addresses_of_one_ipv6_site_count_as_one(rates: RateLimits) -> None:
    for number in range(3):
        await rates.address(f"2001:db8::{number}", "/x")
    with pytest.raises(TooManyRequests):
        await rates.address("2001:db8::ffff", "/x")
    assert await rates.address("2001:db8:0:1::1", "/x") is not None


async def test_credentials_that_do_not_hold_are_bound_by_address(rates: RateLimits) -> None:
    for _ in range(REFUSED.requests):
        await rates.refused("192.0.2.1")
    with pytest.raises(TooManyRequests):
        await rates.refused("192.0.2.1")


@pytest.mark.parametrize(
    "off", [RateLimits(open_counter(None), Rate(0), Clock()), RateLimits(NoCounter(), Rate(1), Clock())]
)
async def test_limits_can_be_off(off: RateLimits) -> None:
    for _ in range(100):
        assert await off.caller("user", "a", 1) is None
        assert await off.address(None, "/api/auth/login") is None
