"""Sessions that are held for review."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from backend.api.bodies import Body, Moment, Uuid, UuidPath
from backend.api.dependencies import Services, allow
from backend.api.paging import CountedList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.plausibility import Decision, Reason
from backend.domain.roles import Permission
from backend.services.reviews import Review, ReviewFilter, Ruling
from backend.services.sessions import BillingState

router = APIRouter(prefix="/api/sessions", tags=["sessions"])
Reader = Annotated[Caller, Depends(allow(Permission.SESSIONS_READ))]
Reviewer = Annotated[Caller, Depends(allow(Permission.SESSIONS_REVIEW))]
_LARGEST_WH = 999_999_999_999


class NewDecision(Body):
    """What is decided about a held session."""

    decision: Decision = Field(
        description="`approve`: the meter's figure is billed. `correct`: the energy below is. `void`: nothing is."
    )
    reason: str = Field(min_length=1, max_length=1000, description="Why; stands in the audit log.")
    energy_wh: Decimal | None = Field(
        None, ge=0, le=_LARGEST_WH, decimal_places=3, description="Energy to bill, in Wh; needed for `correct` alone."
    )
    started_at: Moment | None = Field(None, description="Begin to bill from; only with `correct`, where it differs.")
    stopped_at: Moment | None = Field(None, description="End to bill to; only with `correct`, where it differs.")
    revision: int | None = Field(
        None, ge=0, le=2**31 - 1, description="`revision` of the session as it was seen; if it has changed: 409."
    )


def _wanted(
    billing_state: Annotated[
        BillingState | None, Query(description="Only in this state; `held` for what waits for a decision.")
    ] = None,
    reason: Annotated[Reason | None, Query(description="Only with this reason.")] = None,
    station_id: Annotated[Uuid | None, Query(description="Only at this station.")] = None,
    charger_id: Annotated[str | None, Query(max_length=48, description="Only at this charger.")] = None,
) -> ReviewFilter:
    return ReviewFilter(billing_state, reason, station_id, charger_id)


@router.get("/reviews", summary="List sessions held for review")
async def list_reviews(
    services: Services,
    caller: Reader,
    page: Annotated[Paging, Depends()],
    wanted: Annotated[ReviewFilter, Depends(_wanted)],
    count: Annotated[bool, Query(description="Also count the reviews of all pages.")] = False,
) -> CountedList[Review]:
    """Sessions that are or were held, with evidence and proposed correction; last held first."""
    return page.counted(await services.reviews.list(caller.scope, page.request, wanted, count=count))


@router.get("/{session_id}/review", summary="Read the review of a session", responses=responses(404))
async def read_review(services: Services, caller: Reader, session_id: UuidPath) -> Review:
    """One session that is or was held."""
    return await services.reviews.get(caller.scope, session_id)


@router.post("/{session_id}/review", summary="Decide about a held session", responses=responses(404, 409))
async def decide_review(services: Services, caller: Reviewer, session_id: UuidPath, body: NewDecision) -> Review:
    """Approve, correct or void. The meter's values stay; a later decision replaces an earlier one; all are audited."""
    ruling = Ruling(body.decision, body.reason, body.energy_wh, body.started_at, body.stopped_at, body.revision)
    return await services.reviews.decide(caller, session_id, ruling)
