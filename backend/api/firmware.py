"""Firmware: files of a CPO, and jobs that bring them to chargers."""

from __future__ import annotations

from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field, model_validator

from backend.api.actions.payload import Location
from backend.api.actions.security import Pem
from backend.api.bodies import Body, ChargerId, Moment, Name, ShortText, Uuid, UuidPath
from backend.api.commands import DeliveryOptions, IdempotencyKey
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.commands import Delivery
from backend.services.firmware import FirmwareFile, FirmwareJob, Update

router = APIRouter(prefix="/api", tags=["firmware"])
Reader = Annotated[Caller, Depends(allow(Permission.FIRMWARE_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.FIRMWARE_WRITE))]
Sender = Annotated[Caller, Depends(allow(Permission.COMMANDS_SEND))]

Version = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[ -~]+$")]
_CONTENT = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary", "minLength": 1}}},
    }
}


class Signed(Body):
    """What makes an update a signed one (security whitepaper, L01)."""

    certificate: Pem = Field(description="Certificate of the maker, PEM.")
    signature: Annotated[str, Field(min_length=1, max_length=800)] = Field(description="Signature, Base64.")


class NewFirmwareJob(Body):
    """What shall be installed: exactly one of `firmware_file_id` and `location`."""

    firmware_file_id: Uuid | None = Field(default=None, description="One of the CPO's files; the platform serves it.")
    location: Location | None = Field(default=None, description="Any URL by hand, also FTP; passed as given.")
    retrieve_at: Moment | None = Field(default=None, description="When to fetch it; null: now.")
    retries: Annotated[int, Field(ge=0, le=100)] | None = Field(default=None, description="How often to try again.")
    signed: Signed | None = Field(default=None, description="Makes it a SignedUpdateFirmware.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.firmware_file_id is None) == (self.location is None):
            raise ValueError("name the firmware by firmware_file_id or by location")
        return self

    def update(self) -> Update:
        """As the service takes it."""
        signed = self.signed
        return Update(
            self.firmware_file_id, self.location, self.retrieve_at, signed.certificate if signed else None,
            signed.signature if signed else None, self.retries,
        )  # fmt: skip


@router.get("/firmware-files", summary="List files of firmware")
async def list_firmware_files(
    services: Services, caller: Reader, page: Annotated[Paging, Depends()]
) -> ItemList[FirmwareFile]:
    """Newest first."""
    return page.answer(await services.firmware.files(caller.scope, page.request))


@router.post(
    "/firmware-files", summary="Upload a file of firmware", status_code=201, responses=responses(404, 503, 507),
    openapi_extra=_CONTENT,
)  # fmt: skip
async def upload_firmware_file(
    services: Services,
    caller: Writer,
    request: Request,
    name: Annotated[Name, Query(description="File name.")],
    version: Annotated[Version, Query(description="Version, as the charger will call it after the update.")],
    vendor: Annotated[ShortText | None, Query(description="Vendor of the chargers it is for.")] = None,
    model: Annotated[ShortText | None, Query(description="Model of the chargers it is for.")] = None,
    cpo_id: Annotated[Uuid | None, Query(description="CPO; needed from EMSV staff, else your own.")] = None,
) -> FirmwareFile:
    """The body is the content, as it is. Its size is bounded by a setting (413 `file_too_large`)."""
    facts = {"name": name, "version": version, "vendor": vendor, "model": model}
    return await services.firmware.upload(caller, facts, cpo_id, request.stream())


@router.get("/firmware-files/{file_id}", summary="Read a file of firmware", responses=responses(404))
async def read_firmware_file(services: Services, caller: Reader, file_id: UuidPath) -> FirmwareFile:
    """What is known of a file."""
    return await services.firmware.file(caller.scope, file_id)


@router.delete(
    "/firmware-files/{file_id}",
    summary="Delete a file of firmware",
    status_code=204,
    responses=responses(404, 409, 503),
)
async def delete_firmware_file(services: Services, caller: Writer, file_id: UuidPath) -> None:
    """Deletes a file that no unfinished job needs; another answers 409 `firmware_file_in_use`."""
    await services.firmware.delete(caller, file_id)


@router.post(
    "/chargers/{charger_id}/firmware-jobs", summary="Update the firmware of a charger", status_code=202,
    responses=responses(404, 409),
)  # fmt: skip
async def start_firmware_job(
    services: Services,
    caller: Sender,
    charger_id: ChargerId,
    body: NewFirmwareJob,
    options: Annotated[DeliveryOptions, Depends()],
    idempotency_key: IdempotencyKey = None,
) -> FirmwareJob:
    """Gives the charger a link of its own to the file, and asks it to install what is there."""
    delivery = Delivery(bool(options.queue), options.expires_in_s, idempotency_key)
    return await services.firmware.start(caller, charger_id, body.update(), delivery)


@router.get("/chargers/{charger_id}/firmware-jobs", summary="List firmware jobs of a charger", responses=responses(404))
async def list_firmware_jobs(
    services: Services, caller: Reader, charger_id: ChargerId, page: Annotated[Paging, Depends()]
) -> ItemList[FirmwareJob]:
    """Newest first, also those that began as a plain command."""
    return page.answer(await services.firmware.jobs(caller.scope, page.request, charger_id))


@router.get("/firmware-jobs/{job_id}", summary="Read a firmware job", responses=responses(404))
async def read_firmware_job(services: Services, caller: Reader, job_id: UuidPath) -> FirmwareJob:
    """One job: its status, the charger's reports, and whether it booted with another version."""
    return await services.firmware.job(caller.scope, job_id)
