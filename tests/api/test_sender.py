"""From which address a request came, as limits count it and logs note it."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from backend.api.dependencies import sender


@pytest.mark.parametrize(
    ("told", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("testclient", None),
    ],
)
def test_the_whole_of_ipv4_was_one_site_to_the_limits_behind_a_server_of_both_families(
    told: str, address: str | None
) -> None:
    assert sender(Request({"type": "http", "client": (told, 1234)})) == address


def test_a_request_without_a_peer_has_no_address() -> None:
    assert sender(Request({"type": "http", "client": None})) is None
