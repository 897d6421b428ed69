"""A person's logins: seen, ended one by one or all but this; what changes a person ends them all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from backend.api.application import equip
from backend.domain.caller import PLATFORM
from backend.services.directory import build_directory
from backend.services.standing import BELIEVED_FOR
from backend.services.users import NewUser, UserRole
from tests.api.conftest import SECRET, World

EMAIL, PASSWORD = "sari@nusantara.test", "correct horse battery"


@pytest.fixture
async def client(world: World) -> httpx.AsyncClient:
    await world.services.people.users.create(
        PLATFORM, NewUser(EMAIL, "Sari", UserRole.CPO_OPERATOR, PASSWORD, world.own.cpo_id)
    )
    return await world.client(None)


async def _login(client: httpx.AsyncClient, agent: str = "a browser") -> dict[str, Any]:
    body = {"email": EMAIL, "password": PASSWORD}
    pair: dict[str, Any] = (await client.post("/api/auth/login", json=body, headers={"User-Agent": agent})).json()
    return pair


def _bearer(pair: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair['access_token']}"}


async def _listed(client: httpx.AsyncClient, pair: dict[str, Any]) -> list[dict[str, Any]]:
    reply = await client.get("/api/auth/logins", headers=_bearer(pair))
    items: list[dict[str, Any]] = reply.json()["items"]
    return items


async def _refreshed(client: httpx.AsyncClient, pair: dict[str, Any]) -> int:
    return (await client.post("/api/auth/refresh", json={"refresh_token": pair["refresh_token"]})).status_code


async def test_one_login_is_ended_from_another_and_its_tokens_are_void(client: httpx.AsyncClient, world: World) -> None:
    clock = [datetime.now(UTC)]
    equip(world.app, build_directory(world.database, SECRET, now=lambda: clock[0]), SECRET)
    lost, mine = await _login(client, "a lost telephone"), await _login(client)
    listed = await _listed(client, mine)
    assert {(one["agent"], one["current"]) for one in listed} == {("a lost telephone", False), ("a browser", True)}
    assert {one["address"] for one in listed} == {"127.0.0.1"}
    stolen = next(one for one in listed if not one["current"])
    assert (await client.get("/api/auth/me", headers=_bearer(lost))).status_code == 200
    path = f"/api/auth/logins/{stolen['id']}"
    assert (await client.delete(path, headers=_bearer(mine))).status_code == 204
    assert (await client.delete(path, headers=_bearer(mine))).status_code == 404
    clock[0] += BELIEVED_FOR
    said = await client.get("/api/auth/me", headers=_bearer(lost))
    assert (said.status_code, said.json()["code"]) == (401, "token_revoked")
    assert await _refreshed(client, lost) == 401
    assert await _refreshed(client, mine) == 200


async def test_ending_the_others_leaves_this_one(client: httpx.AsyncClient) -> None:
    others, mine = [await _login(client) for _ in range(3)], await _login(client)
    assert (await client.post("/api/auth/logins/end-others", headers=_bearer(mine))).json() == {"ended": 3}
    assert [await _refreshed(client, pair) for pair in [*others, mine]] == [401, 401, 401, 200]


async def test_nobody_sees_or_ends_the_logins_of_somebody_else(client: httpx.AsyncClient, world: World) -> None:
    pair = await _login(client)
    (mine,) = await _listed(client, pair)
    admin = await world.client("emsv_admin")
    assert (await admin.get("/api/auth/logins")).json() == {"items": []}
    assert (await admin.delete(f"/api/auth/logins/{mine['id']}")).json()["code"] == "login_not_found"
    assert await _refreshed(client, pair) == 200


@pytest.mark.parametrize(
    "change", [{"role": "cpo_technician"}, {"password": "another good long one"}, {"active": False}]
)
async def test_what_changes_a_person_ends_their_logins(
    client: httpx.AsyncClient, world: World, change: dict[str, object]
) -> None:
    pair = await _login(client)
    admin = await world.client("cpo_admin")
    assert (await admin.put(f"/api/users/{pair['user']['id']}", json={"name": "Sari K."})).status_code == 200
    pair["refresh_token"] = (
        await client.post("/api/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    ).json()["refresh_token"]
    changed = await admin.put(f"/api/users/{pair['user']['id']}", json=change)
    assert changed.status_code == 200, changed.text
    assert await _refreshed(client, pair) == 401


@pytest.mark.parametrize(
    ("role", "status", "code"),
    [("emsv_admin", 403, "role_forbidden"), ("driver", 403, "role_forbidden"), ("cpo_finance", 200, None)],
)
async def test_a_role_is_changed_within_what_the_changer_may_give(
    client: httpx.AsyncClient, world: World, role: str, status: int, code: str | None
) -> None:
    user_id = (await _login(client))["user"]["id"]
    reply = await (await world.client("cpo_admin")).put(f"/api/users/{user_id}", json={"role": role})
    assert (reply.status_code, reply.json().get("code")) == (status, code)
    across = await (await world.client("emsv_admin")).put(f"/api/users/{user_id}", json={"role": "noc_analyst"})
    assert (across.status_code, across.json()["code"]) == (422, "cpo_not_allowed")
    own = await (await world.client("cpo_admin")).put(f"/api/users/{world.own.user_id}", json={"role": "cpo_finance"})
    assert (own.status_code, own.json()["code"]) == (409, "own_user_in_use")
