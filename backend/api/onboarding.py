"""How the EMSV decides about applications, and suspends and closes CPOs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from backend.api.applications import FILE, Sentence, attachment
from backend.api.bodies import Body, UuidPath
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.onboarding import Check, Party, State, Step
from backend.domain.roles import Permission
from backend.services.cpos import Cpo
from backend.services.dossiers import Application, Summary, Walk
from backend.services.onboarding import Decision, Standing

router = APIRouter(prefix="/api/cpo", tags=["onboarding"])
Reader = Annotated[Caller, Depends(allow(Permission.ONBOARDING_READ))]
Decider = Annotated[Caller, Depends(allow(Permission.ONBOARDING_DECIDE))]


class Verdict(Body):
    """What the EMSV says to an application."""

    decision: Decision = Field(description="`ask` (a question goes back), `approve` or `refuse`.")
    message: Annotated[str, Field(max_length=2000)] = Field(
        default="", description="The question, or the reason; the applicant reads it. Not needed to approve."
    )
    checklist: Annotated[list[Check], Field(max_length=20)] = Field(
        default_factory=list, description="What was checked; all of it is needed to approve."
    )
    revision: Annotated[int, Field(ge=1, le=1_000_000)] = Field(description="Revision that was looked at.")


class StandingChange(Body):
    """What happens to a CPO, and why."""

    step: Standing = Field(description="`suspend`, `reinstate` or `close` (for good).")
    message: Sentence = Field(description="The reason; the CPO's administrators read it.")


@router.get("/applications", summary="List applications")
async def list_applications(
    services: Services,
    caller: Reader,
    page: Annotated[Paging, Depends()],
    state: Annotated[State | None, Query(description="Only those in this state.")] = None,
) -> ItemList[Summary]:
    """By name of the company. A CPO's administrator sees their own."""
    return page.answer(await services.desk.onboarding.queue(caller.scope, page.request, state))


@router.get("/{cpo_id}/application", summary="Read an application", responses=responses(404))
async def read_application(services: Services, caller: Reader, cpo_id: UuidPath) -> Application:
    """What is stated, the documents, and the history."""
    return await services.desk.onboarding.read(caller.scope, cpo_id)


@router.get(
    "/{cpo_id}/documents/{document_id}/file",
    summary="Download a document of an application",
    responses={**FILE, **responses(404, 503)},
    response_class=Response,
)
async def download_document(services: Services, caller: Reader, cpo_id: UuidPath, document_id: UuidPath) -> Response:
    """The file as it was uploaded: a stranger's, so save it and look at it with care. Stands in the audit log."""
    return attachment(*await services.desk.onboarding.content(caller, cpo_id, document_id))


@router.post("/{cpo_id}/verify", summary="Decide about an application", responses=responses(404, 409))
async def verify_cpo(services: Services, caller: Decider, cpo_id: UuidPath, body: Verdict) -> Application:
    """Asks back, approves or refuses. Approval makes the CPO; the applicant becomes its first administrator."""
    walk = Walk(Step(body.decision), Party.EMSV, caller.name, body.message, body.checklist, body.revision)
    return await services.desk.onboarding.decide(caller, cpo_id, body.decision, walk)


@router.post("/{cpo_id}/standing", summary="Suspend, reinstate or close a CPO", responses=responses(404, 409))
async def change_standing(services: Services, caller: Decider, cpo_id: UuidPath, body: StandingChange) -> Cpo:
    """Suspended: nobody logs in, keys are refused, no session begins; running ones go on. Closed: besides, for good,

    its chargers are let in no more; 409 `sessions_conflict` while a session runs.
    """
    return await services.desk.onboarding.change_standing(caller, cpo_id, Step(body.step), body.message)
