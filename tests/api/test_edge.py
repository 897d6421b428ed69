"""What surrounds every request: problems, request ids, cursors, limits, health."""

from __future__ import annotations

import logging

import httpx
import pytest

from backend.api.application import create_app, equip
from backend.api.envelope import MAX_BODY_BYTES
from backend.database import SCHEMA_VERSION, DirectDatabase
from backend.services.directory import build_directory
from tests.api.conftest import SECRET, World

PROBLEM = "application/problem+json"


async def test_every_answer_bears_a_request_id_and_keeps_a_well_formed_one(world: World) -> None:
    client = await world.client("cpo_admin")
    assert len((await client.get("/health")).headers["x-request-id"]) == 32
    kept = await client.get("/nowhere", headers={"X-Request-ID": "trace-1234"})
    assert kept.headers["x-request-id"] == kept.json()["request_id"] == "trace-1234"
    replaced = await client.get("/health", headers={"X-Request-ID": "bad id\twith spaces"})
    assert len(replaced.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "route_not_found"),
        ("PATCH", "/api/stations", 405, "method_not_allowed"),
        ("GET", "/api/stations/not-a-uuid", 422, "invalid_input"),
        ("GET", "/api/stations?limit=201", 422, "invalid_input"),
    ],
)
async def test_errors_are_problems_with_a_stable_code(
    world: World, method: str, path: str, status: int, code: str
) -> None:
    client = await world.client("cpo_admin")
    reply = await client.request(method, path)
    assert (reply.status_code, reply.headers["content-type"]) == (status, PROBLEM)
    problem = reply.json()
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"urn:uniev:problem:{code}")
    assert problem["title"] and problem["detail"]


async def test_a_body_that_is_no_json_is_a_problem(world: World) -> None:
    client = await world.client("cpo_admin")
    reply = await client.post("/api/stations", content=b"{", headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.headers["content-type"]) == (422, PROBLEM)


async def test_a_body_that_is_too_large_is_refused(world: World) -> None:
    client = await world.client("cpo_admin")
    reply = await client.post("/api/stations", json={"name": "x" * MAX_BODY_BYTES})
    assert (reply.status_code, reply.headers["content-type"]) == (413, PROBLEM)
    assert reply.json()["code"] == "body_too_large"


async def test_text_the_database_cannot_store_is_a_problem_without_its_words(world: World) -> None:
    client = await world.client("cpo_admin")
    for body in ({"name": "nul \x00 byte"}, {"name": "A", "city": "lone \ud800"}):
        text = '{"name":"nul \\u0000 byte"}' if "\x00" in body["name"] else '{"name":"A","city":"\\ud800"}'
        reply = await client.post("/api/stations", content=text.encode(), headers={"Content-Type": "application/json"})
        assert (reply.status_code, reply.headers["content-type"]) == (422, PROBLEM)
        assert "unicode" not in reply.json()["detail"].lower()


async def test_a_crash_says_nothing_of_the_inside_and_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    @world.app.get("/crash")
    async def crash() -> None:
        raise RuntimeError("select secret from inside")

    client = await world.client(None)
    with caplog.at_level(logging.ERROR, "uniev.api"):
        reply = await client.get("/crash")
    assert (reply.status_code, reply.json()["code"]) == (500, "internal_error")
    assert "secret" not in reply.text
    assert reply.headers["x-request-id"] == reply.json()["request_id"]
    assert "select secret from inside" in caplog.text


async def test_a_database_that_went_away_is_503_and_health_still_answers(dsn: str) -> None:
    database = await DirectDatabase.open(dsn)
    app = create_app()
    equip(app, build_directory(database, SECRET), SECRET)
    await database.close()
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        reply = await client.post("/api/auth/login", json={"email": "a@b.test", "password": "x"})
        assert (reply.status_code, reply.headers["content-type"]) == (503, PROBLEM)
        assert (await client.get("/health")).json() == {"status": "ok"}
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "failed")


@pytest.mark.parametrize("change", [lambda c: c[:-2] + "AA", lambda c: c[::-1], lambda _: "!!", lambda _: "AAAA"])
async def test_a_cursor_that_was_tampered_with_is_refused(world: World, change: object) -> None:
    client = await world.client("noc_analyst")
    cursor = (await client.get("/api/chargers?limit=1")).json()["next_cursor"]
    assert cursor
    reply = await client.get("/api/chargers", params={"cursor": change(cursor)})  # type: ignore[operator]
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_cursor")


async def test_a_cursor_works_only_on_the_list_that_gave_it(world: World) -> None:
    client = await world.client("noc_analyst")
    cursor = (await client.get("/api/chargers?limit=1")).json()["next_cursor"]
    assert (await client.get("/api/chargers", params={"cursor": cursor})).status_code == 200
    assert (await client.get("/api/stations", params={"cursor": cursor})).status_code == 422


async def test_ready_needs_an_ocpp_server_that_is_heard_of(world: World) -> None:
    client = await world.client(None)
    before = await client.get("/ready")
    await world.connect(world.own.charger_id)
    after = await client.get("/ready")
    assert (before.status_code, before.json()["checks"]["ocpp_server"]) == (503, "failed")
    assert (after.status_code, after.json()) == (
        200,
        {
            "status": "ok",
            "checks": {"database": "ok", "schema_version": SCHEMA_VERSION, "ocpp_server": "ok", "disk": "ok"},
        },
    )
