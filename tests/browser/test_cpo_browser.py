"""The CPO dashboard in a real Chromium: signing in, looking, ordering, and what survives a refresh or a restart."""

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.choosing import choose
from tests.browser.conftest import OPERATOR, Driver, Stack, Visitor
from tests.support.servers import dashboard
from tests.support.waiting import wait_until

Visit = Callable[..., Visitor]
Connect = Callable[..., Driver]


def receipt(page: Page) -> Locator:
    """The newest command of the timeline."""
    return page.locator(".event.command").first


def choose_token(page: Page, token: str) -> None:
    """In the dialog: type the token, take the first hit."""
    choose(page.get_by_role("dialog").get_by_role("combobox"), token)


def free_token(stack: Stack) -> str:
    """An active token that no running session uses."""
    rows = stack.get("/api/id-tokens?limit=200")["items"]
    busy = {row["id_token"] for row in stack.get("/api/sessions?open=true&limit=200")["items"]}
    return next(r["token"] for r in rows if r["status"] == "active" and not r["expires_at"] and r["token"] not in busy)


def test_a_login_survives_a_refresh_and_leads_to_the_live_list(stack: Stack, visit: Visit) -> None:
    visitor = visit(stack.cpo.url)
    page = visitor.page
    visitor.sign_in(OPERATOR)
    expect(page.get_by_role("heading", name="Ringkasan")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Ringkasan")).to_be_visible()
    # By its exact name: the overview, once it is drawn, has a link whose words end alike.
    page.get_by_role("link", name="Langsung", exact=True).click()
    expect(page.locator(".station").first).to_be_visible()
    assert page.evaluate("document.cookie").find("uniev_cpo") == -1
    storage = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert "eyJ" not in storage


def test_a_shared_address_asks_for_the_login_and_then_opens_the_very_place(stack: Stack, visit: Visit) -> None:
    visitor = visit(stack.cpo.url)
    visitor.sign_in(OPERATOR, "/charger?charger=ID-BTN02-2")
    expect(visitor.page.get_by_role("heading", name="ID-BTN02-2")).to_be_visible()
    visitor.page.reload()
    expect(visitor.page.get_by_role("heading", name="ID-BTN02-2")).to_be_visible()


def test_a_click_opens_what_was_clicked_and_the_address_tells_where_we_are(stack: Stack, visit: Visit) -> None:
    visitor = visit(stack.cpo.url)
    page = visitor.page
    visitor.sign_in(OPERATOR, "/live")
    page.locator(".uv a", has_text="SPKLU BSD City").click()
    expect(page).to_have_url(re.compile(r"/live\?station=[0-9a-f-]{36}$"))
    expect(page.get_by_role("heading", name="SPKLU BSD City")).to_be_visible()
    page.locator(".uv a", has_text="ID-BTN02-3").click()
    expect(page).to_have_url(re.compile(r"/charger\?charger=ID-BTN02-3$"))
    page.get_by_role("navigation", name="Jejak halaman").get_by_role("link", name="Langsung").click()
    expect(page).to_have_url(re.compile(r"/live$"))
    expect(page.locator(".station").nth(3)).to_be_visible()


def test_start_and_stop_leave_receipts_up_to_the_effect(stack: Stack, visit: Visit, connect: Connect) -> None:
    driver = connect("ID-BTN02-1")
    driver.do(driver.charger.plug_in(1))
    visitor = visit(stack.cpo.url)
    page = visitor.page
    visitor.sign_in(OPERATOR, "/charger?charger=ID-BTN02-1")

    page.locator(".st-key-start_1_1 button").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("SPKLU BSD City")
    expect(dialog).to_contain_text("ID-BTN02-1")
    choose_token(page, free_token(stack))
    dialog.locator(".st-key-confirm button").dblclick()
    expect(dialog).to_be_hidden()
    expect(receipt(page)).to_contain_text("Mulai sesi · konektor 1")
    expect(receipt(page)).to_contain_text("hasil terlihat")
    expect(page.locator(".st-key-plug_1_1")).to_contain_text("Mengisi")
    expect(page.locator(".st-key-start_1_1 button").first).to_be_disabled()
    assert len(stack.get("/api/commands?charger_id=ID-BTN02-1")["items"]) == 1  # the double click sent once

    page.reload()
    expect(receipt(page)).to_contain_text("hasil terlihat")
    page.locator(".st-key-stop_1_1 button").first.click()
    expect(dialog).to_contain_text("hanya energi yang sudah terpakai yang ditagih")
    dialog.locator(".st-key-confirm button").click()
    expect(receipt(page)).to_contain_text("Hentikan sesi")
    expect(receipt(page)).to_contain_text("hasil terlihat")
    expect(page.locator(".st-key-stop_1_1 button").first).to_be_disabled()
    receipt(page).get_by_role("link", name="Buka sesinya").click()
    expect(page).to_have_url(re.compile(r"/session\?"))
    expect(page.get_by_text("dihentikan dari jauh")).to_have_count(1)
    expect(page.get_by_text("dihentikan dari jauh")).to_be_visible()


def test_a_restart_and_an_unlock_are_answered_by_the_charger(stack: Stack, visit: Visit, connect: Connect) -> None:
    connect("ID-BTN02-2", 1)
    visitor = visit(stack.cpo.url)
    page = visitor.page
    visitor.sign_in(OPERATOR, "/charger?charger=ID-BTN02-2")
    for button, title in (("unlock_1_1", "Buka kunci · konektor 1"), ("reset_all", "Mulai ulang")):
        page.locator(f".st-key-{button} button").first.click()
        page.get_by_role("dialog").locator(".st-key-confirm button").click()
        expect(receipt(page)).to_contain_text(title)
        expect(receipt(page)).to_contain_text("diterima")


def test_a_fault_and_a_lost_connection_show_within_seconds(stack: Stack, visit: Visit, connect: Connect) -> None:
    driver = connect("ID-JTM03-1")
    visitor = visit(stack.cpo.url)
    page = visitor.page
    visitor.sign_in(OPERATOR, "/live?q=ID-JTM03-1")
    row = page.locator("tr", has_text="ID-JTM03-1")
    expect(row).to_contain_text("Daring")
    driver.do(driver.charger.raise_fault(2, "GroundFailure"))
    expect(row).to_contain_text("arus bocor ke tanah (GroundFailure)")
    expect(row.locator(".plugs li")).to_have_count(2)
    driver.lose_network()
    expect(row).to_contain_text("Luring")
    expect(row).to_contain_text("terakhir: Gangguan")


def test_the_log_shows_pairs_and_its_frames(stack: Stack, visit: Visit, connect: Connect) -> None:
    connect("ID-JTM03-2")
    visitor = visit(stack.cpo.url)
    page = visitor.page
    visitor.sign_in(OPERATOR, "/charger?charger=ID-JTM03-2&action=BootNotification")
    line = page.locator("tr", has_text="BootNotification")
    expect(line).to_contain_text("Accepted")
    expect(line).to_contain_text("ms")
    line.locator("summary").click()
    expect(line.locator("pre")).to_contain_text('"chargePointVendor"')
    before = page.locator(".asof time").last.get_attribute("datetime")
    expect(page.locator(".asof time").last).not_to_have_attribute("datetime", before or "")  # new data came
    expect(line.locator("pre")).to_be_visible()  # and what the reader opened stayed open
    line.get_by_role("button", name="Salin").click()
    expect(line.get_by_role("button", name="Tersalin")).to_be_visible()


def test_the_slash_key_goes_to_the_search(stack: Stack, visit: Visit) -> None:
    visitor = visit(stack.cpo.url)
    visitor.sign_in(OPERATOR, "/live")
    field = visitor.page.locator(".st-key-q input")
    expect(visitor.page.locator(".station").first).to_be_visible()
    visitor.page.keyboard.press("/")
    expect(field).to_be_focused()
    visitor.page.keyboard.type("a/b")
    expect(field).to_have_value("a/b")


def test_english_is_one_click_away_and_stays_with_the_person(stack: Stack, visit: Visit) -> None:
    visitor = visit(stack.cpo.url)
    page = visitor.page
    visitor.sign_in(OPERATOR, "/live")
    expect(page.get_by_role("heading", name="Langsung")).to_be_visible()
    page.get_by_role("radio", name="English").click()
    expect(page.get_by_role("heading", name="Live")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Live")).to_be_visible()
    elsewhere = visit(stack.cpo.url)
    elsewhere.sign_in(OPERATOR, "/live")
    expect(elsewhere.page.get_by_role("heading", name="Live")).to_be_visible()
    elsewhere.page.get_by_role("radio", name="Indonesia").click()
    expect(elsewhere.page.get_by_role("heading", name="Langsung")).to_be_visible()


def test_signing_out_in_one_tab_empties_the_other(stack: Stack, visit: Visit) -> None:
    visitor = visit(stack.cpo.url)
    visitor.sign_in(OPERATOR)
    expect(visitor.page.get_by_role("heading", name="Ringkasan")).to_be_visible()
    other = visitor.context.new_page()
    other.goto(stack.cpo.url)
    expect(other.get_by_role("heading", name="Ringkasan")).to_be_visible()
    other.locator(".st-key-sign_out button").click()
    expect(other).to_have_url(re.compile("/login"))
    expect(visitor.page).to_have_url(re.compile("/login"))


def test_a_login_survives_a_restart_of_the_dashboard(stack: Stack, visit: Visit) -> None:
    folder = stack.folder / "restart"
    with dashboard("dashboard_cpo.py", stack.api.url, folder) as first:
        visitor = visit(first.url)
        visitor.sign_in(OPERATOR)
        expect(visitor.page.get_by_role("heading", name="Ringkasan")).to_be_visible()
        visitor.page.goto("about:blank")
        port = int(first.url.rsplit(":", 1)[1])
    with dashboard("dashboard_cpo.py", stack.api.url, folder, port=port) as second:
        visitor.page.goto(second.url)
        expect(visitor.page.get_by_role("heading", name="Ringkasan")).to_be_visible()
        wait_until(lambda: "login" not in visitor.page.url, "no login page")
        visitor.page.goto("about:blank")
