"""A company becomes a CPO through the screens alone, in a real browser, its mails received by a real SMTP server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from backend.embedded import EmbeddedPostgres
from bench.ports import free_port
from tests.browser.conftest import Visitor
from tests.support.documents import JPEG, PDF, PNG
from tests.support.mailbox import Mailbox, running_mailbox
from tests.support.postgres import fresh_database
from tests.support.servers import api_server, dashboard, seed_nation, worker

EMSV = "emsv@demo.uniev.id"
EMAIL = "sari@borneo.test"
COMPANY = "Borneo Cas Listrik"
PASSWORD = "tujuh kuda laut biru"
STATED = {
    "phone": "0812 3456 7890", "nib": "9120 0012 3456 7", "npwp": "09.254.294.3-407.000",
    "address": "Jl. Sudirman 1, Balikpapan", "bank_name": "Bank Kaltimtara", "bank_account": "123-456-7890",
    "bank_holder": "PT Borneo Cas Listrik", "spklu_numbers": "SPKLU/64/2026/001\nSPKLU/64/2026/002",
}  # fmt: skip
FILES = (
    ("nib", "nib.pdf", "application/pdf", PDF),
    ("npwp", "npwp.png", "image/png", PNG),
    ("bank_account", "rekening.jpg", "image/jpeg", JPEG),
    ("spklu", "spklu.pdf", "application/pdf", PDF),
)


@dataclass(frozen=True)
class Office:
    """Both dashboards and the mails that the platform sends."""

    cpo: str
    emsv: str
    mailbox: Mailbox


@pytest.fixture
def office(postgres_server: EmbeddedPostgres, tmp_path: Path) -> Iterator[Office]:
    cpo_port, emsv_port = free_port(), free_port()
    screens = {"UNIEV_CPO_URL": f"http://127.0.0.1:{cpo_port}", "UNIEV_EMSV_URL": f"http://127.0.0.1:{emsv_port}"}
    with fresh_database(postgres_server) as dsn, running_mailbox() as mailbox:
        seed_nation(dsn)
        with (
            api_server(dsn, tmp_path, **screens) as api,
            worker(dsn, tmp_path, mailbox.url),
            dashboard("dashboard_cpo.py", api.url, tmp_path, port=cpo_port) as cpo,
            dashboard("dashboard_emsv.py", api.url, tmp_path, port=emsv_port) as emsv,
        ):
            yield Office(cpo.url, emsv.url, mailbox)


def register(page: Page, office: Office) -> None:
    """From the login page to the application, by the mailed code."""
    page.goto(office.cpo + "/login")
    page.get_by_role("link", name="Daftarkan perusahaan Anda").click()
    page.fill("#company", COMPANY)
    page.fill("#contact_name", "Sari Dewi")
    page.fill("#email", EMAIL)
    page.get_by_role("button", name="Kirimkan kode").click()
    expect(page.get_by_text("kode sedang dikirim")).to_be_visible()
    page.fill("#code", office.mailbox.code(EMAIL))
    page.get_by_role("button", name="Lanjut").click()
    expect(page.get_by_text(f"{COMPANY}: Draf")).to_be_visible()


def hand_in(page: Page) -> None:
    """States everything, uploads everything, hands in."""
    expect(page.get_by_role("button", name="Ajukan permohonan")).to_have_count(0)
    for name, value in STATED.items():
        page.fill(f"#{name}", value)
    page.get_by_role("button", name="Simpan").click()
    expect(page.get_by_text("Tersimpan.")).to_be_visible()
    assert page.input_value("#npwp") == "092542943407000"
    for kind, name, media_type, content in FILES:
        page.select_option("#kind", kind)
        page.set_input_files("#file", {"name": name, "mimeType": media_type, "buffer": content})
        page.get_by_role("button", name="Unggah").click()
        expect(page.get_by_role("link", name=name)).to_be_visible()
    page.get_by_role("button", name="Ajukan permohonan").click()
    expect(page.get_by_text(f"{COMPANY}: Sedang diperiksa")).to_be_visible()


def look(page: Page) -> None:
    """The EMSV looks at the application; a document is fetched."""
    expect(page.get_by_role("heading", name=re.compile(COMPANY))).to_be_visible()
    expect(page.get_by_text("PT Borneo Cas Listrik")).to_be_visible()
    page.get_by_role("button", name=re.compile("rekening.jpg")).click()
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("Simpan .*rekening.jpg")).click()
    assert download.value.path().read_bytes() == JPEG


def approve(page: Page) -> None:
    """The whole checklist, then the button."""
    for words in ("NIB sah", "NPWP sah", "Pemilik rekening", "Nomor identitas SPKLU terdaftar", "Pemohon berwenang"):
        page.locator("label", has_text=words).click()
    expect(page.get_by_role("button", name="Setujui")).to_be_enabled()
    page.get_by_role("button", name="Setujui").click()
    expect(page.get_by_text(f"{COMPANY} disetujui")).to_be_visible()


def test_a_company_becomes_a_cpo_through_the_screens(office: Office, visit: Callable[..., Visitor]) -> None:
    applicant, emsv = visit(office.cpo), visit(office.emsv)
    register(applicant.page, office)
    hand_in(applicant.page)
    assert COMPANY in office.mailbox.next(EMSV)

    emsv.sign_in(EMSV, "/onboarding")
    look(emsv.page)
    question = emsv.page.get_by_role("textbox", name="Pertanyaan atau alasan")
    question.fill("Rekening atas nama siapa?")
    question.blur()
    emsv.page.get_by_role("button", name="Tanyakan").click()
    expect(emsv.page.get_by_text(f"Pertanyaan kepada {COMPANY}")).to_be_visible()

    assert "Rekening atas nama siapa?" in office.mailbox.next(EMAIL, already=2)
    applicant.page.reload()
    expect(applicant.page.get_by_text("Rekening atas nama siapa?").first).to_be_visible()
    applicant.page.fill("#message", "Atas nama PT Borneo Cas Listrik.")
    applicant.page.get_by_role("button", name="Jawab dan ajukan kembali").click()
    expect(applicant.page.get_by_text(f"{COMPANY}: Sedang diperiksa")).to_be_visible()

    emsv.page.reload()
    expect(emsv.page.get_by_text("Atas nama PT Borneo Cas Listrik.")).to_be_visible()
    approve(emsv.page)
    enter(applicant, office)
    agree(emsv, office)


def enter(applicant: Visitor, office: Office) -> None:
    """By the link and the code of the mail to a password, and with it into the dashboard."""
    page, letter = applicant.page, office.mailbox.next(EMAIL, already=4)
    link = re.search(rf"{office.cpo}\S+", letter)
    assert link
    page.goto(link[0])
    assert page.input_value("#email") == EMAIL
    page.fill("#code", office.mailbox.code(EMAIL, already=4))
    page.get_by_role("button", name="Lanjut").click()
    page.fill("#password", PASSWORD)
    page.fill("#again", PASSWORD)
    page.get_by_role("button", name="Buat kata sandi").click()
    page.fill("#email", EMAIL)
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    expect(page.get_by_text(COMPANY)).to_be_visible()
    expect(page.get_by_text("Administrator CPO")).to_be_visible()


def agree(emsv: Visitor, office: Office) -> None:
    """What the new CPO keeps."""
    page = emsv.page
    page.goto(office.emsv + "/revenue")
    page.get_by_role("combobox", name="CPO").click()
    page.get_by_role("option", name=COMPANY).click()
    expect(page.get_by_text("Belum ada kesepakatan")).to_be_visible()
    page.get_by_role("spinbutton", name="Bagian CPO, %").fill("87.5")
    page.get_by_role("button", name="Tetapkan").click()
    expect(page.get_by_text("87,5")).to_be_visible()
