"""A running server with a TLS port, its authority, and chargers' keys and certificates for tests."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from backend.database import SYSTEM, Database
from backend.ocpp_server import tls_port
from backend.ocppj.server import Pace
from backend.services.outbox import Outbox
from backend.services.pki import signing
from backend.services.pki.authority import Authority
from backend.services.pki.issuing import Issuing
from backend.services.pki.signing import Signer
from backend.services.vault import Vault
from backend.settings import Settings
from tests.flows.raw import RawCharger, plugged
from tests.flows.running import Running, running

ORGANIZATION = "Flows"  # the CPO of `running`


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A charger's key."""
    return ec.generate_private_key(ec.SECP256R1())


def request_for(key: Any, *names: str, organization: str | None = ORGANIZATION) -> str:
    """A certificate signing request with these common names, PEM."""
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names]
    if organization:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    signed = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(parts)).sign(key, hashes.SHA256())
    return signed.public_bytes(signing.serialization.Encoding.PEM).decode()


class Identity:
    """A client certificate and its key in one file, as a charger holds it."""

    def __init__(self, folder: Path, certificate: x509.Certificate, key: Any, chain: str = "") -> None:
        self.certificate = certificate
        self.path = folder / f"{certificate.serial_number:x}.pem"
        self.path.write_text(signing.key_pem(key) + signing.pem_of(certificate) + chain)


class Secured:
    """`platform` beside its TLS port."""

    def __init__(self, platform: Running, folder: Path) -> None:
        self.platform, self.folder = platform, folder
        self.authority = Authority(platform.database, Vault(platform.settings.secret_key), now)
        self.issuing = Issuing(platform.database, self.authority, now)
        self.outbox = Outbox(platform.database)
        self.outbox.react("certificate.requested", self.issuing.answer_requests)
        self.outbox.react("certificate.installed", self.issuing.keep_installed)

    async def context(self, identity: Identity | None = None, **limits: Any) -> ssl.SSLContext:
        """What a charger that trusts the platform's root uses; `limits` are attributes of the context."""
        context = ssl.create_default_context(cadata=await self.authority.root_pem())
        if identity is not None:
            context.load_cert_chain(identity.path)
        for name, value in limits.items():
            setattr(context, name, value)
        return context

    async def plugged(
        self, path: str, identity: Identity | None = None, *, context: ssl.SSLContext | None = None, **options: Any
    ) -> AbstractAsyncContextManager[RawCharger]:
        """A socket over TLS."""
        url = f"wss://localhost:{self.platform.server.tls_port}/{path}"
        return plugged(url, ssl=context or await self.context(identity), host="127.0.0.1", **options)

    async def certified(self, charger_id: str, *, name: str | None = None, days: int = 10) -> Identity:
        """A charger's certificate of the platform's authority, known to the platform as installed."""
        issuer, key = await self.authority.issuing(), new_key()
        signed = client_certificate(issuer, key, name or charger_id, days=days)
        row = signing.describe("ChargePointCertificate", signed, issuer.certificate)
        arguments = {"p_charger_id": charger_id, "p_certificate": row, "p_state": "installed", "p_command_id": None}
        await self.platform.database.call("keep_certificate", arguments, scope=SYSTEM)
        return Identity(self.folder, signed, key, issuer.pem)

    async def trusting(self, charger_id: str) -> None:
        """The charger has the root of the platform's authority, and the node has told that its port rests on it."""
        root = x509.load_pem_x509_certificate((await self.authority.root_pem()).encode())
        row = signing.describe("CentralSystemRootCertificate", root)
        arguments = {"p_charger_id": charger_id, "p_certificate": row, "p_state": "installed", "p_command_id": None}
        await self.platform.database.call("keep_certificate", arguments, scope=SYSTEM)
        await self.platform.until("select 1 from public.nodes where stats -> 'tls_certificates' is not null")

    async def work(self) -> None:
        """What the worker does within a second."""
        await self.outbox.relay()


def client_certificate(
    issuer: Signer, key: Any, *names: str, days: int = 10,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
) -> x509.Certificate:  # fmt: skip
    """Any certificate an authority may sign; with negative `days` it ended so long ago."""
    ends = now() + timedelta(days=days)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer.certificate.subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(min(now(), ends) - timedelta(days=1)).not_valid_after(ends)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


@asynccontextmanager
async def secured(
    database: Database, settings: Settings, dsn: str, folder: Path, *, pace: Pace | None = None
) -> AsyncIterator[Secured]:
    """As `running`, with a TLS port certified by the platform's own authority."""
    wanted = settings.model_copy(update={"ocpp_tls_port": 0})
    async with running(database, wanted, dsn, pace=pace, tls=await tls_port(database, wanted)) as platform:
        yield Secured(platform, folder)
