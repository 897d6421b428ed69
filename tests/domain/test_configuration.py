"""Which configuration keys bear a charger's password."""

from __future__ import annotations

import pytest

from backend.domain.configuration import new_password

KEY = bytes(range(20))


@pytest.mark.parametrize(
    ("key", "password"),
    [
        ("AuthorizationKey", KEY),
        ("AUTHORIZATIONKEY", KEY),
        ("Authorization\u212aey", None),  # KELVIN SIGN: a capital k for Python, not for every database
        ("AuthorizationKeys", None),
    ],
)
def test_a_key_is_the_passwords_in_every_ascii_case(key: str, password: bytes | None) -> None:
    assert new_password("ChangeConfiguration", {"key": key, "value": KEY.hex()}) == password
