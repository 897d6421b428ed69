"""A certificate authority for tests: roots, certificates of chargers, signatures; keys on P-256."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """A self-signed root and its key."""

    def __init__(self, name: str, *, begins_in: timedelta = -DAY, lasts: timedelta = 3650 * DAY) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name(name)
        begins = datetime.now(UTC) + begins_in
        built = _certificate(self.name, self.name, self.key.public_key(), begins, begins + lasts)
        built = built.add_extension(x509.BasicConstraints(True, None), critical=True)
        self.certificate = built.sign(self.key, hashes.SHA256())

    @property
    def pem(self) -> str:
        """The root."""
        return pem(self.certificate)

    def sign(self, data: bytes) -> bytes:
        """ECDSA over the SHA-256 of the data."""
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))

    def issue(self, request_pem: str, *, common_name: str | None = None, lasts: timedelta = 365 * DAY) -> str:
        """A certificate (PEM) for a request; another `common_name` than asked for if given."""
        request = x509.load_pem_x509_csr(request_pem.encode())
        assert request.is_signature_valid
        subject = _name(common_name) if common_name else request.subject
        begins = datetime.now(UTC) - DAY
        built = _certificate(subject, self.name, request.public_key(), begins, begins + lasts)
        return pem(built.sign(self.key, hashes.SHA256()))


def pem(certificate: x509.Certificate) -> str:
    """As text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: object, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
