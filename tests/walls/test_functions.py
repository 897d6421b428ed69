"""Every SQL function that people may call × every stranger: nothing of OWNER's comes back, nothing of it changes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from backend.database import Database, Scope
from backend.domain.errors import DomainError
from tests.support.postgres import execute
from tests.support.postgrest import PostgREST
from tests.support.stores import TRANSPORTS, open_store
from tests.support.tenancy import DRIVER, OWNER, PERSON, found_nation
from tests.support.walls import named, strangers

_FUNCTIONS = """
select p.proname as name, p.proargnames as names, p.proargtypes::regtype[]::text[] as types
from pg_proc p
where p.pronamespace = 'public'::regnamespace and has_function_privilege('authenticated', p.oid, 'execute')
order by 1
"""
# Arguments that name OWNER's things, by their name; the others are harmless values of their type. A call without any of
# these needs a reason below.
_OWNERS = {
    "p_cpo_id": OWNER, "p_station_id": OWNER, "p_charger_id": "OWN", "p_session_id": OWNER, "p_driver_id": DRIVER,
    "p_charger_ids": ["OWN"], "p_charger": {"id": "OWN", "station_id": OWNER, "current_type": "DC", "name": "Stolen"},
}  # fmt: skip
_GIVEN = {
    "p_action": "ClearCache", "p_mode": "full", "p_limit": 100, "p_days": 30, "p_decision": "void", "p_pass": "first",
    "p_profile": 1, "p_expires_in_s": 60, "p_queue": True, "p_purpose": "contact_sharing", "p_method": "app",
    "p_given": False, "p_values": {"name": "Stolen", "car": "Stolen"}, "p_id_token": "NEW", "p_connector_id": 1,
    "p_expires_at": "2099-01-01T00:00:00Z", "p_since": "2026-01-01T00:00:00Z", "p_connector_count": 1, "p_note": "x",
    "p_id": "99999999-0000-4000-8000-000000000010", "p_prefix": "x", "p_key_hash": "stolen", "p_overlap_s": 60,
}  # fmt: skip
_OPTIONAL = {  # filters and the like, which null leaves out
    "p_from", "p_to", "p_after_at", "p_after_id", "p_after_name", "p_newest_first", "p_pattern", "p_state", "p_kind",
    "p_until", "p_reason", "p_evse_id", "p_errors", "p_error_code", "p_direction", "p_open", "p_billing_state",
    "p_parent_token", "p_request_id", "p_idempotency_key", "p_requested_by_name", "p_max_entries",
    "p_max_per_message", "p_energy_wh", "p_started_at", "p_stopped_at", "p_before", "p_after", "p_revision",
    "p_actor_name", "p_recorded_by_name", "p_text_version", "p_object_type", "p_object_id", "p_event_id",
    "p_stations", "p_payload", "p_facts", "p_concurrent_sessions", "p_local_list_sync",
}  # fmt: skip
_NAMES_NOBODY = {"schema_version": "a number", "operator_figures": "of all CPOs that the caller sees"}
_TYPED: dict[str, Any] = {
    "text": "text", "boolean": True, "json": {}, "jsonb": {}, "integer": 1,
    "uuid": "99999999-0000-4000-8000-000000000009"
}  # fmt: skip
MARKS = (OWNER, '"OWN"', DRIVER, "Sari Dewi", '"TAG"', "Owner's")


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


async def _calls(admin: asyncpg.Connection[Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every function with arguments that aim at OWNER. Fails for an argument that nobody has given a meaning."""
    theirs = {
        "p_token_id": str(await admin.fetchval("select id from public.id_tokens")),
        "p_key_id": str(await admin.fetchval("select id from public.api_keys")),
        "p_reservation_id": str(await admin.fetchval("select id from public.reservations")),
    }
    given = {**_OWNERS, **_GIVEN, **theirs}
    calls = []
    for one in await admin.fetch(_FUNCTIONS):
        arguments = dict(zip(one["names"] or [], one["types"], strict=False))
        values = {
            name: given.get(name, None if name in _OPTIONAL else _TYPED.get(kind)) for name, kind in arguments.items()
        }
        for name in arguments:
            assert name in given or name in _OPTIONAL, f"{one['name']}({name}) has no place in the walk of functions"
        aimed = (_OWNERS.keys() | theirs.keys()) & arguments.keys()
        assert aimed or one["name"] in _NAMES_NOBODY, f"{one['name']} names nothing of a CPO's: say why"
        if "p_payload" in arguments:
            values["p_payload"] = {}
        if "p_facts" in arguments:
            values["p_facts"] = {}
        if one["name"] == "create_charging_profile":
            values["p_profile"] = {"name": "Stolen", "purpose": "TxProfile", "rate_unit": "W", "periods": []}
        if one["name"] == "record_audit":
            values |= {"p_action": "x.y", "p_object_type": "x", "p_object_id": "1"}
        calls.append((one["name"], values))
    return calls


async def _answer(store: Database, function: str, arguments: dict[str, Any], scope: Scope) -> str:
    try:
        return json.dumps(await store.call(function, arguments, scope=scope))
    except DomainError as error:
        return error.detail


async def _owned(admin: asyncpg.Connection[Any]) -> dict[str, list[str]]:
    """Every row of the schema that is OWNER's or the driver's, or names them."""
    tables = await admin.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
        " and not relispartition order by 1"
    )
    marked = f"({OWNER}|{DRIVER})"
    return {name: sorted(row[0] for row in await admin.fetch(_rows(name), marked)) for (name,) in tables}


async def _counted(admin: asyncpg.Connection[Any]) -> dict[str, int]:
    """How many rows each table has."""
    return {name: await admin.fetchval(f'select count(*) from public."{name}"') for name in await _owned(admin)}  # noqa: S608


def _rows(name: str) -> str:
    return f'select t::text from public."{name}" t where t::text ~ $1'  # noqa: S608


async def _leaks(store: Database, admin: asyncpg.Connection[Any]) -> list[str]:
    """Which functions tell a stranger something of OWNER's, in words."""
    leaks = []
    for function, arguments in await _calls(admin):
        for scope in strangers():
            answer = await _answer(store, function, arguments, scope)
            leaks += [f"{function} tells {named(scope)} of {mark}" for mark in MARKS if mark in answer]
    return leaks


async def test_no_function_tells_or_does_a_stranger_anything(store: Database, admin: asyncpg.Connection[Any]) -> None:
    before = await _owned(admin)
    assert await _leaks(store, admin) == []
    after = await _owned(admin)
    assert {name: rows for name, rows in after.items() if rows != before[name]} == {}


async def test_the_same_calls_answer_at_home(store: Database, admin: asyncpg.Connection[Any]) -> None:
    """The arguments above do name something: whoever owns it is told."""
    home, told = Scope("cpo_admin", PERSON, OWNER), []
    for function, arguments in await _calls(admin):
        answer = await _answer(store, function, arguments, home)
        told += [function] if any(mark in answer for mark in MARKS) else []
    assert {"charger_timeline", "driver_sessions", "station_live", "enqueue_command"} <= set(told)


async def test_who_signed_up_at_the_project_is_nobody_here(
    admin: asyncpg.Connection[Any], postgrest: PostgREST
) -> None:
    """A token of the project's own, without claims of ours, and headers that only the platform may send."""
    key = postgrest.key("authenticated", sub=PERSON, user_metadata={"cpo_id": OWNER, "role": "emsv_admin"})
    headers = {"Authorization": f"Bearer {key}", "x-user-role": "emsv_admin", "x-cpo-id": OWNER, "x-user-id": PERSON}
    before, told = await _counted(admin), []
    async with httpx.AsyncClient(base_url=postgrest.url, headers=headers, trust_env=False) as anybody:
        for function, arguments in await _calls(admin):
            reply = await anybody.post(f"/rpc/{function}", json=arguments)
            told += [(function, mark) for mark in MARKS if mark in reply.text]
    assert told == []
    assert await _counted(admin) == before


async def test_a_function_that_looks_past_the_walls_is_found(dsn: str, admin: asyncpg.Connection[Any]) -> None:
    live = "public.station_live(uuid, uuid, text, text, text, uuid, integer)"
    timeline = "public.charger_timeline(text, text, integer, timestamptz, timestamptz, text, integer)"
    for function in (live, timeline):
        await execute(dsn, f"alter function {function} security definer")
    async with open_store("direct", dsn, None) as store:
        leaks = await _leaks(store, admin)
    assert f"station_live tells cpo_admin abroad of {OWNER}" in leaks
    assert 'charger_timeline tells driver another of "OWN"' in leaks


async def test_a_new_function_needs_a_place(dsn: str, admin: asyncpg.Connection[Any]) -> None:
    await execute(dsn, "create function public.peep(p_anything text) returns text language sql as 'select p_anything'")
    with pytest.raises(AssertionError, match="has no place in the walk"):
        await _calls(admin)
