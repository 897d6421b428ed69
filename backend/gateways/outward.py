"""The only way out to addresses that somebody else chose: a tenant's webhook, a partner's endpoint.

A name is looked up once, every address behind it must be of the public internet, and the connection goes to the very
address that was checked: a name that answers differently the second time (rebinding) changes nothing. Redirections are
not followed, and proxies of the environment not used. What chargers are told to fetch is no matter of this: they stand
in networks of their own, and the standard has their locations passed on as they are.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

import httpx

from backend.domain.errors import InvalidInput

Lookup = Callable[[str, int], Awaitable[list[str]]]
TIMEOUT_S: Final = 10.0
_PORTS: Final = (443, 8443)
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")  # an IPv4 address behind NAT64


def outward_client(lookup: Lookup | None = None, network: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """A client that reaches the public internet alone, by https. Requests raise InvalidInput (`address_refused`)."""
    transport = Outward(lookup or look_up, network or httpx.AsyncHTTPTransport(trust_env=False))
    return httpx.AsyncClient(transport=transport, timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)


async def look_up(host: str, port: int) -> list[str]:
    """The addresses behind a name. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


def is_public(text: str) -> bool:
    """Whether an address is of the public internet, also where one of IPv6 only wraps one of IPv4."""
    address = ip_address(text.split("%")[0])
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _TRANSLATED:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast and not address.is_reserved


class Outward(httpx.AsyncBaseTransport):
    """Checks where a request goes, and pins it there."""

    def __init__(self, lookup: Lookup, network: httpx.AsyncBaseTransport) -> None:
        self._lookup = lookup
        self._network = network

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Looks up, checks, connects. Raises InvalidInput (`address_refused`), and what httpx raises."""
        host, port = request.url.host, request.url.port or 443
        if request.url.scheme != "https" or port not in _PORTS or request.url.userinfo:
            raise _refused("Only https on port 443 or 8443 is reached, without credentials in the address.")
        try:
            addresses = await self._lookup(host, port)
        except OSError as error:
            raise httpx.ConnectError(f"{host} is not found", request=request) from error
        if not addresses or not all(is_public(address) for address in addresses):
            raise _refused("This address does not lead to the public internet.")
        request.extensions = {**request.extensions, "sni_hostname": host}  # the certificate is that of the name
        request.url = request.url.copy_with(host=addresses[0])  # the Host header was made before
        return await self._network.handle_async_request(request)

    async def aclose(self) -> None:
        """Gives the connections back."""
        await self._network.aclose()


def _refused(detail: str) -> InvalidInput:
    return InvalidInput(detail, code="address_refused")
