"""Logs and diagnostics of chargers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import Field

from backend.api.actions.payload import Location
from backend.api.bodies import Body, ChargerId, Moment, UuidPath
from backend.api.commands import DeliveryOptions, IdempotencyKey
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.commands import Delivery
from backend.services.log_jobs import LogJob, LogKind, LogRequest

router = APIRouter(prefix="/api", tags=["logs"])
Reader = Annotated[Caller, Depends(allow(Permission.LOGS_READ))]
Downloader = Annotated[Caller, Depends(allow(Permission.LOGS_DOWNLOAD))]
Sender = Annotated[Caller, Depends(allow(Permission.COMMANDS_SEND))]
_BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_FILE: dict[int | str, dict[str, Any]] = {200: {"description": "The file.", "content": _BYTES}}


class NewLogJob(Body):
    """Which log, of which time."""

    kind: LogKind = Field(description="`diagnostics` (GetDiagnostics), `diagnostics_log` or `security_log` (GetLog).")
    from_at: Moment | None = Field(default=None, description="Oldest entry wanted.")
    to_at: Moment | None = Field(default=None, description="Newest entry wanted.")
    location: Location | None = Field(
        default=None, description="Where to upload to instead, any URL by hand, also FTP; null: to the platform."
    )


@router.post(
    "/chargers/{charger_id}/log-jobs", summary="Fetch a log of a charger", status_code=202,
    responses=responses(404, 409),
)  # fmt: skip
async def start_log_job(
    services: Services,
    caller: Sender,
    charger_id: ChargerId,
    body: NewLogJob,
    options: Annotated[DeliveryOptions, Depends()],
    idempotency_key: IdempotencyKey = None,
) -> LogJob:
    """Gives the charger a one-time link, and asks it to upload there."""
    wanted = LogRequest(body.kind, body.from_at, body.to_at, body.location)
    delivery = Delivery(bool(options.queue), options.expires_in_s, idempotency_key)
    return await services.log_jobs.start(caller, charger_id, wanted, delivery)


@router.get("/chargers/{charger_id}/log-jobs", summary="List log jobs of a charger", responses=responses(404))
async def list_log_jobs(
    services: Services, caller: Reader, charger_id: ChargerId, page: Annotated[Paging, Depends()]
) -> ItemList[LogJob]:
    """Newest first, also those that began as a plain command."""
    return page.answer(await services.log_jobs.list(caller.scope, page.request, charger_id))


@router.get("/log-jobs/{job_id}", summary="Read a log job", responses=responses(404))
async def read_log_job(services: Services, caller: Reader, job_id: UuidPath) -> LogJob:
    """One job: its status, the charger's reports, and what was uploaded."""
    return await services.log_jobs.get(caller.scope, job_id)


@router.get(
    "/log-jobs/{job_id}/file", summary="Download an uploaded log", response_class=StreamingResponse,
    responses={**_FILE, **responses(404, 503)},
)  # fmt: skip
async def download_log(services: Services, caller: Downloader, job_id: UuidPath) -> StreamingResponse:
    """The file as the charger uploaded it. Staff only; the download is noted in the audit log."""
    job, content = await services.log_jobs.content(caller, job_id)
    name = (job.file_name or "log").encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(job.size_bytes)}
    return StreamingResponse(content, headers=headers, media_type="application/octet-stream")
