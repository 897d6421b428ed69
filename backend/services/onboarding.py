"""How the EMSV lets companies become CPOs, suspends and closes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Final
from urllib.parse import quote
from uuid import uuid4

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.errors import InvalidInput
from backend.domain.files import Storage
from backend.domain.onboarding import SAYS_WHY, Party, State, Step, next_state
from backend.domain.scope import Scope
from backend.services.applications import OneTimeCodes
from backend.services.audit import Audit
from backend.services.cpos import Cpo, Cpos
from backend.services.dossiers import TOLD, Application, Document, Dossiers, Summary, Walk
from backend.services.mails import Mails
from backend.services.passwords import NO_PASSWORD
from backend.services.records import Page, PageRequest, given, select_page

FIRST_CODE_LIFE_S: Final = 3 * 24 * 3600


class Decision(StrEnum):
    """What the EMSV says to an application."""

    ASK = "ask"
    APPROVE = "approve"
    REFUSE = "refuse"


class Standing(StrEnum):
    """What the EMSV does with a CPO."""

    SUSPEND = "suspend"
    REINSTATE = "reinstate"
    CLOSE = "close"


class Onboarding:
    """The EMSV's side. `cpo_screens`: the CPO dashboard as people reach it."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        cpos: Cpos,
        dossiers: Dossiers,
        mails: Mails,
        storage: Storage,
        codes: OneTimeCodes,
        cpo_screens: str,
    ) -> None:
        self._database = database
        self._audit = audit
        self._cpos = cpos
        self._dossiers = dossiers
        self._mails = mails
        self._storage = storage
        self._codes = codes
        self._cpo_screens = cpo_screens

    async def queue(self, scope: Scope, page: PageRequest, state: State | None) -> Page[Summary]:
        """Applications by name, or those of one state; a CPO's administrator sees their own."""
        where = given(("state", "eq", state.value if state else None))
        order = [("company", "asc"), ("cpo_id", "asc")]
        return await select_page(
            self._database, "cpo_applications", Summary, page, scope=scope, where=where, order=order
        )

    async def read(self, scope: Scope, cpo_id: str) -> Application:
        """One application. Raises NotFound (`application_not_found`), also for a foreign one."""
        return await self._dossiers.read(scope, cpo_id)

    async def content(self, caller: Caller, cpo_id: str, document_id: str) -> tuple[Document, AsyncIterator[bytes]]:
        """A document and its content; who read it stands in the audit log. Raises NotFound (`document_not_found`)."""
        kept = await self._dossiers.document(caller.scope, cpo_id, document_id)
        content = await self._storage.read(kept.content_name, 0, kept.public.size_bytes)
        await self._audit.record(caller, "cpo_document.read", "cpo_document", document_id, cpo_id=cpo_id)
        return kept.public, content

    async def decide(self, caller: Caller, cpo_id: str, decision: Decision, walk: Walk) -> Application:
        """Asks back, approves or refuses.

        Approval makes the CPO and its first administrator, who sets a password with the mailed code. Raises what
        `check_step` raises, Conflict (`step_conflict`, `cpo_exists`, `user_exists`).
        """
        if decision is not Decision.APPROVE:
            return await self._dossiers.take(caller, cpo_id, walk)
        now = await self._dossiers.read(caller.as_platform, cpo_id)
        step = self._dossiers.judged(now, walk)
        code, hashed = self._codes.new(now.email)
        more = {"code": code, "days": str(FIRST_CODE_LIFE_S // 86_400)}
        arguments = {
            "p_step": step, "p_mails": await self._dossiers.told(now, walk, **more), "p_code_hash": hashed,
            "p_code_life_s": FIRST_CODE_LIFE_S, "p_no_password": NO_PASSWORD,
        }  # fmt: skip
        await self._database.call("approve_cpo", arguments, scope=caller.as_platform)
        return await self._dossiers.read(caller.as_platform, cpo_id)

    async def change_standing(self, caller: Caller, cpo_id: str, step: Step, message: str) -> Cpo:
        """Suspends, reinstates or closes a CPO; its administrators are mailed.

        Raises NotFound (`cpo_not_found`), Conflict (`step_conflict`, `sessions_conflict`), InvalidInput
        (`reason_required`).
        """
        cpo = await self._cpos.get(caller.scope, cpo_id)
        to = next_state(State(cpo.status.value), step, Party.EMSV)
        if step in SAYS_WHY and not message.strip():
            raise InvalidInput("Say why.", code="reason_required", members=[("message", "Say why.")])
        taken = {
            "id": str(uuid4()), "cpo_id": cpo_id, "step": step.value, "from": cpo.status.value, "to": to.value,
            "message": message.strip(), "party": Party.EMSV.value, "actor_name": caller.name,
        }  # fmt: skip
        people = await self._dossiers.people([("cpo_id", "eq", cpo_id), ("role", "eq", "cpo_admin")])
        mails = [
            self._mails.prepared(
                to=person["email"], template=TOLD[step], language=person["locale"],
                values={"name": person["name"], "company": cpo.name, "message": message.strip(),
                        "link": f"{self._cpo_screens}/register/code?email={quote(person['email'])}"},
            )
            for person in people
        ]  # fmt: skip
        arguments = {"p_step": taken, "p_mails": mails}
        await self._database.call("change_cpo_standing", arguments, scope=caller.as_platform)
        return await self._cpos.get(caller.scope, cpo_id)
