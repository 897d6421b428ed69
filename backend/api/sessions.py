"""Charging sessions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from backend.api.bodies import Moment, Uuid, UuidPath
from backend.api.dependencies import Services, allow
from backend.api.paging import CountedList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.sessions import BillingState, Session, SessionDetail, SessionFilter, SessionOrder

router = APIRouter(prefix="/api/sessions", tags=["sessions"])
Reader = Annotated[Caller, Depends(allow(Permission.SESSIONS_READ))]


def _wanted(
    station_id: Annotated[Uuid | None, Query(description="Only at this station.")] = None,
    charger_id: Annotated[str | None, Query(max_length=48, description="Only at this charger.")] = None,
    id_token: Annotated[
        str | None, Query(max_length=255, description="Only of this id token, without regard to case.")
    ] = None,
    open: Annotated[bool | None, Query(description="Only running, or only ended ones.")] = None,
    since: Annotated[Moment | None, Query(alias="from", description="Begun at or after this time.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Begun before this time.")] = None,
    billing_state: Annotated[
        BillingState | None, Query(description="Only in this state, for example `held` for review.")
    ] = None,
) -> SessionFilter:
    return SessionFilter(station_id, charger_id, id_token, open, since, until, billing_state)


@router.get("", summary="List sessions")
async def list_sessions(
    services: Services,
    caller: Reader,
    page: Annotated[Paging, Depends()],
    wanted: Annotated[SessionFilter, Depends(_wanted)],
    order: Annotated[
        SessionOrder, Query(description="`newest` or `oldest` first, by the begin; keep it from page to page.")
    ] = SessionOrder.NEWEST,
    count: Annotated[bool, Query(description="Also count the sessions of all pages.")] = False,
) -> CountedList[Session]:
    """Newest first, or oldest."""
    found = await services.sessions.list(caller.scope, page.request, wanted, order_by=order, count=count)
    return page.counted(found)


@router.get("/{session_id}", summary="Read a session with its readings", responses=responses(404))
async def read_session(services: Services, caller: Reader, session_id: UuidPath) -> SessionDetail:
    """One session with its readings, oldest first."""
    return await services.sessions.detail(caller.scope, session_id)
