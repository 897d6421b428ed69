"""Who may open a socket: identity, subprotocol, credentials. OCPP-J 1.6 §3.1–3.2, security whitepaper §2."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from backend.domain.credentials import NotProven, Proof, Shown, prove, still_holds
from backend.ocppj.refusals import Refusals
from backend.ocppj.tls import PeerCertificate
from backend.services.intake.facts import Intake

PROTOCOLS = ("ocpp1.6",)
LONGEST_IDENTITY = 48


class Refused(Exception):
    """The handshake ends with this HTTP status and sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Knock(NamedTuple):
    """A handshake: the request, and how it came."""

    path: str
    offers: Iterable[str]
    authorization: str | None
    tls: bool = False
    certificate: PeerCertificate | None = None
    address: str | None = None


class Admitted(NamedTuple):
    """A charger at the door, and what it proved; `fingerprint`: of the certificate that it showed."""

    charger_id: str
    protocol: str
    registration: str
    proof: Proof
    fingerprint: str | None = None


def identity(path: str) -> str:
    """The last path segment, percent-decoded. Raises Refused when it is none of 1…48 printable characters."""
    raw = path.split("?", 1)[0].rsplit("/", 1)[-1]
    try:
        name = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeError:  # bytes that are no text, as sent or percent-encoded
        name = ""
    if not 0 < len(name) <= LONGEST_IDENTITY or not name.isprintable():
        raise Refused(HTTPStatus.NOT_FOUND, "The last segment of the path must be the charger's identity.")
    return name


def subprotocol(offers: Iterable[str]) -> str:
    """The first offered protocol that we speak (the charger's order counts). Raises Refused.

    OCPP-J 1.6 §3.2 would upgrade without a protocol and close; the certification test (TC_088) wants a
    refusal, and so does a charger that offers nothing: a version in the URL chooses nothing.
    """
    offered = [name.strip() for offer in offers for name in offer.split(",")]
    for name in offered:
        if name in PROTOCOLS:
            return name
    raise Refused(HTTPStatus.BAD_REQUEST, f"Offer a subprotocol that this server speaks: {', '.join(PROTOCOLS)}.")


def basic_password(header: str | None, charger_id: str) -> bytes | None:
    """The password bytes of a Basic header whose user is the charger; None if there is no such header.

    Split at the first colon after the known identity: an identity may itself contain one.
    """
    if not header or header[:6].lower() != "basic ":
        return None
    try:
        credentials = base64.b64decode(header[6:].strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    user = charger_id.encode() + b":"
    return credentials[len(user) :] if credentials.startswith(user) else None


class Gate:
    """Decides about each handshake. `accept_unknown`: register unknown identities as pending."""

    def __init__(self, intake: Intake, *, accept_unknown: bool) -> None:
        self._intake = intake
        self._accept_unknown = accept_unknown
        self.refusals = Refusals(time.monotonic)

    async def admit(self, knock: Knock) -> Admitted:
        """Raises Refused, or DatabaseUnavailable."""
        charger_id = identity(knock.path)
        protocol = subprotocol(knock.offers)
        if self.refusals.too_many(charger_id, knock.address):
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong credentials; come back in a minute.")
        shown = Shown(
            knock.tls, basic_password(knock.authorization, charger_id), knock.certificate and knock.certificate.names
        )
        fingerprint = knock.certificate and knock.certificate.fingerprint
        facts = await self._intake.gate(charger_id, fingerprint)
        if facts is None:
            if not self._accept_unknown:
                raise Refused(HTTPStatus.NOT_FOUND, "This charger is not registered here.")
            await self._intake.discover(charger_id, protocol)
            return Admitted(charger_id, protocol, "pending", Proof(0))
        try:
            proof = prove(charger_id, facts.known, shown)
        except NotProven as reason:
            self.refusals.add(charger_id, reason.reason, knock.address)
            status = HTTPStatus.UNAUTHORIZED if reason.reason == "password" else HTTPStatus.FORBIDDEN
            raise Refused(status, reason.sentence) from reason
        return Admitted(charger_id, protocol, facts.registration, proof, fingerprint)

    async def holds(self, admitted: Admitted) -> bool:
        """Whether this charger would be let in now with what it showed then. Raises DatabaseUnavailable."""
        facts = await self._intake.gate(admitted.charger_id, admitted.fingerprint)
        return facts is not None and still_holds(facts.known, admitted.proof)
