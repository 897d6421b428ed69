"""The audit log: who did what, and its export."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from backend.api.bodies import Moment, Uuid
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.audit import AuditEntry, AuditFilter

router = APIRouter(prefix="/api/audit", tags=["audit"])
Reader = Annotated[Caller, Depends(allow(Permission.AUDIT_READ))]
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def _wanted(
    cpo_id: Annotated[Uuid | None, Query(description="Only about this CPO.")] = None,
    actor: Annotated[str | None, Query(max_length=120, description="Part of the actor's name.")] = None,
    actor_id: Annotated[Uuid | None, Query(description="Only by this user or API key.")] = None,
    action: Annotated[str | None, Query(max_length=100, description="Beginning of the action.")] = None,
    object_type: Annotated[str | None, Query(max_length=100, description="Only on this kind of thing.")] = None,
    object_id: Annotated[str | None, Query(max_length=200, description="Only on this one.")] = None,
    request_id: Annotated[str | None, Query(max_length=64, description="Only of this request.")] = None,
    since: Annotated[Moment | None, Query(alias="from", description="At or after this time.")] = None,
    until: Annotated[Moment | None, Query(alias="to", description="Before this time.")] = None,
) -> AuditFilter:
    return AuditFilter(cpo_id, actor, actor_id, action, object_type, object_id, request_id, since, until)


Wanted = Annotated[AuditFilter, Depends(_wanted)]


@router.get("", summary="List the audit log")
async def list_audit(
    services: Services, caller: Reader, page: Annotated[Paging, Depends()], wanted: Wanted
) -> ItemList[AuditEntry]:
    """Newest first. Rows are written with the change they tell of, and never altered."""
    return page.answer(await services.audit.list(caller.scope, page.request, wanted))


@router.get(
    "/export",
    summary="Export the audit log",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "One act a line."}},
)
async def export_audit(services: Services, caller: Reader, wanted: Wanted) -> StreamingResponse:
    """CSV, newest first, at most 200,000 lines; to continue, ask `to` the time of the last. It is itself audited."""
    parts = await services.audit.export(caller, wanted)
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return StreamingResponse(_lines(parts), media_type="text/csv; charset=utf-8", headers=headers)


async def _lines(parts: AsyncIterator[Sequence[AuditEntry]]) -> AsyncIterator[bytes]:
    yield _csv([list(AuditEntry.model_fields)])
    async for entries in parts:
        yield _csv([[_cell(value) for value in entry.model_dump(mode="json").values()] for entry in entries])


def _csv(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """As text that no spreadsheet takes for a formula."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True) if isinstance(value, dict) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(_FORMULA) else text
