"""Data past their time go, class by class; the books stay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from backend.database import Database, Scope
from backend.domain.caller import Caller
from backend.domain.errors import StorageUnavailable
from backend.domain.files import NoStorage
from backend.domain.retention import CLASSES, DAYS, kept_days
from backend.gateways.storage import DirectoryStorage
from backend.services.directory import build_directory
from backend.services.retention import Retention
from tests.rules.test_readme import table
from tests.rules.tree import text
from tests.support.stores import TRANSPORTS, open_store
from tests.support.tenancy import OWNER, found_nation

_AGED = {
    "commands": "created_at = now() - interval '500 days', status = 'accepted', effect = 'none'",
    "reservations": "ended_at = now() - interval '500 days'",
    "security_events": "received_at = now() - interval '500 days'",
    "gate_refusals": "last_at = now() - interval '500 days'",
    "orphan_stops": "received_at = now() - interval '500 days'",
    "local_list_orders": "ended_at = now() - interval '500 days'",
    "sessions": "started_at = now() - interval '6 years', stopped_at = now() - interval '6 years', energy_wh = 7000",
}


@pytest.fixture
async def admin(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """The nation, seen past all walls."""
    await found_nation(dsn)
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture(params=TRANSPORTS)
async def store(request: pytest.FixtureRequest, dsn: str, admin: asyncpg.Connection[Any]) -> AsyncIterator[Database]:
    """Both transports over the nation."""
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as opened:
        yield opened


async def _count(admin: asyncpg.Connection[Any], relation: str) -> int:
    return int(await admin.fetchval(f'select count(*) from public."{relation}"'))  # noqa: S608


async def test_what_is_past_its_time_goes_and_what_is_not_stays(
    store: Database, admin: asyncpg.Connection[Any], tmp_path: Path
) -> None:
    retention = Retention(store, DirectoryStorage(tmp_path), DAYS)
    before = {relation: await _count(admin, relation) for relation in _AGED}
    await retention.expire()  # all of it is young
    assert {relation: await _count(admin, relation) for relation in _AGED} == before
    for relation, change in _AGED.items():
        await admin.execute(f'update public."{relation}" set {change}')  # noqa: S608
    assert await retention.expire() > 0
    after = {relation: await _count(admin, relation) for relation in _AGED}
    assert after == dict.fromkeys(_AGED, 0) | {"sessions": before["sessions"]}
    session = await admin.fetchrow("select id_token, start_key, energy_wh from public.sessions")
    assert session["energy_wh"] == 7000 and session["start_key"] != "k"
    assert session["id_token"].startswith("erased-")
    assert await retention.expire() == 0


async def test_months_of_readings_go_as_a_whole(
    store: Database, admin: asyncpg.Connection[Any], tmp_path: Path
) -> None:
    await admin.execute(
        "create table public.meter_values_202001 partition of public.meter_values"
        " for values from ('2020-01-01') to ('2020-02-01')"
    )
    await admin.execute(
        "insert into public.meter_values (cpo_id, charger_id, evse_id, connector_id, measured_at, received_at, digest)"
        " values ($1, 'OWN', 1, 1, '2020-01-15', now(), 5), ($1, 'OWN', 1, 1, '2019-01-15', now(), 6)",
        OWNER,
    )
    kept = await _count(admin, "meter_values") - 2
    await Retention(store, DirectoryStorage(tmp_path), DAYS).expire()
    assert await _count(admin, "meter_values") == kept
    assert await admin.fetchval("select to_regclass('public.meter_values_202001')") is None


async def test_an_uploaded_log_goes_with_its_file(
    store: Database, admin: asyncpg.Connection[Any], tmp_path: Path
) -> None:
    (tmp_path / "logs").mkdir()
    old, young = tmp_path / "logs" / "old", tmp_path / "logs" / "young"
    for file in (old, young):
        file.write_bytes(b"log")
    job = "update public.log_jobs set content_name = 'logs/{}', received_at = now() - interval '{} days'"
    await admin.execute(job.format("old", 91))
    with pytest.raises(StorageUnavailable):
        await Retention(store, NoStorage(), DAYS).expire()  # nothing is forgotten before it is gone
    assert await admin.fetchval("select content_name from public.log_jobs") == "logs/old"
    await Retention(store, DirectoryStorage(tmp_path), DAYS).expire()
    assert not old.exists() and young.exists()
    assert await admin.fetchval("select content_name from public.log_jobs") is None
    await admin.execute(job.format("young", 91))
    await Retention(store, DirectoryStorage(tmp_path), {**DAYS, "uploaded_logs": 92}).expire()
    assert young.exists()


async def test_the_logs_of_a_charger_that_was_deleted_stayed_in_the_storage(
    store: Database, admin: asyncpg.Connection[Any], tmp_path: Path
) -> None:
    (tmp_path / "logs").mkdir()
    gone, kept = tmp_path / "logs" / "gone", tmp_path / "logs" / "kept"
    for file in (gone, kept):
        file.write_bytes(b"log")
    await admin.execute("update public.log_jobs set content_name = 'logs/kept'")
    services = build_directory(store, "a secret of the tests, long enough")
    people = Caller(Scope("cpo_admin", "00000000-0000-4000-8000-000000000001", OWNER), "Admin")
    station = await services.stations.create(people, {"name": "There"}, OWNER)
    charger = {"id": "SHORT", "current_type": "AC", "rated_power_w": 22_000, "station_id": station.id}
    await services.chargers.create(people, charger, 1, None)
    await admin.execute(
        "insert into public.commands (cpo_id, charger_id, action, payload, expires_at)"
        " values ($1, 'SHORT', 'GetDiagnostics', '{}', now())",
        OWNER,
    )
    await admin.execute("update public.log_jobs set content_name = 'logs/gone' where charger_id = 'SHORT'")
    await services.chargers.delete(people, "SHORT")

    with pytest.raises(StorageUnavailable):
        await Retention(store, NoStorage(), DAYS).sweep()
    assert gone.exists()
    assert await Retention(store, DirectoryStorage(tmp_path), DAYS).sweep() == 2  # one is the nation's
    assert (gone.exists(), kept.exists()) == (False, True)
    assert await Retention(store, DirectoryStorage(tmp_path), DAYS).sweep() == 0


async def test_every_class_of_rows_is_one_that_people_were_told_of(admin: asyncpg.Connection[Any]) -> None:
    classes = {row["class"] for row in await admin.fetch("select class from private.retention")}
    assert classes | {"readings", "uploaded_logs"} == set(DAYS)


def test_the_page_prints_the_classes() -> None:
    shown = table(text(Path("docs/privacy.md")), "How long data are kept")
    assert shown == [[one.name, str(one.days), one.holds, one.afterwards] for one in CLASSES]


def test_days_may_be_set_class_by_class() -> None:
    assert kept_days("") == dict(DAYS)
    assert kept_days(" commands=100,uploaded_logs = 7 ") == {**DAYS, "commands": 100, "uploaded_logs": 7}


@pytest.mark.parametrize(
    "wrong", ["books=1", "commands", "commands=0", "commands=-1", "commands=1e3", "commands=99999"]
)
def test_a_class_that_is_none_or_days_that_are_none_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"commands|books"):
        kept_days(wrong)
