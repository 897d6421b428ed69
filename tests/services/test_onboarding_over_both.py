"""The whole onboarding over either transport: the same SQL functions, called the same way."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from backend.database import SYSTEM, Database, Scope
from backend.domain.caller import PLATFORM, Caller
from backend.domain.errors import Conflict, Unauthenticated
from backend.domain.onboarding import Check, DocumentKind, Party, State, Step
from backend.gateways.storage import DirectoryStorage
from backend.services.applications import Registration
from backend.services.directory import Directory, build_directory
from backend.services.dossiers import Walk
from backend.services.onboarding import Decision
from backend.services.revenue_shares import SettlementCycle, Terms
from tests.support.documents import PDF
from tests.support.stores import TRANSPORTS, open_store

EMAIL = "sari@borneo.test"
ADMIN = Caller(Scope("emsv_admin", "00000000-0000-4000-8000-000000000001"), "Rina")
STATED = {
    "nib": "9120001234567", "npwp": "3174092542940007", "address": "Jl. A 1", "phone": "08123456789",
    "bank_name": "Bank A", "bank_account": "1234567890", "bank_holder": "PT A", "spklu_numbers": ["SPKLU/1", "SPKLU/2"],
}  # fmt: skip


@pytest.fixture(params=TRANSPORTS)
async def services(request: pytest.FixtureRequest, dsn: str, tmp_path: Path) -> AsyncIterator[Directory]:
    """Over both transports."""
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as database:
        yield built(database, tmp_path)


def built(database: Database, folder: Path) -> Directory:
    return build_directory(database, "a secret of the tests, long enough", storage=DirectoryStorage(folder))


async def code(services: Directory) -> str:
    letters = [mail.letter for mail in await services.mails.waiting() if mail.letter.to == EMAIL]
    found = re.search(r"^ +(\d{6})$", letters[0].body, re.M)
    assert found
    return found[1]


async def whole() -> AsyncIterator[bytes]:
    yield PDF


async def test_from_a_form_to_a_working_cpo_and_its_suspension(services: Directory) -> None:
    desk = services.desk.applications
    await desk.register(Registration(EMAIL, "Borneo Cas", "Sari", "en"))
    with pytest.raises(Unauthenticated):
        await desk.prove(EMAIL, "wrong!")
    applicant = await desk.recognise(await desk.prove(EMAIL, await code(services)))
    await desk.state(PLATFORM, applicant, STATED)
    for kind in DocumentKind:
        await desk.add_document(PLATFORM, applicant, kind, f"{kind}.pdf", whole())
    handed_in = await desk.submit(PLATFORM, applicant)
    assert (handed_in.state, handed_in.spklu_numbers) == (State.SUBMITTED, ["SPKLU/1", "SPKLU/2"])
    _, content = await services.desk.onboarding.content(ADMIN, applicant.cpo_id, handed_in.documents[0].id)
    assert b"".join([piece async for piece in content]) == PDF

    walk = Walk(Step.APPROVE, Party.EMSV, "Rina", "", list(Check), handed_in.revision)
    approved = await services.desk.onboarding.decide(ADMIN, applicant.cpo_id, Decision.APPROVE, walk)
    assert (approved.state, set(approved.checklist)) == (State.ACTIVE, set(Check))
    again = await desk.recognise(await desk.prove(EMAIL, await code(services)))
    await desk.set_password(PLATFORM, again, "tujuh kuda laut biru")
    with pytest.raises(Conflict):
        await desk.set_password(PLATFORM, again, "delapan gajah terbang")

    cpo = await services.desk.onboarding.change_standing(ADMIN, applicant.cpo_id, Step.SUSPEND, "why")
    assert cpo.status == "suspended"
    steps = (await services.desk.onboarding.read(SYSTEM, applicant.cpo_id)).steps
    assert [step.step for step in steps] == [Step.SUBMIT, Step.APPROVE, Step.SUSPEND]


async def test_shares_keep_their_figures(services: Directory) -> None:
    cpo = await services.cpos.create(ADMIN, "Nusantara")
    day = (datetime.now(UTC) + timedelta(days=5)).date()
    terms = Terms(day, None, Decimal("87.25"), Decimal("250.50"), Decimal("1000000.75"), SettlementCycle.WEEKLY, None)

    share = await services.desk.revenue_shares.set(ADMIN, cpo.id, terms)

    figures = (share.valid_from, share.cpo_percent, share.session_minimum_fee, share.month_minimum_fee)
    assert figures == (day, Decimal("87.25"), Decimal("250.5"), Decimal("1000000.75"))
    with pytest.raises(Conflict):
        await services.desk.revenue_shares.set(ADMIN, cpo.id, terms)
    await services.desk.revenue_shares.withdraw(ADMIN, cpo.id, share.id)
