"""Keys and signatures of kinds that the platform's library does not know: refused with a reason, never a crash."""

from __future__ import annotations

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from backend.services.pki.signing import Unfit, read_request

CURVE, SIGNATURE = bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d040302")  # P-256, ECDSA with SHA-256


@pytest.mark.parametrize("known", [CURVE, SIGNATURE], ids=["curve", "signature"])
def test_a_request_with_an_unknown_key_stopped_the_worker(known: bytes) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CP-1")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    der = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)
    assert known in der
    odd = base64.encodebytes(der.replace(known, known[:-1] + b"\x7f")).decode()
    pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{odd}-----END CERTIFICATE REQUEST-----\n"

    with pytest.raises(Unfit):
        read_request(pem, "CP-1", "CPO")
