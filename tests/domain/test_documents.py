"""What an uploaded file is, told from its content."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.documents import media_type_of
from backend.domain.errors import InvalidInput
from tests.support.documents import JPEG, PDF, PNG


def refused(content: bytes) -> str:
    with pytest.raises(InvalidInput) as outcome:
        media_type_of(content)
    return outcome.value.code


def test_whole_files_are_told_by_their_content() -> None:
    assert [media_type_of(content) for content in (PDF, PNG, JPEG)] == ["application/pdf", "image/png", "image/jpeg"]


@given(st.binary(max_size=3000))
def test_anything_else_is_refused(content: bytes) -> None:
    if not content.startswith((b"%PDF-", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        assert refused(content) == "document_type_invalid"


@pytest.mark.parametrize(
    "content", [b"", b"MZ" + PDF, b"<html>" + PDF, b" " + PDF, b"PK\x03\x04" + PNG, b"\x00" + JPEG]
)
def test_a_file_that_only_contains_one_is_none(content: bytes) -> None:
    assert refused(content) == "document_type_invalid"


@pytest.mark.parametrize("content", [PDF, PNG, JPEG])
@given(st.data())
def test_what_is_cut_off_is_refused(content: bytes, data: st.DataObject) -> None:
    end = data.draw(st.integers(8, len(content) - 20))

    assert refused(content[:end]) == "document_broken"


@pytest.mark.parametrize("name", ["/JavaScript", "/JS", "/Launch", "/EmbeddedFile", "/RichMedia"])
def test_a_pdf_that_acts_or_carries_files_is_refused(name: str) -> None:
    acting = PDF.replace(b"/Type", f"{name} (x) /Type".encode(), 1)

    assert refused(acting) == "document_active"
    assert media_type_of(PDF.replace(b"/Type", f"{name}Like (x) /Type".encode(), 1)) == "application/pdf"
