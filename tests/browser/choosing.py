"""Choosing from a box as a person does: typing, then the entry."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from playwright.sync_api import Locator, TimeoutError

_TRIES: Final = 5
_TRY_MS: Final = 5_000


def choose(box: Locator, words: str) -> None:
    """Takes the first entry that `words` lead to. The list closes when the page is drawn anew just then, which a person
    notices and opens it again."""
    for _ in range(_TRIES):
        with suppress(TimeoutError):
            return _choose(box, words, _TRY_MS)
        box.press("Escape")
    _choose(box, words, 2 * _TRY_MS)


def _choose(box: Locator, words: str, timeout_ms: float) -> None:
    box.click(timeout=timeout_ms)
    box.fill(words, timeout=timeout_ms)
    box.page.get_by_role("option", name=words).first.click(timeout=timeout_ms)
