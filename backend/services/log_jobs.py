"""Logs and diagnostics: jobs that let chargers upload them, and what was uploaded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from pydantic import Field

from backend.database import Database
from backend.domain.caller import Caller
from backend.domain.errors import NotFound
from backend.domain.files import FileRules, Storage, new_token, token_hash
from backend.domain.scope import Scope
from backend.services.audit import Audit
from backend.services.chargers import Chargers
from backend.services.commands import Delivery
from backend.services.jobs import Progress, create_job
from backend.services.records import Page, PageRequest, Record, own_rows, select_page

LINK_LIFE: Final = timedelta(hours=6)


class LogKind(StrEnum):
    """Which log, and by which message."""

    DIAGNOSTICS = "diagnostics"
    DIAGNOSTICS_LOG = "diagnostics_log"
    SECURITY_LOG = "security_log"


class LogStatus(StrEnum):
    """How far a job came."""

    QUEUED = "queued"
    ACCEPTED = "accepted"
    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    NOTHING = "nothing"
    FAILED = "failed"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"
    EXPIRED = "expired"
    REPLACED = "replaced"


class LogJob(Record):
    """A log of one charger, from the command to the uploaded file."""

    id: str = Field(description="Identifier (UUID).")
    cpo_id: str | None = Field(description="CPO of the charger.")
    charger_id: str = Field(description="OCPP identity of the charger.")
    command_id: str = Field(description="Command GetDiagnostics or GetLog.")
    kind: LogKind = Field(description="`diagnostics` (GetDiagnostics), `diagnostics_log`, `security_log` (GetLog).")
    request_id: int | None = Field(description="Number on the wire, of GetLog.")
    location: str | None = Field(description="Where the charger uploads to; the secret part of our links is hidden.")
    from_at: datetime | None = Field(description="Oldest entry asked for (UTC).")
    to_at: datetime | None = Field(description="Newest entry asked for (UTC).")
    status: LogStatus = Field(
        description="`queued`, `accepted`, `uploading`, `uploaded`; or `nothing` to upload, `failed`, `rejected`, "
        "`timed_out`, `expired` (never sent), `replaced` by a later job."
    )
    reported: str | None = Field(description="The charger's own last word.")
    progress: list[Progress] = Field(description="What the charger reported, oldest first.")
    error: str | None = Field(description="Why it was refused.")
    file_name: str | None = Field(description="Name that the charger gave the file.")
    size_bytes: int | None = Field(description="Size of the uploaded file in bytes; null while there is none here.")
    sha256: str | None = Field(description="SHA-256 of its content, hexadecimal.")
    received_at: datetime | None = Field(description="When it was uploaded here (UTC).")
    link_expires_at: datetime | None = Field(description="Until when our link takes an upload (UTC).")
    deadline_at: datetime = Field(description="When the job times out (UTC).")
    requested_by_name: str | None = Field(description="Who asked.")
    created_at: datetime = Field(description="When it was asked (UTC).")
    updated_at: datetime = Field(description="Last news (UTC).")


@dataclass(frozen=True, slots=True)
class LogRequest:
    """Which log, of which time; `location` None: to the platform."""

    kind: LogKind
    from_at: datetime | None = None
    to_at: datetime | None = None
    location: str | None = None


class LogJobs:
    """Starts jobs and reads what came of them."""

    def __init__(
        self, database: Database, audit: Audit, chargers: Chargers, storage: Storage, rules: FileRules,
        now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._database = database
        self._audit = audit
        self._chargers = chargers
        self._storage = storage
        self._rules = rules
        self._now = now

    async def start(self, caller: Caller, charger_id: str, wanted: LogRequest, delivery: Delivery) -> LogJob:
        """Asks a charger for a log. Raises NotFound (`charger_not_found`), ChargerOffline, Conflict."""
        await self._chargers.get(caller.scope, charger_id)
        location, facts = wanted.location, {}
        if location is None:
            token = new_token()
            location = f"{self._rules.public_url}/files/uploads/{token}"
            expiry = self._now() + timedelta(seconds=delivery.lifetime_s) + LINK_LIFE
            facts = {"token_hash": token_hash(token), "link_expires_at": expiry.isoformat()}
        action = "GetDiagnostics" if wanted.kind is LogKind.DIAGNOSTICS else "GetLog"
        job_id = await create_job(
            self._database, caller, charger_id, action, _payload(wanted, location), facts, delivery
        )
        return await self.get(caller.scope, job_id)

    async def list(self, scope: Scope, page: PageRequest, charger_id: str) -> Page[LogJob]:
        """Of a charger, newest first. Raises NotFound (`charger_not_found`)."""
        await self._chargers.get(scope, charger_id)
        where = [("charger_id", "eq", charger_id), *own_rows(scope)]
        order = [("created_at", "desc"), ("id", "desc")]
        return await select_page(self._database, "log_jobs", LogJob, page, scope=scope, where=where, order=order)

    async def get(self, scope: Scope, job_id: str) -> LogJob:
        """One job. Raises NotFound (`job_not_found`), also for a foreign one."""
        return LogJob.model_validate(await self._row(scope, job_id, LogJob.columns()))

    async def content(self, caller: Caller, job_id: str) -> tuple[LogJob, AsyncIterator[bytes]]:
        """The uploaded file. Raises NotFound (`job_not_found`, `file_not_found`), StorageUnavailable."""
        row = await self._row(caller.scope, job_id, "content_name," + LogJob.columns())
        job = LogJob.model_validate(row)
        if row["content_name"] is None:
            raise NotFound("Nothing was uploaded for this job.", code="file_not_found")
        content = await self._storage.read(row["content_name"], 0, job.size_bytes or 0)
        await self._audit.record(caller, "log_job.download", "log_job", job.id, cpo_id=job.cpo_id)
        return job, content

    async def _row(self, scope: Scope, job_id: str, columns: str) -> dict[str, Any]:
        where = [("id", "eq", job_id), *own_rows(scope)]
        rows = await self._database.select("log_jobs", scope=scope, columns=columns, where=where, limit=1)
        if not rows:
            raise NotFound("There is no such job.", code="job_not_found")
        return rows[0]


def _payload(wanted: LogRequest, location: str) -> dict[str, Any]:
    """GetDiagnostics (OCPP 1.6 §6.9) or GetLog (whitepaper §5.10), whose number the database gives."""
    begin, end = _moment(wanted.from_at), _moment(wanted.to_at)
    if wanted.kind is LogKind.DIAGNOSTICS:
        return _given({"location": location, "startTime": begin, "stopTime": end})
    log = _given({"remoteLocation": location, "oldestTimestamp": begin, "latestTimestamp": end})
    kind = "SecurityLog" if wanted.kind is LogKind.SECURITY_LOG else "DiagnosticsLog"
    return {"logType": kind, "requestId": 0, "log": log}


def _given(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
