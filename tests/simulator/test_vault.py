"""Keys, certificates, signatures, and the way in by security profile."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import ocsp

from simulator.access import Access
from simulator.configuration import Configuration
from simulator.vault import CENTRAL, MANUFACTURER, Untrusted, Vault, hash_data, verify
from tests.support.authority import DAY, Authority, pem


def vault(**values: str | int) -> Vault:
    """The vault of CP-1."""
    return Vault("CP-1", Configuration(**values))


@pytest.mark.parametrize(("kind", "algorithm"), [("SHA256", hashes.SHA256()), ("SHA512", hashes.SHA512())])
def test_hash_data_is_that_of_rfc_6960(kind: str, algorithm: hashes.HashAlgorithm) -> None:
    root = Authority("Root").certificate
    request = ocsp.OCSPRequestBuilder().add_certificate(root, root, algorithm).build()
    assert hash_data(root, kind) == {
        "hash_algorithm": kind,
        "issuer_name_hash": request.issuer_name_hash.hex(),
        "issuer_key_hash": request.issuer_key_hash.hex(),
        "serial_number": f"{root.serial_number:x}",
    }


def test_a_root_is_installed_listed_and_deleted() -> None:
    own, root = vault(), Authority("Root")
    assert own.install(CENTRAL, root.pem) == own.install(CENTRAL, root.pem) == "Accepted"
    [known] = own.installed(CENTRAL)
    assert own.installed(MANUFACTURER) == []
    upper = {name: value.upper() for name, value in known.items()} | {"serial_number": "0" + known["serial_number"]}
    assert (own.delete(upper), own.delete(known)) == ("Accepted", "NotFound")


def test_the_root_that_the_connection_rests_on_cannot_be_deleted() -> None:
    own, root = vault(SecurityProfile=2), Authority("Root")
    own.install(CENTRAL, root.pem)
    assert own.delete(hash_data(root.certificate)) == "Failed"


def test_what_is_no_valid_root_is_rejected_and_so_is_one_too_many() -> None:
    own, root = vault(), Authority("Root")
    leaf = root.issue(own.request())
    expired = Authority("Old", begins_in=-2 * DAY, lasts=timedelta(hours=1))
    assert [own.install(CENTRAL, text) for text in ("nonsense", leaf, expired.pem)] == ["Rejected"] * 3
    full = vault()
    full.configuration.set("CertificateStoreMaxLength", 1)
    assert [full.install(CENTRAL, row.pem) for row in (root, Authority("Two"))] == ["Accepted", "Rejected"]


def test_a_request_bears_identity_and_operator_and_its_certificate_is_taken() -> None:
    own, root = vault(CpoName="Nusantara"), Authority("Root")
    own.install(CENTRAL, root.pem)
    request = x509.load_pem_x509_csr((text := own.request()).encode())
    assert request.subject.rfc4514_string() == "O=Nusantara,CN=CP-1"
    own.accept(root.issue(text) + root.pem)
    assert len(own.chain) == 2 and own.pending is None
    assert isinstance(own.ssl_context(), ssl.SSLContext)


@pytest.mark.parametrize("wrong", ["key", "name", "time", "authority", "chain", "text", "length", "unasked"])
def test_a_certificate_that_is_not_for_it_is_not_taken(wrong: str) -> None:
    own, root, stranger = vault(), Authority("Root"), Authority("Stranger")
    own.install(CENTRAL, root.pem)
    text = own.request()
    other = Vault("CP-1", Configuration()).request()
    chains = {
        "key": root.issue(other),
        "name": root.issue(text, common_name="CP-2"),
        "time": root.issue(text, lasts=timedelta(hours=1)),
        "authority": stranger.issue(text),
        "chain": root.issue(text) + stranger.pem,
        "text": "nonsense",
        "length": root.issue(text) + root.pem * 40,
        "unasked": root.issue(text),
    }
    if wrong == "unasked":
        own.pending = None
    with pytest.raises(Untrusted):
        own.accept(chains[wrong])
    assert own.chain == []


def test_signatures_by_either_kind_of_key() -> None:
    maker = Authority("Maker")
    verify(b"file", maker.sign(b"file"), maker.certificate)
    with pytest.raises(Untrusted):
        verify(b"file", maker.sign(b"other"), maker.certificate)
    key = rsa.generate_private_key(65_537, 2_048)
    name = x509.Name([])
    built = x509.CertificateBuilder(name, name, key.public_key(), 7, *_span(maker))
    signer = built.sign(key, hashes.SHA256())
    sha = hashes.SHA256()
    for scheme in (padding.PKCS1v15(), padding.PSS(padding.MGF1(sha), padding.PSS.MAX_LENGTH)):
        verify(b"file", key.sign(b"file", scheme, sha), signer)
    with pytest.raises(Untrusted):
        verify(b"file", bytes(256), signer)
    assert "BEGIN CERTIFICATE" in pem(signer)


def _span(authority: Authority) -> tuple[object, object]:
    certificate = authority.certificate
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def test_a_firmware_signer_must_come_from_the_maker_once_a_makers_root_is_there() -> None:
    own, maker, stranger = vault(), Authority("Maker"), Authority("Stranger")
    assert own.check_signer(stranger.pem)
    own.install(MANUFACTURER, maker.pem)
    assert own.check_signer(maker.pem)
    with pytest.raises(Untrusted):
        own.check_signer(stranger.pem)


def access(password: bytes | None = b"secret", url: str = "ws://127.0.0.1:9000", **values: str | int) -> Access:
    """The way in of CP-1."""
    own = vault(**values)
    made = Access("CP-1", url, None, own.configuration, own)
    made.begin(password)
    return made


def test_a_profile_rises_only_with_what_it_needs() -> None:
    way = access()
    assert way.profile == 1
    refused = [way.change_profile(value) for value in ("0", "1", "2", "3", "4", "x")]
    assert refused == ["Rejected"] * 6
    way.vault.install(CENTRAL, Authority("Root").pem)
    assert way.change_profile("3") == "Rejected"
    assert way.change_profile("2") == "Accepted"
    assert way.address == "wss://127.0.0.1:9000/CP-1" and "Authorization" in way.headers()
    way.vault.key = Authority("Own").key
    assert (way.change_profile("3"), way.headers()) == ("Accepted", {})


def test_the_installers_choice_is_the_first_profile() -> None:
    urls = ("ws://h", "ws://h", "wss://h", "wss://h")
    passwords = (None, b"p", b"p", None)
    profiles = [access(password, url).profile for url, password in zip(urls, passwords, strict=True)]
    assert profiles == [0, 1, 2, 3]
    assert access(None, "ws://h", SecurityProfile=2).address == "wss://h/CP-1"


def test_a_context_believes_the_given_file(tmp_path: Path) -> None:
    own = vault()
    own.ca_file = tmp_path / "root.pem"
    root = Authority("Root")
    own.ca_file.write_text(root.pem)
    [known] = own.ssl_context().get_ca_certs()
    assert int(str(known["serialNumber"]), 16) == root.certificate.serial_number
