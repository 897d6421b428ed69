"""The password of a charger: what the gate accepts and refuses."""

import pytest

from backend.domain.charger_password import hash_password, verify

KEY = bytes(range(0x10, 0x24))


def test_the_hash_has_the_documented_form_and_its_own_salt() -> None:
    first, second = hash_password(KEY), hash_password(KEY)
    form, salt, digest = first.split("$")
    assert (form, len(salt), len(digest)) == ("sha256", 32, 64)
    assert first != second


@pytest.mark.parametrize("kept", [KEY, KEY.hex().encode()], ids=["kept as bytes", "kept as hexadecimal"])
@pytest.mark.parametrize("sent", [KEY, KEY.hex().encode(), KEY.hex().upper().encode()], ids=["bytes", "hex", "HEX"])
def test_password_bytes_either_spelling_of_one_key_is_accepted(kept: bytes, sent: bytes) -> None:
    assert verify(hash_password(kept), sent)


def test_a_password_of_printable_text_is_accepted_only_as_it_is() -> None:
    stored = hash_password(b"uniev-demo-2026!")
    assert verify(stored, b"uniev-demo-2026!")
    assert not verify(stored, b"uniev-demo-2026")
    assert not verify(stored, b"UNIEV-DEMO-2026!")


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe", KEY[:-1], KEY + b"\x00", b"zz" * 16])
def test_another_password_is_refused(raw: bytes) -> None:
    assert not verify(hash_password(KEY), raw)


@pytest.mark.parametrize("stored", ["", "sha256", "sha256$$", "sha256$zz$zz", "md5$00$00", "sha256$00"])
def test_a_stored_text_of_unknown_form_refuses(stored: str) -> None:
    assert not verify(stored, KEY)
