"""How often somebody may try to prove who they are before they must wait, and what is counted.

Failures are counted for an account together with an address, for the account alone and for the address alone. Whoever
has logged in to the account from this address before is counted by that pair alone: however hard strangers try, from
wherever, they can lock its owner out of no place where the owner was before.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FIRST_WAIT_S: Final = 15
"""The wait after the last free attempt; each further failure doubles it."""
_V6_SITE: Final = 64


class Proof(StrEnum):
    """What is tried."""

    PASSWORD = "password"
    SECOND_FACTOR = "second_factor"
    RESET_CODE = "reset_code"
    INVITATION = "invitation"


@dataclass(frozen=True, slots=True)
class Bound:
    """`free` attempts without a wait, and the longest wait in seconds."""

    free: int
    cap_s: int


PAIR: Final = Bound(5, 900)
ACCOUNT: Final = Bound(20, 300)
ADDRESS: Final = Bound(50, 900)


@dataclass(frozen=True, slots=True)
class Counted:
    """A key under which an attempt is counted, and its bound."""

    key: str
    bound: Bound


def counted(proof: Proof, account: str, address: str | None, *, known: bool) -> list[Counted]:
    """What an attempt is counted under; the pair comes first. `known`: this account was used from here before."""
    site = site_of(address)
    pair = Counted(_key(proof, "pair", account, site), PAIR)
    if known:
        return [pair]
    alone = [Counted(_key(proof, "account", account), ACCOUNT)]
    return [pair, *alone, *([Counted(_key(proof, "address", site), ADDRESS)] if site else [])]


def site_of(address: str | None) -> str:
    """The address as it is counted: whoever has one IPv6 address has the 2**64 beside it, too."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return ""
    if found.version == 6 and found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _V6_SITE), strict=False)) if found.version == 6 else str(found)


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
