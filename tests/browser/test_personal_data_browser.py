"""A driver's rights in a real Chromium: found, copied to a file, erased, and the books stay as they were."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import Stack, Visitor
from tests.dashboards.conftest import EMSV, Nation
from tests.dashboards.test_drivers_room import driver_of

NAME = "Sari Kusuma"


def _picture(page: Page, name: str) -> None:
    """Kept for people to look at, where a folder is named."""
    if folder := os.environ.get("UNIEV_TEST_PICTURES"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def _charged(stack: Stack, driver_id: str) -> dict[str, Any]:
    """Energy of the driver's sessions, by session."""
    page = stack.get(f"/api/drivers/{driver_id}/sessions?limit=200", EMSV)
    assert page["next_cursor"] is None
    return {row["id"]: row["energy_wh"] for row in page["items"]}


def _find(page: Page) -> None:
    """By a part of the name, then to the driver."""
    page.get_by_role("textbox", name="Nama").fill("kusuma")
    page.get_by_role("link", name=NAME).click()
    expect(page.get_by_text("+62 811 000 111").first).to_be_visible()
    expect(page.get_by_role("heading", name="Persetujuan")).to_be_visible()
    _picture(page, "personal_data")


def _copy(page: Page) -> dict[str, Any]:
    """The downloaded file."""
    page.get_by_role("button", name="Buat salinan semuanya").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Simpan driver-").click()
    assert download.value.suggested_filename.startswith("driver-")
    copied: dict[str, Any] = json.loads(download.value.path().read_text("utf-8"))
    return copied


def _erase(page: Page) -> None:
    """A wrong name first, then the right one."""
    page.get_by_role("button", name="Hapus", exact=True).click()
    asked = page.get_by_role("dialog")
    expect(asked.get_by_text("Pembukuan menyimpan")).to_be_visible()
    _picture(page, "erasure")
    box, confirm = asked.get_by_role("textbox"), asked.get_by_role("button", name="Hapus selamanya")
    box.fill("Sari")
    box.blur()
    confirm.click()
    expect(asked.get_by_text("Bukan itu namanya")).to_be_visible()
    box.fill(NAME)
    box.blur()
    confirm.click()


def test_a_driver_is_found_copied_and_erased_and_the_books_stay(stack: Stack, visit: Callable[..., Visitor]) -> None:
    driver, _ = driver_of(Nation("", stack.api.url), NAME)
    before = _charged(stack, driver["id"])
    visitor = visit(stack.emsv.url)
    page = visitor.page
    visitor.sign_in(EMSV, "/personal_data")
    _find(page)
    data = _copy(page)["data"]
    assert data["driver_contacts"] == [{"contact": "+62 811 000 111"}]
    assert {row["id"]: row["energy_wh"] for row in data["sessions"]} == before and sum(before.values()) > 0
    _erase(page)
    expect(page.get_by_text("tetap ada di pembukuan dengan nama samaran")).to_be_visible()
    expect(page.get_by_role("heading", name="Dihapus pada")).to_be_visible()
    expect(page.get_by_text("+62 811 000 111")).to_have_count(0)
    _picture(page, "erased")
    assert (stack.get(f"/api/drivers/{driver['id']}", EMSV)["name"], _charged(stack, driver["id"])) == (None, {})
    for session_id, energy_wh in before.items():
        kept = stack.get(f"/api/sessions/{session_id}", EMSV)
        assert kept["energy_wh"] == energy_wh and kept["id_token"].startswith("erased-")
