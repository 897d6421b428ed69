"""A charger that gets another CPO: the former one acts on it no more, and what happened stays where it happened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from backend.database import SYSTEM, Database, Scope
from backend.domain.caller import Caller
from backend.domain.errors import NotFound
from backend.services.campaigns import CampaignClock, CampaignState
from backend.services.commands import Delivery
from backend.services.directory import Directory, build_directory
from backend.services.records import PageRequest
from tests.services.campaigns.acts import ADMIN, draft, results
from tests.support.stores import TRANSPORTS, open_store
from tests.support.tenancy import FOREIGNER, OWNER, PERSON, found_nation

FORMER = Caller(Scope("cpo_admin", user_id=PERSON, cpo_id=OWNER), "Former")
NEXT = Caller(Scope("cpo_admin", user_id=PERSON, cpo_id=FOREIGNER), "Next")

# What a charger is and holds goes with it.
MOVES = {
    "alarms", "certificates", "charger_configuration", "charger_keys", "charger_quirks", "configuration_reports",
    "connections", "connectors", "gate_refusals", "held_profiles", "local_lists",
}  # fmt: skip
# What its former CPO wanted of it, or put into it, is gone.
GOES = {"charger_templates", "local_list_entries"}
# What happened stays with whom it happened to; what was still under way has ended there.
STAYS = {
    "campaign_targets", "charger_events", "commands", "composite_schedules", "configuration_changes", "firmware_jobs",
    "local_list_orders", "log_jobs", "meter_values", "ocpp_messages", "orphan_stops", "reservations", "security_events",
    "sessions",
}  # fmt: skip


@pytest.fixture(params=TRANSPORTS)
async def store(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Database]:
    """Both transports over two CPOs; the charger OWN has a row of OWNER in every table."""
    await found_nation(dsn)
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as opened:
        yield opened


@pytest.fixture
def services(store: Database) -> Directory:
    return build_directory(store, "a secret of the tests, long enough")


@pytest.fixture
async def owner(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


async def hand_over(services: Directory) -> None:
    """The EMSV refuses the charger OWN, and accepts it at a station of another CPO."""
    await services.chargers.reject(ADMIN, "OWN")
    await services.chargers.approve(ADMIN, "OWN", FOREIGNER)


async def tables(owner: asyncpg.Connection[Any]) -> list[str]:
    """Those that have rows of a charger and of a CPO."""
    rows = await owner.fetch(
        "select c.relname::text as name from pg_class c where c.relnamespace = 'public'::regnamespace "
        "and c.relkind in ('r', 'p') and not c.relispartition and 2 = (select count(*) from pg_attribute a "
        "where a.attrelid = c.oid and a.attname in ('charger_id', 'cpo_id') and not a.attisdropped) order by 1"
    )
    return [row["name"] for row in rows]


async def test_every_table_of_chargers_has_its_place(
    services: Directory, store: Database, owner: asyncpg.Connection[Any]
) -> None:
    found = await tables(owner)
    assert set(found) == MOVES | GOES | STAYS  # a new table: say what becomes of it in private.hand_over_charger
    before = {name: await whose(owner, name) for name in found}
    assert before == {name: {OWNER} for name in found}
    await hand_over(services)
    await services.chargers.approve(ADMIN, "OWN", FOREIGNER)

    after = {name: await whose(owner, name) for name in found}
    assert {name for name in found if after[name] == {FOREIGNER}} == MOVES
    assert {name for name in found if not after[name]} == GOES
    assert {name for name in found if after[name] == {OWNER}} == STAYS


async def whose(owner: asyncpg.Connection[Any], table: str) -> set[str]:
    rows = await owner.fetch(f"select distinct cpo_id::text as cpo_id from public.{table} where charger_id = 'OWN'")  # noqa: S608
    return {row["cpo_id"] for row in rows}


async def test_the_former_cpos_orders_were_carried_out_at_the_next_ones(
    services: Directory, store: Database, owner: asyncpg.Connection[Any]
) -> None:
    await owner.execute(
        "update public.reservations set status = 'active', expires_at = now() + interval '1 hour';"
        "update public.local_list_orders set status = 'sending';"
        "update public.commands set expires_at = now() + interval '1 hour';"
        "update public.commands set status = 'sent', sent_at = now() where action = 'RemoteStartTransaction';"
        "update public.firmware_jobs set status = 'downloading', token_hash = 'firmware';"
        "update public.log_jobs set token_hash = 'log', link_expires_at = now() + interval '1 hour';"
        "update public.local_lists set version = 7, accepted_at = now(), sync = true"
    )
    await hand_over(services)

    commands = await owner.fetch("select action, status, error_code from public.commands order by action")
    assert {row["error_code"] for row in commands} == {"Transferred"}
    assert {row["status"] for row in commands} == {"expired", "timed_out"}
    claimed = {"p_node": "node", "p_busy": [], "p_limit": 100}
    assert await store.call("claim_commands", claimed, scope=SYSTEM) == []
    for table, word, reason in (
        ("reservations", "cancelled", "reason"), ("local_list_orders", "rejected", "answer"),
        ("firmware_jobs", "expired", "error"), ("log_jobs", "expired", "error"),
    ):  # fmt: skip
        row = await owner.fetchrow(f"select status, {reason} as why from public.{table}")  # noqa: S608
        assert tuple(row or ()) == (word, "transferred"), table
    assert await store.call("open_download", {"p_token_hash": "firmware"}, scope=SYSTEM) is None
    assert await store.call("open_upload", {"p_token_hash": "log"}, scope=SYSTEM) is None
    lists = await owner.fetchrow("select version, sync from public.local_lists")
    assert tuple(lists or ()) == (None, None)

    [sent] = [row["id"] for row in await owner.fetch("select id from public.commands where status = 'timed_out'")]
    late = {"p_id": str(sent), "p_status": "accepted", "p_response": {}, "p_error_code": None,
            "p_error_description": None, "p_expects_effect": True}  # fmt: skip
    await store.call("settle_command", late, scope=SYSTEM)
    begun = {"charger_id": "OWN", "evse_id": 1, "connector_id": 1, "protocol": "ocpp1.6", "id_token": "TAG",
             "reported_at": "t", "clock_trusted": True, "started_at": "now", "received_at": "now",
             "meter_start_wh": 0}  # fmt: skip
    await store.call("intake", {"p_starts": [begun]}, scope=SYSTEM)
    session = await owner.fetchrow("select command_id, cpo_id::text from public.sessions where cpo_id = $1", FOREIGNER)
    assert tuple(session or ()) == (None, FOREIGNER)
    assert await owner.fetchval("select count(*) from public.commands where effect = 'observed'") == 0


async def test_the_former_cpo_revoked_the_next_ones_certificate(
    services: Directory, store: Database, owner: asyncpg.Connection[Any]
) -> None:
    own = [str(row["id"]) for row in await owner.fetch("select id from public.certificates where charger_id = 'OWN'")]
    certificate = str(await owner.fetchval(
        "select id from public.certificates where charger_id = 'OWN' and kind = 'ChargePointCertificate'"
    ))  # fmt: skip
    await hand_over(services)
    with pytest.raises(NotFound):
        await services.certificates.revoke(FORMER, certificate)
    with pytest.raises(NotFound):
        await services.security.rotate_password(FORMER, "OWN", Delivery(queue=True))
    assert {one.id for one in await services.certificates.of_charger(NEXT.scope, "OWN")} == set(own)
    seen = await services.security.get(NEXT.scope, "OWN")
    assert len(seen.pending_passwords) == 1  # still valid at the gate: the charger may hold it
    assert (await services.certificates.revoke(NEXT, certificate)).state == "revoked"


@pytest.mark.parametrize("began", [False, True])
async def test_the_former_cpos_campaign_changed_the_next_ones_charger(
    services: Directory, store: Database, owner: asyncpg.Connection[Any], began: bool
) -> None:
    await owner.execute("delete from public.campaigns; delete from public.commands; delete from public.charger_keys;"
                        "update public.sessions set stopped_at = now(); update public.nodes set name = 'n';"
                        "update public.connections set node = 'n';"
                        "update public.chargers set password_hash = 'sha256$00$old'")  # fmt: skip
    campaign = await draft(services, OWNER)
    await services.campaigns.start(ADMIN, campaign.id, 1)
    clock = CampaignClock(store, "http://files.test")
    if began:
        await clock.advance()
    else:
        await services.campaigns.move(ADMIN, campaign.id, CampaignState.PAUSED)
    await hand_over(services)
    if not began:
        await services.campaigns.move(ADMIN, campaign.id, CampaignState.RUNNING)
    await clock.advance()
    await clock.advance()

    assert await owner.fetchval("select count(*) from public.commands where status <> 'expired'") == 0
    target = (await results(services, campaign))["OWN"]
    assert (target.state, target.reason) == ("skipped", "transferred")
    page = await services.campaigns.targets(FORMER.scope, PageRequest(), campaign.id)
    assert [one.charger_id for one in page.items] == ["OWN"]  # its own result is not hidden with the charger
    assert (await services.campaigns.get(FORMER.scope, campaign.id)).state == "finished"


async def test_a_campaign_began_at_a_charger_whose_registration_was_taken_back(
    services: Directory, store: Database, owner: asyncpg.Connection[Any]
) -> None:
    await owner.execute("delete from public.campaigns; delete from public.commands; delete from public.charger_keys;"
                        "update public.sessions set stopped_at = now();"
                        "update public.chargers set password_hash = 'sha256$00$old'")  # fmt: skip
    campaign = await draft(services, OWNER)
    await services.campaigns.start(ADMIN, campaign.id, 1)
    await services.chargers.reject(ADMIN, "OWN")
    clock = CampaignClock(store, "http://files.test")
    await clock.advance()
    assert await owner.fetchval("select count(*) from public.commands") == 0
    await owner.execute("update public.campaigns set wave_began_at = now() - interval '1 hour'")
    await clock.advance()
    target = (await results(services, campaign))["OWN"]
    assert (target.state, target.reason) == ("skipped", "not_accepted")


async def test_a_charger_that_somebody_else_gives_away_is_handed_over_as_well(
    services: Directory, store: Database, owner: asyncpg.Connection[Any]
) -> None:
    moved = {"cpo_id": FOREIGNER, "station_id": FOREIGNER}
    await store.update("chargers", moved, scope=ADMIN.scope, where=[("id", "eq", "OWN")], columns="id")
    assert await whose(owner, "certificates") == {FOREIGNER}
    assert await whose(owner, "charger_templates") == set()
