"""Certificates of chargers, and the platform's authority that signs them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from backend.api.bodies import ChargerId, UuidPath
from backend.api.commands import CommandAnswer, DeliveryOptions, IdempotencyKey
from backend.api.dependencies import Services, allow
from backend.api.paging import ItemList, Paging
from backend.api.problems import responses
from backend.domain.caller import Caller
from backend.domain.roles import Permission
from backend.services.pki.certificates import Certificate
from backend.services.pki.ending import CertificateEnd

router = APIRouter(prefix="/api", tags=["certificates"])
Reader = Annotated[Caller, Depends(allow(Permission.CHARGERS_READ))]
Writer = Annotated[Caller, Depends(allow(Permission.CHARGERS_WRITE))]
Sender = Annotated[Caller, Depends(allow(Permission.COMMANDS_SEND))]


class PemResponse(Response):
    """A PEM file."""

    media_type = "application/x-pem-file"


class CertificateList(BaseModel):
    """All of a charger's certificates."""

    items: list[Certificate] = Field(description="Newest first.")


@router.get("/chargers/{charger_id}/certificates", summary="List a charger's certificates", responses=responses(404))
async def list_certificates(services: Services, caller: Reader, charger_id: ChargerId) -> CertificateList:
    """Its own ones, and the roots that it was given."""
    return CertificateList(items=await services.certificates.of_charger(caller.scope, charger_id))


@router.post(
    "/chargers/{charger_id}/certificates/renew",
    summary="Renew a charger's certificate",
    status_code=202,
    responses=responses(404, 409),
)
async def renew_certificate(
    services: Services,
    caller: Sender,
    charger_id: ChargerId,
    options: Annotated[DeliveryOptions, Depends()],
    idempotency_key: IdempotencyKey = None,
) -> CommandAnswer:
    """Asks the charger to make a key and request a certificate (ExtendedTriggerMessage SignChargePointCertificate); the
    signed one follows by CertificateSigned."""
    command = await services.certificates.renew(caller, charger_id, options.delivery(idempotency_key))
    return CommandAnswer(command=command)


@router.post(
    "/chargers/{charger_id}/certificates/root",
    summary="Give a charger the root certificate of the TLS port",
    status_code=202,
    responses=responses(404, 409),
)
async def install_root(
    services: Services,
    caller: Sender,
    charger_id: ChargerId,
    options: Annotated[DeliveryOptions, Depends()],
    idempotency_key: IdempotencyKey = None,
) -> CommandAnswer:
    """InstallCertificate with the root that the TLS port's certificate rests on: the one of
    `GET /api/certificate-authority`, or that of the operator's own certificate (409 `root_unknown` if its file lacks
    it)."""
    command = await services.certificates.install_root(caller, charger_id, options.delivery(idempotency_key))
    return CommandAnswer(command=command)


@router.get("/certificates", summary="List chargers' own certificates by their end")
async def list_ends(services: Services, caller: Reader, page: Annotated[Paging, Depends()]) -> ItemList[CertificateEnd]:
    """Of each charger the one that it has; those first that end soonest, or have ended."""
    return page.answer(await services.ending.soonest(caller.scope, page.request))


@router.post("/certificates/{certificate_id}/revoke", summary="Revoke a certificate", responses=responses(404, 409))
async def revoke_certificate(services: Services, caller: Writer, certificate_id: UuidPath) -> Certificate:
    """Refused from now on; a socket that came with it is closed within ten seconds."""
    return await services.certificates.revoke(caller, certificate_id)


@router.get("/certificate-authority", summary="Download the platform's root certificate", response_class=PemResponse)
async def read_authority(services: Services, caller: Reader) -> PemResponse:
    """The root that signs server and charger certificates, PEM."""
    return PemResponse(await services.authority.root_pem())


@router.get(
    "/certificate-authority/revocations",
    summary="Download the list of revoked certificates",
    response_class=PemResponse,
)
async def read_revocations(services: Services, caller: Reader) -> PemResponse:
    """Certificate revocation list of the platform's authority, PEM."""
    return PemResponse(await services.certificates.revocation_list())
