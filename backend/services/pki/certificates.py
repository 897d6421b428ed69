"""Certificates of chargers: read, bring, renew, revoke."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from backend.database import SYSTEM, Condition, Database
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, NotFound
from backend.domain.scope import Scope
from backend.services.chargers import Chargers
from backend.services.commands import Command, Commands, Delivery
from backend.services.pki import signing
from backend.services.pki.authority import Authority
from backend.services.records import Record, own_rows

OWN = "ChargePointCertificate"
_PAGE = 500


class CertificateKind(StrEnum):
    """What a certificate is for."""

    CHARGE_POINT = OWN
    CENTRAL_SYSTEM_ROOT = "CentralSystemRootCertificate"
    MANUFACTURER_ROOT = "ManufacturerRootCertificate"


class CertificateState(StrEnum):
    """Where a certificate stands."""

    ISSUED = "issued"
    INSTALLED = "installed"
    REJECTED = "rejected"
    DELETED = "deleted"
    REVOKED = "revoked"


class Certificate(Record):
    """A certificate of a charger: its own, or a root that it was given."""

    id: str = Field(description="Identifier (UUID).")
    cpo_id: str | None = Field(description="CPO of the charger.")
    charger_id: str = Field(description="OCPP identity of the charger.")
    kind: CertificateKind = Field(description="The charger's own certificate, or which root.")
    state: CertificateState = Field(
        description="`issued` (signed, the charger has not confirmed it), `installed`, `rejected` by the charger, "
        "`deleted`, `revoked`."
    )
    serial_number: str = Field(description="Serial number, hexadecimal without leading zeros.")
    subject: str | None = Field(description="Subject (RFC 4514); null if only the charger's list tells of it.")
    issuer: str | None = Field(description="Issuer (RFC 4514).")
    not_before: datetime | None = Field(description="Valid from (UTC).")
    not_after: datetime | None = Field(description="Valid until (UTC).")
    fingerprint: str | None = Field(description="SHA-256 of the DER form, hexadecimal.")
    hash_algorithm: str | None = Field(description="How the two hashes are made.")
    issuer_name_hash: str | None = Field(description="Hash of the issuer's name, as OCPP names the certificate.")
    issuer_key_hash: str | None = Field(description="Hash of the issuer's key, as OCPP names the certificate.")
    command_id: str | None = Field(description="Command that brought it to the charger.")
    created_at: datetime = Field(description="When the platform learnt of it (UTC).")
    state_at: datetime = Field(description="Since when it is in this state (UTC).")
    last_used_at: datetime | None = Field(description="Last connection with it (UTC, to the hour).")
    renewal_asked_at: datetime | None = Field(description="When the platform last asked for its renewal (UTC).")


class Certificates:
    """Reads and changes certificates in the caller's scope."""

    def __init__(
        self, database: Database, chargers: Chargers, commands: Commands, authority: Authority,
        now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._database, self._chargers = database, chargers
        self._commands, self._authority, self._now = commands, authority, now

    async def of_charger(self, scope: Scope, charger_id: str) -> list[Certificate]:
        """A charger's certificates, newest first; at most 500. Raises NotFound (`charger_not_found`)."""
        await self._chargers.get(scope, charger_id)
        return await self._select(scope, ("charger_id", "eq", charger_id))

    async def renew(self, caller: Caller, charger_id: str, delivery: Delivery) -> Command:
        """Asks the charger to request a new certificate of its own (whitepaper A02). Raises as `Commands.enqueue`."""
        payload = {"requestedMessage": "SignChargePointCertificate"}
        return await self._commands.enqueue(caller, charger_id, "ExtendedTriggerMessage", payload, delivery)

    async def install_root(self, caller: Caller, charger_id: str, delivery: Delivery) -> Command:
        """Gives the charger the root that the TLS port's certificate rests on; where no server has such a port, that of
        the platform's authority. Raises Conflict (`root_unknown`) if the platform does not have it, and as
        `Commands.enqueue`."""
        await self._chargers.get(caller.scope, charger_id)
        payload = {
            "certificateType": CertificateKind.CENTRAL_SYSTEM_ROOT.value,
            "certificate": await self._root_for(charger_id),
        }
        return await self._commands.enqueue(caller, charger_id, "InstallCertificate", payload, delivery)

    async def revoke(self, caller: Caller, certificate_id: str) -> Certificate:
        """The gate refuses it from now on; its open socket is closed within ten seconds. A revoked one stays so.

        Raises NotFound (`certificate_not_found`), Conflict (`certificate_conflict`) for a root.
        """
        before = await self._one(caller.scope, certificate_id)
        if before.kind != OWN:
            raise Conflict("A root is deleted at the charger, not revoked.", code="certificate_conflict")
        # As the platform: certificates are its own records, which people read.
        await self._database.call("revoke_certificate", {"p_certificate_id": certificate_id}, scope=caller.as_platform)
        return await self._one(caller.scope, certificate_id)

    async def revocation_list(self) -> str:
        """The authority's list of revoked certificates that have not ended yet, PEM."""
        where = [("state", "eq", "revoked"), ("kind", "eq", OWN), ("not_after", "gt", self._now())]
        rows = await self._database.select(
            "certificates", scope=SYSTEM, columns="serial_number,state_at", where=where, limit=1000
        )
        revoked = [(int(row["serial_number"], 16), datetime.fromisoformat(row["state_at"])) for row in rows]
        return signing.revocation_list(await self._authority.issuing(), revoked, self._now())

    async def _root_for(self, charger_id: str) -> str:
        root = await self._database.call("port_root", {"p_charger_id": charger_id}, scope=SYSTEM)
        if root is None:
            return await self._authority.root_pem()
        if root["pem"] is None:
            raise Conflict(
                f"The certificate of the TLS port rests on a root that the platform does not have ({root['issuer']}). "
                "Append that root's certificate to the file that UNIEV_OCPP_TLS_CERT names; it is taken up within ten "
                "minutes.", code="root_unknown",
            )  # fmt: skip
        return str(root["pem"])

    async def _one(self, scope: Scope, certificate_id: str) -> Certificate:
        found = await self._select(scope, ("id", "eq", certificate_id))
        if not found:
            raise NotFound("There is no such certificate.", code="certificate_not_found")
        return found[0]

    async def _select(self, scope: Scope, *where: Condition) -> list[Certificate]:
        rows = await self._database.select(
            "certificates", scope=scope, columns=Certificate.columns(), where=[*where, *own_rows(scope)],
            order=[("created_at", "desc"), ("id", "desc")], limit=_PAGE,
        )  # fmt: skip
        return [Certificate.model_validate(row) for row in rows]
