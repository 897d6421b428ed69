"""TLS of the OCPP port: the suites of the security whitepaper, and what a client certificate says."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
import tempfile
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from backend.domain.errors import DomainError, InvalidInput
from backend.services.pki.authority import ServerPair
from backend.services.pki.serving import PairSource

log = logging.getLogger(__name__)

# The four that a central system must offer (whitepaper §2.2), and for an RSA key their forward-secret kin first.
SUITES: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
)
_LOOK_EVERY_S: Final = 600.0


class PeerCertificate(NamedTuple):
    """A client certificate whose chain holds. `fingerprint`: SHA-256 of its DER form, hexadecimal."""

    names: tuple[str, ...]
    fingerprint: str


class TlsPort:
    """A port that speaks TLS 1.2 or newer. `roots_pem`: what client certificates must rest on."""

    def __init__(self, port: int, roots_pem: str, source: PairSource) -> None:
        self.port = port
        self.context = client_checking_context(roots_pem)
        self._source = source

    async def load(self) -> None:
        """Takes up new server certificates, for the handshakes to come. Raises InvalidInput if they cannot be used."""
        if pairs := await self._source.fresh():
            load_pairs(self.context, pairs)

    async def keep_fresh(self) -> None:
        """Looks for new ones now and then, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                await self.load()
            except DomainError as error:
                log.warning("the OCPP port keeps its former certificate: %s", error.detail)


def client_checking_context(roots_pem: str) -> ssl.SSLContext:
    """A client may show a certificate; then it must rest on `roots_pem`, be made for clients, and be in its time, else
    the TLS handshake ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(SUITES))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.load_verify_locations(cadata=roots_pem)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def load_pairs(context: ssl.SSLContext, pairs: Iterable[ServerPair]) -> None:
    """One pair per kind of key. Raises InvalidInput for a certificate or key that cannot be used."""
    for pair in pairs:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # the library reads files alone; mode 0600
            file.write(f"{pair.key_pem}\n{pair.chain_pem}\n")
            file.flush()
            try:
                context.load_cert_chain(file.name)
            except ssl.SSLError as error:
                raise InvalidInput(f"The TLS certificate of the OCPP port cannot be used: {error.reason}") from error


def peer_certificate(ssl_object: ssl.SSLObject | None) -> PeerCertificate | None:
    """What the other end showed; None without TLS, or without a certificate."""
    der = ssl_object.getpeercert(binary_form=True) if ssl_object is not None else None
    if ssl_object is None or der is None:
        return None
    told: dict[str, Any] = ssl_object.getpeercert() or {}
    names = tuple(value for relative in told.get("subject", ()) for name, value in relative if name == "commonName")
    return PeerCertificate(names, hashlib.sha256(der).hexdigest())
