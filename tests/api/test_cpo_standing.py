"""What suspension and closing mean for a CPO's logins, keys and chargers; what it keeps of its revenue."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from backend.database import SYSTEM, Scope
from backend.domain.caller import PLATFORM
from backend.services.api_keys import KeyRequest
from backend.services.standing import BELIEVED_FOR
from backend.services.users import NewUser, UserRole
from tests.api.conftest import World

PASSWORD = "tujuh kuda laut biru"
TODAY = (datetime.now(UTC) + timedelta(hours=7)).date()


async def stands(world: World, cpo_id: str, step: str, message: str = "Fees unpaid.") -> httpx.Response:
    emsv = await world.client("emsv_admin")
    return await emsv.post(f"/api/cpo/{cpo_id}/standing", json={"step": step, "message": message})


async def facts(world: World, charger_id: str, token: str) -> dict[str, Any]:
    """What an OCPP server is told of a token at a charger."""
    answers = await world.database.call(
        "intake", {"p_tokens": [{"charger_id": charger_id, "id_token": token}]}, scope=SYSTEM
    )
    found: dict[str, Any] = answers["tokens"][0]
    return found


async def gate(world: World, charger_id: str) -> dict[str, Any] | None:
    answers = await world.database.call("intake", {"p_gates": [{"charger_id": charger_id}]}, scope=SYSTEM)
    found: dict[str, Any] | None = answers["gates"][0]
    return found


async def test_a_suspended_cpo_has_no_logins_no_keys_and_no_new_sessions(world: World) -> None:
    services, own = world.services, world.own
    new = NewUser("ani@own.test", "Ani", UserRole.CPO_ADMIN, PASSWORD, own.cpo_id)
    await services.people.users.create(PLATFORM, new)
    key = await services.api_keys.create(PLATFORM, KeyRequest("ERP", cpo_id=own.cpo_id))
    client = await world.client(None)
    credentials = {"email": "ani@own.test", "password": PASSWORD}
    tokens = (await client.post("/api/auth/login", json=credentials)).json()
    running = await world.running_session(own, start_key="running")

    suspended = await stands(world, own.cpo_id, "suspend")

    assert (suspended.status_code, suspended.json()["status"]) == (200, "suspended")
    assert (await client.post("/api/auth/login", json=credentials)).status_code == 403
    refreshed = await client.post("/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert refreshed.status_code == 401
    assert (await client.get("/api/stations", headers={"X-API-Key": key.key})).status_code == 401
    assert (await facts(world, own.charger_id, "CARD-ID-JKT01-1"))["status"] == "blocked"
    assert (await facts(world, world.other.charger_id, "CARD-ID-KTM01-1"))["status"] == "active"
    assert (await gate(world, own.charger_id) or {})["registration"] == "accepted"
    (row,) = await world.database.select("sessions", scope=SYSTEM, where=[("id", "eq", running["id"])])
    assert row["stopped_at"] is None
    waiting = {mail.letter.to: mail.letter for mail in await services.mails.waiting()}
    assert "Fees unpaid." in waiting["ani@own.test"].body

    assert (await stands(world, own.cpo_id, "reinstate", "Paid.")).json()["status"] == "active"
    assert (await client.post("/api/auth/login", json=credentials)).status_code == 200
    assert (await client.get("/api/stations", headers={"X-API-Key": key.key})).status_code == 200
    assert (await facts(world, own.charger_id, "CARD-ID-JKT01-1"))["status"] == "active"


async def test_an_access_token_of_a_suspended_cpo_lives_for_seconds() -> None:
    assert timedelta(seconds=10) >= BELIEVED_FOR


async def test_a_closed_cpo_is_closed_for_good(world: World) -> None:
    own = world.own
    await world.connect(own.charger_id)
    running = await world.running_session(own, start_key="running")
    assert (await stands(world, own.cpo_id, "close")).json()["code"] == "sessions_conflict"
    ended = {"stopped_at": datetime.now(UTC).isoformat()}
    await world.database.update("sessions", ended, scope=SYSTEM, where=[("id", "eq", running["id"])])

    closed = await stands(world, own.cpo_id, "close", "The company is wound up.")

    assert (closed.status_code, closed.json()["status"]) == (200, "closed")
    assert await gate(world, own.charger_id) is None
    arguments = {"p_node": "node-1", "p_charger_ids": [own.charger_id], "p_at": datetime.now(UTC).isoformat()}
    assert await world.database.call("touch_connections", arguments, scope=SYSTEM) == [own.charger_id]
    keys = await world.database.select("api_keys", scope=SYSTEM, where=[("cpo_id", "eq", own.cpo_id)])
    assert keys and all(key["revoked_at"] for key in keys)
    assert (await stands(world, own.cpo_id, "reinstate")).json()["code"] == "step_conflict"


async def test_only_the_emsvs_administrator_decides(world: World) -> None:
    body = {"step": "suspend", "message": "x"}
    for role in ("noc_analyst", "emsv_finance", "cpo_admin"):
        reply = await (await world.client(role)).post(f"/api/cpo/{world.own.cpo_id}/standing", json=body)
        assert reply.status_code == 403
    blank = await stands(world, world.own.cpo_id, "suspend", "  ")
    assert (blank.status_code, blank.json()["code"]) == (422, "reason_required")


def share(first: int, last: int | None = None, percent: str = "85.5") -> dict[str, Any]:
    """Days counted from today."""
    until = None if last is None else (TODAY + timedelta(days=last)).isoformat()
    return {"valid_from": (TODAY + timedelta(days=first)).isoformat(), "valid_until": until, "cpo_percent": percent,
            "session_minimum_fee": "250", "settlement_cycle": "weekly"}  # fmt: skip


async def shares(world: World, role: str = "emsv_finance") -> list[tuple[int, int | None, str]]:
    """(first day, end, percent), in days from today."""
    reply = await (await world.client(role)).get(f"/api/cpo/{world.own.cpo_id}/revenue-shares")
    assert reply.status_code == 200, reply.text
    return [
        (
            _days(item["valid_from"]),
            _days(item["valid_until"]) if item["valid_until"] else None,
            item["cpo_percent"].removesuffix(".0"),
        )
        for item in reply.json()["items"]
    ]


def _days(day: str) -> int:
    return (datetime.fromisoformat(day).date() - TODAY).days


async def test_a_share_holds_until_the_next_and_none_overlap(world: World) -> None:
    finance, path = await world.client("emsv_finance"), f"/api/cpo/{world.own.cpo_id}/revenue-shares"

    assert (await finance.post(path, json=share(0, percent="90"))).status_code == 201
    assert (await finance.post(path, json=share(30, 60))).status_code == 201
    assert await shares(world) == [(30, 60, "85.5"), (0, 30, "90")]
    overlapping = [await finance.post(path, json=share(*days)) for days in ((59, None), (0, 1), (10, 31), (30, 60))]
    assert {(reply.status_code, reply.json()["code"]) for reply in overlapping} == {(409, "revenue_share_conflict")}
    past = await finance.post(path, json=share(-1))
    assert (past.status_code, past.json()["code"]) == (422, "revenue_share_past")
    assert (await finance.post(path, json=share(60, percent="80"))).status_code == 201

    items = (await finance.get(path)).json()["items"]
    held = await finance.delete(f"{path}/{items[2]['id']}")
    assert (held.status_code, held.json()["code"]) == (422, "revenue_share_past")
    assert (await finance.delete(f"{path}/{items[1]['id']}")).status_code == 204
    assert await shares(world, "cpo_finance") == [(60, None, "80"), (0, 60, "90")]


async def test_two_who_set_a_share_at_once_do_not_overlap(world: World) -> None:
    finance, path = await world.client("emsv_finance"), f"/api/cpo/{world.own.cpo_id}/revenue-shares"

    replies = await asyncio.gather(*(finance.post(path, json=share(5, 10)) for _ in range(6)))

    assert sorted(reply.status_code for reply in replies) == [201, 409, 409, 409, 409, 409]
    assert await shares(world) == [(5, 10, "85.5")]


@pytest.mark.parametrize("role", ["cpo_operator", "cpo_technician", "integrator"])
async def test_what_a_cpo_keeps_is_nobody_elses_business(world: World, role: str) -> None:
    client = await world.client(role)
    assert (await client.get(f"/api/cpo/{world.own.cpo_id}/revenue-shares")).status_code == 403
    where = [("cpo_id", "eq", world.own.cpo_id)]
    await (await world.client("emsv_admin")).post(f"/api/cpo/{world.own.cpo_id}/revenue-shares", json=share(0))
    scope = Scope(role, world.own.user_id, world.own.cpo_id)
    assert await world.database.select("revenue_shares", scope=scope, where=where) == []
