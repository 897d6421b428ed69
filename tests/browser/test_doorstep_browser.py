"""How people come in, in a real Chromium: invited by a mail, by a mailed code, by single sign-on at a real issuer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from backend.embedded import EmbeddedPostgres
from tests.browser.conftest import Visitor, picture
from tests.support.mailbox import Mailbox, running_mailbox
from tests.support.oidc import new_key, running_issuer
from tests.support.postgres import fresh_database
from tests.support.servers import api_server, dashboard, free_port, seed_nation, worker
from tests.support.tools import require_tool

ADMIN, OPERATOR = "admin@nusantara.demo.uniev.id", "operator@nusantara.demo.uniev.id"
GUEST = "wulan@nusantara.test"
PASSWORD = "tujuh kuda laut biru"
SECRET = "a secret between us"
PEOPLE = {
    "operator": {"email": OPERATOR, "email_verified": True, "name": "Dimas"},
    "stranger": {"email": "who@elsewhere.test", "email_verified": True, "name": "Who", "groups": []},
}


@dataclass(frozen=True)
class House:
    """Both dashboards, the mails that the platform sends, and the issuer of single sign-on."""

    cpo: str
    emsv: str
    mailbox: Mailbox
    issuer: str


@pytest.fixture(scope="module")
def house(postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    require_tool("chromium")
    folder, cpo_port, emsv_port = tmp_path_factory.mktemp("house"), free_port(), free_port()
    screens = {"UNIEV_CPO_URL": f"http://127.0.0.1:{cpo_port}", "UNIEV_EMSV_URL": f"http://127.0.0.1:{emsv_port}"}
    client = {
        "client_id": "uniev", "client_secret": SECRET, "response_types": ["code"],
        "redirect_uris": [f"{url}/auth/sso/callback" for url in screens.values()],
        "token_endpoint_auth_method": "client_secret_post",
    }  # fmt: skip
    config = {"clients": [client], "people": PEOPLE, "jwks": {"keys": [new_key("first")]}}
    with (
        fresh_database(postgres_server) as dsn,
        running_mailbox() as mailbox,
        running_issuer(config) as issuer,
    ):
        seed_nation(dsn)
        yield from _started(dsn, folder, mailbox, issuer, screens, cpo_port, emsv_port)


def _started(
    dsn: str, folder: Path, mailbox: Mailbox, issuer: str, screens: dict[str, str], cpo_port: int, emsv_port: int
) -> Iterator[House]:
    believed = {"OIDC_ISSUER": issuer, "OIDC_CLIENT_SECRET": SECRET, "OIDC_NAME": "Keycloak"}
    with (
        api_server(dsn, folder, **screens, **believed) as api,
        worker(dsn, folder, mailbox.url),
        dashboard("dashboard_cpo.py", api.url, folder, port=cpo_port) as cpo,
        dashboard("dashboard_emsv.py", api.url, folder, port=emsv_port) as emsv,
    ):
        yield House(cpo.url, emsv.url, mailbox, issuer)


def _invite(visitor: Visitor) -> None:
    """An administrator invites somebody in the room of people."""
    page = visitor.page
    visitor.sign_in(ADMIN, "/people")
    page.get_by_role("button", name="Undang", exact=True).click()
    page.get_by_role("textbox", name="Nama").fill("Wulan")
    page.get_by_role("textbox", name="Surel").fill(GUEST)
    page.get_by_role("textbox", name="Surel").blur()
    expect(page.get_by_role("button", name="Lakukan")).to_be_disabled()  # no role is given by mistake
    page.get_by_role("combobox", name="Peran").click()
    page.get_by_role("option", name="Operator CPO").click()
    picture(page, "invite")
    page.get_by_role("button", name="Lakukan").click()
    expect(page.get_by_text(GUEST).first).to_be_visible()
    expect(page.get_by_role("button", name="Lakukan")).to_have_count(0)


def _accept(page: Page, password: str) -> None:
    page.fill("#new_password", password)
    page.get_by_role("button", name="Mulai").click()


def test_an_invited_person_comes_by_the_link_of_the_mail_once(house: House, visit: Callable[..., Visitor]) -> None:
    _invite(visit(house.cpo))
    found = re.search(rf"{house.cpo}(/auth/invitation\S+)", house.mailbox.next(GUEST))
    assert found, house.mailbox.next(GUEST)
    guest = visit(house.cpo)
    page, path = guest.page, found[1]
    page.goto(house.cpo + path)
    expect(page.get_by_text("Nusantara Charge")).to_be_visible()
    assert page.input_value("#name") == "Wulan"
    picture(page, "invitation")
    page.fill("#name", "Wulan Sari")
    _accept(page, "nusantara2026")
    expect(page.get_by_role("alert")).to_have_text(re.compile("mudah ditebak"))
    assert page.input_value("#name") == "Wulan Sari"
    picture(page, "invitation_weak")
    guest.refused(422, "/auth/invitation")
    _accept(page, PASSWORD)
    expect(page.get_by_text("Wulan Sari")).to_be_visible()
    expect(page.get_by_text("Operator CPO")).to_be_visible()

    later = visit(house.cpo)
    later.page.goto(house.cpo + path)
    expect(later.page.get_by_role("alert")).to_have_text(re.compile("sudah dipakai"))
    expect(later.page.locator("#new_password")).to_have_count(0)
    picture(later.page, "invitation_used")
    later.refused(404, path)


def test_a_forgotten_password_is_replaced_by_the_code_of_the_mail(house: House, visit: Callable[..., Visitor]) -> None:
    visitor = visit(house.cpo)
    page = visitor.page
    page.goto(house.cpo + "/")
    page.get_by_role("link", name="Lupa kata sandi").click()
    picture(page, "forgotten")
    page.fill("#email", OPERATOR)
    page.get_by_role("button", name="Kirim kode").click()
    code = re.search(r"^ *([0-9A-Z]{4}-[0-9A-Z]{4}) *$", house.mailbox.next(OPERATOR), re.M)
    assert code, house.mailbox.next(OPERATOR)
    for mailed, password, words, status in (
        ("AAAA-AAAA", PASSWORD, "Kode salah", 401),
        (code[1], "operator2026!", "mudah ditebak", 422),
    ):
        page.fill("#mailed_code", mailed)
        page.fill("#new_password", password)
        page.get_by_role("button", name="Simpan kata sandi").click()
        expect(page.get_by_role("alert")).to_have_text(re.compile(words))
        visitor.refused(status, "/auth/reset")
    picture(page, "reset_weak")
    page.fill("#mailed_code", code[1].lower())
    page.fill("#new_password", PASSWORD)
    page.get_by_role("button", name="Simpan kata sandi").click()
    expect(page.get_by_role("heading", name="Kata sandi telah diganti")).to_be_visible()
    picture(page, "reset_done")
    page.get_by_role("link", name="Masuk", exact=True).click()
    page.fill("#email", OPERATOR)
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    expect(page.get_by_text("Operator CPO")).to_be_visible()


def _sign_on(visitor: Visitor, house: House, person: str) -> None:
    """From the login page to the issuer, there as `person`, and back. Its pages may reach nothing off this machine."""
    page, visitor.issuer = visitor.page, house.issuer
    visitor.context.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda route: route.abort())
    page.goto(visitor.url + "/login")
    picture(page, "login_sso")
    page.get_by_role("link", name="Masuk dengan Keycloak").click()
    page.fill("input[name=login]", person)
    page.fill("input[name=password]", "any")
    page.click("button[type=submit]")
    page.get_by_role("button", name="Continue").click()


def test_single_sign_on_lands_in_the_rooms_and_the_way_out_leads_back(
    house: House, visit: Callable[..., Visitor]
) -> None:
    visitor = visit(house.cpo)
    page = visitor.page
    _sign_on(visitor, house, "operator")
    expect(page.get_by_text("Operator CPO")).to_be_visible()
    page.goto(house.cpo + "/own_logins")
    expect(page.get_by_role("button", name="Akhiri semua yang lain")).to_be_visible()
    picture(page, "own_logins_sso")
    page.get_by_role("button", name="Keluar").click()
    expect(page.locator("#password")).to_be_visible()
    page.goto(house.cpo + "/live")
    expect(page.locator("#password")).to_be_visible()


def test_whom_nobody_invited_is_told_so_after_single_sign_on(house: House, visit: Callable[..., Visitor]) -> None:
    visitor = visit(house.cpo)
    _sign_on(visitor, house, "stranger")
    page = visitor.page
    expect(page.get_by_role("alert")).to_have_text(re.compile("tidak punya akses.*undangan"))
    picture(page, "sso_stranger")
    visitor.refused(403, page.url.removeprefix(house.cpo))
    page.goto(house.cpo + "/live")
    expect(page.locator("#password")).to_be_visible()


def test_a_cpo_person_who_signs_on_at_the_emsv_is_told_the_right_door(
    house: House, visit: Callable[..., Visitor]
) -> None:
    visitor = visit(house.emsv)
    _sign_on(visitor, house, "operator")
    page = visitor.page
    expect(page.get_by_role("alert")).to_have_text(re.compile("milik CPO"))
    picture(page, "sso_wrong_door")
    visitor.refused(403, page.url.removeprefix(house.emsv))
