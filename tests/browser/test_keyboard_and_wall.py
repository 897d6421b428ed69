"""The keyboard, the wall screen and the timeline in a real Chromium."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.conftest import OPERATOR, Driver, Stack, Visitor

Visit = Callable[..., Visitor]
NOC = "noc@demo.uniev.id"
HD = {"width": 1920, "height": 1080}
# What does not fit: wider or higher than the screen, or than its own box.
OVERFLOWS = """
() => [document.scrollingElement, ...document.querySelectorAll(".wall, .wall .tile, .wall .tile b, .wall .trouble")]
  .filter((node) => node.scrollWidth > node.clientWidth + 1 && node.clientWidth
    || node.scrollHeight > node.clientHeight + 1 && node.clientHeight && !node.matches("b")
    || node.getBoundingClientRect().right > innerWidth)
  .map((node) => node.className || `${node.tagName} ${node.textContent} ${node.scrollWidth} > ${node.clientWidth}`)
"""
SMALLEST_TEXT = """
() => Math.min(...[...document.querySelectorAll(".wall *")].filter((node) => node.childElementCount === 0
  && node.textContent.trim() && !node.matches(".leave, svg *"))
  .map((node) => parseFloat(getComputedStyle(node).fontSize)))
"""


def test_keys_walk_the_rows_and_open_one(stack: Stack, visit: Visit) -> None:
    visitor = visit(stack.cpo.url)
    page = visitor.page
    visitor.sign_in(OPERATOR, "/sessions")
    links = page.locator(".uv tbody tr td:first-child a")
    expect(links.nth(2)).to_be_visible()
    page.keyboard.press("j")
    expect(links.nth(0)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/session\?session="))


def test_slash_searches_where_there_is_a_field_and_escape_leaves_it(stack: Stack, visit: Visit) -> None:
    visitor = visit(stack.cpo.url)
    page = visitor.page
    visitor.sign_in(OPERATOR, "/sessions")
    expect(page.locator(".uv tbody tr").first).to_be_visible()
    page.keyboard.press("/")
    field = page.locator(".st-key-search_charger input")
    expect(field).to_be_focused()
    page.keyboard.type("jk?")
    expect(field).to_have_value("jk?")
    page.keyboard.press("Escape")
    expect(field).not_to_be_focused()


def test_the_question_mark_lists_the_keys_and_escape_closes_the_list(stack: Stack, visit: Visit) -> None:
    visitor = visit(stack.cpo.url)
    page = visitor.page
    visitor.sign_in(OPERATOR)
    expect(page.locator(".card").first).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("ke kolom pencarian")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_station_far_down_the_list_is_found_by_typing_its_name(stack: Stack, visit: Visit) -> None:
    visitor = visit(stack.cpo.url)
    page = visitor.page
    visitor.sign_in(OPERATOR, "/sessions")
    box = page.get_by_role("combobox", name="Stasiun")
    box.click()
    box.fill("bsd")
    box.press("Enter")
    expect(page).to_have_url(re.compile(r"station=[0-9a-f-]{36}"))
    expect(page.locator(".uv tbody tr").first).to_contain_text("SPKLU BSD City")


def test_the_wall_fits_a_full_hd_screen_and_is_legible_from_four_metres(stack: Stack, visit: Visit) -> None:
    for url, person in ((stack.cpo.url, OPERATOR), (stack.emsv.url, NOC)):
        visitor = visit(url)
        page = visitor.page
        page.set_viewport_size(HD)
        visitor.sign_in(person, "/wall")
        expect(page.locator(".wall .trouble li").nth(5)).to_be_visible()
        assert page.evaluate(OVERFLOWS) == []
        # 1/200 of the distance, 20 mm, is 32 pixels of a screen of 55 inches.
        assert page.evaluate(SMALLEST_TEXT) >= 32
        expect(page.locator("[data-testid=stSidebar]")).to_be_hidden()
        first = page.locator(".wall .age time").get_attribute("datetime")
        expect(page.locator(".wall .age time")).not_to_have_attribute("datetime", first or "")  # nobody touched it
        page.keyboard.press("Escape")
        expect(page.locator(".wall")).to_be_hidden()
        expect(page.locator("[data-testid=stSidebar]")).to_be_visible()


def test_the_timeline_tells_the_story_as_it_happens(stack: Stack, visit: Visit, connect: Callable[..., Driver]) -> None:
    driver = connect("ID-BTN02-3", 1)
    visitor = visit(stack.cpo.url)
    page = visitor.page
    visitor.sign_in(OPERATOR, "/charger?charger=ID-BTN02-3")
    events = page.locator(".event")
    expect(page.locator(".event.boot").first).to_contain_text("Unit menyala")
    expect(page.locator(".event.connection").first).to_contain_text("Tersambung")
    driver.do(driver.charger.raise_fault(1, "GroundFailure"))
    expect(events.first).to_contain_text("arus bocor ke tanah (GroundFailure)")
    driver.lose_network()
    expect(events.first).to_contain_text("Terputus")
    page.locator(".st-key-choose_kind").get_by_text("Boot").click()
    expect(page.locator(".event.status")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"kind=boot"))
