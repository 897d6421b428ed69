"""From a stranger's form to a working CPO, over the API: codes, documents, decisions, and what suspension means."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from backend.api.application import equip
from backend.database import SYSTEM
from backend.gateways.rate_counter import open_counter
from backend.services.applications import LEAST_ANSWER_S, MOST_CODES_PER_HOUR, MOST_DOCUMENTS, MOST_WRONG_CODES
from backend.services.directory import build_directory
from backend.services.dossiers import Application
from backend.services.rate_limits import STRICT
from tests.api.conftest import SECRET, World
from tests.support.documents import JPEG, PDF, PNG

EMAIL = "sari@borneo.test"
FORM = {"email": EMAIL, "company": "Borneo Cas", "contact_name": "Sari Dewi", "language": "en"}
STATED = {
    "nib": "9120 0012 3456 7", "npwp": "09.254.294.3-407.000", "address": "Jl. Sudirman 1, Balikpapan",
    "phone": "0812 3456 7890", "bank_name": "Bank Kaltimtara", "bank_account": "123-456-7890",
    "bank_holder": "PT Borneo Cas", "spklu_numbers": ["spklu/64/2026/001"],
}  # fmt: skip
FILES = {"nib": PDF, "npwp": PNG, "bank_account": JPEG, "spklu": PDF}
CHECKS = ["nib", "npwp", "bank_account", "spklu", "identity"]
PASSWORD = "tujuh kuda laut biru"

Ask = Callable[..., Awaitable[httpx.Response]]


def stranger(world: World, address: str = "192.0.2.1", token: str | None = None) -> httpx.AsyncClient:
    """Somebody without a login, at a network address."""
    transport = httpx.ASGITransport(app=world.app, client=(address, 1000))
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(transport=transport, base_url="http://api.test", headers=headers)


async def mails(world: World, address: str = EMAIL) -> list[str]:
    """Subjects and texts for an address, newest first."""
    waiting = await world.services.mails.waiting()
    return [f"{mail.letter.subject}\n{mail.letter.body}" for mail in waiting if mail.letter.to == address]


async def code(world: World, address: str = EMAIL) -> str:
    found = re.search(r"^ +(\d{6})$", (await mails(world, address))[0], re.M)
    assert found
    return found[1]


async def applied(world: World, **changes: str) -> httpx.AsyncClient:
    """An applicant whose address is proven."""
    form = {**FORM, **changes}
    client = stranger(world)
    assert (await client.post("/api/cpo/register", json=form)).status_code == 202
    proof = {"email": form["email"], "code": await code(world, form["email"])}
    reply = await client.post("/api/cpo/register/verify", json=proof)
    assert reply.status_code == 200, reply.text
    return stranger(world, token=reply.json()["token"])


async def submitted(world: World, **changes: str) -> tuple[httpx.AsyncClient, dict[str, Any]]:
    """An applicant who has handed everything in, and the application."""
    client = await applied(world, **changes)
    assert (await client.put("/api/cpo/register/application", json=STATED)).status_code == 200
    for kind, content in FILES.items():
        reply = await client.post(f"/api/cpo/register/documents/{kind}?name={kind}.pdf", content=content)
        assert reply.status_code == 201, reply.text
    reply = await client.post("/api/cpo/register/submit")
    assert reply.status_code == 200, reply.text
    return client, reply.json()


async def approved(world: World, **changes: str) -> tuple[httpx.AsyncClient, str]:
    """An applicant whose company is a CPO now, and its id."""
    client, application = await submitted(world, **changes)
    emsv = await world.client("emsv_admin")
    body = {"decision": "approve", "checklist": CHECKS, "revision": application["revision"]}
    reply = await emsv.post(f"/api/cpo/{application['cpo_id']}/verify", json=body)
    assert (reply.status_code, reply.json()["state"]) == (200, "active"), reply.text
    return client, application["cpo_id"]


async def test_a_stranger_becomes_the_administrator_of_a_cpo(world: World) -> None:
    await world.add("users", email="emsv@uniev.test", name="Rina", role="emsv_admin", password_hash="x")
    client, application = await submitted(world)
    emsv, cpo_id = await world.client("emsv_admin"), application["cpo_id"]
    assert (application["state"], application["missing"], application["npwp"]) == ("submitted", [], "092542943407000")
    assert "Borneo Cas" in (await mails(world, "emsv@uniev.test"))[0]

    question = {"decision": "ask", "message": "Whose account is it?", "revision": application["revision"]}
    assert (await emsv.post(f"/api/cpo/{cpo_id}/verify", json=question)).json()["state"] == "questioned"
    assert "Whose account is it?" in (await mails(world))[0]
    reply = await client.post("/api/cpo/register/answer", json={"message": "Ours."})
    assert reply.json()["state"] == "submitted"
    body = {"decision": "approve", "checklist": CHECKS, "revision": reply.json()["revision"]}
    assert (await emsv.post(f"/api/cpo/{cpo_id}/verify", json=body)).json()["state"] == "active"

    proof = {"email": EMAIL, "code": await code(world)}
    token = (await client.post("/api/cpo/register/verify", json=proof)).json()["token"]
    owner = stranger(world, token=token)
    assert (await owner.post("/api/cpo/register/password", json={"password": "short"})).status_code == 422
    assert (await owner.post("/api/cpo/register/password", json={"password": PASSWORD})).status_code == 204
    again = await owner.post("/api/cpo/register/password", json={"password": "another long one"})
    assert (again.status_code, again.json()["code"]) == (409, "password_conflict")

    login = await owner.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD})
    assert login.status_code == 200, login.text
    assert (login.json()["user"]["role"], login.json()["user"]["cpo_id"]) == ("cpo_admin", cpo_id)
    steps = Application.model_validate((await emsv.get(f"/api/cpo/{cpo_id}/application")).json()).steps
    log = await world.database.select("audit_log", scope=SYSTEM, where=[("cpo_id", "eq", cpo_id)], limit=100)
    acts = [(row["action"], row["actor_name"]) for row in sorted(log, key=lambda row: row["id"])]
    someone = f"applicant Sari Dewi <{EMAIL}>"
    assert {("cpo_document.create", someone), ("cpo_application.submitted", someone), ("cpo_step.create", someone),
            ("cpo_application.questioned", "Person emsv_admin"), ("cpo_application.active", "Person emsv_admin"),
            ("cpo.create", "Person emsv_admin"), ("user.create", "Person emsv_admin"),
            ("user.update", someone)} <= set(acts)  # fmt: skip
    assert "1234567890" not in repr(log) and log[0]["address"] == "192.0.2.1"
    assert [(step.step, step.party) for step in steps] == [
        ("submit", "applicant"), ("ask", "emsv"), ("answer", "applicant"), ("approve", "emsv"),
    ]  # fmt: skip


async def test_registering_mails_no_word_of_a_stranger_to_whomever_they_name(world: World) -> None:
    """The name of the contact was a text of up to 120 letters, with links, to any address."""
    lure = {"contact_name": "You have won: https://evil.test", "company": "https://evil.test"}
    for email in ("victim@example.test", "admin@id-jkt01-1.test"):  # unknown, and known
        assert (
            await stranger(world).post("/api/cpo/register", json={**FORM, **lure, "email": email})
        ).status_code == 202
        [mail] = await mails(world, email)
        assert "evil" not in mail


async def test_known_and_unknown_addresses_are_answered_alike(world: World) -> None:
    await world.add("users", email="known@uniev.test", name="K", role="noc_analyst", password_hash="x")
    client = stranger(world)

    replies = [
        await client.post("/api/cpo/register", json={**FORM, "email": email})
        for email in ("known@uniev.test", "new@borneo.test")
    ]
    replies.append(await client.post("/api/cpo/register/code", json={"email": "never@borneo.test"}))

    assert {(reply.status_code, reply.text) for reply in replies} == {(202, '{"status":"code_sent"}')}
    assert all(reply.elapsed.total_seconds() >= LEAST_ANSWER_S for reply in replies)
    assert "login" in (await mails(world, "known@uniev.test"))[0]
    wrong = [
        await client.post("/api/cpo/register/verify", json={"email": email, "code": "000000"})
        for email in ("known@uniev.test", "new@borneo.test", "nobody@borneo.test")
    ]
    assert {(reply.status_code, reply.json()["code"]) for reply in wrong} == {(401, "code_wrong")}
    assert all(reply.elapsed.total_seconds() >= LEAST_ANSWER_S for reply in wrong)


async def test_wrong_codes_use_a_code_up(world: World) -> None:
    await stranger(world).post("/api/cpo/register", json=FORM)
    right = await code(world)
    wrong = "000000" if right != "000000" else "111111"

    for attempt in range(MOST_WRONG_CODES):
        guess = {"email": EMAIL, "code": wrong}
        reply = await stranger(world, f"198.51.100.{attempt}").post("/api/cpo/register/verify", json=guess)
        assert reply.json()["code"] == "code_wrong"
    proof = {"email": EMAIL, "code": right}
    assert (await stranger(world).post("/api/cpo/register/verify", json=proof)).status_code == 401


async def test_a_code_works_once_and_not_for_ever(world: World) -> None:
    await applied(world)
    proof = {"email": EMAIL, "code": await code(world)}
    assert (await stranger(world).post("/api/cpo/register/verify", json=proof)).status_code == 401

    await stranger(world).post("/api/cpo/register/code", json={"email": EMAIL})
    past = {"code_expires_at": "2026-01-01T00:00:00Z"}
    await world.database.update("cpo_registrations", past, scope=SYSTEM, where=[("email", "eq", EMAIL)])
    proof = {"email": EMAIL, "code": await code(world)}
    assert (await stranger(world).post("/api/cpo/register/verify", json=proof)).status_code == 401


async def test_one_address_gets_few_mails_and_one_network_address_asks_little(world: World) -> None:
    for number in range(MOST_CODES_PER_HOUR + 2):
        reply = await stranger(world, f"198.51.100.{number}").post("/api/cpo/register", json=FORM)
        assert reply.status_code == 202
    assert len(await mails(world)) == MOST_CODES_PER_HOUR

    services = build_directory(world.database, SECRET, counter=open_counter(None))
    equip(world.app, services, SECRET)
    for path, body in (("", FORM), ("/code", {"email": EMAIL}), ("/verify", {"email": EMAIL, "code": "000000"})):
        most = STRICT[f"/api/cpo/register{path}"].requests
        replies = [
            await stranger(world, "203.0.113.9").post(f"/api/cpo/register{path}", json=body) for _ in range(most + 1)
        ]
        assert [reply.status_code == 429 for reply in replies] == [False] * most + [True]
        assert int(replies[-1].headers["retry-after"]) > 0


async def test_odd_texts_are_refused_not_stumbled_over(world: World) -> None:
    for odd in (r"half \ud800", r"nul \u0000"):
        body = f'{{"email": "{EMAIL}", "company": "{odd}", "contact_name": "Sari"}}'.encode()
        reply = await stranger(world).post(
            "/api/cpo/register", content=body, headers={"Content-Type": "application/json"}
        )
        assert (reply.status_code, await mails(world)) == (422, []), reply.text


async def test_neither_codes_nor_tokens_stand_in_the_database(world: World) -> None:
    client = await applied(world)
    token = client.headers["authorization"].split()[1]
    one = await code(world)

    for table in ("cpo_registrations", "cpo_applicant_tokens", "cpo_applications", "mails"):
        rows = await world.database.select(table, scope=SYSTEM)
        assert rows and one not in re.split(r"\W", repr(rows)) and token not in repr(rows)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [(b"MZ" + PDF, 422, "document_type_invalid"), (PDF[:200], 422, "document_broken"),
     (PDF.replace(b"/Type", b"/JS (x) /Type"), 422, "document_active"),
     (PDF + bytes(10 * 2**20), 413, "file_too_large")],
)  # fmt: skip
async def test_only_whole_harmless_documents_are_kept(world: World, content: bytes, status: int, code: str) -> None:
    client = await applied(world)

    reply = await client.post("/api/cpo/register/documents/nib?name=nib.pdf", content=content)

    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert (await client.get("/api/cpo/register/application")).json()["documents"] == []


async def test_documents_are_read_by_the_emsv_and_the_applicant_alone(world: World) -> None:
    client, application = await submitted(world)
    other = await applied(world, email="budi@other.test", company="Other")
    document = application["documents"][0]
    own, path = f"/api/cpo/register/documents/{document['id']}/file", f"/api/cpo/{application['cpo_id']}/documents"

    mine = await client.get(own)
    assert (mine.content, mine.headers["content-disposition"][:10]) == (PDF, "attachment")
    assert "default-src 'none'" in mine.headers["content-security-policy"]
    assert (await other.get(own)).status_code == 404
    assert (await (await world.client("emsv_admin")).get(f"{path}/{document['id']}/file")).content == PDF
    for role, status in (("noc_analyst", 403), ("cpo_operator", 403), ("cpo_admin", 404)):
        assert (await (await world.client(role)).get(f"{path}/{document['id']}/file")).status_code == status
    assert (await stranger(world).get(own)).status_code == 401


async def test_what_lies_with_the_emsv_is_not_changed(world: World) -> None:
    client, application = await submitted(world)
    document = application["documents"][0]["id"]

    replies = [
        await client.put("/api/cpo/register/application", json={"nib": "1234567890123"}),
        await client.post("/api/cpo/register/documents/nib?name=x.pdf", content=PDF),
        await client.delete(f"/api/cpo/register/documents/{document}"),
        await client.post("/api/cpo/register/submit"),
        await client.post("/api/cpo/register/password", json={"password": PASSWORD}),
    ]

    assert [reply.status_code for reply in replies] == [409] * 5
    assert (await client.get("/api/cpo/register/application")).json() == application


async def test_an_incomplete_application_says_what_is_missing(world: World) -> None:
    client = await applied(world)
    for _ in range(2):
        reply = await client.post("/api/cpo/register/documents/spklu?name=a.pdf", content=PDF)
        assert (await client.delete(f"/api/cpo/register/documents/{reply.json()['id']}")).status_code == 204

    refused = await client.post("/api/cpo/register/submit")

    assert (refused.status_code, refused.json()["code"]) == (422, "application_incomplete")
    members = {error["member"] for error in refused.json()["errors"]}
    assert {"nib", "bank_account", "spklu_numbers", "documents.spklu"} <= members
    wrong = await client.put("/api/cpo/register/application", json={"nib": "12"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "number_invalid")


async def test_documents_are_few(world: World) -> None:
    client = await applied(world)
    statuses = [
        (await client.post("/api/cpo/register/documents/spklu?name=a.png", content=PNG)).status_code
        for _ in range(MOST_DOCUMENTS + 1)
    ]
    assert statuses == [201] * MOST_DOCUMENTS + [409]


async def test_a_decision_on_what_was_changed_meanwhile_is_refused(world: World) -> None:
    _, application = await submitted(world)
    emsv = await world.client("emsv_admin")
    path, old = f"/api/cpo/{application['cpo_id']}/verify", application["revision"] - 1

    stale = await emsv.post(path, json={"decision": "refuse", "message": "No.", "revision": old})
    unchecked = await emsv.post(path, json={"decision": "approve", "checklist": ["nib"], "revision": old + 1})
    refused = await emsv.post(path, json={"decision": "refuse", "message": "No.", "revision": old + 1})

    assert (stale.status_code, stale.json()["code"]) == (409, "step_conflict")
    assert (unchecked.status_code, unchecked.json()["code"]) == (422, "checklist_incomplete")
    assert (refused.status_code, refused.json()["state"]) == (200, "refused")
    assert "No." in (await mails(world))[0]


async def test_a_name_that_is_taken_meanwhile_is_not_approved(world: World) -> None:
    _, application = await submitted(world, company="Nusantara Charge")
    body = {"decision": "approve", "checklist": CHECKS, "revision": application["revision"]}

    reply = await (await world.client("emsv_admin")).post(f"/api/cpo/{application['cpo_id']}/verify", json=body)

    assert (reply.status_code, reply.json()["code"]) == (409, "cpo_exists")
    queue = await (await world.client("emsv_admin")).get("/api/cpo/applications?state=submitted")
    assert [item["cpo_id"] for item in queue.json()["items"]] == [application["cpo_id"]]
