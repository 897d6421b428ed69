"""Files that people upload as proof: what they may be, told from their content and not from their name."""

from __future__ import annotations

from typing import Final

from backend.domain.errors import InvalidInput
from backend.domain.files import MIB

MOST_BYTES: Final = 10 * MIB
LEAST_BYTES: Final = 64
_TAIL_BYTES: Final = 1024

_PDF: Final = "application/pdf"
# How a content begins, and what its last kilobyte holds when it came whole.
_KINDS: Final = (
    (_PDF, b"%PDF-", b"%%EOF"),
    ("image/png", b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"),
    ("image/jpeg", b"\xff\xd8\xff", b"\xff\xd9"),
)
# What makes a PDF run something (ISO 32000-1, 12.6.4) or carry it: proof needs none of it. What compressed objects hide
# is not seen here, so nobody's browser is ever told to open such a file in place.
_ACTIVE: Final = (b"/JavaScript", b"/JS", b"/Launch", b"/EmbeddedFile", b"/RichMedia")
_DELIMITERS: Final = frozenset(b"()<>[]{}/% \t\r\n\x00\x0c")
ENDINGS: Final = {_PDF: ".pdf", "image/png": ".png", "image/jpeg": ".jpg"}


def media_type_of(content: bytes) -> str:
    """What a whole content is: PDF, PNG or JPEG.

    Raises InvalidInput: `document_type_invalid` for anything else, `document_broken` for one that is cut off or empty,
    `document_active` for a PDF that runs programs or carries other files.
    """
    for media_type, beginning, end in _KINDS:
        if content.startswith(beginning):
            if len(content) < LEAST_BYTES or end not in content[-_TAIL_BYTES:]:
                raise InvalidInput("The file is not whole: its end is missing.", code="document_broken")
            if media_type == _PDF and _acts(content):
                raise InvalidInput("The PDF holds programs or other files; print it anew.", code="document_active")
            return media_type
    raise InvalidInput("The file is neither PDF nor PNG nor JPEG.", code="document_type_invalid")


def _acts(content: bytes) -> bool:
    """Whether a name of an action stands in it as a name of its own (`/JS`, not `/JSX`)."""
    return any(_stands_alone(content, name) for name in _ACTIVE)


def _stands_alone(content: bytes, name: bytes) -> bool:
    start = content.find(name)
    while start >= 0:
        end = start + len(name)
        if end >= len(content) or content[end] in _DELIMITERS:
            return True
        start = content.find(name, end)
    return False
