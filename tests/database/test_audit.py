"""The audit log, over both transports: in the transaction of the change, without secrets, never altered, and proven."""

# ruff: noqa: S608 (only this file's own constants go into the SQL)
from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from backend.database import SYSTEM, Database, DirectDatabase, Scope
from backend.domain.caller import Caller
from backend.domain.errors import DomainError, Forbidden
from backend.embedded import EmbeddedPostgres
from backend.migrate import MIGRATIONS, migrate
from backend.services.audit import Audit
from backend.services.audit_proof import AuditProof, Proof
from backend.services.upkeep import Upkeep
from tests.database.unaudited import NOT_AUDITED
from tests.support.postgres import execute, fresh_database
from tests.support.postgrest import PostgREST
from tests.support.tenancy import FOREIGNER, OWNER, PERSON, found_nation

ADMIN = Caller(Scope("cpo_admin", PERSON, OWNER), "Sari Ünïcode", "request-0001", "192.0.2.7")
EMSV = Caller(Scope("emsv_admin", PERSON), "Budi", "request-0002", "2001:db8::1")

_OWN = f"where chain = '{OWNER}'"
_LOG, _SET = f"public.audit_log {_OWN}", "public.audit_log set"


@pytest.fixture
async def owner(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """The database's owner, who may do more than the platform."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def nation(store: Database) -> None:
    """Two CPOs, as the platform made them."""
    rows = [{"id": OWNER, "name": "Owner"}, {"id": FOREIGNER, "name": "Foreigner"}]
    await store.insert("cpos", rows, scope=SYSTEM)


async def log(store: Database) -> list[dict[str, Any]]:
    return await store.select("audit_log", scope=SYSTEM, order=[("id", "asc")], limit=1000)


async def station(store: Database, name: str, caller: Caller = ADMIN, cpo_id: str = OWNER) -> str:
    row = {"cpo_id": cpo_id, "name": name}
    made: str = (await store.insert("stations", [row], scope=caller.scope, columns="id"))[0]["id"]
    return made


async def proven(store: Database, **more: Any) -> Proof:
    return await AuditProof(store).verify(**more)


async def tampered(owner: asyncpg.Connection[Any], statement: str) -> None:
    """As somebody who owns the database and switches its triggers off."""
    await owner.execute(f"set session_replication_role = replica; {statement}; set session_replication_role = origin")


async def test_a_change_tells_who_what_when_and_from_where(store: Database) -> None:
    await nation(store)
    made = await station(store, "Kota")
    where = [("id", "eq", made)]
    await store.update("stations", {"name": "Kota Baru"}, scope=EMSV.scope, where=where)
    await store.update("stations", {"name": "Kota Baru", "updated_at": "now"}, scope=ADMIN.scope, where=where)
    await store.delete("stations", scope=ADMIN.as_platform, where=where)

    first, second, third = await log(store)
    assert (first["action"], first["object_type"], first["object_id"]) == ("station.create", "station", made)
    assert (first["before"], first["after"]["name"], first["cpo_id"]) == (None, "Kota", OWNER)
    told = ("actor_id", "actor_name", "actor_role", "request_id", "address")
    sari = [PERSON, "Sari Ünïcode", "cpo_admin", "request-0001", "192.0.2.7"]
    assert [first[name] for name in told] == [third[name] for name in told] == sari
    assert [second[name] for name in told] == [PERSON, "Budi", "emsv_admin", "request-0002", "2001:db8::1"]
    assert (second["before"], second["after"]) == ({"name": "Kota"}, {"name": "Kota Baru"})
    assert (third["action"], third["before"]["name"], third["after"]) == ("station.delete", "Kota Baru", None)
    assert [row["seq"] for row in (first, second, third)] == [1, 2, 3]


async def test_what_the_platform_does_by_itself_is_not_told(store: Database) -> None:
    await nation(store)
    await store.insert("stations", [{"cpo_id": OWNER, "name": "Kota"}], scope=SYSTEM)
    assert await log(store) == []


async def test_a_change_that_fails_leaves_no_row_and_one_that_is_told_is_kept(store: Database) -> None:
    await nation(store)
    with pytest.raises(DomainError):
        await store.insert("stations", [{"cpo_id": OWNER, "name": n} for n in ("A", "A")], scope=ADMIN.scope)
    assert await log(store) == []


async def test_the_row_is_part_of_the_transaction(store: Database, owner: asyncpg.Connection[Any]) -> None:
    await nation(store)
    claims = {"role": "authenticated", "sub": PERSON, "app_metadata": {"cpo_id": OWNER, "role": "cpo_admin"}}
    begin = "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)"
    seen = []
    for end in ("rollback", "commit"):
        await owner.execute("begin")
        await owner.execute(begin, json.dumps(claims))
        await owner.execute(f"insert into public.stations (cpo_id, name) values ('{OWNER}', 'Kota')")
        await owner.execute(end)
        seen.append([(row["action"], row["actor_id"], row["seq"]) for row in await log(store)])
    assert seen == [[], [("station.create", PERSON, 1)]]


async def test_secrets_never_reach_the_log(store: Database) -> None:
    await nation(store)
    user = {"cpo_id": OWNER, "email": "a@b.test", "name": "A", "role": "cpo_admin", "password_hash": "geheim-1"}
    key = {"cpo_id": OWNER, "name": "K", "prefix": "uniev_", "key_hash": "geheim-2"}
    token = {"cpo_id": OWNER, "token": "TAG", "holder_name": "geheim-3", "note": "geheim-4"}
    for table, row in (("users", user), ("api_keys", key), ("id_tokens", token)):
        await store.insert(table, [row], scope=ADMIN.scope, columns="id")
    change = {"password_hash": "geheim-5"}
    await store.update("users", change, scope=ADMIN.scope, where=[("email", "eq", "a@b.test")], columns="id")

    rows = await log(store)
    assert "geheim" not in json.dumps(rows)
    assert (rows[-1]["before"], rows[-1]["after"]) == ({"password_hash": "***"}, {"password_hash": "***"})
    assert rows[2]["after"]["holder_name"] == "***"


async def test_an_event_is_told_in_the_callers_own_name_and_cpo(store: Database) -> None:
    await nation(store)
    audit = Audit(store)
    await audit.record(ADMIN, "log_job.download", "log_job", "1", cpo_id=FOREIGNER)
    await audit.record(EMSV, "log_job.download", "log_job", "2", cpo_id=FOREIGNER, after={"n": 1})
    await audit.record(Caller(SYSTEM, "administrator's command line"), "x.y", "x", "3", cpo_id=None)
    arguments = {"p_event_id": PERSON, "p_cpo_id": None, "p_action": "x.z", "p_object_type": "x", "p_object_id": "4",
                 "p_before": None, "p_after": None}  # fmt: skip
    for _ in range(2):  # the answer to the first was lost
        await store.call("record_audit", arguments, scope=ADMIN.scope)

    told = [(row["object_id"], row["cpo_id"], row["actor_name"], row["actor_role"]) for row in await log(store)]
    assert told == [
        ("1", OWNER, "Sari Ünïcode", "cpo_admin"),
        ("2", FOREIGNER, "Budi", "emsv_admin"),
        ("3", None, "administrator's command line", "system"),
        ("4", OWNER, "Sari Ünïcode", "cpo_admin"),
    ]


async def test_nobody_writes_changes_or_removes_a_row(store: Database, owner: asyncpg.Connection[Any]) -> None:
    await nation(store)
    await station(store, "Kota")
    row = {"cpo_id": OWNER, "action": "station.create", "object_type": "station", "actor_name": "somebody else"}
    where = [("cpo_id", "eq", OWNER)]
    for scope in (ADMIN.scope, EMSV.scope):
        with pytest.raises(Forbidden):
            await store.insert("audit_log", [row], scope=scope, columns="id")
    for scope in (ADMIN.scope, EMSV.scope, SYSTEM):
        with pytest.raises(Forbidden):
            await store.update("audit_log", {"actor_name": "x"}, scope=scope, where=where)
        with pytest.raises(Forbidden):
            await store.delete("audit_log", scope=scope, where=where)
    for statement in (
        "update public.audit_log set actor_name = 'x'",
        "update public.audit_log set seq = null, hash = null",
        "delete from public.audit_log",
        "truncate public.audit_log",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await owner.execute(statement)
    assert (await proven(store)).faults == []


@pytest.mark.parametrize(
    ("statement", "faults"),
    [
        (f"delete from {_LOG} and seq = 3", [(3, "missing")]),
        (f"delete from {_LOG} and seq = 6", [(6, "missing")]),
        (f"delete from {_LOG} and seq < 3", [(1, "missing"), (2, "missing")]),
        (f"update {_SET} after = '{{}}' {_OWN} and seq = 3", [(3, "changed")]),
        (f"update {_SET} at = at - interval '1 microsecond' {_OWN} and seq = 3", [(3, "changed")]),
        (f"update {_SET} seq = -seq {_OWN} and seq in (3, 4); update {_SET} seq = 7 + seq {_OWN} and seq < 0",
         [(3, "changed"), (4, "changed"), (5, "changed")]),
        (f"delete from public.audit_chains {_OWN}", [(6, "the kept end of this chain is gone")]),
        (f"delete from {_LOG} and seq = 6; update public.audit_chains set seq = 5 {_OWN}",
         [(5, "not the end that is kept")]),
        ("insert into public.audit_log (cpo_id, action, object_type, seq, hash) "
         f"values ('{OWNER}', 'x', 'x', 7, 'x')", [(7, "a row beyond the end")]),
        ("insert into public.audit_log (cpo_id, action, object_type) "
         f"values ('{OWNER}', 'x', 'x')", [(6, "1 rows that were never chained")]),
    ],
)  # fmt: skip
async def test_what_was_removed_changed_moved_or_slipped_in_is_noticed(
    database: DirectDatabase, owner: asyncpg.Connection[Any], statement: str, faults: list[tuple[int, str]]
) -> None:
    await nation(database)
    for number in range(6):
        await station(database, f"S{number}")
    await station(database, "elsewhere", EMSV, FOREIGNER)
    assert await proven(database) == (7, (await proven(database)).ends, [])

    await tampered(owner, statement)

    found = (await proven(database)).faults
    assert [(fault.seq, fault.fault) for fault in found] == faults
    assert {fault.chain for fault in found} == {OWNER}


async def test_a_log_rewritten_as_a_whole_is_noticed_by_its_anchors(
    database: DirectDatabase, owner: asyncpg.Connection[Any]
) -> None:
    await nation(database)
    for number in range(3):
        await station(database, f"S{number}")
    anchors = (await proven(database)).ends
    await station(database, "later")
    assert (await proven(database, anchors=anchors)).faults == []

    await tampered(owner, "delete from public.audit_log; delete from public.audit_chains")
    for number in range(3):
        await station(database, f"T{number}")

    assert (await proven(database)).faults == []
    assert [fault.fault for fault in (await proven(database, anchors=anchors)).faults] == ["not what the anchor says"]


async def test_writers_at_the_same_time_make_one_chain_without_gaps(store: Database) -> None:
    await nation(store)

    async def write(writer: int) -> None:
        for number in range(6):
            caller, cpo = (ADMIN, OWNER) if writer % 2 else (EMSV, FOREIGNER)
            await station(store, f"S{writer}-{number}", caller, cpo)
        rows = [{"cpo_id": cpo, "name": f"B{writer}"} for cpo in ((OWNER, FOREIGNER), (FOREIGNER, OWNER))[writer % 2]]
        await store.insert("stations", rows, scope=EMSV.scope, columns="id")  # both chains, in either order

    await asyncio.gather(*(write(writer) for writer in range(8)))

    proof = await proven(store)
    assert (proof.checked, proof.faults) == (8 * 8, [])
    assert {chain: end.seq for chain, end in proof.ends.items()} == {OWNER: 32, FOREIGNER: 32}


async def test_what_is_old_goes_from_the_beginning_and_the_rest_still_proves_itself(
    database: DirectDatabase, owner: asyncpg.Connection[Any]
) -> None:
    await nation(database)
    await execute_all(owner, [
        "insert into public.audit_log (cpo_id, action, object_type, at) "
        f"select '{OWNER}', 'x', 'x', now() - make_interval(days => 400 - n) from generate_series(1, 5) n",
    ])  # fmt: skip
    await station(database, "today")
    anchors = (await proven(database)).ends

    upkeep = Upkeep(database)
    assert [await upkeep.prune_audit(397) for _ in range(2)] == [3, 0]

    rows = await log(database)
    assert [row["action"] for row in rows] == ["x", "x", "station.create", "audit.prune"]
    assert (rows[-1]["after"]["rows"], rows[-1]["actor_name"]) == (3, "platform")
    assert (await proven(database, anchors=anchors)).faults == []
    await tampered(owner, "delete from public.audit_log where seq = 4")
    assert [fault.seq for fault in (await proven(database)).faults] == [4]


async def execute_all(owner: asyncpg.Connection[Any], statements: list[str]) -> None:
    for statement in statements:
        await owner.execute(statement)


async def test_what_was_written_before_there_were_chains_is_chained(
    postgres_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    for path in sorted(MIGRATIONS.glob("*.sql")):
        if path.name < "20261121000043":
            shutil.copy(path, tmp_path)
    with fresh_database(postgres_server, template="template0") as dsn:
        await migrate(dsn, tmp_path)
        for cpo in (f"'{OWNER}'", "null"):
            await execute(dsn, "insert into public.audit_log (cpo_id, action, object_type, before) "
                               f"select {cpo}, 'x.y', 'x', '{{\"n\": 1.50}}' from generate_series(1, 3)")  # fmt: skip
        await migrate(dsn)
        opened = await DirectDatabase.open(dsn)
        assert (await proven(opened))[::2] == (6, [])
        await opened.close()


async def test_a_persons_own_token_over_http_is_named_by_it_and_not_by_a_header(
    dsn: str, postgrest: PostgREST, owner: asyncpg.Connection[Any]
) -> None:
    await found_nation(dsn)
    token = postgrest.key("authenticated", sub=PERSON, app_metadata={"role": "cpo_admin", "cpo_id": OWNER})
    headers = {"Authorization": f"Bearer {token}", "x-origin": "eyJuYW1lIjogInNvbWVib2R5IGVsc2UifQ=="}
    async with httpx.AsyncClient(base_url=postgrest.url, headers=headers) as client:
        made = await client.post("/stations", json={"cpo_id": OWNER, "name": "Kota"})
    row = await owner.fetchrow("select * from public.audit_log where action = 'station.create'")
    assert made.status_code == httpx.codes.CREATED and row is not None
    assert (str(row["actor_id"]), row["actor_role"], row["actor_name"]) == (PERSON, "cpo_admin", None)


async def test_a_login_and_its_end_are_told_in_the_persons_name(store: Database) -> None:
    await nation(store)
    row = {"id": PERSON, "cpo_id": OWNER, "email": "a@b.test", "name": "A", "role": "cpo_admin", "password_hash": "x"}
    await store.insert("users", [row], scope=SYSTEM, columns="id")
    opened = {"id": FOREIGNER, "user_id": PERSON, "address": "192.0.2.9"}
    await store.insert("login_sessions", [opened], scope=SYSTEM, columns="id")
    ended = {"p_user_id": PERSON, "p_id": FOREIGNER, "p_except": None, "p_reason": "revoked"}
    await store.call("end_logins", ended, scope=EMSV.as_platform)
    await store.call("end_logins", ended, scope=EMSV.as_platform)

    told = [(row["action"], row["actor_name"], row["address"], row["cpo_id"]) for row in await log(store)]
    assert told == [
        ("login.create", "A", "192.0.2.9", OWNER),
        ("login.revoked", "Budi", "2001:db8::1", OWNER),
    ]


async def test_operators_do_not_read_the_log(store: Database) -> None:
    await nation(store)
    await station(store, "Kota")
    seen = [
        len(await store.select("audit_log", scope=Scope(role, PERSON, None if role == "noc_analyst" else OWNER)))
        for role in ("cpo_admin", "noc_analyst", "cpo_operator", "cpo_finance", "integrator")
    ]
    assert seen == [1, 1, 0, 0, 0]


async def test_every_table_is_audited_or_need_not_be(owner: asyncpg.Connection[Any]) -> None:
    tables = await owner.fetch(
        """select c.relname as name,
               exists (select 1 from pg_trigger t where t.tgrelid = c.oid and t.tgname = 'audited') as audited
           from pg_class c
           where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition"""
    )
    audited = {row["name"] for row in tables if row["audited"]}

    assert audited >= {"cpos", "users", "api_keys", "stations", "chargers", "commands", "campaigns"}
    assert {row["name"] for row in tables} - audited == set(NOT_AUDITED)


async def test_what_chargers_report_fires_no_trigger_of_the_log(owner: asyncpg.Connection[Any]) -> None:
    await owner.execute("insert into public.chargers (id, registration) values ('CP-1', 'pending')")
    await owner.execute("insert into public.connectors (charger_id, evse_id, connector_id) values ('CP-1', 1, 1)")
    for statement in (
        "update public.chargers set status = 'Available', vendor = 'V', status_at = now() where id = 'CP-1'",
        "update public.connectors set status = 'Charging', status_at = now() where charger_id = 'CP-1'",
        "insert into public.chargers (id, registration) values ('CP-2', 'pending')",
    ):
        plan = await owner.fetch(f"explain (analyze, costs off, timing off, summary off) {statement}")
        assert not [line for (line,) in plan if "audited" in line], statement
