"""Addresses that others chose lead to the public internet or nowhere, whatever their names say the second time."""

from __future__ import annotations

import httpx
import pytest

from backend.domain.errors import InvalidInput
from backend.gateways.outward import Lookup, is_public, look_up, outward_client

PUBLIC, SECOND = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


class Names:
    """A resolver that answers one list after the other, and counts."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self.answers.pop(0)


async def reached(url: str, lookup: Lookup) -> httpx.Request:
    """The request as it would go out to the network."""
    gone: list[httpx.Request] = []

    def network(request: httpx.Request) -> httpx.Response:
        gone.append(request)
        return httpx.Response(302, headers={"Location": "http://169.254.169.254/latest"})

    async with outward_client(lookup, httpx.MockTransport(network)) as client:
        answer = await client.post(url, json={})
    assert (answer.status_code, len(gone)) == (302, 1)  # a redirection is an answer, not an order
    return gone[0]


@pytest.mark.parametrize("address", [PUBLIC, SECOND])
async def test_the_connection_goes_to_the_address_that_was_checked(address: str) -> None:
    names = Names([address], ["127.0.0.1"])  # rebound: the second answer would lead inside
    request = await reached("https://hooks.example.id/a?b=c", names)

    assert (request.url.host, request.url.path, request.url.query) == (address, "/a", b"b=c")
    assert request.headers["Host"] == "hooks.example.id"
    assert request.extensions["sni_hostname"] == "hooks.example.id"
    assert names.asked == 1


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"], ["10.1.2.3"], ["172.16.0.1"], ["192.168.1.1"], ["169.254.169.254"], ["100.64.0.1"], ["0.0.0.0"],
        ["224.0.0.1"], ["255.255.255.255"], ["::1"], ["::"], ["fe80::1%eth0"], ["fd00::1"], ["ff02::1"],
        ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"], ["2002:7f00:1::"], ["2001:db8::1"], [PUBLIC, "10.0.0.1"], [],
    ],
)  # fmt: skip
async def test_nothing_inside_is_reached(addresses: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        await reached("https://hooks.example.id/", Names(addresses))
    assert refused.value.code == "address_refused"


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.id/", "https://hooks.example.id:22/", "https://user:pass@hooks.example.id/",
        "https://127.0.0.1/", "https://[::1]/", "https://2130706433/", "https://0x7f.1/", "https://localhost/",
    ],
)  # fmt: skip
async def test_no_way_of_writing_an_address_leads_inside(url: str) -> None:
    with pytest.raises((InvalidInput, httpx.ConnectError)):
        await reached(url, look_up)


def test_the_public_internet_is_public() -> None:
    assert is_public(PUBLIC) and is_public(SECOND) and is_public("8.8.8.8")
