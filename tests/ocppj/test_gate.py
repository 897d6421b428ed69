"""The gate's small decisions: identity, subprotocol, password."""

from __future__ import annotations

import base64
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.ocppj.gate import Refused, basic_password, identity, subprotocol


@pytest.mark.parametrize(("path", "name"), [
    ("/CP-1", "CP-1"), ("/a/b/CP-1?x=/y", "CP-1"), ("/%43P%201", "CP 1"), ("/a%2Fb", "a/b"), ("/%C3%A9", "é"),
    ("/" + "x" * 48, "x" * 48), ("CP-1", "CP-1"), ("/a:b", "a:b"),
])  # fmt: skip
def test_the_identity_is_the_last_segment_decoded(path: str, name: str) -> None:
    assert identity(path) == name


@pytest.mark.parametrize(
    "path", ["/", "", "/CP-1/", "/?CP-1", "/%00", "/%FF", "/\udcff", "/" + "x" * 49, "/%0A", "/%E2%80%8B"]
)
def test_a_path_without_identity_is_not_found(path: str) -> None:
    with pytest.raises(Refused) as refused:
        identity(path)

    assert refused.value.status is HTTPStatus.NOT_FOUND


@given(st.text(max_size=30))
def test_any_path_is_an_identity_or_refused(path: str) -> None:
    try:
        name = identity(path)
    except Refused as refused:
        assert refused.status is HTTPStatus.NOT_FOUND
    else:
        assert 0 < len(name) <= 48
        assert name.isprintable()


@pytest.mark.parametrize(
    "offers", [["ocpp1.6"], ["ocpp0.1,ocpp1.6"], ["ocpp2.0.1", " ocpp1.6 , x"], ["ocpp1.6", "ocpp1.6"]]
)
def test_the_subprotocol_is_the_first_that_is_spoken(offers: list[str]) -> None:
    assert subprotocol(offers) == "ocpp1.6"


@pytest.mark.parametrize("offers", [[], [""], ["ocpp2.0.1"], ["OCPP1.6"], ["ocpp1.6j"]])
def test_other_subprotocols_are_refused(offers: list[str]) -> None:
    with pytest.raises(Refused) as refused:
        subprotocol(offers)

    assert refused.value.status is HTTPStatus.BAD_REQUEST


@given(st.text(min_size=1, max_size=20), st.binary(max_size=40))
def test_a_password_of_any_bytes_comes_through(name: str, password: bytes) -> None:
    try:
        credentials = base64.b64encode(name.encode() + b":" + password).decode()
    except UnicodeEncodeError:
        return

    assert basic_password(f"Basic {credentials}", name) == password
    assert basic_password(f"bASIC  {credentials} ", name) == password


@pytest.mark.parametrize("header", [None, "", "Basic", "Basic ", "Bearer eA==", "Basic !!!", "Basic é",
                                    "Basic Q1AtMQ==", "Basic " + base64.b64encode(b"CP-2:x").decode()])  # fmt: skip
def test_a_header_that_is_none_gives_no_password(header: str | None) -> None:
    assert basic_password(header, "CP-1") is None
