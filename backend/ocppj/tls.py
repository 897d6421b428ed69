"""TLS of the OCPP port: the suites of the security whitepaper, what a client certificate says, why one is refused."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
import tempfile
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID

from backend.domain.errors import DomainError, InvalidInput
from backend.services.pki import chains
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

# Why a handshake failed, in the words of `gate_refusals`: by OpenSSL's verdict on the client's certificate …
_VERDICTS: Final = {
    9: "certificate_early", 10: "certificate_expired", 2: "certificate_untrusted", 7: "certificate_untrusted",
    18: "certificate_untrusted", 19: "certificate_untrusted", 20: "certificate_untrusted", 21: "certificate_untrusted",
}  # fmt: skip
# … or by its name of the error. An alert tells what the other end thinks of our certificate.
_ERRORS: Final = {
    "UNSUPPORTED_PROTOCOL": "tls_version",
    "VERSION_TOO_LOW": "tls_version",
    "TLSV1_ALERT_PROTOCOL_VERSION": "tls_version",
    "NO_SHARED_CIPHER": "tls_suites",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "tls_suites",
    "NO_SHARED_SIGNATURE_ALGORITHMS": "tls_suites",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "tls_suites",
    "TLSV1_ALERT_UNKNOWN_CA": "platform_untrusted",
    "SSLV3_ALERT_BAD_CERTIFICATE": "platform_untrusted",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "platform_untrusted",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "platform_untrusted",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "platform_untrusted",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "platform_untrusted",
    "HTTP_REQUEST": "not_tls",
}
_TLS_1_3: Final = 0x0304
_HANDSHAKE, _CERTIFICATE = 22, 11  # a record's kind, a message's kind (RFC 8446 §5.1, §4)


class PeerCertificate(NamedTuple):
    """A client certificate whose chain holds. `fingerprint`: SHA-256 of its DER form, hexadecimal."""

    names: tuple[str, ...]
    fingerprint: str


class Handshake(ssl.SSLObject):
    """A server's TLS session that keeps the Certificate message of the client until it is over: of a certificate that
    is refused, OpenSSL tells nothing afterwards."""

    message = b""
    tls_1_3 = False

    @property
    def claimed(self) -> str | None:
        """The common name in the certificate that was shown, proven or not; None without one such name."""
        try:
            shown = x509.load_der_x509_certificate(_first_certificate(self.message, self.tls_1_3))
            [name] = shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        except Exception:  # whatever strangers put into it: then it names nobody
            return None
        return str(name.value) if str(name.value).isprintable() else None


def _first_certificate(message: bytes, tls_1_3: bool) -> bytes:
    """DER, out of a Certificate message (RFC 5246 §7.4.2, RFC 8446 §4.4.2); empty if there is none."""
    start = 4 + (1 + message[4] if tls_1_3 and len(message) > 4 else 0) + 3
    end = start + 3 + int.from_bytes(message[start : start + 3])
    return message[start + 3 : end]


def _keep_certificate(
    connection: Handshake, direction: str, version: int, content: int, kind: int, data: bytes
) -> None:
    """Called by the library with each message of a handshake."""
    if direction == "read" and content == _HANDSHAKE and kind == _CERTIFICATE:
        connection.message, connection.tls_1_3 = bytes(data), version == _TLS_1_3


def refusal_reason(error: ssl.SSLError) -> str:
    """Why a handshake failed, as `gate_refusals` names it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERDICTS.get(error.verify_code, "certificate_unfit")
    return _ERRORS.get(error.reason or "", "tls_broken")


class TlsPort:
    """A port that speaks TLS 1.2 or newer. `roots_pem`: what client certificates must rest on. `served`: what it
    certifies itself with, as `chains.served` tells it."""

    def __init__(self, port: int, roots_pem: str, source: PairSource) -> None:
        self.port = port
        self.context = client_checking_context(roots_pem)
        self.served: list[dict[str, Any]] = []
        self._source, self._roots_pem = source, roots_pem

    async def load(self) -> None:
        """Takes up new server certificates, for the handshakes to come. Raises InvalidInput if they cannot be used."""
        if pairs := await self._source.fresh():
            load_pairs(self.context, pairs)
            self.served = chains.served(pairs, self._roots_pem)
            for one in self.served:
                if one["root"] is None:
                    log.warning("no charger can be raised to TLS: the root %s is not in the files of "
                                "UNIEV_OCPP_TLS_CERT; append it there", one["issuer"])  # fmt: skip

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
    context.sslobject_class = Handshake
    context._msg_callback = _keep_certificate  # type: ignore[attr-defined]  # of the library, though not in its manual
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
