"""Two CPOs with rows in every tenant table, and a driver."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from backend.database import Database, Row, Scope
from backend.domain.errors import DomainError, Forbidden
from backend.services.upkeep import PARTITIONS_AHEAD_DAYS

OWNER = "aaaaaaaa-0000-0000-0000-000000000001"
FOREIGNER = "bbbbbbbb-0000-0000-0000-000000000002"
PERSON = "cccccccc-0000-0000-0000-000000000003"
DRIVER = "dddddddd-0000-0000-0000-000000000004"
"""A driver who charges at OWNER's, with the token TAG; also the id of the driver's user."""

# A row of OWNER in every table that has a cpo_id, and in each partition. A new one without a row here fails the test.
# ruff: noqa: S608 (only this file's own constants go into the SQL)
_NATION = f"""
insert into public.cpos (id, name) values ('{OWNER}', 'Owner'), ('{FOREIGNER}', 'Foreigner');
insert into public.users (cpo_id, email, name, role, password_hash)
    values ('{OWNER}', 'a@owner.test', 'A', 'cpo_admin', 'x');
insert into public.invitations (cpo_id, email, name, role, token_hash, expires_at)
    values ('{OWNER}', 'b@owner.test', 'B', 'cpo_operator', 'h', now());
insert into public.api_keys (cpo_id, name, prefix, key_hash) values ('{OWNER}', 'key', 'abc', 'hash');
insert into public.stations (id, cpo_id, name) values
    ('{OWNER}', '{OWNER}', 'Owner''s'), ('{FOREIGNER}', '{FOREIGNER}', 'Foreigner''s');
insert into public.chargers (id, cpo_id, station_id) values
    ('OWN', '{OWNER}', '{OWNER}'), ('FOREIGN', '{FOREIGNER}', '{FOREIGNER}');
insert into public.nodes (name, started_at, seen_at) values ('node', now(), now());
insert into public.connections (charger_id, cpo_id, connection_id, node, protocol, connected_at,
        last_seen_at) values ('OWN', '{OWNER}', gen_random_uuid(), 'node', 'ocpp1.6', now(), now());
insert into public.connectors (charger_id, evse_id, connector_id, cpo_id) values ('OWN', 1, 1, '{OWNER}');
insert into public.id_tokens (cpo_id, token) values ('{OWNER}', 'TAG');
insert into public.sessions (id, cpo_id, station_id, charger_id, evse_id, connector_id, protocol, id_token,
        start_key, started_at, start_received_at, meter_start_wh)
    values ('{OWNER}', '{OWNER}', '{OWNER}', 'OWN', 1, 1, 'ocpp1.6', 'TAG', 'k', now(), now(), 0);
insert into public.session_reviews (session_id, cpo_id, evidence, proposal)
    values ('{OWNER}', '{OWNER}', '{{}}', '{{}}');
insert into public.orphan_stops (cpo_id, charger_id, transaction_id, id_token, stopped_at, reported_at, received_at)
    values ('{OWNER}', 'OWN', 0, 'TAG', now(), 'then', now());
insert into public.meter_values (cpo_id, charger_id, evse_id, connector_id, session_id, measured_at, received_at,
        digest)
    select '{OWNER}', 'OWN', 1, 1, '{OWNER}', now() + d * interval '1 day', now(), 1
    from unnest(array[0, {PARTITIONS_AHEAD_DAYS}, -400]) as d;
insert into public.station_days (station_id, day, cpo_id, sessions, energy_wh)
    values ('{OWNER}', '2026-01-01', '{OWNER}', 1, 1);
insert into public.commands (cpo_id, charger_id, action, payload, expires_at)
    values ('{OWNER}', 'OWN', 'Reset', '{{}}', now() + interval '1 hour');
insert into public.ocpp_messages (at, cpo_id, charger_id, direction, kind, payload)
    select now() + d * interval '1 day', '{OWNER}', 'OWN', 'in', 'call', '[2, "1", "Authorize", {{"idTag": "TAG"}}]'
    from (select generate_series(0, {PARTITIONS_AHEAD_DAYS}) union select -400) as days(d);
insert into public.charger_events (at, cpo_id, charger_id, kind, event)
    select now() + d * interval '1 day', '{OWNER}', 'OWN', 'boot', 'booted'
    from unnest(array[0, {PARTITIONS_AHEAD_DAYS}, -400]) as d;
insert into public.reservations (cpo_id, charger_id, reservation_id, connector_id, id_token, expires_at, command_id)
    select '{OWNER}', 'OWN', 1, 1, 'TAG', now(), id from public.commands;
insert into public.local_lists (cpo_id, charger_id) values ('{OWNER}', 'OWN');
insert into public.local_list_entries (cpo_id, charger_id, token_key, id_token, status)
    values ('{OWNER}', 'OWN', 'tag', 'TAG', 'Accepted');
insert into public.local_list_orders (cpo_id, charger_id, mode, reason, status, entry_count, parts, expires_in_s)
    values ('{OWNER}', 'OWN', 'full', 'asked', 'accepted', 1, '[{{"idTag": "tag"}}]', 60);
insert into public.charging_profiles (cpo_id, wire_id, name, purpose, stack_level, kind, rate_unit, periods)
    values ('{OWNER}', 1, 'P', 'TxDefaultProfile', 0, 'Relative', 'W', '[{{}}]');
insert into public.held_profiles (cpo_id, charger_id, connector_id, wire_id, purpose, stack_level, profile,
        installed_at)
    values ('{OWNER}', 'OWN', 1, 1, 'TxDefaultProfile', 0, '{{}}', now());
insert into public.composite_schedules (cpo_id, charger_id, connector_id, starts_at, rate_unit, periods,
        received_at)
    values ('{OWNER}', 'OWN', 1, now(), 'W', '[]', now());
insert into public.charger_keys (id, cpo_id, charger_id, password_hash) values ('{OWNER}', '{OWNER}', 'OWN', 'hash');
insert into public.certificates (cpo_id, charger_id, kind, state, serial_number)
    values ('{OWNER}', 'OWN', 'ChargePointCertificate', 'issued', '1f');
insert into public.certificates (cpo_id, charger_id, kind, state, serial_number, not_after)
    values ('{OWNER}', 'OWN', 'ChargePointCertificate', 'installed', '2f', now() + interval '1 year');
insert into public.security_events (cpo_id, charger_id, source, type, critical, reported_at, happened_at, received_at)
    values ('{OWNER}', 'OWN', 'charger', 'ResetOrReboot', true, 'then', now(), now());
insert into public.gate_refusals (cpo_id, charger_id, reason, node, refused_count, first_at, last_at)
    values ('{OWNER}', 'OWN', 'password', 'node', 1, now(), now());
insert into public.charger_configuration (charger_id, key, cpo_id, value, known_at)
    values ('OWN', 'HeartbeatInterval', '{OWNER}', '300', now());
insert into public.configuration_reports (charger_id, cpo_id, reported_at, complete_at)
    values ('OWN', '{OWNER}', now(), now());
insert into public.configuration_changes (cpo_id, charger_id, at, key, source)
    values ('{OWNER}', 'OWN', now(), 'HeartbeatInterval', 'charger');
insert into public.configuration_templates (id, cpo_id, name, settings)
    values ('{OWNER}', '{OWNER}', 'Standard', '{{"HeartbeatInterval": "60"}}'),
    ('{FOREIGNER}', '{FOREIGNER}', 'Standard', '{{}}');
insert into public.charger_templates (charger_id, cpo_id, template_id) values ('OWN', '{OWNER}', '{OWNER}');
insert into public.charger_quirks (charger_id, quirk, cpo_id, occurrences, first_at, last_at)
    values ('OWN', 'odd_enum', '{OWNER}', 1, now(), now());
insert into public.campaigns (id, cpo_id, name, kind, wave_size)
    values ('{OWNER}', '{OWNER}', 'Campaign', 'password_rotation', 1);
insert into public.campaign_targets (campaign_id, charger_id, cpo_id, wave, position, state)
    values ('{OWNER}', 'OWN', '{OWNER}', 1, 1, 'waiting');
insert into public.firmware_files (cpo_id, name, version, size_bytes, sha256, content_name)
    values ('{OWNER}', 'fw.bin', '2', 1, '00', 'firmware/1');
insert into public.commands (cpo_id, charger_id, action, payload, expires_at)
    select '{OWNER}', 'OWN', a, '{{}}', now() from unnest(array['UpdateFirmware', 'GetDiagnostics']) as a;
insert into public.commands (cpo_id, charger_id, action, payload, expires_at) values
    ('{OWNER}', 'OWN', 'RemoteStartTransaction', '{{"idTag": "TAG"}}', now()),
    ('{OWNER}', 'OWN', 'SendLocalList', '{{"localAuthorizationList": [{{"idTag": "Tag"}}]}}', now());
insert into public.users (id, email, name, role, password_hash)
    values ('{DRIVER}', 'sari@driver.test', 'Sari Dewi', 'driver', 'x');
insert into public.login_sessions (id, user_id) values ('{DRIVER}', '{DRIVER}');
insert into public.refresh_tokens (token_hash, family, user_id, expires_at) values ('h', '{DRIVER}', '{DRIVER}', now());
insert into public.drivers (id, user_id, name, car, battery_wh)
    values ('{DRIVER}', '{DRIVER}', 'Sari Dewi', 'Wuling Air ev', 26700);
insert into public.invitations (driver_id, email, name, role, token_hash, expires_at, accepted_at)
    values ('{DRIVER}', 'sari@driver.test', 'Sari Dewi', 'driver', 'd', now(), now());
insert into public.one_time_codes (email, code_hash, expires_at) values ('sari@driver.test', 'h', now());
insert into public.driver_contacts (driver_id, contact) values ('{DRIVER}', '+62 811 1234567');
insert into public.driver_consents (driver_id, purpose, text_version, given, method, recorded_by_name)
    values ('{DRIVER}', 'contact_sharing', '1', true, 'paper', 'Sari Dewi');
insert into public.driver_tokens (driver_id, id_token_id, cpo_id, token_key, held_since)
    select '{DRIVER}', id, cpo_id, token_key, now() - interval '1 day' from public.id_tokens;
insert into public.driver_cpos (driver_id, cpo_id) values ('{DRIVER}', '{OWNER}');
insert into public.contents_left_behind (content_name) values ('logs/left');
insert into public.outbox (cpo_id, topic, payload) values ('{OWNER}', 'session.started', '{{}}');
insert into public.alarms (cpo_id, kind, charger_id, opened_at, last_seen_at, count)
    values ('{OWNER}', 'flooding', 'OWN', now(), now(), 1);
insert into public.cpo_applications (cpo_id, email, contact_name, company)
    values ('{OWNER}', 'a@owner.test', 'A', 'Owner');
insert into public.cpo_steps (id, cpo_id, step, state, party, actor_name)
    values ('{OWNER}', '{OWNER}', 'submit', 'submitted', 'applicant', 'A');
insert into public.cpo_documents (id, cpo_id, kind, name, media_type, size_bytes, sha256, content_name)
    values ('{OWNER}', '{OWNER}', 'nib', 'nib.pdf', 'application/pdf', 1, '00', 'cpo-documents/1');
insert into public.revenue_shares (cpo_id, valid_from, cpo_percent, settlement_cycle, created_by_name)
    values ('{OWNER}', '2026-01-01', 90, 'monthly', 'A');
insert into public.audit_log (cpo_id, action, object_type) values ('{OWNER}', 'create', 'station');
"""

# Partitions show in the schema too, and can be asked for by name.
_TENANT_RELATIONS = """
select c.relname as name, c.relkind in ('r', 'p') as writable,
    array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
          and not a.attisdropped and a.attidentity = '' and a.attgenerated = '') as columns
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
  and exists (select 1 from pg_attribute a
              where a.attrelid = c.oid and a.attname = 'cpo_id' and not a.attisdropped)
order by 1
"""


@dataclass(frozen=True)
class Relation:
    """A table, partition or view with a cpo_id, and OWNER's row in it without generated columns."""

    name: str
    writable: bool
    row: dict[str, Any]


async def found_nation(dsn: str) -> list[Relation]:
    """Fills the database and returns every relation that carries a tenant's rows."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_NATION)
        relations = []
        for found in await connection.fetch(_TENANT_RELATIONS):
            text = await connection.fetchval(
                f'select row_to_json(t)::text from public."{found["name"]}" t where cpo_id = $1',
                OWNER,
            )
            assert text, f"tests/support/tenancy.py must give OWNER a row in {found['name']}"
            row = {name: value for name, value in msgspec.json.decode(text).items() if name in found["columns"]}
            relations.append(Relation(found["name"], found["writable"], row))
        return relations
    finally:
        await connection.close()


async def contents(dsn: str, relations: list[Relation]) -> dict[str, str]:
    """Everything in the tables, as text, to tell whether anything changed."""
    connection = await asyncpg.connect(dsn)
    try:
        return {
            relation.name: await connection.fetchval(
                f"select coalesce(json_agg(t order by t::text), '[]')::text from public.\"{relation.name}\" t"
            )
            for relation in relations
            if relation.writable
        }
    finally:
        await connection.close()


async def writes(store: Database, relation: Relation, scope: Scope) -> list[str]:
    """Which of insert, update, delete `scope` is let to do with OWNER's row of a table."""
    table, owned, stolen = relation.name, [("cpo_id", "eq", OWNER)], {"cpo_id": scope.cpo_id}
    attempts = {
        "insert into": _inserted(store, relation, scope),
        "update": store.update(table, stolen, scope=scope, where=owned, columns="cpo_id"),
        "delete": store.delete(table, scope=scope, where=owned, columns="cpo_id"),
    }
    return [verb for verb, attempt in attempts.items() if await _gets_through(attempt)]


async def _inserted(store: Database, relation: Relation, scope: Scope) -> list[Row]:
    """Asks for nothing back, since the policy for reading would refuse what that for inserting let pass."""
    await store.insert(relation.name, [relation.row], scope=scope, columns="")
    return [relation.row]


async def _gets_through(attempt: Awaitable[list[Row]]) -> bool:
    """False if the policies refuse or hide. A duplicate key, say, means that they had let it pass."""
    try:
        return bool(await attempt)
    except Forbidden:
        return False
    except DomainError as error:
        return error.code != "unknown_table"  # PostgREST does not know partitions
