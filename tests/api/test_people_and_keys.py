"""Id tokens, users, API keys, and the audit rows that tell of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.database import SYSTEM
from tests.api.conftest import NOBODY_KEY, World


async def _audit(world: World, action: str) -> list[dict[str, Any]]:
    return await world.database.select("audit_log", scope=SYSTEM, where=[("action", "eq", action)])


async def test_an_id_token_lives_from_creation_to_deletion(world: World) -> None:
    client = await world.client("cpo_operator")
    yesterday = (datetime.now(UTC) - timedelta(days=1)).replace(microsecond=0)
    body = {"token": "04AABBCC", "expires_at": yesterday.isoformat(), "parent_token": "FAMILY", "holder_name": "Ayu"}
    made = await client.post("/api/id-tokens", json=body)
    token = made.json()
    assert (made.status_code, token["status"], token["kind"]) == (201, "active", "rfid")
    assert datetime.fromisoformat(token["expires_at"]) == yesterday
    path = f"/api/id-tokens/{token['id']}"
    blocked = (await client.put(path, json={"status": "blocked", "expires_at": None})).json()
    assert (blocked["status"], blocked["expires_at"], blocked["holder_name"]) == ("blocked", None, "Ayu")
    assert (await client.get("/api/id-tokens", params={"token": "04aabbcc"})).json()["items"] == [blocked]
    assert (await client.get("/api/id-tokens", params={"status": "blocked"})).json()["items"] == [blocked]
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_a_cpo_has_a_token_once_whatever_its_case(world: World) -> None:
    client = await world.client("cpo_operator")
    first = await client.post("/api/id-tokens", json={"token": "abcDEF"})
    second = await client.post("/api/id-tokens", json={"token": "ABCdef"})
    assert (first.status_code, second.status_code, second.json()["code"]) == (201, 409, "id_token_exists")
    emsv = await world.client("emsv_admin")
    national = await emsv.post("/api/id-tokens", json={"token": "abcdef", "kind": "app"})
    assert (national.status_code, national.json()["cpo_id"]) == (201, None)


async def test_a_group_that_no_charger_could_be_told_is_refused(world: World) -> None:
    client = await world.client("cpo_operator")
    path, group = f"/api/id-tokens/{world.own.token_id}", "G" * 20
    assert (await client.put(path, json={"parent_token": group})).json()["parent_token"] == group
    for reply in (
        await client.put(path, json={"parent_token": group + "G"}),
        await client.post("/api/id-tokens", json={"token": "T", "parent_token": group + "G"}),
    ):
        assert (reply.status_code, reply.json()["errors"][0]["member"]) == (422, "parent_token")


async def test_null_is_no_status(world: World) -> None:
    client = await world.client("cpo_operator")
    reply = await client.put(f"/api/id-tokens/{world.own.token_id}", json={"status": None})
    assert (reply.status_code, reply.json()["errors"][0]["member"]) == (422, "status")


async def test_a_time_without_offset_is_refused(world: World) -> None:
    client = await world.client("cpo_operator")
    reply = await client.post("/api/id-tokens", json={"token": "T", "expires_at": "2026-01-01T00:00:00"})
    assert (reply.status_code, reply.json()["errors"][0]["member"]) == (422, "expires_at")


async def test_a_cpo_administrator_hires_for_the_own_cpo_only(world: World) -> None:
    client = await world.client("cpo_admin")
    person = {"email": "Dimas@Nusantara.test", "name": "Dimas", "password": "a long enough password"}
    hired = await client.post("/api/users", json={**person, "role": "cpo_operator"})
    assert (hired.status_code, hired.json()["email"]) == (201, "dimas@nusantara.test")
    assert hired.json()["cpo_id"] == world.own.cpo_id
    assert "password" not in hired.text
    reach = await client.post("/api/users", json={**person, "role": "emsv_admin"})
    assert (reach.status_code, reach.json()["code"]) == (403, "role_forbidden")
    foreign = {**person, "role": "cpo_admin", "cpo_id": world.other.cpo_id}
    assert (await client.post("/api/users", json=foreign)).status_code == 404
    twice = await client.post("/api/users", json={**person, "role": "cpo_operator"})
    assert (twice.status_code, twice.json()["code"]) == (409, "user_exists")


@pytest.mark.parametrize(
    ("role", "with_cpo", "code"),
    [("cpo_admin", False, "cpo_required"), ("noc_analyst", True, "cpo_not_allowed")],
)
async def test_role_and_cpo_must_fit(world: World, role: str, with_cpo: bool, code: str) -> None:
    client = await world.client("emsv_admin")
    person = {"email": "a@b.test", "name": "A", "password": "a long enough password", "role": role}
    cpo = {"cpo_id": world.own.cpo_id} if with_cpo else {}
    reply = await client.post("/api/users", json={**person, **cpo})
    assert (reply.status_code, reply.json()["code"]) == (422, code)


async def test_nobody_locks_themselves_out(world: World) -> None:
    client = await world.client("cpo_admin")
    reply = await client.put(f"/api/users/{world.own.user_id}", json={"active": False})
    assert (reply.status_code, reply.json()["code"]) == (409, "own_user_in_use")


async def test_an_id_in_capitals_is_still_oneself_and_a_token_alone_replaces_nothing(world: World) -> None:
    """A stolen token kept the account: in capitals one's own id was somebody else's, and no password was asked for."""
    client = await world.client("cpo_admin")
    for own in (world.own.user_id, world.own.user_id.upper()):
        path = f"/api/users/{own}"
        replies = [
            await client.delete(f"{path}/second-factor"),
            await client.put(path, json={"password": "another long enough password"}),
            await client.put(path, json={"role": "cpo_finance"}),
            await client.put(path, json={"active": False}),
        ]
        assert [(r.status_code, r.json()["code"]) for r in replies if r.content] == [(409, "own_user_in_use")] * 4


async def test_a_new_password_replaces_the_old_one(world: World) -> None:
    admin, nobody = await world.client("cpo_admin"), await world.client(None)
    person = {"email": "eko@nusantara.test", "name": "Eko", "password": "the first password", "role": "cpo_operator"}
    user = (await admin.post("/api/users", json=person)).json()
    await admin.put(f"/api/users/{user['id']}", json={"password": "the second password", "name": "Eko P."})

    async def login(password: str) -> int:
        body = {"email": user["email"], "password": password}
        return (await nobody.post("/api/auth/login", json=body)).status_code

    assert [await login("the first password"), await login("the second password")] == [401, 200]


async def test_an_api_key_is_shown_once_works_and_can_be_revoked(world: World) -> None:
    admin, program = await world.client("cpo_admin"), await world.client(None)
    made = await admin.post("/api/api-keys", json={"name": "ERP"})
    key = made.json()
    headers = {"X-API-Key": key["key"]}
    assert (made.status_code, key["role"], key["cpo_id"]) == (201, "integrator", world.own.cpo_id)
    stations = await program.get("/api/stations", headers=headers)
    assert [s["id"] for s in stations.json()["items"]] == [world.own.station_id]
    listed = (await admin.get("/api/api-keys")).json()["items"][0]
    assert (listed["prefix"], listed["last_used_at"] is not None) == (key["key"][:12], True)
    assert key["key"] not in str(listed) and "hash" not in str(listed)
    for _ in range(2):
        assert (await admin.delete(f"/api/api-keys/{key['id']}")).status_code == 204
    assert (await program.get("/api/stations", headers=headers)).status_code == 401
    assert len(await _audit(world, "api_key.revoke")) == 1


async def test_an_expired_or_unknown_key_is_refused(world: World) -> None:
    admin, program = await world.client("cpo_admin"), await world.client(None)
    past = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    expired = (await admin.post("/api/api-keys", json={"name": "old", "expires_at": past})).json()["key"]
    for key in (expired, NOBODY_KEY):
        assert (await program.get("/api/stations", headers={"X-API-Key": key})).status_code == 401


async def test_a_key_of_a_suspended_cpo_is_refused(world: World) -> None:
    admin, program = await world.client("cpo_admin"), await world.client(None)
    key = (await admin.post("/api/api-keys", json={"name": "ERP"})).json()["key"]
    where = [("id", "eq", world.own.cpo_id)]
    await world.database.update("cpos", {"status": "suspended"}, scope=SYSTEM, where=where)
    assert (await program.get("/api/stations", headers={"X-API-Key": key})).status_code == 401


async def test_the_audit_log_says_who_what_before_and_after(world: World) -> None:
    client = await world.client("cpo_admin")
    headers = {"X-Request-ID": "request-of-the-test"}
    path = f"/api/stations/{world.own.station_id}"
    await client.put(path, json={"address": "Jl. Baru 2"}, headers=headers)
    (row,) = await _audit(world, "station.update")
    assert (row["actor_id"], row["actor_name"], row["actor_role"]) == (
        world.own.user_id,
        "Person cpo_admin",
        "cpo_admin",
    )
    assert (row["object_id"], row["cpo_id"], row["request_id"]) == (
        world.own.station_id,
        world.own.cpo_id,
        "request-of-the-test",
    )
    assert (row["before"]["address"], row["after"]["address"]) == (None, "Jl. Baru 2")
