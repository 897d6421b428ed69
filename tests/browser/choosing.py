"""Choosing from a box and opening a fold as a person does: again, where the page was drawn anew just then."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from playwright.sync_api import Locator, Page, TimeoutError, expect

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


def unfold(page: Page, words: str) -> None:
    """Opens the part that is folded behind `words`. On a busy machine Streamlit's fold ignores a click that comes right
    after it was drawn (about one in eight beside three busy processes); a person clicks again."""
    fold = page.locator("details").filter(has=page.locator("summary", has_text=words)).first
    for _ in range(_TRIES):
        fold.locator("summary").first.click()
        with suppress(AssertionError):
            return expect(fold).to_have_attribute("open", "", timeout=_TRY_MS)
    expect(fold).to_have_attribute("open", "")
