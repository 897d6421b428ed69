"""Passwords that their owners change: forgotten ones by a code that is mailed, known ones by the old."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import quote

from backend.database import Database
from backend.domain.caller import Caller, Visitor
from backend.domain.errors import Forbidden, Unauthenticated
from backend.domain.lockout import Proof
from backend.domain.scope import SYSTEM
from backend.services.attempts import Attempts
from backend.services.dossiers import Screens
from backend.services.mails import LANGUAGES, Mails
from backend.services.passwords import Passwords, check_strength

RESET_LIFE_S: Final = 900
MOST_FAILURES: Final = 10
MOST_CODES_PER_HOUR: Final = 4
_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # nothing that looks like something else
_LENGTH: Final = 8
_LEAST_ANSWER_S: Final = 0.25


class Resets:
    """Asks for a code, and takes it back with a new password. Nothing here tells whether an address has a login.

    `least_answer_s`: no answer comes sooner, so that time tells nothing either. `now` is the clock (UTC).
    """

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        attempts: Attempts,
        mails: Mails,
        screens: Screens,
        secret_key: str,
        now: Callable[[], datetime],
        least_answer_s: float = _LEAST_ANSWER_S,
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._attempts = attempts
        self._mails = mails
        self._screens = screens
        self._key = hashlib.sha256(b"uniev password resets\x00" + secret_key.encode()).digest()
        self._now = now
        self._least_answer_s = least_answer_s

    async def ask(self, email: str, dashboard: str) -> None:
        """Mails a code to whoever has a login with this address; says nothing about it. `dashboard`: cpo or emsv."""
        begun, plain = time.monotonic(), email.strip().lower()
        code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        home = self._screens.emsv if dashboard == "emsv" else self._screens.cpo
        values = {
            "code": f"{code[:4]}-{code[4:]}",
            "minutes": str(RESET_LIFE_S // 60),
            "link": f"{home}/auth/reset?email={quote(plain)}",
        }
        mails = {
            language: self._mails.prepared(to=plain, template="password_reset", language=language, values=values)
            for language in LANGUAGES
        }
        arguments = {
            "p_email": plain,
            "p_code_hash": self._hash(plain, code),
            "p_life_s": RESET_LIFE_S,
            "p_most": MOST_CODES_PER_HOUR,
            "p_mails": mails,
            "p_now": self._now().isoformat(),
        }
        await self._database.call("ask_reset", arguments, scope=SYSTEM)
        await asyncio.sleep(max(0.0, begun + self._least_answer_s - time.monotonic()))

    async def reset(self, email: str, code: str, password: str, visitor: Visitor) -> None:
        """Takes the code and the new password; all logins of the person end.

        Raises InvalidInput (`password_too_short`, `password_weak`; said before the code is looked at), Unauthenticated
        (`code_wrong`; the same, as slowly, for an unknown address, a wrong, used or expired code), TooManyAttempts.
        """
        plain = email.strip().lower()
        await check_strength(password, plain)
        counted = await self._attempts.begin(Proof.RESET_CODE, plain, visitor.address)
        arguments = {
            "p_email": plain,
            "p_code_hash": self._hash(plain, code),
            "p_password_hash": await self._passwords.hash(password),
            "p_most": MOST_FAILURES,
            "p_now": self._now().isoformat(),
        }
        holder = Caller(SYSTEM, "holder of a mailed code", address=visitor.address)
        if not await self._database.call("reset_password", arguments, scope=holder.as_platform):
            await self._attempts.failed(Proof.RESET_CODE, plain, visitor.address, counted)
            raise Unauthenticated("The code is wrong, was used or has expired.", code="code_wrong")
        await self._attempts.succeeded(counted)

    async def change(self, caller: Caller, current: str, new: str) -> None:
        """Replaces the caller's own password; their other logins end.

        Raises Forbidden (`people_only`), Unauthenticated (`password_wrong`), InvalidInput, TooManyAttempts.
        """
        where = [("id", "eq", caller.scope.user_id or "")]
        rows = await self._database.select("users", scope=SYSTEM, columns="email,name,password_hash", where=where)
        if not rows:
            raise Forbidden("An API key has no password.", code="people_only")
        await check_strength(new, rows[0]["email"], rows[0]["name"])
        counted = await self._attempts.begin(Proof.PASSWORD, rows[0]["email"], None, known=True)
        if not await self._passwords.verify(rows[0]["password_hash"], current):
            raise Unauthenticated("This is not your present password.", code="password_wrong")
        await self._attempts.succeeded(counted)
        arguments = {
            "p_user_id": caller.scope.user_id,
            "p_password_hash": await self._passwords.hash(new),
            "p_login_id": caller.login_id,
        }
        await self._database.call("change_own_password", arguments, scope=caller.as_platform)

    def _hash(self, email: str, code: str) -> str:
        plain = code.replace("-", "").replace(" ", "").upper()
        return hmac.new(self._key, f"{email}\x00{plain}".encode(), hashlib.sha256).hexdigest()
