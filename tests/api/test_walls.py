"""What surrounds the API towards browsers and slow clients: headers, origins, times."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from backend.api import envelope
from backend.api.application import equip
from tests.api.conftest import SECRET, World

ORIGIN = "https://app.example.id"


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/api/stations", "/docs"])
async def test_every_answer_bears_the_headers(world: World, path: str) -> None:
    reply = await (await world.client(None)).get(path)
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-frame-options"] == "DENY"
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert ("script-src 'self' 'unsafe-inline'" in reply.headers["content-security-policy"]) == (path == "/docs")
    assert reply.headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in reply.headers


async def test_over_tls_browsers_are_told_to_stay_there(world: World) -> None:
    transport = httpx.ASGITransport(app=world.app)
    async with httpx.AsyncClient(transport=transport, base_url="https://api.test") as client:
        assert (await client.get("/health")).headers["strict-transport-security"] == "max-age=31536000"


async def _preflight(client: httpx.AsyncClient, origin: str) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "authorization,content-type"}  # fmt: skip
    return await client.options("/api/stations", headers=asked)


async def test_no_page_of_others_may_call_unless_its_origin_is_listed(world: World) -> None:
    client = await world.client("cpo_admin")
    assert "access-control-allow-origin" not in (await _preflight(client, ORIGIN)).headers

    equip(world.app, world.services, SECRET, [ORIGIN])
    allowed, refused = await _preflight(client, ORIGIN), await _preflight(client, "https://evil.example")
    asked = await client.get("/api/stations", headers={"Origin": ORIGIN})
    foreign = await client.get("/api/stations", headers={"Origin": "https://evil.example"})

    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert refused.status_code == 400 and "access-control-allow-origin" not in refused.headers
    assert asked.headers["access-control-allow-origin"] == ORIGIN
    assert "RateLimit" in asked.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in foreign.headers
    assert all("access-control-allow-credentials" not in reply.headers for reply in (allowed, asked))
    assert all(reply.headers["x-frame-options"] == "DENY" for reply in (allowed, refused))


@pytest.mark.parametrize(("path", "limit"), [("/api/stations", "BODY_TIME_S"), ("/api/firmware-files", "STANDSTILL_S")])
async def test_a_body_that_does_not_come_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch, path: str, limit: str
) -> None:
    monkeypatch.setattr(envelope, limit, 0.05)
    client = await world.client("cpo_admin")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": path,
        "raw_path": path.encode(), "query_string": b"name=a&version=1", "root_path": "", "scheme": "http",
        "headers": [(b"content-type", b"application/json"),
                    (b"authorization", client.headers["Authorization"].encode())],
        "client": ("192.0.2.1", 1), "server": ("api.test", 80),
    }  # fmt: skip
    sent: list[dict[str, object]] = []
    begun = [{"type": "http.request", "body": b"{", "more_body": True}]
    never = asyncio.Event()

    async def receive() -> dict[str, object]:
        if begun:
            return begun.pop()  # type: ignore[return-value]
        await never.wait()
        raise AssertionError("unreachable")

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await asyncio.wait_for(world.app(scope, receive, send), 10)  # type: ignore[arg-type]
    assert sent[0]["status"] == 408
    assert b"body_too_slow" in b"".join(message.get("body", b"") for message in sent)  # type: ignore[misc]
