"""Bounds how often somebody may ask: per person, per API key, and per address where nobody has said who they are."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from backend.domain.errors import TooManyRequests
from backend.domain.rates import Allowance, Counter, Rate

STRICT: Final[dict[str, Rate]] = {
    "/api/auth/login": Rate(30, 60),
    "/api/cpo/register": Rate(10, 600),
    "/api/cpo/register/code": Rate(10, 600),
    "/api/cpo/register/verify": Rate(20, 600),
    "/api/auth/second-factor": Rate(30, 60),
    "/api/auth/password-reset": Rate(10, 600),
    "/api/auth/password-reset/confirm": Rate(20, 600),
    "/api/auth/sso/begin": Rate(30, 60),
    "/api/auth/sso/finish": Rate(30, 60),
    "/api/auth/invitation/look": Rate(60, 600),
    "/api/auth/invitation/accept": Rate(20, 600),
}
"""Per address of another machine: what guesses passwords and codes, or fills mailboxes."""
REFUSED: Final = Rate(120, 60)
"""Per address: credentials that do not hold."""
_IPV6_SITE: Final = 64  # one subscriber has as many addresses as they like below it


class RateLimits:
    """`usual`: what a person or key may ask, and an address in public. `clock` gives seconds, the same everywhere."""

    def __init__(self, counter: Counter, usual: Rate, clock: Callable[[], float]) -> None:
        self._counter = counter
        self._usual = usual
        self._clock = clock

    async def caller(self, kind: str, caller_id: str, requests_per_minute: int | None) -> Allowance | None:
        """Counts a request of a `user` or `key`; None if nothing bounds it. Raises TooManyRequests."""
        rate = Rate(requests_per_minute) if requests_per_minute else self._usual
        return await self._take(kind, caller_id, rate)

    async def address(self, address: str | None, path: str) -> Allowance | None:
        """Counts a request of nobody known to a public path. Raises TooManyRequests."""
        strict = None if _own_machine(address) else STRICT.get(path)
        place = f"{_site(address)} {path if strict else ''}"
        return await self._take("address", place, strict or self._usual)

    async def refused(self, address: str | None) -> None:
        """Counts credentials that did not hold. Raises TooManyRequests."""
        rate = self._usual if _own_machine(address) else REFUSED
        await self._take("address", f"{_site(address)} refused", rate)

    async def _take(self, name: str, who: str, rate: Rate) -> Allowance | None:
        if not self._usual.requests or not rate.requests:
            return None
        window, passed = divmod(self._clock(), rate.period_s)
        used = await self._counter.add(f"{name} {who} {int(window)}", rate.period_s)
        if not used:
            return None
        allowance = Allowance(name, rate, used, int(rate.period_s - passed) + 1)
        if allowance.exceeded:
            raise TooManyRequests(allowance)
        return allowance


def _own_machine(address: str | None) -> bool:
    """Screens and tools beside the API: many people behind one address, unless they pass theirs on."""
    return address is not None and ip_address(address).is_loopback


def _site(address: str | None) -> str:
    if address is None:
        return "unknown"
    found = ip_address(address)
    return str(ip_network((found, _IPV6_SITE), strict=False)) if isinstance(found, IPv6Address) else address
