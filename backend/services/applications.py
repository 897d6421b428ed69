"""Applications of companies that want to be CPOs, the applicant's side: an address proven by a code, statements,
documents, submission, answers, and the first password. An applicant has no login: a code buys a token for some hours.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

from backend.database import SYSTEM, Database
from backend.domain.caller import Caller
from backend.domain.documents import ENDINGS, MOST_BYTES, media_type_of
from backend.domain.errors import Conflict, FileTooLarge, InvalidInput, Unauthenticated
from backend.domain.files import Storage, content_name, shown_name
from backend.domain.onboarding import DocumentKind, Party, Step, normal_number, normal_spklu_numbers
from backend.services.dossiers import Application, Document, Dossiers, Walk
from backend.services.mails import Mails
from backend.services.passwords import NO_PASSWORD, Passwords, check_strength

CODE_LIFE_S: Final = 30 * 60
TOKEN_LIFE_S: Final = 12 * 3600
MOST_CODES_PER_HOUR: Final = 5
MOST_WRONG_CODES: Final = 5
MOST_DOCUMENTS: Final = 20
LEAST_ANSWER_S: Final = 0.25
"""Nothing before: how long an answer takes must not tell whether an address is known."""

_NUMBERS: Final = ("nib", "npwp", "bank_account", "phone")
_CODE_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Registration:
    """The first form. `language`: of mails, `id` or `en`."""

    email: str
    company: str
    contact_name: str
    language: str


@dataclass(frozen=True, slots=True)
class Applicant:
    """Whose token it is; `cpo_id` names the application and the CPO that it may become."""

    cpo_id: str
    email: str
    contact_name: str


class OneTimeCodes:
    """Makes codes of six digits and what is kept of them: an HMAC, so that the database alone guesses none."""

    def __init__(self, secret_key: str) -> None:
        self._key = hashlib.sha256(b"uniev one-time codes of applicants\x00" + secret_key.encode()).digest()

    def new(self, email: str) -> tuple[str, str]:
        """A code, and its hash for this address."""
        code = f"{secrets.randbelow(10**_CODE_DIGITS):0{_CODE_DIGITS}d}"
        return code, self.hash(email, code)

    def hash(self, email: str, code: str) -> str:
        """What is kept of a code; spaces that people type do not count."""
        plain = "".join(code.split())
        return hmac.new(self._key, f"{email}\x00{plain}".encode(), hashlib.sha256).hexdigest()


class Applications:
    """What applicants do. `screens`: the CPO dashboard as people reach it, for links."""

    def __init__(
        self,
        database: Database,
        dossiers: Dossiers,
        mails: Mails,
        passwords: Passwords,
        storage: Storage,
        secret_key: str,
        screens: str,
        *,
        least_answer_s: float = LEAST_ANSWER_S,
    ) -> None:
        self._database = database
        self._dossiers = dossiers
        self._mails = mails
        self._passwords = passwords
        self._storage = storage
        self._screens = screens
        self._least_answer_s = least_answer_s
        self.codes = OneTimeCodes(secret_key)

    async def register(self, wanted: Registration) -> None:
        """Mails a code; whoever is known already gets one for the application that exists, or is told of the login.

        Never tells which.
        """
        details = {"company": wanted.company, "contact_name": wanted.contact_name, "language": wanted.language}
        await self._ask_code(wanted.email, details, wanted.language)

    async def send_code(self, email: str, language: str) -> None:
        """Mails a code to an address that applied before. An unknown address gets one, too, to begin with."""
        await self._ask_code(email, {"contact_name": email, "language": language}, language)

    async def prove(self, email: str, code: str) -> str:
        """A token for the application of this address. Raises Unauthenticated (`code_wrong`)."""
        begun = time.monotonic()
        token = secrets.token_urlsafe(32)
        plain = _plain(email)
        arguments = {
            "p_email": plain, "p_code_hash": self.codes.hash(plain, code), "p_most_failures": MOST_WRONG_CODES,
            "p_token_hash": _hash(token), "p_token_life_s": TOKEN_LIFE_S, "p_cpo_id": str(uuid4()),
        }  # fmt: skip
        found = await self._database.call("prove_cpo_code", arguments, scope=SYSTEM)
        await self._no_sooner(begun)
        if found is None:
            raise Unauthenticated("The code is wrong, used, or too old. Ask for a new one.", code="code_wrong")
        return token

    async def recognise(self, token: str) -> Applicant:
        """Whose token it is. Raises Unauthenticated (`applicant_token_invalid`)."""
        found = await self._database.call("cpo_applicant", {"p_token_hash": _hash(token)}, scope=SYSTEM)
        if found is None:
            raise Unauthenticated("Ask for a new code: the last one has run out.", code="applicant_token_invalid")
        return Applicant(found["cpo_id"], found["email"], found["contact_name"])

    async def read(self, applicant: Applicant) -> Application:
        """The application with its documents and history."""
        return await self._dossiers.read(SYSTEM, applicant.cpo_id)

    async def state(self, caller: Caller, applicant: Applicant, changes: Mapping[str, Any]) -> Application:
        """Changes what is stated. Raises InvalidInput (`number_invalid`), Conflict (`step_conflict`)."""
        now = await self.read(applicant)
        merged = {**now.model_dump(mode="json"), **changes}
        for member in _NUMBERS:
            if changes.get(member):
                merged[member] = normal_number(member, changes[member])
        merged["spklu_numbers"] = normal_spklu_numbers(merged["spklu_numbers"])
        stated = {name: value or None for name, value in merged.items() if name in _STATED}
        arguments = {"p_cpo_id": applicant.cpo_id, "p_stated": stated}
        await self._database.call("state_cpo", arguments, scope=caller.as_platform)
        return await self.read(applicant)

    async def add_document(
        self, caller: Caller, applicant: Applicant, kind: DocumentKind, name: str, chunks: AsyncIterator[bytes]
    ) -> Document:
        """Keeps a file, told from its content. Raises FileTooLarge, InvalidInput (see `media_type_of`), Conflict."""
        content = await _whole(chunks)
        media_type = media_type_of(content)
        kept_as = content_name("cpo-documents")
        kept = await self._storage.write(kept_as, _once(content), MOST_BYTES)
        document_id = str(uuid4())
        row = {
            "id": document_id, "cpo_id": applicant.cpo_id, "kind": kind.value, "media_type": media_type,
            "name": shown_name(name) or f"{kind}{ENDINGS[media_type]}", "size_bytes": kept.size_bytes,
            "sha256": kept.sha256, "content_name": kept_as,
        }  # fmt: skip
        try:
            arguments = {"p_document": row, "p_most": MOST_DOCUMENTS}
            await self._database.call("add_cpo_document", arguments, scope=caller.as_platform)
        except (Conflict, InvalidInput):
            await self._storage.delete(kept_as)
            raise
        return (await self._dossiers.document(SYSTEM, applicant.cpo_id, document_id)).public

    async def drop_document(self, caller: Caller, applicant: Applicant, document_id: str) -> None:
        """Deletes a file, content first forgotten, then removed. Raises Conflict (`step_conflict`)."""
        arguments = {"p_cpo_id": applicant.cpo_id, "p_document_id": document_id}
        content = await self._database.call("drop_cpo_document", arguments, scope=caller.as_platform)
        if content is not None:
            await self._storage.delete(content)

    async def content(self, applicant: Applicant, document_id: str) -> tuple[Document, AsyncIterator[bytes]]:
        """A document and its content. Raises NotFound (`document_not_found`), StorageUnavailable."""
        kept = await self._dossiers.document(SYSTEM, applicant.cpo_id, document_id)
        return kept.public, await self._storage.read(kept.content_name, 0, kept.public.size_bytes)

    async def submit(self, caller: Caller, applicant: Applicant) -> Application:
        """Hands the application to the EMSV. Raises InvalidInput (`application_incomplete`), Conflict."""
        return await self._walk(caller, applicant, Step.SUBMIT, "")

    async def answer(self, caller: Caller, applicant: Applicant, message: str) -> Application:
        """Answers the EMSV's question, which hands the application back. Raises as `submit`."""
        return await self._walk(caller, applicant, Step.ANSWER, message)

    async def set_password(self, caller: Caller, applicant: Applicant, password: str) -> None:
        """The first password of an approved applicant, who logs in with it from then on.

        Raises Conflict (`password_conflict`) where there is none to set, InvalidInput for a bad one.
        """
        await check_strength(password, applicant.email, applicant.contact_name)
        arguments = {
            "p_cpo_id": applicant.cpo_id, "p_email": applicant.email,
            "p_password_hash": await self._passwords.hash(password), "p_no_password": NO_PASSWORD,
        }  # fmt: skip
        if not await self._database.call("set_first_password", arguments, scope=caller.as_platform):
            raise Conflict("A password was set before, or the application is not approved.", code="password_conflict")

    async def _walk(self, caller: Caller, applicant: Applicant, step: Step, message: str) -> Application:
        walk = Walk(step, Party.APPLICANT, applicant.contact_name, message)
        return await self._dossiers.take(caller, applicant.cpo_id, walk)

    async def _ask_code(self, email: str, details: dict[str, str], language: str) -> None:
        begun, plain = time.monotonic(), _plain(email)
        code, hashed = self.codes.new(plain)
        link = f"{self._screens}/register/code?email={quote(plain)}"
        # Nothing that a stranger wrote: these go to whatever address a stranger names.
        values = {"code": code, "minutes": str(CODE_LIFE_S // 60), "link": link}
        known = {"link": f"{self._screens}/login"}
        mails = {
            "code": self._mails.prepared(to=plain, template="registration_code", language=language, values=values),
            "known": self._mails.prepared(to=plain, template="registration_known", language=language, values=known),
        }
        arguments = {
            "p_email": plain, "p_details": details, "p_code_hash": hashed, "p_life_s": CODE_LIFE_S,
            "p_most": MOST_CODES_PER_HOUR, "p_mails": mails,
        }  # fmt: skip
        await self._database.call("request_cpo_code", arguments, scope=SYSTEM)
        await self._no_sooner(begun)

    async def _no_sooner(self, begun: float) -> None:
        await asyncio.sleep(max(0.0, begun + self._least_answer_s - time.monotonic()))


_STATED: Final = frozenset({
    "company", "contact_name", "language", "nib", "npwp", "address", "phone", "bank_name", "bank_account",
    "bank_holder", "spklu_numbers",
})  # fmt: skip


def _plain(email: str) -> str:
    return email.strip().lower()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def _whole(chunks: AsyncIterator[bytes]) -> bytes:
    content = bytearray()
    async for chunk in chunks:
        content += chunk
        if len(content) > MOST_BYTES:
            raise FileTooLarge(f"A document has at most {MOST_BYTES // 2**20} MiB.")
    return bytes(content)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
