"""Logins outlive the process, are readable by nobody else, and end in time."""

import stat
from pathlib import Path
from typing import Any

import pytest

from dashboards.common.sessions import IDLE_S, LIFETIME_S, SessionStore, session_key
from dashboards.common.settings import DashboardSettings

LOGIN: dict[str, Any] = {
    "access_token": "access-token-of-the-api",
    "refresh_token": "refresh-token-of-the-api",
    "expires_in": 900,
    "user": {"id": "u1", "name": "Sari", "role": "cpo_admin"},
}


class Clock:
    """A clock that goes when told to."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def store(folder: Path, clock: Clock, secret: str = "first secret") -> SessionStore:
    return SessionStore(folder, "cpo", secret, clock)


def test_a_login_survives_a_restart_of_the_process(tmp_path: Path, clock: Clock) -> None:
    cookie = store(tmp_path, clock).create(LOGIN, "en")
    session = store(tmp_path, clock).get(session_key(cookie))
    assert session is not None
    assert (session.user_id, session.language) == ("u1", "en")
    assert session.access_token == LOGIN["access_token"]
    assert session.access_expires_at == clock.now + 900


def test_the_file_holds_neither_cookie_nor_tokens_and_is_ours_alone(tmp_path: Path, clock: Clock) -> None:
    cookie = store(tmp_path, clock).create(LOGIN, None)
    file = tmp_path / "cpo.sqlite3"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = file.read_bytes()
    assert all(word.encode() not in content for word in (cookie, LOGIN["access_token"], LOGIN["refresh_token"]))


def test_another_secret_opens_nothing(tmp_path: Path, clock: Clock) -> None:
    cookie = store(tmp_path, clock).create(LOGIN, None)
    assert store(tmp_path, clock, "another secret").get(session_key(cookie)) is None


def test_an_unused_login_ends_and_a_used_one_goes_on(tmp_path: Path, clock: Clock) -> None:
    sessions = store(tmp_path, clock)
    used, unused = (session_key(sessions.create(LOGIN, None)) for _ in range(2))
    clock.now += IDLE_S - 60
    assert sessions.get(used) is not None
    clock.now += 120
    assert sessions.get(used) is not None
    assert sessions.get(unused) is None


def test_every_login_ends_after_its_lifetime(tmp_path: Path, clock: Clock) -> None:
    sessions = store(tmp_path, clock)
    key = session_key(sessions.create(LOGIN, None))
    for _ in range(int(LIFETIME_S // (IDLE_S / 2))):
        clock.now += IDLE_S / 2
        sessions.get(key)
    clock.now += 1
    assert sessions.get(key) is None


def test_renewed_tokens_are_kept_under_the_same_cookie(tmp_path: Path, clock: Clock) -> None:
    sessions = store(tmp_path, clock)
    key = session_key(sessions.create(LOGIN, None))
    session = sessions.get(key)
    assert session is not None
    sessions.renew(session, {"access_token": "a2", "refresh_token": "r2", "expires_in": 60})
    renewed = sessions.get(key)
    assert renewed is not None
    assert (renewed.access_token, renewed.refresh_token, renewed.user["name"]) == ("a2", "r2", "Sari")


def test_signing_out_forgets_at_once(tmp_path: Path, clock: Clock) -> None:
    sessions = store(tmp_path, clock)
    key = session_key(sessions.create(LOGIN, None))
    sessions.delete(key)
    assert sessions.get(key) is None


def test_without_a_given_secret_one_is_made_once_and_kept_for_the_owner(tmp_path: Path) -> None:
    first = DashboardSettings(uniev_data_dir=tmp_path, uniev_secret_key=None).secret()
    assert DashboardSettings(uniev_data_dir=tmp_path, uniev_secret_key=None).secret() == first
    assert len(first) >= 32
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
