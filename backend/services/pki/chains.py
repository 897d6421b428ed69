"""What the TLS port serves: until when its certificates last, and in which roots they end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from backend.services.pki import signing
from backend.services.pki.authority import ServerPair

_UNVERIFIED = (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm)


class Chain:
    """A certificate, and what it rests on as far as it is known: its issuer, that one's issuer, up to the root."""

    def __init__(self, links: Sequence[x509.Certificate]) -> None:
        self.links = links

    @property
    def subject(self) -> str:
        """Whom it certifies (RFC 4514)."""
        return self.links[0].subject.rfc4514_string()

    @property
    def issuer(self) -> str:
        """Name of the root, also of one that is not known (RFC 4514)."""
        return self.links[-1].issuer.rfc4514_string()

    @property
    def root(self) -> x509.Certificate | None:
        """None if nobody gave it."""
        return self.links[-1] if _issued(self.links[-1], self.links[-1]) else None

    @property
    def not_after(self) -> datetime:
        """From then on it does not hold: the first end among its links (UTC)."""
        return min(link.not_valid_after_utc for link in self.links)


def read_chain(chain_pem: str, known_pem: str = "") -> Chain:
    """The chain of the first certificate in `chain_pem`, out of those after it and of `known_pem`.

    Raises ValueError for what is no certificate.
    """
    first, *given = x509.load_pem_x509_certificates(chain_pem.encode())
    known = x509.load_pem_x509_certificates(known_pem.encode()) if known_pem else []
    return Chain([first, *_above(first, [*given, *known])])


def served(pairs: Sequence[ServerPair], known_pem: str) -> list[dict[str, Any]]:
    """What a node tells of the certificates it serves: [{subject, issuer, not_after, root: {serial_number, fingerprint,
    hashes, pem} | null}]. `known_pem`: roots that need not stand in the operator's files."""
    return [_told(pair, known_pem) for pair in pairs]


def _told(pair: ServerPair, known_pem: str) -> dict[str, Any]:
    try:
        chain = read_chain(pair.chain_pem, known_pem)
    except ValueError:  # the TLS library took what this one cannot read
        return {"subject": None, "issuer": None, "not_after": None, "root": None}
    told = {"subject": chain.subject, "issuer": chain.issuer, "not_after": chain.not_after.isoformat(), "root": None}
    if chain.root is None:
        return told
    row = signing.describe("CentralSystemRootCertificate", chain.root)
    root = {name: row[name] for name in ("serial_number", "fingerprint", "pem")}
    return {**told, "root": {**root, "hashes": signing.root_hashes(chain.root)}}


def _above(link: x509.Certificate, others: list[x509.Certificate]) -> Iterator[x509.Certificate]:
    while not _issued(link, link):
        issuer = next((one for one in others if _issued(link, one)), None)
        if issuer is None:
            return
        others.remove(issuer)
        yield issuer
        link = issuer


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except _UNVERIFIED:
        return False
    return True
