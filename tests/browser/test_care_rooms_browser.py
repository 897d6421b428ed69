"""The rooms of the care for chargers in a real Chromium: each one's main act, up to what the charger made of it."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.choosing import choose, unfold
from tests.browser.conftest import Driver, Stack, Visitor
from tests.support.servers import Server, worker
from tests.support.waiting import wait_until

Visit = Callable[..., Visitor]
Connect = Callable[..., Driver]
ADMIN = "admin@nusantara.demo.uniev.id"
EMSV = "emsv@demo.uniev.id"
NOBODYS_MAIL = "smtp://127.0.0.1:9"  # nothing is mailed here


@pytest.fixture(scope="module")
def clock(stack: Stack) -> Iterator[Server]:
    """The worker: it moves campaigns on."""
    with worker(stack.dsn, stack.folder, NOBODYS_MAIL) as running:
        yield running


def opened(stack: Stack, visit: Visit, path: str) -> Page:
    """A room, as an administrator of the CPO sees it."""
    visitor = visit(stack.cpo.url)
    visitor.sign_in(ADMIN, path)
    expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
    return visitor.page


def press(page: Page, key: str) -> None:
    page.locator(f".st-key-{key} button").first.click()


def confirmed(page: Page, key: str) -> None:
    """Presses a button, and the one in the dialog that names the consequence."""
    press(page, key)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("status")).to_be_visible()
    dialog.locator(".st-key-deed_confirm button, .st-key-confirm button, .st-key-rule_confirm button").click()
    expect(dialog).to_be_hidden()


def box(page: Page, key: str) -> Locator:
    return page.locator(f".st-key-{key}").get_by_role("combobox")


def type_in(page: Page, key: str, text: str) -> None:
    field = page.locator(f".st-key-{key}").locator("input, textarea").first
    field.fill(text)
    field.press("Tab")


def row(page: Page, words: str) -> Locator:
    return page.locator(".uv tbody tr", has_text=words).first


def free_token(stack: Stack) -> str:
    rows = stack.get("/api/id-tokens?limit=200", ADMIN)["items"]
    busy = {session["id_token"] for session in stack.get("/api/sessions?open=true&limit=200", ADMIN)["items"]}
    return next(
        r["token"] for r in rows
        if r["status"] == "active" and not r["expires_at"] and len(r["token"]) <= 20 and r["token"] not in busy
    )  # fmt: skip


def test_a_changed_key_is_answered_by_the_charger_and_read_back(stack: Stack, visit: Visit, connect: Connect) -> None:
    driver = connect("ID-YOG01-1")
    page = opened(stack, visit, "/configuration?charger=ID-YOG01-1")
    confirmed(page, "deed_read_configuration_config")
    expect(row(page, "ConnectionTimeOut")).to_be_visible()
    unfold(page, "Ubah kunci")
    choose(box(page, "change_key"), "ConnectionTimeOut")
    type_in(page, "change_value", "77")
    page.get_by_role("button", name="Tambahkan ke perubahan").click()
    expect(page.get_by_role("button", name="Kirim 1 perubahan")).to_be_visible()
    press(page, "send_changes")
    order = page.locator(".uv tbody tr", has_text="ChangeConfiguration").first
    expect(order).to_contain_text("diterima")
    expect(row(page, "ConnectionTimeOut")).to_contain_text("77")
    assert driver.charger.configuration.number("ConnectionTimeOut") == 77


def test_firmware_goes_from_an_upload_to_the_version_that_the_charger_runs(
    stack: Stack, visit: Visit, connect: Connect
) -> None:
    driver = connect("ID-YOG02-2")
    page = opened(stack, visit, "/firmware")
    unfold(page, "Unggah berkas")
    expect(page.get_by_text("paling besar 512 MiB")).to_be_visible()  # as much as the API takes
    page.locator("input[type=file]").set_input_files(
        {"name": "surya-9.8.7.bin", "mimeType": "application/octet-stream", "buffer": b"version 9.8.7" * 100}
    )
    expect(page.get_by_text("surya-9.8.7.bin").first).to_be_visible()
    type_in(page, "upload_version", "9.8.7")
    page.get_by_role("button", name="Unggah", exact=True).click()
    expect(row(page, "surya-9.8.7.bin")).to_contain_text("9.8.7")
    choose(box(page, "choose_charger"), "ID-YOG02-2")
    unfold(page, "Perbarui firmware")
    choose(box(page, "update_file"), "surya-9.8.7.bin")
    page.get_by_role("button", name="Mulai pembaruan").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("ID-YOG02-2")
    dialog.locator(".st-key-deed_confirm button").click()
    expect(dialog).to_be_hidden()
    job = row(page, "surya-9.8.7.bin")
    for step in ("Downloading", "Downloaded", "Installing"):
        expect(job.locator(".steps")).to_contain_text(step)
    expect(job).to_contain_text("mulai ulang dengan versi baru")
    expect(page.locator(".asof")).to_contain_text("firmware 9.8.7")
    assert driver.charger.presence.firmware_version == "9.8.7"


def test_a_local_list_is_sent_and_the_charger_tells_its_version(stack: Stack, visit: Visit, connect: Connect) -> None:
    connect("ID-JTM04-1")
    page = opened(stack, visit, "/local_lists?charger=ID-JTM04-1")
    confirmed(page, "deed_list_full_list")
    expect(row(page, "Penuh")).to_contain_text("Diterima")
    kept = row(page, "ID-JTM04-1").locator("td")
    expect(kept.nth(1)).to_have_text(re.compile(r"[1-9]\d*"))
    confirmed(page, "deed_list_version_list")
    expect(kept.nth(2)).to_have_text(kept.nth(1).inner_text())
    expect(row(page, "ID-JTM04-1")).to_contain_text("sesuai")


def test_a_reserved_connector_is_kept_until_its_token_charges_there(
    stack: Stack, visit: Visit, connect: Connect
) -> None:
    driver = connect("ID-JTM05-1")
    token = free_token(stack)
    page = opened(stack, visit, "/reservations")
    unfold(page, "Reservasi konektor")
    choose(box(page, "reserve_charger"), "ID-JTM05-1")
    type_in(page, "reserve_plug", "1")
    choose(box(page, "reserve_token"), token)
    press(page, "reserve")
    kept = page.locator("[class*=st-key-kept_words_]")
    expect(kept).to_contain_text("Aktif")
    expect(kept).to_contain_text("sisa")
    assert driver.charger.status(1) == "Reserved"
    driver.do(driver.charger.plug_in(1))
    assert driver.do(driver.charger.tap(1, token)) == "Accepted"
    expect(row(page, token)).to_contain_text("Terpakai")
    expect(kept).to_have_count(0)
    driver.do(driver.charger.stop(1))


def test_a_limit_is_held_by_the_charger_and_drawn_as_it_will_be_obeyed(
    stack: Stack, visit: Visit, connect: Connect
) -> None:
    connect("ID-JTM05-2")
    page = opened(stack, visit, "/charging_profiles?charger=ID-JTM05-2")
    unfold(page, "Batas baru")
    type_in(page, "profile_name", "Malam hemat")
    expect(page.locator(".st-key-save_profile button")).to_be_enabled()
    press(page, "save_profile")
    expect(page.get_by_text("Malam hemat").first).to_be_visible()
    unfold(page, "Beri unit ini batas")
    choose(box(page, "apply_profile"), "Malam hemat")
    expect(page.locator(".st-key-apply button")).to_be_enabled()
    press(page, "apply")
    expect(row(page, "Malam hemat")).to_be_visible()
    confirmed(page, "deed_composite_1_ask")
    expect(page.get_by_text("Belum ditanya")).to_have_count(0)
    expect(page.locator(".js-plotly-plot").first).to_be_visible()


def test_a_new_password_is_used_by_the_charger_and_nobody_sees_it(stack: Stack, visit: Visit, connect: Connect) -> None:
    driver = connect("ID-BAL02-3")
    page = opened(stack, visit, "/security?charger=ID-BAL02-3")
    expect(page.get_by_text("Tidak diminta kata sandi")).to_be_visible()
    confirmed(page, "rotate_")
    expect(page.get_by_text("Kata sandi baru dalam perjalanan")).to_be_visible()
    wait_until(lambda: driver.charger.configuration.text("AuthorizationKey") != "", "the password at the charger")
    driver.do(driver.charger.reboot())  # it comes back with the new password
    expect(page.get_by_text("Pengisi daya harus mengirim kata sandinya")).to_be_visible()
    expect(page.get_by_text("Kata sandi baru dalam perjalanan")).to_have_count(0)
    assert driver.charger.configuration.text("AuthorizationKey") not in page.content()


def test_a_campaign_is_looked_at_first_and_its_wave_changes_the_charger(
    stack: Stack, visit: Visit, connect: Connect, clock: Server
) -> None:
    driver = connect("ID-JBR05-3")
    page = opened(stack, visit, "/configuration")
    unfold(page, "Templat baru")
    type_in(page, "template_name", "Denyut pelan")
    type_in(page, "template_settings", "HeartbeatInterval = 777")
    page.get_by_role("button", name="Buat", exact=True).click()
    expect(row(page, "Denyut pelan")).to_be_visible()
    page.goto(f"{stack.cpo.url}/campaigns?new=1")
    type_in(page, "campaign_name", "Semua berdenyut pelan")
    choose(box(page, "template"), "Denyut pelan")
    type_in(page, "identities", "ID-JBR05-3")
    expect(page.locator(".st-key-save button")).to_be_enabled()
    press(page, "save")
    expect(row(page, "ID-JBR05-3")).to_contain_text("777")  # the dry run
    assert driver.charger.configuration.number("HeartbeatInterval") != 777
    expect(page.locator(".st-key-start button")).to_be_disabled()
    type_in(page, "typed_count", "1")
    expect(page.locator(".st-key-start button")).to_be_enabled()
    press(page, "start")
    expect(row(page, "ID-JBR05-3")).to_contain_text("Berhasil", timeout=60_000)
    assert driver.charger.configuration.number("HeartbeatInterval") == 777


def test_a_rule_is_tried_on_a_payload_then_switched_on_and_the_audit_log_says_by_whom(
    stack: Stack, visit: Visit
) -> None:
    visitor = visit(stack.emsv.url)
    page = visitor.page
    visitor.sign_in(EMSV, "/firmware_rules?new=1")
    type_in(page, "draft_name", "Bayu says Idle")
    type_in(page, "draft_model", "Bayu*")
    choose(box(page, "draft_quirk"), "Kata di luar standar")
    choose(box(page, "draft_treatment"), "Ganti kata status")
    expect(page.locator(".uv pre b")).to_have_text('▸   "status": "Available",')
    press(page, "rule_add")
    expect(row(page, "Bayu says Idle")).to_contain_text("mati")
    choose(box(page, "rule"), "Bayu says Idle")
    expect(page.locator(".st-key-rule_on button").first).to_be_enabled()
    confirmed(page, "rule_on")
    expect(row(page, "Bayu says Idle")).to_contain_text("menyala")
    page.get_by_role("link", name="Siapa mengubah aturan mana").click()
    entry = page.locator(".uv tbody tr").first
    expect(entry).to_contain_text("Ratna Wulandari")
    expect(entry).to_contain_text("Aturan firmware")
