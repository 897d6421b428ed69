"""Logging in, refreshing, logging out: over HTTP, with real passwords."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from backend.api.application import equip
from backend.database import SYSTEM
from backend.domain.caller import PLATFORM
from backend.domain.roles import permissions_of
from backend.services.directory import build_directory
from backend.services.standing import BELIEVED_FOR
from backend.services.users import NewUser, UserRole
from tests.api.conftest import SECRET, World

EMAIL, PASSWORD = "sari@nusantara.test", "correct horse battery"


@pytest.fixture
async def client(world: World) -> httpx.AsyncClient:
    new = NewUser(EMAIL, "Sari", UserRole.CPO_ADMIN, PASSWORD, world.own.cpo_id)
    await world.services.people.users.create(PLATFORM, new)
    return await world.client(None)


async def _login(client: httpx.AsyncClient, email: str = EMAIL, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/api/auth/login", json={"email": email, "password": password})


def _bearer(pair: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair['access_token']}"}


async def test_login_gives_tokens_and_the_person(client: httpx.AsyncClient, world: World) -> None:
    reply = await _login(client, email=" Sari@Nusantara.test")
    pair = reply.json()
    assert reply.status_code == 200
    assert (pair["token_type"], pair["expires_in"]) == ("bearer", 900)
    assert pair["user"] == {
        "id": pair["user"]["id"],
        "email": EMAIL,
        "name": "Sari",
        "role": "cpo_admin",
        "cpo_id": world.own.cpo_id,
        "cpo_name": "Nusantara Charge",
        "locale": "id",
        "permissions": permissions_of("cpo_admin"),
        "second_factor": "off",
    }
    me = await client.get("/api/auth/me", headers=_bearer(pair))
    assert me.json() == pair["user"]


async def test_a_wrong_password_and_an_unknown_person_get_the_same_answer(client: httpx.AsyncClient) -> None:
    wrong, unknown = await _login(client, password="wrong"), await _login(client, email="no@body.test")
    assert wrong.status_code == unknown.status_code == 401
    drop = {"request_id"}
    assert {k: v for k, v in wrong.json().items() if k not in drop} == {
        k: v for k, v in unknown.json().items() if k not in drop
    }


async def test_after_five_failures_even_the_right_password_waits(client: httpx.AsyncClient) -> None:
    for _ in range(5):
        assert (await _login(client, password="wrong")).status_code == 401
    reply = await _login(client)
    assert (reply.status_code, reply.json()["code"]) == (429, "too_many_attempts")
    assert 0 < int(reply.headers["retry-after"]) <= 301
    assert (await _login(client, email="other@nusantara.test")).status_code == 401


async def test_refreshing_gives_a_new_pair_and_uses_the_old_token_up(client: httpx.AsyncClient) -> None:
    pair = (await _login(client)).json()
    renewed = await client.post("/api/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    assert renewed.status_code == 200
    assert renewed.json()["refresh_token"] != pair["refresh_token"]
    assert (await client.get("/api/auth/me", headers=_bearer(renewed.json()))).status_code == 200


async def test_after_logout_the_refresh_token_is_dead(client: httpx.AsyncClient) -> None:
    pair = (await _login(client)).json()
    token = {"refresh_token": pair["refresh_token"]}
    assert (await client.post("/api/auth/logout", json=token, headers=_bearer(pair))).status_code == 204
    reply = await client.post("/api/auth/refresh", json=token)
    assert (reply.status_code, reply.json()["code"]) == (401, "refresh_token_invalid")


async def test_a_user_made_inactive_is_locked_out(client: httpx.AsyncClient, world: World) -> None:
    pair = (await _login(client)).json()
    admin = await world.client("emsv_admin")
    reply = await admin.put(f"/api/users/{pair['user']['id']}", json={"active": False})
    assert (reply.status_code, reply.json()["active"]) == (200, False)
    assert (await _login(client)).status_code == 401
    token = {"refresh_token": pair["refresh_token"]}
    assert (await client.post("/api/auth/refresh", json=token)).status_code == 401


async def test_an_access_token_ends_with_its_holders_standing(client: httpx.AsyncClient, world: World) -> None:
    clock = [datetime.now(UTC)]
    equip(world.app, build_directory(world.database, SECRET, now=lambda: clock[0]), SECRET)
    pair = (await _login(client)).json()
    where = {"users": [("id", "eq", pair["user"]["id"])], "cpos": [("id", "eq", world.own.cpo_id)]}
    for table, bad, good in (("cpos", {"status": "suspended"}, {"status": "active"}),
                             ("users", {"active": False}, {"active": True})):  # fmt: skip
        assert (await client.get("/api/auth/me", headers=_bearer(pair))).status_code == 200
        await world.database.update(table, bad, scope=SYSTEM, where=where[table])
        clock[0] += BELIEVED_FOR
        reply = await client.get("/api/auth/me", headers=_bearer(pair))
        assert (reply.status_code, reply.json()["code"]) == (401, "token_revoked")
        await world.database.update(table, good, scope=SYSTEM, where=where[table])


async def test_staff_of_a_suspended_cpo_are_told_so(client: httpx.AsyncClient, world: World) -> None:
    where = [("id", "eq", world.own.cpo_id)]
    await world.database.update("cpos", {"status": "suspended"}, scope=SYSTEM, where=where)
    reply = await _login(client)
    assert (reply.status_code, reply.json()["code"]) == (403, "cpo_inactive")


async def test_a_program_reads_who_it_is(world: World) -> None:
    admin, nobody = await world.client("cpo_admin"), await world.client(None)
    made = (await admin.post("/api/api-keys", json={"name": "ERP"})).json()
    me = (await nobody.get("/api/auth/me", headers={"X-API-Key": made["key"]})).json()
    assert (me["name"], me["role"], me["email"], me["cpo_name"]) == (
        "API key ERP",
        "integrator",
        None,
        "Nusantara Charge",
    )
