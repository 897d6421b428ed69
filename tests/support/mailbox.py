"""A real SMTP server on a free port, whose mails a test reads; it can refuse, hang, and break off."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from ssl import SSLContext
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.waiting import wait_until


@dataclass
class Mailbox:
    """What came in. `replies`: address → what RCPT is answered; `hanging`: addresses whose mail is never answered;
    `breaking`: addresses whose next mail is taken, and the connection lost before that is said."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    replies: dict[str, str] = field(default_factory=dict)
    hanging: set[str] = field(default_factory=set)
    breaking: set[str] = field(default_factory=set)
    logins: dict[str, str] = field(default_factory=dict)
    encrypted: list[bool] = field(default_factory=list)

    @property
    def url(self) -> str:
        """For UNIEV_SMTP_URL."""
        return f"smtp://127.0.0.1:{self.port}"

    def to(self, address: str) -> list[EmailMessage]:
        """The mails for one address, oldest first."""
        return [mail for mail in self.mails if mail["To"] == address]

    def next(self, address: str, already: int = 0) -> str:
        """The text of the mail for an address that comes after so many, waited for."""
        wait_until(lambda: len(self.to(address)) > already, f"mail number {already + 1} for {address}")
        return str(self.to(address)[already].get_content())

    def code(self, address: str, already: int = 0) -> str:
        """The one-time code in that mail."""
        found = re.search(r"^ *(\d{6}) *$", self.next(address, already), re.M)
        assert found, self.next(address, already)
        return found[1]

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Takes or refuses a recipient."""
        if address in self.replies:
            return self.replies[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Takes a mail, or never answers."""
        if self.hanging & set(envelope.rcpt_tos):
            await asyncio.Event().wait()
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content.replace(b"\r\n", b"\n"), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.encrypted.append(session.ssl is not None)
        if lost := self.breaking & set(envelope.rcpt_tos):
            self.breaking -= lost
            server.transport.abort()
        return "250 OK"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        """Asks for the one login that is known, if any."""
        assert isinstance(data, LoginPassword)
        right = self.logins.get(data.login.decode()) == data.password.decode()
        return AuthResult(success=right, handled=right)


@contextmanager
def running_mailbox(*, tls: SSLContext | None = None) -> Iterator[Mailbox]:
    """Serves until the end of the block, in a thread of its own. `tls`: offers STARTTLS and asks for a login."""
    mailbox, ready = Mailbox(), threading.Event()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    def protocol() -> SMTP:
        more = {"tls_context": tls, "auth_required": True, "authenticator": mailbox.authenticate} if tls else {}
        return SMTP(mailbox, hostname="mail.test", enable_SMTPUTF8=False, loop=loop, **more)

    async def serve() -> None:
        server = await loop.create_server(protocol, "127.0.0.1", 0)
        mailbox.port = server.sockets[0].getsockname()[1]
        ready.set()
        await ended.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(20)
    try:
        yield mailbox
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
