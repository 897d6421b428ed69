"""Finding a room in a real Chromium on a small laptop's screen: what lies below the fold is not found."""

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.choosing import unfold
from tests.browser.conftest import OPERATOR, Stack, Visitor
from tests.support.postgres import execute, run_sync

Visit = Callable[..., Visitor]
ADMIN = "admin@nusantara.demo.uniev.id"
LAPTOP = {"width": 1280, "height": 800}


def test_rooms_and_the_way_out_are_in_view_on_a_small_screen_in_both_languages(stack: Stack, visit: Visit) -> None:
    visitor = visit(stack.cpo.url)
    page = visitor.page
    page.set_viewport_size(LAPTOP)
    visitor.sign_in(ADMIN, "/security")  # in the longest section, which is open then
    for language, security, audit in (("English", "Security", "Audit log"), ("Indonesia", "Keamanan", "Log audit")):
        page.get_by_role("radio", name=language).click()
        expect(page.get_by_role("heading", name=security, exact=True)).to_be_visible()
        sidebar = page.get_by_test_id("stSidebar")
        expect(sidebar.get_by_role("link", name=security)).to_be_in_viewport(ratio=1)
        for button in ("sign_out", "show_keys"):
            expect(sidebar.locator(f".st-key-{button} button")).to_be_in_viewport(ratio=1)
        expect(sidebar.get_by_role("link", name=audit)).to_be_hidden()
    unfold(page, "Orang dan akses")
    sidebar.get_by_role("link", name="Log audit").click()
    expect(page.get_by_role("heading", name="Log audit")).to_be_visible()
    expect(sidebar.get_by_role("link", name="Keamanan")).to_be_hidden()  # its section folded again


def test_the_first_rooms_own_name_opens_it(stack: Stack, visit: Visit) -> None:
    visitor = visit(stack.cpo.url)
    visitor.sign_in(OPERATOR, "/overview")
    expect(visitor.page.get_by_role("heading", name="Ringkasan")).to_be_visible()
    expect(visitor.page.locator(".card").first).to_be_visible()
    expect(visitor.page.get_by_role("dialog")).to_have_count(0)  # "Page not found", in English


def test_a_link_to_a_charger_within_its_room_opens_it_and_the_way_back_leads_back(stack: Stack, visit: Visit) -> None:
    one, other = "ID-JTM04-1", "ID-JTM05-1"
    run_sync(execute(stack.dsn, _EVENTS))
    visitor = visit(stack.cpo.url)
    visitor.sign_in(ADMIN, "/security")
    page = visitor.page
    for charger in (one, other):
        page.get_by_role("link", name=charger).first.click()
        expect(page).to_have_url(re.compile(f"charger={charger}"))
        expect(page.locator(".crumbs")).to_contain_text(charger)
        expect(page.locator(".st-key-choose_charger").get_by_role("combobox")).to_have_value(re.compile(charger))
        page.go_back()
        expect(page.locator(".crumbs")).to_have_count(0)


_EVENTS = """
insert into public.security_events (cpo_id, charger_id, source, type, critical, reported_at, happened_at, received_at)
select cpo_id, id, 'charger', 'ResetOrReboot', true, 'then', now(), now()
from public.chargers where id in ('ID-JTM04-1', 'ID-JTM05-1')
"""
