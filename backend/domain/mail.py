"""Mails to people: what a post office must do, and when an attempt in vain is made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from backend.domain.errors import DomainError

_FIRST_RETRY_S: Final = 30
_LONGEST_RETRY_S: Final = 3600
MOST_ATTEMPTS: Final = 30
"""After about a day a mail is given up."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail, ready to be sent. `id` names it for good, so that a reader's program knows a repetition."""

    id: str
    to: str
    subject: str
    body: str


class MailRefused(DomainError):
    """This mail will never be taken: an address that does not exist, a content that is refused."""

    code = "mail_refused"


class MailUnavailable(DomainError):
    """The mail server cannot be reached, is busy, or does not let us in; trying again later may help."""

    code = "mail_unavailable"
    status = 503


class Post(Protocol):
    """Carries mails."""

    async def deliver(self, letter: Letter) -> None:
        """Returns once the server has taken the mail. Raises MailRefused, MailUnavailable."""
        ...


def retry_after_s(attempts: int) -> int | None:
    """Seconds until the next attempt after so many (1, 2, …) in vain; None: give up."""
    if attempts >= MOST_ATTEMPTS:
        return None
    return min(_FIRST_RETRY_S << min(attempts - 1, 10), _LONGEST_RETRY_S)
