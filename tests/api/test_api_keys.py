"""API keys: narrowed to scopes, exchanged with an overlap; and how often keys, people and addresses may ask."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from backend.api.application import equip
from backend.domain.rates import Rate
from backend.domain.roles import permissions_of
from backend.gateways.rate_counter import open_counter
from backend.services.directory import build_directory
from backend.services.rate_limits import STRICT
from tests.api.conftest import SECRET, World

PASSWORD = "correct horse battery staple"
NOBODY = "00000000-0000-4000-8000-00000000dead"


async def made(world: World, **body: Any) -> dict[str, Any]:
    admin = await world.client("cpo_admin")
    reply = await admin.post("/api/apikeys", json={"name": "ERP", **body})
    assert reply.status_code == 201, reply.text
    document: dict[str, Any] = reply.json()
    return document


async def asked(world: World, key: str, path: str = "/api/stations") -> httpx.Response:
    program = await world.client(None)
    return await program.get(path, headers={"X-API-Key": key})


def limited(world: World, per_minute: int, clock: list[datetime] | None = None) -> None:
    """From now on requests are counted."""
    begun = datetime.now(UTC)  # the clock stands, so no window ends meanwhile
    now = (lambda: clock[0]) if clock else (lambda: begun)
    services = build_directory(
        world.database, SECRET, now=now, counter=open_counter(None), usual_rate=Rate(per_minute)
    )  # fmt: skip
    equip(world.app, services, SECRET)


async def test_both_paths_lead_to_the_same_keys(world: World) -> None:
    admin, key = await world.client("cpo_admin"), await made(world)
    for path in ("/api/apikeys", "/api/api-keys"):
        assert key["id"] in [item["id"] for item in (await admin.get(path)).json()["items"]]
        assert key["key"] not in (await admin.get(path)).text


async def test_a_key_does_what_its_scopes_say_and_no_more(world: World) -> None:
    key = (await made(world, scopes=["stations:read"]))["key"]
    assert (await asked(world, key)).status_code == 200
    refused = await asked(world, key, "/api/chargers")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_forbidden")
    assert (await asked(world, key, "/api/auth/me")).json()["permissions"] == ["stations:read"]


@pytest.mark.parametrize(
    ("scopes", "code"), [(["users:write"], "unknown_scope"), (["no:such"], "invalid_input"), ([], None)]
)
async def test_a_key_is_never_narrowed_to_more_than_its_role(world: World, scopes: list[str], code: str | None) -> None:
    admin = await world.client("cpo_admin")
    reply = await admin.post("/api/apikeys", json={"name": "ERP", "scopes": scopes})
    assert (reply.status_code, reply.json().get("code")) == ((422, code) if code else (201, None))


async def test_a_narrowed_key_makes_and_becomes_nobody_who_may_do_more(world: World) -> None:
    """With `users:write` alone it made an administrator with a password of its choice, and was one."""
    emsv, program = await world.client("emsv_admin"), await world.client(None)
    scopes = ["users:write", "users:read", *permissions_of("emsv_finance")]
    body = {"name": "people", "role": "emsv_admin", "scopes": scopes}
    headers = {"X-API-Key": (await emsv.post("/api/apikeys", json=body)).json()["key"]}
    person = {"email": "eve@emsv.test", "name": "Eve", "role": "emsv_admin", "password": PASSWORD}
    boss = (await emsv.post("/api/users", json={**person, "email": "b@emsv.test"})).json()["id"]
    clerk = {**person, "email": "clerk@emsv.test", "role": "emsv_finance"}
    invited = {name: person[name] for name in ("email", "name", "role")}
    finance = (await emsv.post("/api/users", json=clerk)).json()["id"]

    replies = [
        await program.post("/api/users", json=person, headers=headers),
        await program.post("/api/invitations", json=invited, headers=headers),
        await program.put(f"/api/users/{boss}", json={"password": PASSWORD}, headers=headers),
        await program.put(f"/api/users/{finance}", json={"role": "emsv_admin"}, headers=headers),
        await program.delete(f"/api/users/{boss}/second-factor", headers=headers),
    ]
    assert [(r.status_code, r.json()["code"]) for r in replies] == [(403, "scope_forbidden")] * 5
    less = await program.post("/api/users", json={**person, "role": "emsv_finance"}, headers=headers)
    assert less.status_code == 201


async def test_a_narrowed_key_makes_none_that_may_do_more(world: World) -> None:
    emsv, program = await world.client("emsv_admin"), await world.client(None)
    body = {"name": "keys", "role": "emsv_admin", "scopes": ["api_keys:write", "api_keys:read", "stations:read"]}
    narrow = (await emsv.post("/api/apikeys", json=body)).json()["key"]
    wide = (await emsv.post("/api/apikeys", json={"name": "all", "role": "emsv_admin"})).json()
    headers = {"X-API-Key": narrow}

    for wanted in (None, ["chargers:read"]):
        body = {"name": "more", "role": "emsv_admin", "scopes": wanted}
        reply = await program.post("/api/apikeys", json=body, headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (403, "scope_forbidden")
    rotated = await program.post(f"/api/apikeys/{wide['id']}/rotation", json={}, headers=headers)
    less = {"name": "less", "role": "emsv_admin", "scopes": ["stations:read"]}
    assert rotated.status_code == 403
    assert (await program.post("/api/apikeys", json=less, headers=headers)).status_code == 201


async def test_an_exchanged_key_works_beside_its_successor_until_the_overlap_ends(world: World) -> None:
    clock = [datetime.now(UTC)]
    former = await made(world, scopes=["stations:read"], requests_per_minute=77)
    admin = await world.client("cpo_admin")
    reply = await admin.post(f"/api/apikeys/{former['id']}/rotation", json={"overlap_s": 3600})
    successor = reply.json()

    alike = ("name", "role", "cpo_id", "scopes", "requests_per_minute", "expires_at")
    assert reply.status_code == 201 and successor["key"] != former["key"]
    assert [successor[name] for name in alike] == [former[name] for name in alike]
    assert [(await asked(world, key["key"])).status_code for key in (former, successor)] == [200, 200]
    listed = {item["id"]: item for item in (await admin.get("/api/apikeys")).json()["items"]}
    assert listed[former["id"]]["replaced_by"] == successor["id"]
    again = await admin.post(f"/api/apikeys/{former['id']}/rotation", json={})
    assert (again.status_code, again.json()["code"]) == (409, "api_key_conflict")

    clock[0] += timedelta(hours=2)  # the database has its own
    limited(world, 0, clock)
    assert [(await asked(world, key["key"])).status_code for key in (former, successor)] == [401, 200]


async def test_a_foreign_or_ended_key_is_not_exchanged(world: World) -> None:
    admin, key = await world.client("cpo_admin"), await made(world)
    where = [("cpo_id", "eq", world.other.cpo_id)]
    [foreign] = await world.database.select("api_keys", scope=world.scope("emsv_admin"), columns="id", where=where)
    for missing in (foreign["id"], NOBODY):
        assert (await admin.post(f"/api/apikeys/{missing}/rotation", json={})).status_code == 404
    await admin.delete(f"/api/apikeys/{key['id']}")
    assert (await admin.post(f"/api/apikeys/{key['id']}/rotation", json={})).status_code == 409


async def test_every_answer_says_what_is_left_and_a_refusal_when_to_come_back(world: World) -> None:
    own = (await made(world, requests_per_minute=2))["key"]
    usual = (await made(world))["key"]
    limited(world, 100)

    first, second, third = [await asked(world, own) for _ in range(3)]
    other = await asked(world, usual)

    assert [reply.status_code for reply in (first, second, third, other)] == [200, 200, 429, 200]
    assert [reply.headers["RateLimit-Policy"] for reply in (first, other)] == ['"key";q=2;w=60', '"key";q=100;w=60']
    assert [reply.headers["RateLimit"].split(";t=")[0] for reply in (first, third, other)] == [
        '"key";r=1', '"key";r=0', '"key";r=99',
    ]  # fmt: skip
    assert 1 <= int(third.headers["Retry-After"]) <= 61
    assert third.json()["code"] == "too_many_requests"
    person = await (await world.client("cpo_operator")).get("/api/stations")
    assert person.headers["RateLimit-Policy"] == '"user";q=100;w=60'


async def test_logins_and_wrong_credentials_are_bound_by_address(world: World) -> None:
    limited(world, 6000)
    stranger = httpx.ASGITransport(app=world.app, client=("192.0.2.1", 4711))
    async with httpx.AsyncClient(transport=stranger, base_url="http://api.test") as nobody:
        await _guess(world, nobody)


async def _guess(world: World, nobody: httpx.AsyncClient) -> None:
    body = {"email": "nobody@example.org", "password": "wrong"}
    replies = [await nobody.post("/api/auth/login", json=body | {"email": f"n{n}@example.org"}) for n in range(31)]
    assert STRICT["/api/auth/login"].requests == 30
    assert [reply.status_code for reply in replies[-2:]] == [401, 429]
    assert replies[-1].json()["code"] == "too_many_requests"

    guesses = [(await nobody.get("/api/stations", headers={"X-API-Key": f"uniev_{n}"})).status_code for n in range(121)]
    assert (guesses[0], guesses[-1]) == (401, 429)
    assert (await nobody.get("/health")).status_code == 200
