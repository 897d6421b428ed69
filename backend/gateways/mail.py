"""SMTP: carries mails to the server that the settings name."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from ipaddress import ip_address
from ssl import SSLContext
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from backend.domain.mail import Letter, MailRefused, MailUnavailable, Post

_DEFAULT_PORTS: Final = {"smtp": 587, "smtps": 465}
_PERMANENT: Final = range(500, 600)
PATIENCE_S: Final = 30.0
"""For one mail altogether: a server that hangs, or answers a letter a second, holds nobody up for longer."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mails go. `tls`: encrypted from the first byte (smtps); else STARTTLS where the server offers it."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def must_encrypt(self) -> bool:
        """A password goes to another machine over TLS only."""
        return self.user is not None and not _is_this_machine(self.host)


def read_url(url: str) -> MailServer:
    """`smtp://user:password@host:587` or `smtps://…`, percent-encoded, as the settings let it pass."""
    parts = urlsplit(url)
    return MailServer(
        parts.hostname or "",
        parts.port or _DEFAULT_PORTS[parts.scheme],
        parts.scheme == "smtps",
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
    )


def open_post(url: str | None, sender: str) -> Post | None:
    """The way to the server, or None where no server is named."""
    return None if url is None else SmtpPost(read_url(url), sender)


class SmtpPost:
    """One connection per mail: mails are few, and servers forget idle ones."""

    def __init__(
        self, server: MailServer, sender: str, *, patience_s: float = PATIENCE_S, trust: SSLContext | None = None
    ) -> None:
        self._server = server
        self._sender = sender
        self._patience_s = patience_s
        self._trust = trust

    async def deliver(self, letter: Letter) -> None:
        """See Post."""
        message, client = _message(letter, self._sender), self._client()
        try:
            async with asyncio.timeout(self._patience_s):
                await client.connect()
                await _hand_over(client, message)
        except TimeoutError as error:
            raise MailUnavailable("The mail server does not answer in time.") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailUnavailable(f"The mail server cannot be used now: {_plain(error)}.") from error
        finally:
            client.close()

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            local_hostname=_domain(self._sender),  # asking the network for our name may take seconds
            use_tls=server.tls,
            start_tls=False if server.tls else True if server.must_encrypt else None,
            timeout=self._patience_s,
            tls_context=self._trust,
        )


async def _hand_over(client: aiosmtplib.SMTP, message: EmailMessage) -> None:
    """A 5xx about the recipient or the content is final (RFC 5321 §4.2.1); about the sender, it is our own fault."""
    try:
        await client.send_message(message)
    except aiosmtplib.SMTPRecipientsRefused as error:
        raise _judged(error.recipients[0]) from error
    except aiosmtplib.SMTPDataError as error:
        raise _judged(error) from error
    except (aiosmtplib.SMTPNotSupported, ValueError) as error:
        raise MailRefused(f"The mail cannot be sent to such an address: {_plain(error)}.") from error
    with suppress(aiosmtplib.SMTPException, OSError):  # it has been taken, whatever becomes of the farewell
        await client.quit()


def _message(letter: Letter, sender: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["Subject"] = letter.subject
    try:
        message["To"] = letter.to
    except ValueError as error:
        raise MailRefused("The mail has no address that a mail can be sent to.") from error
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = f"<{letter.id}@{_domain(sender)}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.body)
    return message


def _judged(error: aiosmtplib.SMTPResponseException) -> MailRefused | MailUnavailable:
    kind = MailRefused if error.code in _PERMANENT else MailUnavailable
    return kind(f"The mail server refuses: {_plain(error)}.")


def _plain(error: Exception) -> str:
    """One short line, fit for the database and the log."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        text = f"{error.code} {error.message}"
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())[:200].rstrip(".")


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2]


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
