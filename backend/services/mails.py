"""Mails to people: kept sealed until they have left, written from templates in Indonesian and English.

The worker carries them (`MailRelay`). Where no mail server is set they wait, and an administrator may read them.
"""

from __future__ import annotations

import asyncio
import logging
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec

from backend.database import SYSTEM, Database
from backend.domain.errors import DomainError, InvalidInput
from backend.domain.mail import Letter, MailRefused, MailUnavailable, Post, retry_after_s
from backend.services.vault import Vault

log = logging.getLogger(__name__)

LANGUAGES: Final = ("id", "en")
_TEXTS: Final = Path(__file__).with_name("mail_texts")
_COLUMNS: Final = "id,template,language,content_sealed,created_at,attempts,reason"
_AT_ONCE: Final = 5
_BATCH: Final = 15  # whose patience together is shorter than the lease
_LEASE_S: Final = 120
_WAITING_DAYS: Final = 3
_ENDED_DAYS: Final = 30


class _Content(msgspec.Struct):
    to: str
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class WaitingMail:
    """A mail that has not left, as an administrator reads it. `reason`: why the last attempt failed."""

    letter: Letter
    created_at: str
    attempts: int
    reason: str | None


@cache
def texts(language: str) -> Mapping[str, Mapping[str, str]]:
    """Template → subject and body."""
    with (_TEXTS / f"{language}.toml").open("rb") as file:
        return tomllib.load(file)


def placeholders(template: str, language: str) -> frozenset[str]:
    """The values that a template needs. Raises KeyError for an unknown one."""
    text = texts(language)[template]
    return frozenset(
        name for part in (text["subject"], text["body"]) for _, name, _, _ in string.Formatter().parse(part) if name
    )


def render(mail_id: str, to: str, template: str, language: str, values: Mapping[str, str]) -> Letter:
    """Writes a mail; but for a `message`, values keep to one line, as the subject does: a name begins no paragraph of
    its own. Raises KeyError."""
    text = texts(language)[template]
    values = {name: value if name == "message" else " ".join(value.split()) for name, value in values.items()}
    line = " ".join(text["subject"].format_map(values).split())
    signature = texts(language)["signature"]["body"]
    return Letter(mail_id, to, line, f"{text['body'].format_map(values).strip()}\n\n-- \n{signature.strip()}\n")


class Mails:
    """Takes mails; they leave a moment later."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def send(self, *, to: str, template: str, language: str, values: Mapping[str, str]) -> None:
        """Puts a mail by. Raises ValueError if the template does not exist or values are missing: a defect of ours."""
        row = self.prepared(to=to, template=template, language=language, values=values)
        await self._database.insert("mails", [row], scope=SYSTEM, columns="id")

    def prepared(self, *, to: str, template: str, language: str, values: Mapping[str, str]) -> dict[str, Any]:
        """The row of a mail, for SQL functions that put it by together with what it tells of (private.queue_mail).

        Raises as `send`; InvalidInput (`invalid_value`) for a value that is no text: half a character.
        """
        if language not in LANGUAGES or template not in texts(language):
            raise ValueError(f"there is no template {template!r} in {language!r}")
        if missing := placeholders(template, language) - values.keys():
            raise ValueError(f"the template {template!r} needs {', '.join(sorted(missing))}")
        try:
            content = msgspec.json.encode(_Content(to, dict(values))).decode()
        except UnicodeEncodeError as error:
            raise InvalidInput("A text holds half a character.", code="invalid_value") from error
        sealed = self._vault.seal(content)
        return {"id": str(uuid4()), "template": template, "language": language, "content_sealed": sealed}

    async def waiting(self, limit: int = 100) -> list[WaitingMail]:
        """The newest mails that have not left, readable. One that was sealed with another key is left out."""
        where = [("state", "eq", "waiting")]
        order = [("created_at", "desc"), ("id", "desc")]
        rows = await self._database.select(
            "mails", scope=SYSTEM, columns=_COLUMNS, where=where, order=order, limit=limit
        )
        found = []
        for row in rows:
            try:
                letter = opened(self._vault, row)
            except MailRefused:
                continue
            found.append(WaitingMail(letter, row["created_at"], row["attempts"], row["reason"]))
        return found

    async def tidy(self) -> int:
        """Gives up mails that wait for days, and forgets those that ended a month ago; returns how many."""
        arguments = {"p_waiting_days": _WAITING_DAYS, "p_ended_days": _ENDED_DAYS}
        tidied: int = await self._database.call("tidy_mails", arguments, scope=SYSTEM)
        return tidied


class MailRelay:
    """The worker's part: carries what is due, at least once. One mail that cannot leave holds up no other."""

    def __init__(self, database: Database, vault: Vault, post: Post) -> None:
        self._database = database
        self._vault = vault
        self._post = post

    async def relay(self) -> int:
        """Carries what is due; returns how many mails left."""
        sent = 0
        while rows := await self._claim():
            turns = asyncio.Semaphore(_AT_ONCE)
            sent += sum(await asyncio.gather(*(self._carry(row, turns) for row in rows)))
        return sent

    async def _claim(self) -> list[dict[str, Any]]:
        arguments = {"p_limit": _BATCH, "p_lease_s": _LEASE_S}
        rows: list[dict[str, Any]] = await self._database.call("claim_mails", arguments, scope=SYSTEM)
        return rows

    async def _carry(self, row: dict[str, Any], turns: asyncio.Semaphore) -> bool:
        async with turns:
            try:
                await self._post.deliver(opened(self._vault, row))
            except MailUnavailable as error:
                await self._settle(row, "waiting", error.detail, retry_after_s(row["attempts"]))
                return False
            except Exception as error:
                if not isinstance(error, DomainError):
                    log.exception("mail %s cannot be sent", row["id"])
                await self._settle(row, "failed", getattr(error, "detail", type(error).__name__), None)
                return False
            await self._settle(row, "sent", None, None)
            return True

    async def _settle(self, row: dict[str, Any], state: str, reason: str | None, retry_s: int | None) -> None:
        if state == "waiting" and retry_s is None:
            state = "failed"
        if reason:
            log.warning("mail %s (%s) %s: %s", row["id"], row["template"], state, reason)
        arguments = {"p_id": row["id"], "p_state": state, "p_reason": reason, "p_retry_s": retry_s or 0}
        await self._database.call("settle_mail", arguments, scope=SYSTEM)


def opened(vault: Vault, row: Mapping[str, Any]) -> Letter:
    """The mail of a row. Raises MailRefused if it was sealed with another key, or its template is gone."""
    try:
        content = msgspec.json.decode(vault.open(row["content_sealed"]), type=_Content)
        return render(row["id"], content.to, row["template"], row["language"], content.values)
    except (DomainError, KeyError, msgspec.DecodeError) as error:
        raise MailRefused(f"The mail cannot be read any more ({type(error).__name__}).") from error
