"""Mails over SMTP, against a real server: taken, refused, hung, broken off; passwords over TLS only."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backend.domain.mail import MOST_ATTEMPTS, Letter, MailRefused, MailUnavailable, Post, retry_after_s
from backend.gateways.mail import SmtpPost, open_post, read_url
from backend.services.pki import signing
from bench.ports import free_port
from tests.support.mailbox import Mailbox, running_mailbox

LETTER = Letter(
    "4c4ecf5c-0000-4000-8000-000000000001", "sari@example.test", "Halo – kode", "Kode Anda:\n\n    123456\n"
)
SENDER = "UNIEV <no-reply@uniev.test>"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with running_mailbox() as opened:
        yield opened


@pytest.fixture
def post(mailbox: Mailbox) -> SmtpPost:
    return SmtpPost(read_url(mailbox.url), SENDER, patience_s=5)


def certified(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server on localhost, and for a client that knows who vouches for it."""
    now = datetime.now(UTC)
    root, issuing = signing.make_authority(now)
    signed, key = signing.sign_server(issuing, ["localhost"], now)[0]
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_text(signing.pem_of(signed) + issuing.pem)
    secret.write_text(signing.key_pem(key))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, secret)
    return server, ssl.create_default_context(cadata=root.pem)


async def test_a_mail_arrives_as_it_was_written(mailbox: Mailbox, post: Post) -> None:
    await post.deliver(LETTER)

    (mail,) = mailbox.mails
    assert (mail["To"], mail["From"], mail["Subject"]) == (LETTER.to, SENDER, LETTER.subject)
    assert mail["Message-ID"] == f"<{LETTER.id}@uniev.test>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content() == LETTER.body


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [("550 5.1.1 No such user", MailRefused), ("450 4.2.1 Come back later", MailUnavailable)],
)
async def test_what_a_server_refuses_is_final_only_if_it_says_so(
    mailbox: Mailbox, post: Post, reply: str, outcome: type[Exception]
) -> None:
    mailbox.replies[LETTER.to] = reply

    with pytest.raises(outcome, match=reply.replace(".", r"\.")):
        await post.deliver(LETTER)


async def test_an_address_that_is_none_is_final(post: Post) -> None:
    for address in ("jürgen@example.test", "a@b\r\nBcc: all@example.test"):
        with pytest.raises(MailRefused):
            await post.deliver(replace(LETTER, to=address))


async def test_a_server_that_hangs_is_left(mailbox: Mailbox) -> None:
    mailbox.hanging.add(LETTER.to)

    with pytest.raises(MailUnavailable, match="in time"):
        await SmtpPost(read_url(mailbox.url), SENDER, patience_s=0.3).deliver(LETTER)


async def test_a_server_that_breaks_off_or_is_away_may_be_tried_again(mailbox: Mailbox, post: Post) -> None:
    mailbox.breaking.add(LETTER.to)
    with pytest.raises(MailUnavailable):
        await post.deliver(LETTER)
    with pytest.raises(MailUnavailable):
        await SmtpPost(read_url(f"smtp://127.0.0.1:{free_port()}"), SENDER).deliver(LETTER)


async def test_a_login_goes_over_tls(tmp_path: Path) -> None:
    context, trust = certified(tmp_path)
    with running_mailbox(tls=context) as mailbox:
        mailbox.logins["uniev"] = "hunter2 @ home"
        server = read_url(f"smtp://uniev:hunter2%20%40%20home@localhost:{mailbox.port}")
        await SmtpPost(server, SENDER, trust=trust).deliver(LETTER)
        with pytest.raises(MailUnavailable) as wrong:
            await SmtpPost(replace(server, password="guess"), SENDER, trust=trust).deliver(LETTER)
        with pytest.raises(MailUnavailable):  # a certificate that nobody vouches for
            await SmtpPost(server, SENDER).deliver(LETTER)

    assert mailbox.encrypted == [True]
    assert "guess" not in wrong.value.detail and "hunter2" not in repr(server)


def test_a_password_is_sent_to_another_machine_over_tls_only() -> None:
    assert read_url("smtp://u:p@mail.example.org").must_encrypt
    assert not read_url("smtp://mail.example.org").must_encrypt
    assert not read_url("smtp://u:p@127.0.0.1:2525").must_encrypt


def test_urls_are_read() -> None:
    plain, encrypted = read_url("smtp://mail.example.org"), read_url("smtps://u:p@[::1]:4650")
    assert (plain.host, plain.port, plain.tls, plain.user) == ("mail.example.org", 587, False, None)
    assert (encrypted.host, encrypted.port, encrypted.tls) == ("::1", 4650, True)
    assert open_post(None, SENDER) is None


def test_the_pauses_between_attempts_grow_and_end_after_about_a_day() -> None:
    pauses = [retry_after_s(attempts) for attempts in range(1, MOST_ATTEMPTS + 1)]
    known = [pause for pause in pauses if pause is not None]

    assert known[:4] == [30, 60, 120, 240]
    assert known == sorted(known) and max(known) == 3600
    assert 20 * 3600 < sum(known) < 30 * 3600
    assert pauses[-1] is None
