"""The same API when the database is a Supabase project: the real PostgREST, reached by `supabase-py`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from backend.api.application import create_app, equip
from backend.domain.caller import PLATFORM
from backend.services.demo import DEMO_PASSWORD, DEMO_PEOPLE, seed_demo
from backend.services.demo.nation import FLEET_TOKENS
from backend.services.directory import build_directory
from tests.api.conftest import SECRET
from tests.support.postgrest import PostgREST
from tests.support.stores import open_store

ADMIN = next(person for person in DEMO_PEOPLE if person.role == "cpo_admin")
NEW = {"id": "CP/1", "current_type": "AC", "rated_power_w": 22_000, "connector_count": 1}


@pytest.fixture
async def client(dsn: str, postgrest: PostgREST) -> AsyncIterator[httpx.AsyncClient]:
    """Nobody is logged in yet; the demo nation stands."""
    async with open_store("supabase", dsn, postgrest) as store:
        await seed_demo(store)
        app = create_app()
        equip(app, build_directory(store, SECRET), SECRET)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://api.test") as opened:
            yield opened


async def _log_in(client: httpx.AsyncClient, email: str) -> None:
    body = {"email": email, "password": DEMO_PASSWORD}
    pair = (await client.post("/api/auth/login", json=body)).json()
    client.headers["Authorization"] = f"Bearer {pair['access_token']}"


async def test_an_administrator_works_with_a_supabase_project(client: httpx.AsyncClient) -> None:
    await _log_in(client, ADMIN.email)
    station = (await client.post("/api/stations", json={"name": "SPKLU Baru"})).json()
    charger = await client.post("/api/chargers", json={**NEW, "station_id": station["id"]})
    assert (charger.status_code, charger.json()["connector_count"]) == (201, 1)
    start = {"charger_id": "CP/1", "id_token": FLEET_TOKENS[0]}
    offline = await client.post("/api/client/remote-start", json=start)
    assert (offline.status_code, offline.json()["code"]) == (409, "charger_offline")
    headers = {"Idempotency-Key": "one"}
    queued = {**start, "queue": True}
    asked = [await client.post("/api/client/remote-start", json=queued, headers=headers) for _ in range(2)]
    assert asked[0].status_code == 202 and asked[0].json() == asked[1].json()
    me = (await client.get("/api/auth/me")).json()
    assert asked[0].json()["command"]["requested_by"] == me["id"]
    wish = await client.put("/api/chargers/CP%2F1/status", json={"status": "Unavailable"})
    assert wish.json()["charger"]["availability"] == "inoperative"
    assert (await client.get("/api/analytics/dashboard")).json()["connectors"]["offline"] > 50
    taken = await client.post("/api/stations", json={"name": "SPKLU Baru"})
    assert (taken.status_code, taken.json()["code"]) == (409, "station_exists")


async def test_every_session_is_paged_through_exactly_once_and_only_the_own_ones(client: httpx.AsyncClient) -> None:
    await _log_in(client, ADMIN.email)
    seen: list[str] = []
    cursor: str | None = None
    total = (await client.get("/api/sessions?count=true&limit=1")).json()["total"]
    cpo_ids = set()
    while True:
        params = {"limit": "200", **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/api/sessions", params=params)).json()
        seen += [session["id"] for session in page["items"]]
        cpo_ids |= {session["cpo_id"] for session in page["items"]}
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == total > 1_000
    assert len(cpo_ids) == 1


async def test_the_seed_is_the_same_over_http(dsn: str, postgrest: PostgREST) -> None:
    async with open_store("supabase", dsn, postgrest) as store:
        first = await seed_demo(store)
        assert (first.fresh, first.stations, (await seed_demo(store)).fresh) == (True, 61, False)
        services = build_directory(store, SECRET)
        days = await services.analytics.energy(PLATFORM.scope, 20)
        assert sum(day.sessions + day.held_sessions for day in days) == first.sessions
