"""Login sessions of a dashboard, kept on the server: they outlive a browser refresh and a restart of the process.

The browser holds a random id and nothing else. The file holds the SHA-256 of that id, never the id, and the tokens
of the API encrypted: someone who copies the file can neither use a login nor call the API.
"""

import base64
import hashlib
import json
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LIFETIME_S = 7 * 24 * 3600
IDLE_S = 12 * 3600
TOUCH_EVERY_S = 60

_SCHEMA = """
create table if not exists sessions (
    key text primary key, user_id text not null, sealed blob not null, language text,
    created_at real not null, seen_at real not null
) without rowid
"""


@dataclass(frozen=True, slots=True)
class LoginSession:
    """One signed-in browser. `key` is safe to log; the tokens are not. Times are Unix seconds."""

    key: str
    user: dict[str, Any]
    access_token: str
    refresh_token: str
    access_expires_at: float
    language: str | None = None

    @property
    def user_id(self) -> str:
        return str(self.user["id"])

    @property
    def must_enrol(self) -> bool:
        """Whether nothing is allowed before a second factor is enrolled."""
        return self.user.get("second_factor") == "required"


def session_key(cookie: str) -> str:
    """The name under which the session of this cookie is stored."""
    return hashlib.sha256(cookie.encode()).hexdigest()


class SessionStore:
    """Rows in one small SQLite file, readable by the owner alone. Safe to call from several threads."""

    def __init__(self, folder: Path, name: str, secret: str, clock: Callable[[], float] = time.time) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / f"{name}.sqlite3"
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        self._path.chmod(0o600)
        self._fernet = Fernet(_derive(secret))
        self._clock = clock
        self._refreshing: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        with closing(self._open()) as db, db:
            db.execute(_SCHEMA)
            db.execute("delete from sessions where created_at < ? or seen_at < ?", self._limits())

    def create(self, login: dict[str, Any], language: str | None) -> str:
        """Store the answer of the API's login; returns the cookie value, which is nowhere else."""
        cookie = secrets.token_urlsafe(32)
        now = self._clock()
        sealed = self._seal(login["user"], login, now)
        with closing(self._open()) as db, db:
            db.execute(
                "insert into sessions values (?, ?, ?, ?, ?, ?)",
                (session_key(cookie), str(login["user"]["id"]), sealed, language, now, now),
            )
        return cookie

    def get(self, key: str) -> LoginSession | None:
        """The live session, or None when unknown, expired, or sealed under another secret."""
        with closing(self._open()) as db, db:
            row = db.execute(
                "select sealed, language, seen_at from sessions where key = ? and created_at >= ? and seen_at >= ?",
                (key, *self._limits()),
            ).fetchone()
            if row is None:
                return None
            if self._clock() - row[2] > TOUCH_EVERY_S:
                db.execute("update sessions set seen_at = ? where key = ?", (self._clock(), key))
        with suppress(InvalidToken):
            return LoginSession(key=key, language=row[1], **json.loads(self._fernet.decrypt(row[0])))
        return None

    def renew(self, session: LoginSession, login: dict[str, Any]) -> LoginSession:
        """Keep refreshed tokens; the cookie stays as it is."""
        now = self._clock()
        user = login.get("user") or session.user
        with closing(self._open()) as db, db:
            db.execute("update sessions set sealed = ? where key = ?", (self._seal(user, login, now), session.key))
        return replace(session, user=user, **_tokens(login, now))

    def set_language(self, key: str, language: str) -> None:
        with closing(self._open()) as db, db:
            db.execute("update sessions set language = ? where key = ?", (language, key))

    def delete(self, key: str) -> None:
        with closing(self._open()) as db, db:
            db.execute("delete from sessions where key = ?", (key,))
        with self._guard:
            self._refreshing.pop(key, None)

    def refresh_lock(self, key: str) -> threading.Lock:
        """One refresh at a time per session: a refresh token is good once."""
        with self._guard:
            return self._refreshing.setdefault(key, threading.Lock())

    def _limits(self) -> tuple[float, float]:
        return self._clock() - LIFETIME_S, self._clock() - IDLE_S

    def _seal(self, user: dict[str, Any], login: dict[str, Any], now: float) -> bytes:
        return self._fernet.encrypt(json.dumps({"user": user, **_tokens(login, now)}).encode())

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=5)
        db.execute("pragma journal_mode = truncate")
        return db


def _tokens(login: dict[str, Any], now: float) -> dict[str, Any]:
    return {
        "access_token": login["access_token"],
        "refresh_token": login["refresh_token"],
        "access_expires_at": now + float(login["expires_in"]),
    }


def _derive(secret: str) -> bytes:
    kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"uniev dashboard sessions")
    return base64.urlsafe_b64encode(kdf.derive(secret.encode()))
