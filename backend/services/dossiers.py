"""Applications with their documents and history, and the steps that change them: judged here, taken in one transaction
with the mails that tell of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid4

from pydantic import Field

from backend.database import SYSTEM, Database
from backend.domain.caller import Caller
from backend.domain.errors import NotFound
from backend.domain.onboarding import Check, DocumentKind, Dossier, Party, State, Step, check_step, lacking
from backend.domain.scope import Scope
from backend.services.mails import Mails
from backend.services.records import Record

_MOST: Final = 500
TOLD: Final = {
    Step.SUBMIT: "cpo_submitted", Step.ANSWER: "cpo_submitted", Step.ASK: "cpo_questioned", Step.REFUSE: "cpo_refused",
    Step.APPROVE: "cpo_approved", Step.SUSPEND: "cpo_suspended", Step.REINSTATE: "cpo_reinstated",
    Step.CLOSE: "cpo_closed",
}  # fmt: skip
"""The mail that tells the applicant, or the CPO's administrators, of a step."""


class Document(Record):
    """A file that proves something."""

    id: str = Field(description="Identifier (UUID).")
    kind: DocumentKind = Field(description="What it proves: `nib`, `npwp`, `bank_account` or `spklu`.")
    name: str = Field(description="File name.")
    media_type: str = Field(description="What its content is: PDF, PNG or JPEG.")
    size_bytes: int = Field(description="Size in bytes.")
    sha256: str = Field(description="SHA-256 of the content, hexadecimal.")
    created_at: datetime = Field(description="When it was uploaded (UTC).")


class StepTaken(Record):
    """One step of the history."""

    at: datetime = Field(description="When (UTC).")
    step: Step = Field(description="What was done.")
    state: State = Field(description="State that it led to.")
    message: str | None = Field(description="Question, answer or reason.")
    party: Party = Field(description="Who did it: `applicant` or `emsv`.")
    actor_name: str = Field(description="Name of the person.")


class Summary(Record):
    """An application in the queue."""

    cpo_id: str = Field(description="Identifier (UUID) of the application, and of the CPO that it becomes.")
    company: str = Field(description="Name of the company, and of the CPO.")
    contact_name: str = Field(description="Name of the applicant.")
    email: str = Field(description="E-mail address of the applicant.")
    state: State = Field(
        description="`draft`, `submitted` (with the EMSV), `questioned` (with the applicant), `refused`, `active`, "
        "`suspended` or `closed`."
    )
    submitted_at: datetime | None = Field(description="When it was handed in last (UTC).")
    created_at: datetime = Field(description="When the address was proven (UTC).")


class Stated(Summary):
    """What an application states."""

    language: str = Field(description="Language of mails: `id` or `en`.")
    nib: str | None = Field(description="NIB, 13 digits.")
    npwp: str | None = Field(description="NPWP, 16 digits (15 in its older form).")
    address: str | None = Field(description="Address of the company.")
    phone: str | None = Field(description="Telephone number, +62….")
    bank_name: str | None = Field(description="Bank of the account that is paid to.")
    bank_account: str | None = Field(description="Number of the account.")
    bank_holder: str | None = Field(description="Holder of the account.")
    spklu_numbers: list[str] = Field(description="SPKLU identity numbers.")
    checklist: list[Check] = Field(description="What the EMSV has checked.")
    revision: int = Field(description="Raised by each step; name it when you decide.")
    updated_at: datetime = Field(description="Last change (UTC).")


class Application(Stated):
    """An application with its documents and its history."""

    documents: list[Document] = Field(description="Files, oldest first.")
    steps: list[StepTaken] = Field(description="History, oldest first.")
    missing: list[str] = Field(description="What is needed before it can be handed in: members, `documents.<kind>`.")


@dataclass(frozen=True, slots=True)
class KeptDocument:
    """A document and where its content lies."""

    public: Document
    content_name: str


@dataclass(frozen=True, slots=True)
class Walk:
    """A step that somebody wants to take. `revision`: what they saw; None: whatever stands."""

    step: Step
    party: Party
    actor_name: str
    message: str = ""
    checklist: Collection[Check] = ()
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Screens:
    """The dashboards as people reach them, without a slash at the end: links in mails begin with them."""

    cpo: str = "http://127.0.0.1:8501"
    emsv: str = "http://127.0.0.1:8502"


LOCAL_SCREENS: Final = Screens()


class Dossiers:
    """Reads applications, and takes steps."""

    def __init__(self, database: Database, mails: Mails, screens: Screens) -> None:
        self._database = database
        self._mails = mails
        self._screens = screens

    async def read(self, scope: Scope, cpo_id: str) -> Application:
        """One application. Raises NotFound (`application_not_found`), also for a foreign one."""
        where = [("cpo_id", "eq", cpo_id)]
        columns = Stated.columns()
        rows = await self._database.select("cpo_applications", scope=scope, columns=columns, where=where, limit=1)
        if not rows:
            raise NotFound("There is no such application.", code="application_not_found")
        documents = await self._database.select(
            "cpo_documents", scope=scope, columns=Document.columns(), where=where, order=[("created_at", "asc")],
            limit=_MOST,
        )  # fmt: skip
        steps = await self._database.select(
            "cpo_steps", scope=scope, columns=StepTaken.columns(), where=where, order=[("at", "asc")], limit=_MOST
        )
        row = rows[0]
        missing = lacking(Dossier(State(row["state"]), row, [DocumentKind(one["kind"]) for one in documents]))
        return Application.model_validate({**row, "documents": documents, "steps": steps, "missing": missing})

    async def document(self, scope: Scope, cpo_id: str, document_id: str) -> KeptDocument:
        """One document. Raises NotFound (`document_not_found`), also for a foreign one."""
        where = [("cpo_id", "eq", cpo_id), ("id", "eq", document_id)]
        columns = f"{Document.columns()},content_name"
        rows = await self._database.select("cpo_documents", scope=scope, columns=columns, where=where, limit=1)
        if not rows:
            raise NotFound("There is no such document.", code="document_not_found")
        return KeptDocument(Document.model_validate(rows[0]), rows[0]["content_name"])

    async def take(self, caller: Caller, cpo_id: str, walk: Walk) -> Application:
        """Takes a step. Raises what `check_step` raises, and Conflict (`step_conflict`) if somebody was faster."""
        now = await self.read(caller.as_platform, cpo_id)
        step = self.judged(now, walk)
        arguments = {"p_step": step, "p_mails": await self.told(now, walk)}
        await self._database.call("take_cpo_step", arguments, scope=caller.as_platform)
        return await self.read(caller.as_platform, cpo_id)

    def judged(self, now: Application, walk: Walk) -> dict[str, Any]:
        """The step as the SQL functions take it, if it may be taken. Raises what `check_step` raises."""
        dossier = Dossier(now.state, now.model_dump(), [document.kind for document in now.documents])
        to = check_step(dossier, walk.step, walk.party, walk.message, walk.checklist)
        return {
            "id": str(uuid4()), "cpo_id": now.cpo_id, "step": walk.step.value, "from": now.state.value,
            "to": to.value, "revision": walk.revision or now.revision, "message": walk.message.strip() or None,
            "party": walk.party.value, "actor_name": walk.actor_name,
            **({"checklist": sorted(check.value for check in walk.checklist)} if walk.checklist else {}),
        }  # fmt: skip

    async def told(self, now: Application, walk: Walk, **more: str) -> list[dict[str, Any]]:
        """The mails of a step: to the applicant, and to the EMSV's administrators when something lies with them."""
        values = {
            "name": now.contact_name, "company": now.company, "message": walk.message.strip(),
            "link": f"{self._screens.cpo}/register/code?email={quote(now.email)}", **more,
        }  # fmt: skip
        mails = [self._mails.prepared(to=now.email, template=TOLD[walk.step], language=now.language, values=values)]
        if walk.party is Party.APPLICANT:
            link = f"{self._screens.emsv}/onboarding?cpo={now.cpo_id}"
            values = {"company": now.company, "link": link}
            mails += [
                self._mails.prepared(
                    to=person["email"], template="emsv_application", language=person["locale"],
                    values={**values, "name": person["name"]},
                )
                for person in await self.people([("role", "eq", "emsv_admin")])
            ]  # fmt: skip
        return mails

    async def people(self, where: list[tuple[str, str, Any]]) -> list[dict[str, Any]]:
        """Active users: e-mail address, name, language."""
        return await self._database.select(
            "users", scope=SYSTEM, columns="email,name,locale", where=[*where, ("active", "eq", True)], limit=100
        )
