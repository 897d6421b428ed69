"""What a charger must prove at the gate: security profiles 0–3 (security whitepaper edition 3, §2).

A profile is the least that is asked: who shows more is let in, too. So a charger that was told to rise, and did so
though its answer was lost, still comes in; one that was told and did not, as well.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from backend.domain.charger_password import verify

PLAIN, BASIC, TLS_BASIC, TLS_CERTIFICATE = range(4)


class Shown(NamedTuple):
    """What came with a handshake. `names`: common names of a client certificate whose chain holds, None without one."""

    tls: bool = False
    password: bytes | None = None
    names: tuple[str, ...] | None = None


class Known(NamedTuple):
    """What is stored of the charger. `pending_hashes`: passwords on their way to it. `certificate_id`: of the shown
    certificate, if it was signed for this charger, is in its time, and not revoked; `certificate_revoked`: it was."""

    security_profile: int
    password_hash: str | None
    pending_hashes: Sequence[str] = ()
    certificate_id: str | None = None
    certificate_revoked: bool = False

    @property
    def least(self) -> int:
        """The least profile that is let in: a password that is set is asked for in any case."""
        return max(self.security_profile, BASIC if self.password_hash else PLAIN)


class Proof(NamedTuple):
    """What a charger proved: the profile, and by which stored password and certificate."""

    profile: int
    password_hash: str | None = None
    certificate_id: str | None = None


class NotProven(Exception):
    """`reason`: password, tls, certificate (none), or certificate_other_name, …_unknown, …_revoked."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.sentence = sentence


def prove(charger_id: str, known: Known, shown: Shown) -> Proof:
    """Raises NotProven. A certificate that does not hold is refused even where none is asked for."""
    if shown.names is not None and (shown.names != (charger_id,) or known.certificate_id is None):
        raise NotProven(_flaw(charger_id, known, shown), "This certificate is not valid for this charger.")
    used = _matching(known, shown.password)
    profile = _profile(shown, used is not None)
    least = known.least
    if least >= TLS_BASIC and not shown.tls:
        raise NotProven("tls", "This charger must connect over TLS.")
    if least == TLS_CERTIFICATE and profile < TLS_CERTIFICATE:
        raise NotProven("certificate", "This charger must show its certificate.")
    if least >= BASIC and profile < BASIC:
        raise NotProven("password", "Wrong or missing password.")
    return Proof(profile, used, known.certificate_id if shown.names is not None else None)


def still_holds(known: Known, proof: Proof) -> bool:
    """Whether what was proven once would be enough now: the certificate is valid, or the password still stored."""
    if proof.certificate_id is not None:
        return known.certificate_id == proof.certificate_id
    stored = (known.password_hash, *known.pending_hashes)
    return (proof.profile if proof.password_hash in stored else PLAIN) >= known.least


def _flaw(charger_id: str, known: Known, shown: Shown) -> str:
    """What is wrong with a certificate that was shown. Its owner gets one sentence for all of these."""
    if shown.names != (charger_id,):
        return "certificate_other_name"
    return "certificate_revoked" if known.certificate_revoked else "certificate_unknown"


def _profile(shown: Shown, knows_password: bool) -> int:
    if shown.names is not None:
        return TLS_CERTIFICATE
    if not knows_password:
        return PLAIN
    return TLS_BASIC if shown.tls else BASIC


def _matching(known: Known, password: bytes | None) -> str | None:
    """The stored hash that the password fits. The newest on its way comes first: it is the one to be proven."""
    if password is None:
        return None
    stored: Collection[str | None] = (*reversed(known.pending_hashes), known.password_hash)
    return next((one for one in stored if one is not None and verify(one, password)), None)
