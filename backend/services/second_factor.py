"""The second factor: time-based one-time codes (RFC 6238, 30 s, six digits) and recovery codes for a lost telephone."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyotp

from backend.database import Database, Row
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, Forbidden, Unauthenticated
from backend.domain.lockout import Proof
from backend.domain.roles import SECOND_FACTOR_ROLES
from backend.domain.scope import SYSTEM
from backend.services.attempts import Attempts
from backend.services.vault import Vault

STEP_S: Final = 30
_DRIFT_STEPS: Final = (-1, 0, 1)  # clocks of telephones differ a little
_ISSUER: Final = "UNIEV"
_RECOVERY_CODES: Final = 10
_RECOVERY_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # nothing that looks like something else
_RECOVERY_LENGTH: Final = 16
_COLUMNS: Final = "id,email,role,demo,totp_sealed,totp_confirmed_at"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What goes into the telephone: the secret (base32), and the same as a link for a QR code."""

    secret: str
    uri: str


def required_of(row: Row) -> bool:
    """Whether the holder of this row of `users` must prove a second factor: by role, but for the demo's people."""
    return row["role"] in SECOND_FACTOR_ROLES and not row["demo"]


class SecondFactor:
    """Enrols, checks and removes. Secrets are sealed by the vault; `now` is the clock (UTC)."""

    def __init__(self, database: Database, vault: Vault, attempts: Attempts, now: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = vault
        self._attempts = attempts
        self._now = now

    async def begin(self, caller: Caller) -> Enrolment:
        """A fresh secret, which counts once `confirm` has seen a code of it.

        Raises Conflict (`second_factor_exists`), Forbidden (`people_only`).
        """
        row = await self._own(caller)
        secret = pyotp.random_base32()
        arguments = {"p_user_id": row["id"], "p_sealed": self._vault.seal(secret)}
        if not await self._database.call("begin_totp", arguments, scope=SYSTEM):
            raise _exists()
        return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=row["email"], issuer_name=_ISSUER))

    async def confirm(self, caller: Caller, code: str) -> list[str]:
        """The first code of a fresh secret: the factor counts from now on; gives the recovery codes, this once.

        The caller's other logins end; tokens refreshed in this one are whole.
        Raises Unauthenticated (`code_wrong`), Conflict (`second_factor_exists`), Forbidden, TooManyAttempts.
        """
        row = await self._own(caller)
        if row["totp_confirmed_at"] is not None:
            raise _exists()
        counted = await self._attempts.begin(Proof.SECOND_FACTOR, row["id"], None, known=True)
        step = self._step(row, code)
        if step is None:
            raise _wrong()
        codes = [_recovery_code() for _ in range(_RECOVERY_CODES)]
        arguments: dict[str, Any] = {"p_user_id": row["id"], "p_sealed": row["totp_sealed"], "p_step": step}
        hashes = [_hash(row["id"], one) for one in codes]
        if not await self._database.call(
            "confirm_totp",
            {**arguments, "p_recovery_hashes": hashes, "p_login_id": caller.login_id},
            scope=caller.as_platform,
        ):
            raise _exists()
        await self._attempts.succeeded(counted)
        return codes

    async def remove(self, caller: Caller, code: str) -> None:
        """Takes the caller's own factor away, for a new telephone; all their logins end.

        Raises Unauthenticated (`code_wrong`), Forbidden (`people_only`), TooManyAttempts.
        """
        row = await self._own(caller)
        counted = await self._attempts.begin(Proof.SECOND_FACTOR, row["id"], None, known=True)
        if not await self.proves(row, code):
            raise _wrong()
        await self._attempts.succeeded(counted)
        await self.reset(caller, row["id"])

    async def reset(self, caller: Caller, user_id: str) -> None:
        """Takes somebody's factor away, and ends their logins. Who may do that to whom was checked before."""
        await self._database.call("reset_totp", {"p_user_id": user_id}, scope=caller.as_platform)

    async def proves(self, row: Row, code: str) -> bool:
        """Whether the code is right and was never used; it is used up by this.

        `row`: id, totp_sealed, totp_confirmed_at of the person. The caller bounds the attempts.
        """
        if row["totp_confirmed_at"] is None:
            return False
        step = self._step(row, code)
        if step is not None:
            arguments = {"p_user_id": row["id"], "p_step": step}
            return bool(await self._database.call("use_totp_step", arguments, scope=SYSTEM))
        where = [("code_hash", "eq", _hash(row["id"], code)), ("user_id", "eq", row["id"]), ("used_at", "is", None)]
        values = {"used_at": self._now().isoformat()}
        return bool(await self._database.update("recovery_codes", values, scope=SYSTEM, where=where, columns="user_id"))

    def _step(self, row: Row, code: str) -> int | None:
        """The time step whose code this is; every candidate is compared, so that time tells nothing."""
        if row["totp_sealed"] is None:
            return None
        totp = pyotp.TOTP(self._vault.open(row["totp_sealed"]))
        current = int(self._now().timestamp()) // STEP_S
        given = code.replace(" ", "").encode()
        steps = [current + drift for drift in _DRIFT_STEPS]
        matches = [step for step in steps if hmac.compare_digest(totp.generate_otp(step).encode(), given)]
        return matches[-1] if matches else None

    async def _own(self, caller: Caller) -> Row:
        where = [("id", "eq", caller.scope.user_id or "")]
        rows = await self._database.select("users", scope=SYSTEM, columns=_COLUMNS, where=where, limit=1)
        if not rows:
            raise Forbidden("An API key has no second factor.", code="people_only")
        return rows[0]


def _recovery_code() -> str:
    text = "".join(secrets.choice(_RECOVERY_ALPHABET) for _ in range(_RECOVERY_LENGTH))
    return "-".join(text[first : first + 4] for first in range(0, _RECOVERY_LENGTH, 4))


def _hash(user_id: str, code: str) -> str:
    plain = code.replace("-", "").replace(" ", "").upper()
    return hashlib.sha256(f"{user_id} {plain}".encode()).hexdigest()  # 80 random bits need no slow hash


def _wrong() -> Unauthenticated:
    return Unauthenticated("The code is wrong or was used already.", code="code_wrong")


def _exists() -> Conflict:
    return Conflict("A second factor is enrolled already; remove it first.", code="second_factor_exists")
