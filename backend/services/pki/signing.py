"""What a certificate authority does, without a database: make its keys, sign, revoke, and read certificates."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOT_DAYS: Final = 20 * 365
CHARGER_DAYS: Final = 2 * 365
SERVER_DAYS: Final = 397
_BACKDATED: Final = timedelta(hours=1)  # clocks of chargers are late
_LEAST_RSA_BITS: Final = 2048
_LEAST_CURVE_BITS: Final = 224
_ALGORITHMS: Final = {"SHA256": hashes.SHA256(), "SHA384": hashes.SHA384(), "SHA512": hashes.SHA512()}

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Unfit(Exception):
    """A request or certificate that cannot be used; the message says why, for people."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """The certificate."""
        return pem_of(self.certificate)


def pem_of(certificate: x509.Certificate) -> str:
    """PEM text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: SigningKey) -> str:
    """The unencrypted key, PEM (PKCS #8)."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def read_signer(certificate_pem: str, key_text: str) -> Signer:
    """Raises Unfit for a key that is not of an elliptic curve."""
    key = serialization.load_pem_private_key(key_text.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Unfit("The key of the authority is not of an elliptic curve.")
    return Signer(x509.load_pem_x509_certificate(certificate_pem.encode()), key)


def make_authority(now: datetime) -> tuple[Signer, Signer]:
    """A root, and beneath it the one that signs: both elliptic curve P-256."""
    root_key, issuing_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, issuing_name = _name("UNIEV Root CA", "UNIEV"), _name("UNIEV Issuing CA", "UNIEV")
    until = now + timedelta(days=ROOT_DAYS)
    root = _authority(root_name, root_key, 1, now, until).issuer_name(root_name).sign(root_key, hashes.SHA256())
    issuing = _authority(issuing_name, issuing_key, 0, now, until).issuer_name(root_name)
    issuing = issuing.add_extension(_authority_id(root), critical=False)
    return Signer(root, root_key), Signer(issuing.sign(root_key, hashes.SHA256()), issuing_key)


def sign_charger(signer: Signer, request: x509.CertificateSigningRequest, identity: str, organization: str,
                 now: datetime) -> x509.Certificate:  # fmt: skip
    """A client certificate for a checked request; nothing but the key is taken from it."""
    return _leaf(signer, request.public_key(), _name(identity, organization), now, CHARGER_DAYS,
                 ExtendedKeyUsageOID.CLIENT_AUTH, [])  # fmt: skip


def sign_server(signer: Signer, hosts: Sequence[str], now: datetime) -> list[tuple[x509.Certificate, SigningKey]]:
    """Server certificates for host names and addresses, one with an elliptic curve's key, one with RSA's."""
    keys: list[SigningKey] = [ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)]
    return [
        (_leaf(signer, key.public_key(), _name(hosts[0], "UNIEV"), now, SERVER_DAYS, ExtendedKeyUsageOID.SERVER_AUTH,
               [_host(host) for host in hosts]), key)
        for key in keys
    ]  # fmt: skip


def revocation_list(signer: Signer, revoked: Iterable[tuple[int, datetime]], now: datetime) -> str:
    """The list of revoked serial numbers, PEM, good for a week."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(signer.certificate.subject)
    builder = builder.last_update(now).next_update(now + timedelta(days=7))
    builder = builder.add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
    builder = builder.add_extension(_authority_id(signer.certificate), critical=False)
    for serial, at in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def read_request(text: str, identity: str, organization: str) -> x509.CertificateSigningRequest:
    """A charger's request, if it may be signed: PEM, its own key's signature, a strong key, one common name that is
    exactly the identity, and no organization but the CPO's (whitepaper A02, §4.1). Raises Unfit."""
    try:
        request = x509.load_pem_x509_csr(text.replace("\\n", "\n").strip().encode() + b"\n")
        valid = request.is_signature_valid
        names = [attribute.value for attribute in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        organizations = [a.value for a in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
        digest = request.signature_hash_algorithm
    except (ValueError, TypeError, InvalidSignature) as error:
        raise Unfit("The request is not a certificate signing request in PEM form.") from error
    except UnsupportedAlgorithm as error:
        raise Unfit("The request's key or signature is of a kind that is not known here.") from error
    if not valid or isinstance(digest, hashes.SHA1 | hashes.MD5):
        raise Unfit("The request's signature does not hold.")
    _check_strength(request)
    if names != [identity]:
        raise Unfit("The common name is not the charger's identity.")
    if organizations not in ([], [organization[:64]]):
        raise Unfit("The organization is not the CPO's name.")
    return request


def describe(kind: str, certificate: x509.Certificate, issuer: x509.Certificate | None = None) -> dict[str, Any]:
    """A row of `certificates`: names, validity, and the hashes by which OCPP names it (CertificateHashDataType). The
    issuer's key is known of a root, which is its own issuer, and of what comes with its issuer."""
    issuing = issuer or (certificate if certificate.issuer == certificate.subject else None)
    return {
        "kind": kind,
        "serial_number": f"{certificate.serial_number:x}",
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "fingerprint": certificate.fingerprint(hashes.SHA256()).hex(),
        "hash_algorithm": "SHA256",
        "issuer_name_hash": _digest(hashes.SHA256(), certificate.issuer.public_bytes()),
        "issuer_key_hash": _digest(hashes.SHA256(), _key_bits(issuing)) if issuing is not None else None,
        "pem": pem_of(certificate),
    }


def root_hashes(root: x509.Certificate) -> dict[str, dict[str, str]]:
    """Algorithm → {name, key}: how a charger may name a root, whichever of OCPP's three algorithms it likes."""
    name, key = root.subject.public_bytes(), _key_bits(root)
    return {word: {"name": _digest(kind, name), "key": _digest(kind, key)} for word, kind in _ALGORITHMS.items()}


def _check_strength(request: x509.CertificateSigningRequest) -> None:
    key = request.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size >= _LEAST_CURVE_BITS:
        return
    raise Unfit(f"The key is too weak: at least RSA {_LEAST_RSA_BITS} or elliptic curve {_LEAST_CURVE_BITS} bits.")


def _name(common: str, organization: str) -> x509.Name:
    return x509.Name([
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization[:64]),
        x509.NameAttribute(NameOID.COMMON_NAME, common),
    ])  # fmt: skip


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _begun(name: x509.Name, key: Any, now: datetime, until: datetime) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(name).public_key(key).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - _BACKDATED).not_valid_after(until)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _authority(name: x509.Name, key: ec.EllipticCurvePrivateKey, below: int, now: datetime,
               until: datetime) -> x509.CertificateBuilder:  # fmt: skip
    builder = _begun(name, key.public_key(), now, until)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=below), critical=True)
    return builder.add_extension(_usage(signs_certificates=True), critical=True)


def _leaf(signer: Signer, key: Any, name: x509.Name, now: datetime, days: int, purpose: x509.ObjectIdentifier,
          hosts: Sequence[x509.GeneralName]) -> x509.Certificate:  # fmt: skip
    until = min(now + timedelta(days=days), signer.certificate.not_valid_after_utc)
    builder = _begun(name, key, now, until).issuer_name(signer.certificate.subject)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False, enciphers=isinstance(key, rsa.RSAPublicKey)),
                                    critical=True)  # fmt: skip
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    builder = builder.add_extension(_authority_id(signer.certificate), critical=False)
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    return builder.sign(signer.key, hashes.SHA256())


def _usage(*, signs_certificates: bool, enciphers: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, content_commitment=False, key_encipherment=enciphers,
        data_encipherment=False, key_agreement=False, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _authority_id(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _key_bits(certificate: x509.Certificate) -> bytes:
    """The key without its algorithm, as the hash in OCPP has it (RFC 6960: issuerKeyHash)."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> str:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize().hex()
