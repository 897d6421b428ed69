"""Failed logins in the audit log: told in few rows, whatever comes, without what strangers typed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pyotp
import pytest

from backend.database import SYSTEM, Database
from backend.domain.caller import PLATFORM, Caller, Visitor
from backend.domain.errors import DomainError
from backend.domain.lockout import PAIR, Proof
from backend.domain.scope import Scope
from backend.services.attempts import Attempts
from backend.services.audit import Audit, AuditFilter
from backend.services.audit_proof import AuditProof
from backend.services.directory import Directory, build_directory
from backend.services.records import PageRequest
from backend.services.upkeep import FAILED_LOGINS_WINDOW_S, Upkeep
from backend.services.users import NewUser, UserRole
from tests.services.test_tokens import Clock
from tests.support.postgres import execute
from tests.support.stores import TRANSPORTS, open_store

SARI, PASSWORD = "sari@nusantara.test", "tujuh kuda laut biru"
STRANGER = Visitor("198.51.100.7", "curl")
CPO = "11111111-0000-0000-0000-000000000001"


@pytest.fixture(params=TRANSPORTS)
async def store(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Database]:
    """Both transports."""
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as opened:
        yield opened


@pytest.fixture
async def services(store: Database) -> Directory:
    """A CPO with one administrator."""
    services = build_directory(store, "a secret of the tests, long enough")
    await store.insert("cpos", [{"id": CPO, "name": "Nusantara"}], scope=SYSTEM)
    await services.people.users.create(PLATFORM, NewUser(SARI, "Sari", UserRole.CPO_ADMIN, PASSWORD, CPO))
    return services


async def _fail(services: Directory, email: str, visitor: Visitor = STRANGER) -> str:
    with pytest.raises(DomainError) as refused:
        await services.people.logins.login(email, "a wrong password", visitor)
    return refused.value.code


async def _told(store: Database, dsn: str, *, later: bool = False) -> list[dict[str, Any]]:
    """What the log says of failed logins, once the worker came by; `later`: after the window."""
    if later:
        past = f"interval '{FAILED_LOGINS_WINDOW_S + 1} seconds'"
        await execute(dsn, f"update public.failed_logins set since = since - {past}")  # noqa: S608
    await Upkeep(store).tell_failed_logins()
    rows = await store.select("audit_log", scope=SYSTEM, order=[("id", "asc")], limit=1000)
    return [row for row in rows if row["actor_role"] == "stranger"]


async def test_who_guesses_a_password_is_in_the_log_of_the_persons_cpo(
    services: Directory, store: Database, dsn: str
) -> None:
    for _ in range(3):
        assert await _fail(services, SARI.upper()) == "login_failed"
    assert await _told(store, dsn) == []  # the hour is counted first
    (row,) = await _told(store, dsn, later=True)
    assert (row["action"], row["cpo_id"], row["address"]) == ("login.failed", CPO, STRANGER.address)
    assert (row["after"]["account"], row["after"]["failures"]) == ("Sari", {"password": 3})
    admin = Scope("cpo_admin", row["after"]["user_id"], CPO)
    seen = await Audit(store).list(admin, PageRequest(10), AuditFilter(action="login.failed"))
    assert [entry.address for entry in seen.items] == [STRANGER.address]
    assert (await AuditProof(store).verify()).faults == []


async def test_a_lock_out_is_told_at_once_and_once_in_an_hour(services: Directory, store: Database, dsn: str) -> None:
    codes = [await _fail(services, SARI) for _ in range(PAIR.free + 3)]
    assert codes == ["login_failed"] * PAIR.free + ["too_many_attempts"] * 3
    (row,) = await _told(store, dsn)
    assert (row["action"], row["after"]["failures"]) == ("login.locked_out", {"password": PAIR.free})
    await execute(dsn, "update public.login_attempts set blocked_until = now()")
    await _fail(services, SARI)
    assert [row["action"] for row in await _told(store, dsn)] == ["login.locked_out"]
    told = await _told(store, dsn, later=True)
    assert [row["action"] for row in told] == ["login.locked_out", "login.failed"]
    assert told[-1]["after"]["failures"] == {"password": PAIR.free + 1}


async def test_a_wrong_code_after_a_right_password_is_told_as_such(
    services: Directory, store: Database, dsn: str
) -> None:
    login = await services.people.logins.login(SARI, PASSWORD, STRANGER)
    caller = Caller(Scope("cpo_admin", login.user.id, CPO), "Sari", login_id=None)  # type: ignore[union-attr]
    begun = await services.people.second_factor.begin(caller)
    await services.people.second_factor.confirm(caller, pyotp.TOTP(begun.secret).now())
    challenge = await services.people.logins.login(SARI, PASSWORD, STRANGER)
    with pytest.raises(DomainError):
        await services.people.logins.answer(challenge.token, "000000", STRANGER)  # type: ignore[union-attr]
    with pytest.raises(DomainError):
        await services.people.resets.reset(SARI, "AAAA-AAAA", "enam gajah jalan malam", STRANGER)
    (row,) = await _told(store, dsn, later=True)
    assert row["after"]["failures"] == {"second_factor": 1, "reset_code": 1}


async def test_what_a_stranger_typed_stands_nowhere_when_nobody_is_called_so(
    services: Directory, store: Database, dsn: str
) -> None:
    typed = "my-secret-password@elsewhere.test"
    await _fail(services, typed)
    noted = str(await store.select("failed_logins", scope=SYSTEM))
    (row,) = await _told(store, dsn, later=True)
    assert typed not in noted + str(row)
    assert (row["cpo_id"], row["after"]["account"], row["address"]) == (None, "unknown", STRANGER.address)


async def test_a_flood_of_names_and_addresses_adds_two_rows_an_hour(
    services: Directory, store: Database, dsn: str
) -> None:
    attempts = Attempts(store, Clock())
    for number in range(150):
        email = SARI if number % 3 == 0 else f"p{number}@b.test"
        address = f"203.0.113.{number}"
        keys = await attempts.begin(Proof.PASSWORD, f"p{number}@b.test", "192.0.2.1" if number < 40 else address)
        await attempts.failed(Proof.PASSWORD, email, address, keys)
        if number % 50 == 0:
            await Upkeep(store).tell_failed_logins()
    told = await _told(store, dsn, later=True)
    assert len(told) <= 4  # two accounts: Sari, and everybody unknown
    failed = [row["after"] for row in told if row["action"] == "login.failed"]
    assert sorted(after["failures"]["password"] for after in failed) == [50, 100]
    assert all(len(after["addresses"]) == 10 for after in failed)
    assert await store.select("failed_logins", scope=SYSTEM) == []
    assert await _told(store, dsn, later=True) == told


async def test_of_a_driver_the_log_keeps_neither_name_nor_address(
    services: Directory, store: Database, dsn: str
) -> None:
    driver = {"email": "rina@mail.test", "name": "Rina", "role": "driver", "password_hash": "x"}
    await store.insert("users", [driver], scope=SYSTEM)
    await _fail(services, "rina@mail.test")
    (row,) = await _told(store, dsn, later=True)
    assert (row["after"]["account"], row["after"]["addresses"], row["address"]) == ("driver", [], None)
    assert "Rina" not in str(row) and "rina" not in str(row)
