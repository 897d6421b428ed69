"""Mails: sealed until they have left, at least once, one that cannot leave holds up no other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from backend.database import SYSTEM, Database, Scope
from backend.domain.errors import Forbidden
from backend.domain.mail import MOST_ATTEMPTS, Letter
from backend.gateways.mail import SmtpPost, read_url
from backend.services import mails as module
from backend.services.mails import MailRelay, Mails
from backend.services.vault import Vault
from tests.support.mailbox import Mailbox, running_mailbox
from tests.support.stores import TRANSPORTS, open_store

VAULT = Vault("a secret of the tests, long enough")
WRITTEN = {"cpo": {"subject": "{name}", "body": "Code:\n\n    {code}\n"}, "signature": {"body": "UNIEV"}}


@pytest.fixture(autouse=True)
def a_template(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "texts", lambda language: WRITTEN)


@pytest.fixture(params=TRANSPORTS)
async def database(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Database]:
    """Both transports."""
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as opened:
        yield opened


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with running_mailbox() as opened:
        yield opened


def relay(database: Database, mailbox: Mailbox) -> MailRelay:
    return MailRelay(database, VAULT, SmtpPost(read_url(mailbox.url), "U <u@uniev.test>", patience_s=0.5))


async def put(database: Database, *addresses: str, code: str = "123456") -> None:
    for address in addresses:
        values = {"name": "Sari\r\nBcc: all@example.test", "code": code}
        await Mails(database, VAULT).send(to=address, template="cpo", language="id", values=values)


async def rows(database: Database) -> list[dict[str, Any]]:
    return await database.select("mails", scope=SYSTEM, order=[("created_at", "asc"), ("id", "asc")])


async def due_again(database: Database) -> None:
    await database.update("mails", {"due_at": "2026-01-01T00:00:00Z"}, scope=SYSTEM, where=[("state", "eq", "waiting")])


async def test_a_mail_leaves_once_and_is_forgotten_but_for_its_row(database: Database, mailbox: Mailbox) -> None:
    await put(database, "sari@example.test")

    assert await relay(database, mailbox).relay() == 1
    assert await relay(database, mailbox).relay() == 0

    (mail,) = mailbox.mails
    assert mail["Subject"] == "Sari Bcc: all@example.test" and mail["Bcc"] is None
    assert mailbox.code("sari@example.test") == "123456"
    (row,) = await rows(database)
    assert (row["state"], row["content_sealed"], row["attempts"]) == ("sent", None, 1)


async def test_neither_recipient_nor_code_stands_in_the_database(database: Database) -> None:
    await put(database, "sari@example.test", code="987654")

    told = repr(await rows(database))
    assert "sari" not in told and "987654" not in told
    (waiting,) = await Mails(database, VAULT).waiting()
    assert waiting.letter.to == "sari@example.test" and "987654" in waiting.letter.body
    with pytest.raises(Forbidden):
        await database.select("mails", scope=Scope("emsv_admin"))


async def test_one_that_is_refused_and_one_that_hangs_hold_up_no_other(database: Database, mailbox: Mailbox) -> None:
    addresses = ["gone@example.test", "hangs@example.test", *(f"p{n}@example.test" for n in range(7))]
    mailbox.replies["gone@example.test"] = "550 5.1.1 No such user"
    mailbox.hanging.add("hangs@example.test")
    await put(database, *addresses)
    await database.insert(
        "mails", [{"template": "cpo", "language": "id", "content_sealed": "v1.0.none"}], scope=SYSTEM, columns=""
    )

    assert await relay(database, mailbox).relay() == 7

    states = [(row["state"], row["attempts"]) for row in await rows(database)]
    assert states == [("failed", 1), ("waiting", 1), *[("sent", 1)] * 7, ("failed", 1)]
    reasons = [row["reason"] for row in await rows(database)]
    assert "No such user" in reasons[0] and "in time" in reasons[1] and "cannot be read" in reasons[9]


async def test_what_waits_comes_later_and_is_given_up_in_the_end(database: Database, mailbox: Mailbox) -> None:
    mailbox.replies["sari@example.test"] = "450 4.2.1 Come back later"
    await put(database, "sari@example.test")
    carrier = relay(database, mailbox)

    assert (await carrier.relay(), await carrier.relay()) == (0, 0)  # the second one finds nothing due
    assert [row["attempts"] for row in await rows(database)] == [1]
    for _ in range(MOST_ATTEMPTS - 1):
        await due_again(database)
        await carrier.relay()

    (row,) = await rows(database)
    assert (row["state"], row["attempts"], row["content_sealed"]) == ("failed", MOST_ATTEMPTS, None)


async def test_a_mail_whose_receipt_was_lost_comes_again_under_the_same_name(
    database: Database, mailbox: Mailbox
) -> None:
    mailbox.breaking.add("sari@example.test")
    await put(database, "sari@example.test")

    await relay(database, mailbox).relay()
    await due_again(database)
    assert await relay(database, mailbox).relay() == 1

    first, second = mailbox.mails
    assert first["Message-ID"] == second["Message-ID"]


async def test_a_worker_that_dies_while_it_sends_loses_no_mail(database: Database, mailbox: Mailbox) -> None:
    await put(database, "sari@example.test")

    class Killed(BaseException):
        pass

    class Dying:
        async def deliver(self, letter: Letter) -> None:
            raise Killed

    with pytest.raises(Killed):
        await MailRelay(database, VAULT, Dying()).relay()
    assert await relay(database, mailbox).relay() == 0  # still claimed
    await due_again(database)
    assert await relay(database, mailbox).relay() == 1


async def test_old_mails_are_given_up_and_forgotten(database: Database) -> None:
    await put(database, "old@example.test", "new@example.test")
    old = (await rows(database))[0]["id"]
    where = [("id", "eq", old)]
    await database.update("mails", {"created_at": "2026-01-01T00:00:00Z"}, scope=SYSTEM, where=where)

    assert await Mails(database, VAULT).tidy() == 1
    assert [row["state"] for row in await rows(database)] == ["failed", "waiting"]
    await database.update("mails", {"ended_at": "2026-01-02T00:00:00Z"}, scope=SYSTEM, where=where)
    assert await Mails(database, VAULT).tidy() == 1
    assert [row["state"] for row in await rows(database)] == ["waiting"]


def test_a_mail_that_cannot_be_written_is_refused_at_once(database: Database) -> None:
    mails = Mails(database, VAULT)

    with pytest.raises(ValueError, match="no template"):
        mails.prepared(to="a@b.test", template="none", language="id", values={})
    with pytest.raises(ValueError, match="no template"):
        mails.prepared(to="a@b.test", template="cpo", language="fr", values={})
    with pytest.raises(ValueError, match="needs code"):
        mails.prepared(to="a@b.test", template="cpo", language="id", values={"name": "Sari"})
