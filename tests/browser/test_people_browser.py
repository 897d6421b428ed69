"""People in a real Chromium: a second factor enrolled and then asked for; the room of people; a forgotten password."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pyotp
from playwright.sync_api import expect

from tests.browser.choosing import unfold
from tests.browser.conftest import Stack, Visitor, picture
from tests.support.rooms import PASSWORD, sign_in
from tests.support.waiting import wait_until

EMSV = "emsv@demo.uniev.id"
FINANCE = "putri@emsv.test"


def _hire(stack: Stack) -> None:
    token = sign_in(stack.api.url, EMSV)["access_token"]
    person = {
        "email": FINANCE,
        "name": "Putri Ayu",
        "role": "emsv_finance",
        "locale": "en",
        "password": PASSWORD + "-xyz-tractor",
    }
    reply = httpx.post(
        f"{stack.api.url}/api/users", json=person, headers={"Authorization": f"Bearer {token}"}, trust_env=False
    )
    assert reply.status_code == 201, reply.text


def _sign_in(visitor: Visitor) -> None:
    visitor.page.goto(visitor.url + "/")
    visitor.page.fill("#email", FINANCE)
    visitor.page.fill("#password", PASSWORD + "-xyz-tractor")
    visitor.page.click("button[type=submit]")


def test_finance_enrols_a_second_factor_and_needs_it_from_then_on(stack: Stack, visit: Callable[..., Visitor]) -> None:
    _hire(stack)
    visitor = visit(stack.emsv.url, "en-GB")
    page = visitor.page
    _sign_in(visitor)
    expect(page.get_by_role("heading", name="Enrol a second factor")).to_be_visible()
    page.goto(visitor.url + "/nation")  # no way round it
    expect(page.locator("img.qr")).to_be_visible()
    picture(page, "enrolment")
    totp = pyotp.TOTP(page.locator("p.about code").inner_text())
    used = totp.now()
    page.fill("#code", used)
    page.click("button[type=submit]")
    expect(page.locator("ul.codes li")).to_have_count(10)
    picture(page, "recovery_codes")
    recovery = page.locator("ul.codes li").first.inner_text()
    page.get_by_role("link", name="I have kept them").click()
    expect(page.get_by_role("heading", name="Nation")).to_be_visible()
    again = visit(stack.emsv.url, "en-GB")
    _sign_in(again)
    expect(again.page.get_by_role("heading", name="Second factor")).to_be_visible()
    picture(again.page, "second_factor")
    again.page.fill("#code", recovery)
    again.page.click("button[type=submit]")
    expect(again.page.get_by_role("heading", name="Nation")).to_be_visible()


def test_the_room_of_people_and_the_own_sign_ins_are_drawn(stack: Stack, visit: Callable[..., Visitor]) -> None:
    visitor = visit(stack.cpo.url)
    visitor.sign_in("admin@nusantara.demo.uniev.id", "/people")
    page = visitor.page
    expect(page.get_by_text("Dimas Saputra").first).to_be_visible()
    unfold(page, "Wewenang setiap peran")
    expect(page.get_by_text("sessions:review").first).to_be_visible()
    picture(page, "people")
    page.goto(visitor.url + "/own_logins")
    expect(page.get_by_role("button", name="Akhiri semua yang lain")).to_be_visible()
    picture(page, "own_logins")


def test_the_pages_for_a_forgotten_password_say_the_same_to_everybody(
    stack: Stack, visit: Callable[..., Visitor]
) -> None:
    visitor = visit(stack.cpo.url, "en-GB")
    page = visitor.page
    page.goto(visitor.url + "/")
    picture(page, "login")
    page.get_by_role("link", name="Forgot the password?").click()
    page.fill("#email", "nobody@nowhere.test")
    page.click("button[type=submit]")
    expect(page.get_by_role("heading", name="New password")).to_be_visible()
    picture(page, "reset")
    wait_until(lambda: page.input_value("#email") == "nobody@nowhere.test", "the address to stand there")
