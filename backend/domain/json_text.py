"""JSON on its way to PostgreSQL, whose text cannot hold the character U+0000."""

from __future__ import annotations

import re

# The escape is replaced unless its backslash is itself escaped.
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def storable(encoded: bytes) -> bytes:
    """JSON text with U+FFFD in place of U+0000."""
    return _NUL.sub(rb"\1\\ufffd", encoded) if b"\\u0000" in encoded else encoded
