"""Keys and certificates of one charger (security whitepaper §4.3): its own, the roots it trusts, and what it signs.

Validity is judged by the real present, not by simulated time: certificates are issued in the present.
"""

from __future__ import annotations

import hashlib
import itertools
import ssl
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from simulator.configuration import Configuration

CENTRAL = "CentralSystemRootCertificate"
MANUFACTURER = "ManufacturerRootCertificate"
HASHES = {"SHA256": hashlib.sha256, "SHA384": hashlib.sha384, "SHA512": hashlib.sha512}


class Untrusted(Exception):
    """A certificate or signature that is not believed; the text says why."""


@dataclass(slots=True)
class Vault:
    """`roots` by use; `key` and `chain` are the charger's own certificate, `pending` the key of a request under way.

    `ca_file` is trusted besides the installed roots; `check_hostname` False for servers reached under another name.
    """

    identity: str
    configuration: Configuration
    ca_file: Path | None = None
    check_hostname: bool = True
    roots: dict[str, list[x509.Certificate]] = field(default_factory=dict)
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None
    chain: list[x509.Certificate] = field(default_factory=list)
    pending: ec.EllipticCurvePrivateKey | None = None

    # --- roots ------------------------------------------------------------------------------------------

    def install(self, use: str, pem: str) -> str:
        """InstallCertificate: Accepted; Rejected for what is no valid root, or when the store is full."""
        try:
            certificate = _only(pem)
            _check_valid(certificate)
            certificate.verify_directly_issued_by(certificate)
        except (Untrusted, ValueError, TypeError, InvalidSignature):
            return "Rejected"
        rows = self.roots.setdefault(use, [])
        if certificate in rows:
            return "Accepted"
        if sum(map(len, self.roots.values())) >= self.configuration.number("CertificateStoreMaxLength"):
            return "Rejected"
        rows.append(certificate)
        return "Accepted"

    def installed(self, use: str) -> list[dict[str, str]]:
        """GetInstalledCertificateIds: hash data of the roots of one use."""
        return [hash_data(row) for row in self.roots.get(use, [])]

    def delete(self, wanted: dict[str, str]) -> str:
        """DeleteCertificate: Accepted, NotFound, or Failed for the root the present connection rests on."""
        kind = wanted.get("hash_algorithm", "SHA256")
        asked = {name: value.lower().lstrip("0") for name, value in wanted.items()}
        for use, rows in self.roots.items():
            for row in rows:
                if {name: value.lower().lstrip("0") for name, value in hash_data(row, kind).items()} == asked:
                    return self._remove(use, row)
        return "NotFound"

    def _remove(self, use: str, row: x509.Certificate) -> str:
        last = use == CENTRAL and len(self.roots[use]) == 1 and self.ca_file is None
        if last and self.configuration.number("SecurityProfile") >= 2:
            return "Failed"
        self.roots[use].remove(row)
        return "Accepted"

    # --- its own certificate ----------------------------------------------------------------------------

    def request(self) -> str:
        """A certificate request (PEM) with a new key: the identity is the common name, the CPO the organisation."""
        self.pending = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.COMMON_NAME, self.identity)]
        if operator := self.configuration.text("CpoName"):
            names.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, operator))
        built = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
        signed = built.sign(self.pending, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()

    def accept(self, chain_pem: str) -> None:
        """CertificateSigned: take the chain for the key of the last request. Raises Untrusted with the reason."""
        if len(chain_pem) > self.configuration.number("CertificateSignedMaxChainSize"):
            raise Untrusted("the chain is too long")
        if self.pending is None:
            raise Untrusted("nothing was asked for")
        chain = _all(chain_pem)
        own = chain[0]
        _check_valid(own)
        if own.public_key() != self.pending.public_key():
            raise Untrusted("it is not for the key of the request")
        if common_name(own) != self.identity:
            raise Untrusted("it bears another identity")
        roots = [*self.roots.get(CENTRAL, []), *self._file_roots()]
        if roots:
            _check_chain(chain, roots)
        self.key, self.chain, self.pending = self.pending, chain, None

    def adopt(self, certificate: Path, key: Path) -> None:
        """Begin with a certificate and a key from files (PEM, the key without a passphrase)."""
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
            raise Untrusted("only EC and RSA keys are used here")
        self.key, self.chain = loaded, _all(certificate.read_text())

    # --- what others signed -----------------------------------------------------------------------------

    def check_signer(self, pem: str) -> x509.Certificate:
        """The firmware's signing certificate; must be valid and, where a maker's root is installed, come from it."""
        signer = _only(pem)
        _check_valid(signer)
        roots = self.roots.get(MANUFACTURER, [])
        if roots:
            _check_chain([signer], roots)
        return signer

    # --- TLS --------------------------------------------------------------------------------------------

    def ssl_context(self) -> ssl.SSLContext:
        """Trusts the central system's roots and `ca_file`; shows the charger's own certificate if it has one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = self.check_hostname
        if roots := [*self.roots.get(CENTRAL, []), *self._file_roots()]:
            context.load_verify_locations(cadata=_pem(roots))
        else:
            context.load_default_certs()
        if self.key:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "own.pem"
                path.touch(mode=0o600)
                path.write_text(_key_pem(self.key) + _pem(self.chain))
                context.load_cert_chain(path)
        return context

    def _file_roots(self) -> list[x509.Certificate]:
        return x509.load_pem_x509_certificates(self.ca_file.read_bytes()) if self.ca_file else []


def hash_data(certificate: x509.Certificate, kind: str = "SHA256") -> dict[str, str]:
    """`certificateHashData` (whitepaper §5.2, after RFC 6960) of a root, whose issuer is itself."""
    digest = HASHES.get(kind, hashlib.sha256)
    key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {
        "hash_algorithm": kind,
        "issuer_name_hash": digest(certificate.issuer.public_bytes()).hexdigest(),
        "issuer_key_hash": digest(_key_bits(key)).hexdigest(),
        "serial_number": f"{certificate.serial_number:x}",
    }


def _key_bits(info: bytes) -> bytes:
    """The key proper within a DER SubjectPublicKeyInfo: the content of its BIT STRING, without the count of
    unused bits.
    """
    _outer, body, _rest = _read_der(info)
    _algorithm, _value, rest = _read_der(body)
    _tag, bits, _rest = _read_der(rest)
    return bits[1:]


def _read_der(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag, content and what follows."""
    size, start = data[1], 2
    if size & 0x80:
        count = size & 0x7F
        size, start = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
    return data[0], data[start : start + size], data[start + size :]


def verify(data: bytes, signature: bytes, signer: x509.Certificate) -> None:
    """Whether `signer` signed the SHA-256 of `data` (ECDSA, RSA-PSS or PKCS #1 v1.5). Raises Untrusted."""
    key = signer.public_key()
    sha = hashes.SHA256()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(sha))
        elif isinstance(key, rsa.RSAPublicKey):
            _verify_rsa(key, data, signature)
        else:
            raise Untrusted("only EC and RSA signatures are known here")
    except InvalidSignature as error:
        raise Untrusted("the signature is not of this file") from error


def _verify_rsa(key: rsa.RSAPublicKey, data: bytes, signature: bytes) -> None:
    sha = hashes.SHA256()
    try:
        key.verify(signature, data, padding.PSS(padding.MGF1(sha), padding.PSS.AUTO), sha)
    except InvalidSignature:
        key.verify(signature, data, padding.PKCS1v15(), sha)


def common_name(certificate: x509.Certificate) -> str:
    """The common name of its subject; empty without one."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _all(pem: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise Untrusted("it is no certificate") from error


def _only(pem: str) -> x509.Certificate:
    return _all(pem)[0]


def _check_valid(certificate: x509.Certificate) -> None:
    if not certificate.not_valid_before_utc <= datetime.now(UTC) <= certificate.not_valid_after_utc:
        raise Untrusted("it is not valid now")


def _check_chain(chain: list[x509.Certificate], roots: Iterable[x509.Certificate]) -> None:
    """Each certificate must come from the next, the last from a root or be one."""
    for child, parent in itertools.pairwise(chain):
        if not _issued(child, parent):
            raise Untrusted("its chain is broken")
    if not any(chain[-1] == root or _issued(chain[-1], root) for root in roots):
        raise Untrusted("it comes from an unknown authority")


def _issued(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _pem(certificates: Iterable[x509.Certificate]) -> str:
    return "".join(row.public_bytes(serialization.Encoding.PEM).decode() for row in certificates)


def _key_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
