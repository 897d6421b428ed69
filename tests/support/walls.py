"""Walks every relation and every function of the schema as every role, at home, abroad and without a CPO, and says in
words what is otherwise than the permission table and the row policies promise."""

# ruff: noqa: S608 (names come from the catalogue and from this file)
from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal

import asyncpg

from backend.database import Database, Scope
from backend.database.direct import claims
from backend.domain.errors import DomainError, Forbidden
from backend.domain.roles import PLATFORM_ROLES, TENANT_ROLES, Permission, Role, allows
from tests.support.tenancy import DRIVER, FOREIGNER, OWNER, PERSON, Relation, writes

Whose = Literal["cpo", "platform", "staff", "driver", "consent"]
STRANGER: Final = "eeeeeeee-0000-0000-0000-000000000005"
"""A driver's user who has nothing."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a relation stands. `whose` its rows are: of a CPO, of the platform alone, for all staff to read, of a
    driver (whom CPOs meet), a driver's word to the EMSV. `writes`: by verb, which permission lets one. `reads`: the
    permission that reading takes, where the row policies ask for one."""

    whose: Whose = "cpo"
    writes: Mapping[str, Permission] = field(default_factory=dict)
    reads: Permission | None = None


def _all(permission: Permission, verbs: str = "insert into,update,delete") -> Mapping[str, Permission]:
    return MappingProxyType(dict.fromkeys(verbs.split(","), permission))


P = Permission
# Relations with a `cpo_id` are a CPO's and nobody writes them, unless it says otherwise here.
PLACES: Final[Mapping[str, Place]] = MappingProxyType(
    {
        "api_keys": Place(writes=_all(P.API_KEYS_WRITE)),
        "campaigns": Place(writes=_all(P.CAMPAIGNS_WRITE)),
        "charger_templates": Place(writes=_all(P.CONFIGURATION_WRITE)),
        "chargers": Place(writes=_all(P.CHARGERS_WRITE)),
        "charging_profiles": Place(writes=_all(P.CHARGING_PROFILES_WRITE)),
        "commands": Place(writes=_all(P.COMMANDS_SEND, "insert into")),
        "configuration_templates": Place(writes=_all(P.CONFIGURATION_WRITE)),
        "connectors": Place(writes=_all(P.CHARGERS_WRITE)),
        "cpos": Place(writes=_all(P.CPOS_WRITE, "insert into,update")),
        "id_tokens": Place(writes=_all(P.ID_TOKENS_WRITE)),
        "local_list_orders": Place(writes=_all(P.LOCAL_LISTS_WRITE, "insert into,update")),
        "local_lists": Place(writes=_all(P.LOCAL_LISTS_WRITE, "insert into,update")),
        "stations": Place(writes=_all(P.STATIONS_WRITE)),
        "users": Place(writes=_all(P.USERS_WRITE)),
        "normalising_rules": Place("staff", _all(P.RULES_WRITE)),
        "nodes": Place("staff"),
        "firmware_quirks": Place(),
        "drivers": Place("driver"),
        "driver_profiles": Place("driver"),
        "driver_contacts": Place("driver"),
        "driver_tokens": Place("driver"),
        "driver_consents": Place("consent"),
        "cpo_applications": Place(reads=P.ONBOARDING_READ),
        "cpo_documents": Place(reads=P.ONBOARDING_READ),
        "cpo_steps": Place(reads=P.ONBOARDING_READ),
        "revenue_shares": Place(reads=P.REVENUE_SHARES_READ),
        "invitations": Place(reads=P.USERS_READ),
        "audit_chains": Place("platform"),
        "audit_log": Place(reads=P.AUDIT_READ),
        "cpo_applicant_tokens": Place("platform"),
        "cpo_registrations": Place("platform"),
        "contents_left_behind": Place("platform"),
        "certificate_authority": Place("platform"),
        "certificate_requests": Place("platform"),
        "failed_logins": Place("platform"),
        "login_attempts": Place("platform"),
        "login_sessions": Place("platform"),
        "mails": Place("platform"),
        "outbox": Place("platform"),
        "one_time_codes": Place("platform"),
        "recovery_codes": Place("platform"),
        "sso_flows": Place("platform"),
        "sso_identities": Place("platform"),
        "refresh_tokens": Place("platform"),
    }
)
_RELATIONS = """
select c.relname as name, c.relkind in ('r', 'p') as writable, c.relispartition as part,
    exists (select 1 from pg_attribute a where a.attrelid = c.oid and a.attname = 'cpo_id') as has_cpo,
    (select a.attname from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     order by a.attname <> 'cpo_id', a.attname <> 'driver_id', a.attnum limit 1) as shown,
    array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          and has_column_privilege('authenticated', c.oid, a.attnum, 'insert')) as insertable,
    (select a.attname from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          and has_column_privilege('authenticated', c.oid, a.attnum, 'update')
     order by a.attname <> 'cpo_id', a.attnum limit 1) as changed
from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v') order by 1
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A relation of the schema and its place; `row` is OWNER's row, if it has a cpo_id, as far as people write it."""

    name: str
    writable: bool
    shown: str
    changed: str
    place: Place
    row: dict[str, Any] | None


async def relations_of(admin: asyncpg.Connection[Any], nation: list[Relation]) -> list[Found]:
    """Every table, partition and view. Fails for one that has no place."""
    rows = {relation.name: relation.row for relation in nation}
    found = []
    for one in await admin.fetch(_RELATIONS):
        place = PLACES.get(one["name"]) or (Place() if one["has_cpo"] else None)
        if one["part"]:
            place = Place("platform")
        assert place, f"tests/support/walls.py must give {one['name']} a place: it has no cpo_id"
        row = rows.get(one["name"])
        if row is not None and one["insertable"]:
            row = {name: value for name, value in row.items() if name in one["insertable"]}
        found.append(Found(one["name"], one["writable"], one["shown"], one["changed"] or one["shown"], place, row))
    return found


def people() -> Iterator[Scope]:
    """Every role: at home, abroad, and with claims that name no CPO; drivers: the one of the nation, and another."""
    for role in Role:
        if role in TENANT_ROLES:
            yield from (Scope(role, PERSON, cpo_id) for cpo_id in (OWNER, FOREIGNER, None))
        elif role is Role.DRIVER:
            yield from (Scope(role, user) for user in (DRIVER, STRANGER))
        else:
            yield Scope(role, PERSON)


def strangers() -> Iterator[Scope]:
    """Who may know nothing of OWNER's."""
    for one in people():
        if one.role not in PLATFORM_ROLES and one.cpo_id != OWNER and one.user_id != DRIVER:
            yield one


def named(scope: Scope) -> str:
    """A scope in words."""
    where = {OWNER: "at home", FOREIGNER: "abroad", None: "without a CPO"}[scope.cpo_id]
    if scope.role == Role.DRIVER:
        where = "themself" if scope.user_id == DRIVER else "another"
    return scope.role if scope.role in PLATFORM_ROLES else f"{scope.role} {where}"


def may_see(place: Place, scope: Scope) -> bool:
    """Whether the row policies must let `scope` see OWNER's (or the driver's) rows."""
    if place.reads is not None and not allows(scope.role, place.reads):
        return False
    nation, home = scope.role in PLATFORM_ROLES, scope.cpo_id == OWNER
    themself = scope.role == Role.DRIVER and scope.user_id == DRIVER
    return {
        "cpo": nation or home,
        "platform": False,
        "staff": nation or scope.cpo_id is not None,
        "driver": nation or home or themself,
        "consent": nation or themself,
    }[place.whose]


def may_write(place: Place, verb: str, scope: Scope) -> bool:
    """Whether the permission table lets `scope` do this to OWNER's rows."""
    permission = place.writes.get(verb)
    if permission is None or not allows(scope.role, permission):
        return False
    return scope.role in PLATFORM_ROLES or (scope.cpo_id == OWNER and place.whose == "cpo")


async def misread(store: Database, relations: list[Found], scope: Scope) -> list[str]:
    """Which relations show what they must not, or hide what they must show."""
    wrong = []
    for relation in relations:
        seen, expected = await _sees(store, relation, scope), may_see(relation.place, scope)
        if seen is not None and seen != expected:
            wrong.append(f"{named(scope)} {'sees' if seen else 'does not see'} {relation.name}")
    return wrong


async def _sees(store: Database, relation: Found, scope: Scope) -> bool | None:
    """Whether rows of OWNER's come, or any, where rows name no CPO; None: the transport does not offer the relation."""
    try:
        rows = await store.select(relation.name, scope=scope, columns=relation.shown, limit=1000)
    except Forbidden:
        return False
    except DomainError as error:
        assert error.code == "unknown_table", error.detail  # PostgREST knows no partitions
        return None
    return any(row["cpo_id"] == OWNER for row in rows) if relation.shown == "cpo_id" else _marked(relation, rows)


def _marked(relation: Found, rows: list[dict[str, Any]]) -> bool:
    if relation.name == "cpos":
        return any(row["id"] == OWNER for row in rows)
    return bool(rows)


async def trespasses(store: Database, relations: list[Found], scope: Scope) -> list[str]:
    """What a stranger is let to write of OWNER's; by the real verbs."""
    wrong = []
    for relation in relations:
        if relation.writable and relation.row is not None:
            done = await writes(store, Relation(relation.name, True, relation.row), scope)
            wrong += [f"{named(scope)} may {verb} {relation.name}" for verb in done]
    return wrong


async def miswritten(admin: asyncpg.Connection[Any], relations: list[Found], scope: Scope) -> list[str]:
    """Where the writes that row policies let through are not those of the permission table. Nothing stays written."""
    wrong = []
    for relation in relations:
        if not relation.writable:
            continue
        for verb in ("insert into", "update", "delete"):
            done = await _let(admin, relation, verb, scope)
            if done != may_write(relation.place, verb, scope):
                wrong.append(f"{named(scope)} {'may' if done else 'may not'} {verb} {relation.name}")
    return wrong


async def _let(admin: asyncpg.Connection[Any], relation: Found, verb: str, scope: Scope) -> bool:
    """One write of OWNER's row, rolled back. A failure that is no refusal says that the policies had let it pass."""
    transaction = admin.transaction()
    await transaction.start()
    try:
        await admin.execute("set local role authenticated")
        await admin.execute("select set_config('request.jwt.claims', $1, true)", claims(scope))
        done = await admin.execute(*_statement(relation, verb))
        return not done.endswith(" 0")
    except asyncpg.InsufficientPrivilegeError:
        return False
    except asyncpg.PostgresError:
        return True
    finally:
        await transaction.rollback()


def _statement(relation: Found, verb: str) -> tuple[str, ...]:
    """The write, and the row where it needs one. The policies are asked before the columns' constraints."""
    table, row = f'public."{relation.name}"', relation.row
    only = f" where cpo_id = '{OWNER}'" if row else f" where id = '{OWNER}'" if relation.name == "cpos" else ""
    if verb == "update":
        return (f"update {table} set {relation.changed} = {relation.changed}{only}",)
    if verb == "delete":
        return (f"delete from {table}{only}",)
    if row is None:
        return (f"insert into {table} default values",)
    columns = ", ".join(f'"{name}"' for name in row)
    populated = f"select {columns} from json_populate_record(null::{table}, $1::json)"
    return f"insert into {table} ({columns}) {populated}", json.dumps(row)
