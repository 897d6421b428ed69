"""Applications on the screens: the public pages as a browser uses and abuses them, the EMSV's rooms."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from backend.database import SYSTEM, DirectDatabase
from backend.services.mails import Mails
from backend.services.vault import Vault
from dashboards.common import door
from tests.dashboards.conftest import EMSV, NOC, Nation
from tests.support.documents import PDF
from tests.support.rooms import words
from tests.support.servers import SECRET

Room = Callable[..., AppTest]
STATED = {
    "phone": "+6281234567890", "nib": "9120001234567", "npwp": "3174092542940007", "address": "Jl. A 1",
    "bank_name": "Bank A", "bank_account": "1234567890", "bank_holder": "PT A", "spklu_numbers": ["SPKLU/1"],
}  # fmt: skip


@pytest.fixture
def browser(nation: Nation, dashboards_at: Callable[[str], None]) -> Iterator[TestClient]:
    """A browser before the CPO dashboard's door."""
    dashboards_at(nation.api_url)
    app = Starlette(routes=door.routes(door.CPO), middleware=door.middleware(door.CPO))
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as client:
        yield client


def send(client: TestClient, page: str, path: str, **fields: Any) -> Any:
    """Posts a form of the page, with its token."""
    file = fields.pop("file", None)
    token = re.search(r'name="form_token" value="([^"]+)"', client.get(page).text)
    assert token
    return client.post(path, data={"form_token": token[1], **fields}, files={"file": file} if file else None)


def code(nation: Nation, email: str) -> str:
    """The newest code that was mailed."""

    async def read() -> str:
        database = await DirectDatabase.open(nation.dsn)
        try:
            letters = [
                mail.letter for mail in await Mails(database, Vault(SECRET)).waiting() if mail.letter.to == email
            ]
        finally:
            await database.close()
        found = re.search(r"^ +(\d{6})$", letters[0].body, re.M)
        assert found
        return found[1]

    return asyncio.run(read())


def enter(client: TestClient, nation: Nation, company: str, email: str) -> None:
    """From the first form to the application."""
    first = {"company": company, "contact_name": "Budi", "email": email}
    begun = send(client, "/register", "/register", **first)
    assert (begun.status_code, begun.headers["location"].split("?")[0]) == (303, "/register/code")
    proven = send(client, "/register/code", "/register/code", email=email, code=code(nation, email))
    assert (proven.status_code, proven.headers["location"]) == (303, "/register/application")
    assert "HttpOnly" in proven.headers["set-cookie"] and "Path=/register" in proven.headers["set-cookie"]


def test_the_pages_speak_both_languages_and_keep_what_was_typed(browser: TestClient, nation: Nation) -> None:
    assert "Become a CPO" in browser.get("/register?lang=en").text
    wrong = send(browser, "/register", "/register", company="<b>A</b>", contact_name="", email="a@b.test")
    assert wrong.status_code == 422
    assert 'value="&lt;b&gt;A&lt;/b&gt;"' in wrong.text
    assert "Menjadi CPO" in browser.get("/register?lang=id").text


def test_a_form_from_elsewhere_is_refused(browser: TestClient) -> None:
    browser.get("/register")
    fields = {"company": "A", "contact_name": "B", "email": "a@b.test", "form_token": "guessed"}
    assert browser.post("/register", data=fields).status_code == 403
    token = re.search(r'name="form_token" value="([^"]+)"', browser.get("/register").text)
    assert token
    foreign = browser.post(
        "/register", data={**fields, "form_token": token[1]}, headers={"origin": "https://evil.example"}
    )
    assert foreign.status_code == 403


def test_nobody_without_the_code_sees_an_application(browser: TestClient) -> None:
    for path in ("/register/application", "/register/documents/00000000-0000-4000-8000-000000000000"):
        assert browser.get(path).headers.get("location", "/register/code") == "/register/code"
    browser.cookies.set("uniev_applicant", "stolen", path="/register")
    answer = browser.get("/register/application")
    assert (answer.status_code, "kode baru" in answer.text) == (401, True)


def test_a_wrong_code_says_so(browser: TestClient) -> None:
    answer = send(browser, "/register/code", "/register/code", email="none@b.test", code="123456")
    assert (answer.status_code, "Kode salah" in answer.text) == (401, True)


def test_documents_come_and_go_and_what_is_none_is_refused_in_words(browser: TestClient, nation: Nation) -> None:
    enter(browser, nation, "Papua Daya", "papua@b.test")
    home = "/register/application"
    for content, said in ((b"MZ executable", "bukan PDF"), (PDF[:200], "tidak utuh")):
        answer = send(browser, home, f"{home}/documents", kind="nib", file=("<x>.pdf", content))
        assert (answer.status_code, said in answer.text) == (422, True)
    large = send(browser, home, f"{home}/documents", kind="nib", file=("a.pdf", bytes(11 * 2**20)))
    assert (large.status_code, "10 MiB" in large.text) == (413, True)
    assert send(browser, home, f"{home}/documents", kind="nib", file=("nib.pdf", PDF)).status_code == 303
    found = re.search(r'href="/register/documents/([\w-]+)"', browser.get(home).text)
    assert found
    assert browser.get(f"/register/documents/{found[1]}").content == PDF
    assert send(browser, home, f"{home}/documents/delete", document_id=found[1]).status_code == 303
    assert found[1] not in browser.get(home).text
    assert send(browser, home, "/register/leave").status_code == 303
    assert browser.get(home).headers["location"] == "/register/code"


def handed_in(nation: Nation, company: str) -> str:
    """An application that waits for the EMSV, as the platform keeps it."""

    async def put() -> str:
        database = await DirectDatabase.open(nation.dsn)
        try:
            row = {**STATED, "email": f"{company.lower()}@x.test", "contact_name": "Ani", "company": company,
                   "state": "submitted", "submitted_at": "2026-11-21T04:00:00Z"}  # fmt: skip
            cpo_id = str((await database.insert("cpo_applications", [row], scope=SYSTEM))[0]["cpo_id"])
            for number, kind in enumerate(("nib", "npwp", "bank_account", "spklu")):
                document = {"id": f"{cpo_id[:-1]}{number}", "cpo_id": cpo_id, "kind": kind, "name": f"{kind}.pdf",
                            "media_type": "application/pdf", "size_bytes": 9, "sha256": "00",
                            "content_name": "cpo-documents/none"}  # fmt: skip
                await database.insert("cpo_documents", [document], scope=SYSTEM, columns="")
            return cpo_id
        finally:
            await database.close()

    return asyncio.run(put())


@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize("page", ["onboarding", "revenue"])
def test_the_rooms_open_in_both_languages(room: Room, page: str, language: str) -> None:
    app = room(EMSV, page).run()
    app.segmented_control(key="choose_language").set_value(language).run()
    assert not app.exception


def test_the_noc_is_not_shown_applications(room: Room) -> None:
    app = room(NOC, "onboarding").run()
    assert "Daftar periksa" not in words(app)
    assert not [button for button in app.button if button.key == "approve"]


def test_an_application_is_approved_with_the_whole_checklist_alone(room: Room, nation: Nation) -> None:
    cpo_id = handed_in(nation, "Sumba Daya")
    app = room(EMSV, "onboarding", cpo=cpo_id).run()
    assert "9120001234567" in words(app)
    assert app.button(key="approve").disabled and app.button(key="ask").disabled
    for name in ("nib", "npwp", "bank_account", "spklu", "identity"):
        app.checkbox(key=f"check_{name}_{cpo_id}").check().run()
    app.button(key="approve").click().run()
    assert "disetujui" in words(app)
    assert nation.get(EMSV, f"/api/cpos/{cpo_id}")["name"] == "Sumba Daya"

    app.segmented_control(key="state").set_value("active").run()
    app.selectbox(key="chosen").set_value(cpo_id).run()
    app.radio(key="standing_step").set_value("suspend")
    app.text_area(key="standing_message").set_value("Iuran belum dibayar")
    pressed = next(button for button in app.button if button.label == "Laksanakan")
    pressed.click().run()
    assert "centang" in words(app)
    app.checkbox(key="standing_sure").check()
    next(button for button in app.button if button.label == "Laksanakan").click().run()
    assert "dibekukan" in words(app)
    assert nation.get(EMSV, f"/api/cpos/{cpo_id}")["status"] == "suspended"


def test_an_application_is_refused_with_a_reason_alone(room: Room, nation: Nation) -> None:
    cpo_id = handed_in(nation, "Timor Daya")
    app = room(EMSV, "onboarding", cpo=cpo_id).run()
    assert app.button(key="refuse").disabled
    app.text_area(key=f"message_{cpo_id}").set_value("NPWP tidak sah").run()
    app.button(key="refuse").click().run()
    assert "ditolak" in words(app)
    assert nation.get(EMSV, f"/api/cpo/{cpo_id}/application")["steps"][-1]["message"] == "NPWP tidak sah"


def test_an_agreement_is_set_and_one_to_come_withdrawn(room: Room, nation: Nation) -> None:
    cpo_id = nation.get(EMSV, "/api/cpos", limit=1)["items"][0]["id"]
    app = room(EMSV, "revenue").run()
    app.selectbox(key="cpo").set_value(cpo_id).run()
    app.date_input(key="valid_from").set_value((datetime.now(ZoneInfo("Asia/Jakarta")) + timedelta(days=10)).date())
    app.number_input(key="cpo_percent").set_value(87.5)
    app.number_input(key="session_fee").set_value(250)
    _set(app)
    assert "ditetapkan" in words(app) and "87,50 %" in words(app) and "Rp 250" in words(app)
    _set(app)
    assert "Ada kesepakatan lain" in words(app)
    next(button for button in app.button if button.key and button.key.startswith("withdraw_")).click().run()
    assert "ditarik" in words(app)
    assert nation.get(EMSV, f"/api/cpo/{cpo_id}/revenue-shares")["items"] == []


def _set(app: AppTest) -> None:
    next(button for button in app.button if button.label == "Tetapkan").click().run()
