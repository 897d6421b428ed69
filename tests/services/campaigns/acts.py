"""What people, the worker and chargers do in the tests of campaigns."""

from __future__ import annotations

from typing import Any

import asyncpg

from backend.database import SYSTEM, Database, Scope
from backend.domain.caller import Caller
from backend.services.campaigns import Campaign, CampaignClock, Target
from backend.services.directory import Directory
from backend.services.records import PageRequest

ADMIN = Caller(Scope("emsv_admin", "00000000-0000-4000-8000-000000000001"), "Admin")
STRANGER = Scope("cpo_admin", "00000000-0000-4000-8000-000000000002", "99999999-9999-4999-8999-999999999999")
CHARGERS = [f"CP-{number}" for number in range(1, 7)]


def new_hash(charger_id: str) -> str:
    """What is stored of the password that the OCPP server made for it."""
    return f"sha256$00${charger_id}"


async def connect(store: Database, *identities: str, **proof: str) -> None:
    rows = [
        {"charger_id": identity, "connection_id": f"11111111-1111-4111-8111-00000000000{identity[-1]}", "node": "n",
         "protocol": "ocpp1.6", "remote_address": "192.0.2.7", "at": "2026-11-21T03:00:00Z", **proof}
        for identity in identities
    ]  # fmt: skip
    await store.call("intake", {"p_connects": rows}, scope=SYSTEM)


async def draft(services: Directory, cpo_id: str, **members: Any) -> Campaign:
    values = {
        "name": "New passwords", "kind": "password_rotation", "parameters": {}, "filter": {}, "canary_size": 1,
        "wave_size": 3, "wave_share": None, "wave_pause_s": 0, "max_failures": 0, "max_failed_share": None,
        "only_idle": True, "timeout_s": 600,
    }  # fmt: skip
    return await services.campaigns.create(ADMIN, values | members, cpo_id)


async def step(store: Database, times: int = 1) -> None:
    """What the worker does every two seconds."""
    for _ in range(times):
        await CampaignClock(store, "http://files.test").advance()


async def asked(owner: asyncpg.Connection[Any]) -> list[str]:
    """Who waits for its command to be sent."""
    rows = await owner.fetch("select charger_id from public.commands where status = 'queued' order by charger_id")
    return [row["charger_id"] for row in rows]


async def answer(
    store: Database, owner: asyncpg.Connection[Any], outcome: str = "accepted", *only: str, use: bool = True
) -> list[str]:
    """All that wait (or `only` those) get their command and answer it; a new password they `use` at once."""
    rows = await owner.fetch(
        "update public.commands set status = 'sent', sent_at = now() where status = 'queued' "
        "and (cardinality($1::text[]) = 0 or charger_id = any ($1::text[])) "
        "returning id, charger_id, payload ->> 'key' as key", list(only),
    )  # fmt: skip
    for row in rows:
        if row["key"] == "AuthorizationKey":
            expected = {"p_command_id": str(row["id"]), "p_password_hash": new_hash(row["charger_id"])}
            assert await store.call("expect_password", expected, scope=SYSTEM)
        word = {"accepted": "Accepted", "rejected": "Rejected"}.get(outcome)
        settled = {"p_id": str(row["id"]), "p_status": outcome, "p_response": word and {"status": word},
                   "p_error_code": None, "p_error_description": None, "p_expects_effect": False}  # fmt: skip
        await store.call("settle_command", settled, scope=SYSTEM)
        if use and outcome == "accepted" and row["key"] == "AuthorizationKey":
            await connect(store, row["charger_id"], password_hash=new_hash(row["charger_id"]))
    return sorted(row["charger_id"] for row in rows)


async def busy(owner: asyncpg.Connection[Any], *identities: str) -> None:
    """A car begins to charge."""
    for identity in identities:
        await owner.execute(
            "insert into public.sessions (charger_id, evse_id, connector_id, protocol, id_token, start_key, "
            "started_at, start_received_at, meter_start_wh) values ($1, 1, 1, 'ocpp1.6', 'T', $1, now(), now(), 0)",
            identity,
        )  # fmt: skip


async def leave(owner: asyncpg.Connection[Any], *identities: str) -> None:
    """They lose their sockets."""
    await owner.execute(
        "update public.connections set disconnected_at = now() where charger_id = any ($1::text[])", list(identities)
    )


async def over(owner: asyncpg.Connection[Any]) -> None:
    """The time-out of the campaigns' chargers passes."""
    await owner.execute("update public.campaigns set wave_began_at = wave_began_at - interval '11 minutes'")
    await owner.execute("update public.campaign_targets set begun_at = begun_at - interval '11 minutes'")


async def results(services: Directory, campaign: Campaign) -> dict[str, Target]:
    page = await services.campaigns.targets(ADMIN.scope, PageRequest(200), campaign.id)
    return {target.charger_id: target for target in page.items}


async def states(services: Directory, campaign: Campaign) -> list[str]:
    return sorted(target.state.value for target in (await results(services, campaign)).values())


async def again(services: Directory, campaign: Campaign) -> Campaign:
    return await services.campaigns.get(ADMIN.scope, campaign.id)
