"""Firmware: the files of a CPO, and the jobs that bring them to chargers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from pydantic import Field

from backend.database import SYSTEM, Condition, Database
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, InvalidInput, NotFound
from backend.domain.files import FileRules, Storage, content_name, new_token, shown_name, token_hash
from backend.domain.scope import Scope
from backend.services.chargers import Chargers
from backend.services.commands import Delivery
from backend.services.cpos import Cpos
from backend.services.jobs import Progress, create_job
from backend.services.records import Page, PageRequest, Record, own_rows, select_page

LINK_LIFE: Final = timedelta(hours=24)
_OPEN: Final = ("queued", "accepted", "downloading", "downloaded", "installing")


class FirmwareStatus(StrEnum):
    """How far a job came."""

    QUEUED = "queued"
    ACCEPTED = "accepted"
    DOWNLOADING = "downloading"
    DOWNLOADED = "downloaded"
    INSTALLING = "installing"
    INSTALLED = "installed"
    FAILED = "failed"
    REJECTED = "rejected"
    TIMED_OUT = "timed_out"
    EXPIRED = "expired"
    REPLACED = "replaced"


class FirmwareEffect(StrEnum):
    """Whether the charger has booted with another version since."""

    NONE = "none"
    PENDING = "pending"
    OBSERVED = "observed"
    NO_EFFECT = "no_effect"


class FirmwareFile(Record):
    """A file of firmware."""

    id: str = Field(description="Identifier (UUID).")
    cpo_id: str = Field(description="CPO that owns it.")
    name: str = Field(description="File name.")
    vendor: str | None = Field(description="Vendor of the chargers it is for.")
    model: str | None = Field(description="Model of the chargers it is for.")
    version: str = Field(description="Version, as the charger will call it after the update.")
    size_bytes: int = Field(description="Size in bytes.")
    sha256: str = Field(description="SHA-256 of the content, hexadecimal.")
    uploaded_by_name: str | None = Field(description="Who uploaded it.")
    created_at: datetime = Field(description="When it was uploaded (UTC).")


class FirmwareJob(Record):
    """An update of one charger, from the command to the boot with the new version."""

    id: str = Field(description="Identifier (UUID).")
    cpo_id: str | None = Field(description="CPO of the charger.")
    charger_id: str = Field(description="OCPP identity of the charger.")
    command_id: str = Field(description="Command UpdateFirmware or SignedUpdateFirmware.")
    signed: bool = Field(description="Whether it is a signed update (security extension).")
    request_id: int | None = Field(description="Number on the wire, of signed updates.")
    firmware_file_id: str | None = Field(description="The file, if it is one of the platform's.")
    location: str | None = Field(description="Where the charger fetches it; the secret part of our links is hidden.")
    retrieve_at: datetime | None = Field(description="When the charger shall fetch it (UTC).")
    status: FirmwareStatus = Field(
        description="`queued`, `accepted`, `downloading`, `downloaded`, `installing`, `installed`; or `failed`, "
        "`rejected`, `timed_out`, `expired` (never sent), `replaced` by a later job."
    )
    reported: str | None = Field(description="The charger's own last word.")
    progress: list[Progress] = Field(description="What the charger reported, oldest first.")
    error: str | None = Field(description="Why it was refused.")
    version_before: str | None = Field(description="Version when the job began.")
    version_wanted: str | None = Field(description="Version of the file.")
    version_after: str | None = Field(description="Version that the charger told when it booted.")
    effect: FirmwareEffect = Field(description="`observed` once the charger booted with another version.")
    effect_at: datetime | None = Field(description="When that was (UTC).")
    link_expires_at: datetime | None = Field(
        description="Until when our link leads to the file (UTC), unless the job ends before: half an hour from the "
        "moment when the whole file had left."
    )
    fetches: int = Field(description="How often the link was followed.")
    fetched_at: datetime | None = Field(description="When it was followed last (UTC).")
    deadline_at: datetime = Field(description="When the job times out (UTC).")
    requested_by_name: str | None = Field(description="Who asked.")
    created_at: datetime = Field(description="When it was asked (UTC).")
    updated_at: datetime = Field(description="Last news (UTC).")


@dataclass(frozen=True, slots=True)
class Update:
    """What shall be installed: one of the platform's files, or a location given by hand. `signature`: signed update."""

    firmware_file_id: str | None = None
    location: str | None = None
    retrieve_at: datetime | None = None
    certificate: str | None = None
    signature: str | None = None
    retries: int | None = None


class Firmware:
    """Keeps files and starts jobs."""

    def __init__(
        self, database: Database, cpos: Cpos, chargers: Chargers, storage: Storage, rules: FileRules,
        now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._database = database
        self._cpos = cpos
        self._chargers = chargers
        self._storage = storage
        self._rules = rules
        self._now = now

    async def files(self, scope: Scope, page: PageRequest) -> Page[FirmwareFile]:
        """Newest first."""
        order = [("created_at", "desc"), ("id", "desc")]
        return await select_page(
            self._database, "firmware_files", FirmwareFile, page, scope=scope, where=own_rows(scope), order=order
        )

    async def file(self, scope: Scope, file_id: str) -> FirmwareFile:
        """One file. Raises NotFound (`firmware_file_not_found`), also for a foreign one."""
        return FirmwareFile.model_validate(await self._row(scope, file_id, FirmwareFile.columns()))

    async def upload(
        self, caller: Caller, facts: Mapping[str, Any], cpo_id: str | None, chunks: AsyncIterator[bytes]
    ) -> FirmwareFile:
        """Keeps a file. `facts`: name, version, vendor, model.

        Raises NotFound (`cpo_not_found`), InvalidInput (`cpo_required`, `empty_file`), FileTooLarge, StorageFull,
        StorageUnavailable.
        """
        chosen = cpo_id or caller.scope.cpo_id
        if chosen is None:
            detail = "A file belongs to a CPO; say which."
            raise InvalidInput(detail, code="cpo_required", members=[("cpo_id", detail)])
        cpo = await self._cpos.get(caller.scope, chosen)
        content = content_name("firmware")
        kept = await self._storage.write(content, chunks, self._rules.firmware_limit)
        if not kept.size_bytes:
            await self._storage.delete(content)
            raise InvalidInput("The file is empty.", code="empty_file")
        row = {**facts, "name": shown_name(facts["name"]) or "firmware.bin", "cpo_id": cpo.id, "content_name": content,
               "size_bytes": kept.size_bytes, "sha256": kept.sha256, "uploaded_by_name": caller.name}  # fmt: skip
        # As the platform: whoever could write this table would choose whose content is read.
        rows = await self._database.insert(
            "firmware_files", [row], scope=caller.as_platform, columns=FirmwareFile.columns()
        )
        return FirmwareFile.model_validate(rows[0])

    async def delete(self, caller: Caller, file_id: str) -> None:
        """Removes a file. Raises NotFound (`firmware_file_not_found`), Conflict (`firmware_file_in_use`)."""
        row = await self._row(caller.scope, file_id, "content_name")
        open_jobs = [("firmware_file_id", "eq", file_id), ("status", "in", list(_OPEN))]
        if await self._database.select("firmware_jobs", scope=SYSTEM, columns="id", where=open_jobs, limit=1):
            raise Conflict("A job that is not finished needs this file.", code="firmware_file_in_use")
        await self._database.delete(
            "firmware_files", scope=caller.as_platform, where=[("id", "eq", file_id)], columns="id"
        )
        await self._storage.delete(row["content_name"])

    async def start(self, caller: Caller, charger_id: str, update: Update, delivery: Delivery) -> FirmwareJob:
        """Asks a charger to install firmware.

        Raises NotFound (`charger_not_found`; `firmware_file_not_found`, also for a file of another CPO),
        ChargerOffline, Conflict (`idempotency_conflict`).
        """
        charger = await self._chargers.get(caller.scope, charger_id)
        retrieve_at = update.retrieve_at or self._now()
        location, facts = update.location, {}
        if update.firmware_file_id is not None:
            file = await self.file(caller.scope, update.firmware_file_id)
            if file.cpo_id != charger.cpo_id:
                raise _no_file()
            token = new_token()
            location = f"{self._rules.public_url}/files/firmware/{token}/{_plain(file.name)}"
            begin = max(retrieve_at, self._now() + timedelta(seconds=delivery.lifetime_s))
            facts = {"firmware_file_id": file.id, "token_hash": token_hash(token),
                     "link_expires_at": (begin + LINK_LIFE).isoformat()}  # fmt: skip
        action = "SignedUpdateFirmware" if update.signature else "UpdateFirmware"
        job_id = await create_job(
            self._database, caller, charger_id, action, _payload(update, str(location), retrieve_at), facts, delivery
        )
        return await self.job(caller.scope, job_id)

    async def jobs(self, scope: Scope, page: PageRequest, charger_id: str) -> Page[FirmwareJob]:
        """Of a charger, newest first. Raises NotFound (`charger_not_found`)."""
        await self._chargers.get(scope, charger_id)
        where = [("charger_id", "eq", charger_id), *own_rows(scope)]
        order = [("created_at", "desc"), ("id", "desc")]
        return await select_page(
            self._database, "firmware_jobs", FirmwareJob, page, scope=scope, where=where, order=order
        )

    async def job(self, scope: Scope, job_id: str) -> FirmwareJob:
        """One job. Raises NotFound (`job_not_found`), also for a foreign one."""
        where = [("id", "eq", job_id), *own_rows(scope)]
        columns = FirmwareJob.columns()
        rows = await self._database.select("firmware_jobs", scope=scope, columns=columns, where=where, limit=1)
        if not rows:
            raise NotFound("There is no such job.", code="job_not_found")
        return FirmwareJob.model_validate(rows[0])

    async def _row(self, scope: Scope, file_id: str, columns: str) -> dict[str, Any]:
        where: list[Condition] = [("id", "eq", file_id), *own_rows(scope)]
        rows = await self._database.select("firmware_files", scope=scope, columns=columns, where=where, limit=1)
        if not rows:
            raise _no_file()
        return rows[0]


def _payload(update: Update, location: str, retrieve_at: datetime) -> dict[str, Any]:
    """UpdateFirmware (OCPP 1.6 §6.19) or SignedUpdateFirmware (whitepaper §5.22), whose number the database gives."""
    moment = retrieve_at.isoformat().replace("+00:00", "Z")
    more = {} if update.retries is None else {"retries": update.retries}
    if not update.signature:
        return {"location": location, "retrieveDate": moment, **more}
    firmware = {"location": location, "retrieveDateTime": moment, "signingCertificate": update.certificate,
                "signature": update.signature}  # fmt: skip
    return {"requestId": 0, "firmware": firmware, **more}


def _plain(name: str) -> str:
    """A name that stands in a URL as it is."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


def _no_file() -> NotFound:
    return NotFound("There is no such file of firmware.", code="firmware_file_not_found")
