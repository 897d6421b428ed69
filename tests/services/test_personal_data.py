"""A driver's rights (UU PDP): a copy of everything, erasure without a way back, and the books as they were."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from backend.database import Database, Scope
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, NotFound
from backend.services.directory import build_directory
from tests.support.postgres import execute
from tests.support.stores import TRANSPORTS, open_store
from tests.support.tenancy import DRIVER, OWNER, PERSON, found_nation

EMSV = Caller(Scope("emsv_admin", PERSON), "Admin")
SELF = Caller(Scope("driver", DRIVER), "Sari Dewi")
MARKS = r"\mtag\M|Sari Dewi|sari@driver\.test|811 1234567|Wuling"
BOOKS = (
    "select sum(energy_wh), sum(meter_stop_wh), sum(meter_start_wh), count(*) from public.sessions",
    "select sum(energy_wh), sum(sessions), count(*) from public.station_days",
    "select sum(energy_wh), count(*) from public.meter_values",
    "select sum(billable_energy_wh), count(*) from public.session_reviews",
)
# Tables that may name a person by these columns. Whatever else comes to have one needs a line in private.driver_data.
PERSONAL_COLUMNS = {"id_token", "stop_id_token", "token_key", "driver_id", "holder_name"}
_COLUMNS = """
select c.relname as name, array_agg(a.attname::text) as columns,
    exists (select 1 from pg_constraint k where k.conrelid = c.oid and k.contype = 'f'
            and k.confrelid in ('public.drivers'::regclass, 'public.users'::regclass)) as refers
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace in ('public'::regnamespace, 'private'::regnamespace) and c.relkind in ('r', 'p')
    and not c.relispartition
group by c.oid, c.relname
"""


@pytest.fixture
async def admin(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """The nation with a driver, seen past all walls; her session has ended."""
    await found_nation(dsn)
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "update public.sessions set stopped_at = now(), stop_received_at = now(), meter_stop_wh = 20000,"
        " energy_wh = 20000, stop_id_token = 'tag', parent_token = 'GROUP'"
    )
    await connection.execute("update public.meter_values set energy_wh = 1000")
    await connection.execute("update public.reservations set status = 'used'")
    yield connection
    await connection.close()


@pytest.fixture(params=TRANSPORTS)
async def store(request: pytest.FixtureRequest, dsn: str, admin: asyncpg.Connection[Any]) -> AsyncIterator[Database]:
    """Both transports over the nation."""
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as opened:
        yield opened


async def _named(admin: asyncpg.Connection[Any]) -> set[str]:
    """Every table of the schema in which something leads to the driver, partitions counted as their table."""
    found = set()
    for row in await admin.fetch(_COLUMNS):
        place = await admin.fetchval("select to_regclass('public.' || quote_ident($1))::text", row["name"])
        table = f'public."{row["name"]}"' if place else f'private."{row["name"]}"'
        if await admin.fetchval(f"select exists (select 1 from {table} t where t::text ~* $1)", MARKS):  # noqa: S608
            found.add(row["name"])
    return found


async def _places(admin: asyncpg.Connection[Any]) -> set[str]:
    return {row["relation"] for row in await admin.fetch("select relation from private.driver_data")}


async def test_every_table_that_leads_to_a_person_has_its_place(admin: asyncpg.Connection[Any]) -> None:
    places = await _places(admin)
    named = {
        row["name"] for row in await admin.fetch(_COLUMNS) if row["refers"] or PERSONAL_COLUMNS & set(row["columns"])
    }
    assert named <= places
    await admin.execute("create table public.loyalty (driver_id uuid references public.drivers (id))")
    assert "loyalty" in {row["name"] for row in await admin.fetch(_COLUMNS) if row["refers"]} - places


async def test_the_export_holds_every_table_in_which_the_driver_is_named(
    store: Database, admin: asyncpg.Connection[Any]
) -> None:
    services = build_directory(store, "k" * 40)
    for caller in (EMSV, SELF):
        copy = await services.personal_data.export(caller, DRIVER)
        full = {table for table, rows in copy["data"].items() if rows}
        assert await _named(admin) <= full
        assert set(copy["data"]) == await _places(admin)
        assert [row["energy_wh"] for row in copy["data"]["sessions"]] == [20000]
        assert "password_hash" not in json.dumps(copy) and copy["data"]["users"][0]["email"] == "sari@driver.test"


async def test_erasure_leaves_the_books_and_no_way_back(store: Database, admin: asyncpg.Connection[Any]) -> None:
    services = build_directory(store, "k" * 40)
    books = [await admin.fetch(question) for question in BOOKS]
    assert {"sessions", "users", "ocpp_messages", "commands", "local_list_orders"} <= await _named(admin)
    first = await services.personal_data.erase(SELF, DRIVER)
    assert (await services.drivers.get(EMSV.scope, DRIVER)).name is None
    assert await _named(admin) == set()
    assert [await admin.fetch(question) for question in BOOKS] == books
    assert (await services.personal_data.erase(EMSV, DRIVER)).erased_at == first.erased_at
    assert await admin.fetchval("select count(*) from public.audit_log where action = 'driver.erase'") == 1
    session = await admin.fetchrow("select id_token, stop_id_token, start_key, parent_token from public.sessions")
    assert session["id_token"].startswith("erased-") and session["id_token"] != session["stop_id_token"]
    assert session["start_key"] != "k" and session["parent_token"] is None
    made = await store.insert("id_tokens", [{"cpo_id": OWNER, "token": "TAG"}], scope=Scope("cpo_admin", PERSON, OWNER))
    assert made[0]["token"] == "TAG"  # free again


@pytest.mark.parametrize(
    "frame",
    [
        '[2,"1","Authorize",{"idTag":"CARD-77"}]',
        '[2,"1","DataTransfer",{"data":"idTag=CARD-77;ok"}]',
        '[2,"1","DataTransfer",{"data":"<idTag>CARD-77</idTag>"}]',
        '[2,"1","DataTransfer",{"data":"{\\"id_tags\\":[\\"card-77\\"],\\"uid\\":\\"CARD-77\\"}"}]',
        '[2,"1","SecurityEventNotification",{"techInfo":"idTag CARD-77 refused"}]',
        '[2,"1","Authorize",{"idTag":7700077}]',
        '[2,"1","DataTransfer",{"tags":{"CARD-77":{"status":"Accepted"}}}]',
        '{"idTag":CARD-77}',
        "{'idTag':'CARD-77'}",
    ],
)
async def test_a_token_is_erased_however_a_charger_spelt_it(admin: asyncpg.Connection[Any], frame: str) -> None:
    left = await admin.fetchval("select private.frame_without_tokens($1, $2)", frame, ["card-77", "7700077"])
    assert "***" in left
    assert "card-77" not in left.lower() and "7700077" not in left


async def test_a_session_that_runs_is_not_torn_from_its_driver(store: Database, dsn: str) -> None:
    services = build_directory(store, "k" * 40)
    await execute(dsn, "update public.sessions set stopped_at = null")
    with pytest.raises(Conflict) as refusal:
        await services.personal_data.erase(EMSV, DRIVER)
    assert refusal.value.code == "driver_busy"
    assert (await services.drivers.get(EMSV.scope, DRIVER)).name == "Sari Dewi"


@pytest.mark.parametrize("role", ["noc_analyst", "cpo_admin", "integrator"])
async def test_nobody_else_copies_or_erases_a_person(store: Database, role: str) -> None:
    services = build_directory(store, "k" * 40)
    caller = Caller(Scope(role, PERSON, OWNER if role != "noc_analyst" else None), "Somebody")
    with pytest.raises(NotFound):
        await services.personal_data.export(caller, DRIVER)
    with pytest.raises(NotFound):
        await services.personal_data.erase(caller, DRIVER)
    with pytest.raises(NotFound):
        await services.personal_data.kept(caller.scope, DRIVER)


async def test_a_card_that_changed_hands_takes_no_history_with_it(admin: asyncpg.Connection[Any], dsn: str) -> None:
    """The next holder neither gets nor erases what the former one charged."""
    async with open_store("direct", dsn, None) as store:
        services = build_directory(store, "k" * 40)
        token = str(await admin.fetchval("select id from public.id_tokens"))
        owner = Caller(Scope("cpo_operator", PERSON, OWNER), "Operator")
        heir = await services.drivers.register(owner, {"name": "Budi"})
        moment = await admin.fetchval("select now() + interval '1 minute'")
        await services.drivers.hold(owner, heir.id, token, moment)
        copy = await services.personal_data.export(EMSV, heir.id)
        assert (copy["data"]["sessions"], copy["data"]["reservations"], copy["data"]["ocpp_messages"]) == ([], [], [])
        await services.personal_data.erase(EMSV, heir.id)
        assert await admin.fetchval("select id_token from public.sessions") == "TAG"
        former = await services.personal_data.export(EMSV, DRIVER)
        assert len(former["data"]["sessions"]) == 1


async def test_a_frame_keeps_its_shape_when_a_token_leaves_it(admin: asyncpg.Connection[Any]) -> None:
    async def cleared(frame: str) -> str:
        return str(await admin.fetchval("select private.frame_without_tokens($1, array['tag', 'c.1'])", frame))

    assert json.loads(await cleared('[2, "TAG", "X", {"idTag": "tAg", "n": 1}]')) == [
        2,
        "***",
        "X",
        {"idTag": "***", "n": 1},
    ]
    assert json.loads(await cleared('{"data": "idTag=TAG;TAGS=1;c.1,cx1"}')) == {"data": "idTag=***;TAGS=1;***,cx1"}
    assert await cleared("no json, TAG") == "***"
