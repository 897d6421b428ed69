"""The real PostgREST over a test database, and a transport that lets `supabase-py` talk to it."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import jwt

from bench.ports import free_port
from tests.support.waiting import wait_until

PROJECT_URL = "http://project.supabase.test"


@dataclass(frozen=True)
class PostgREST:
    """A running PostgREST: its address, and the keys that a Supabase project would show."""

    url: str
    secret: str

    def key(self, role: str = "service_role", **claims: object) -> str:
        """A signed key, like the project's `service_role` (or `anon`) key, or a person's token."""
        return jwt.encode({"role": role, **claims}, self.secret, algorithm="HS256")

    def transport(self) -> httpx.AsyncBaseTransport:
        """Stands in for a project's gateway: `/rest/v1/…` leads to this PostgREST."""
        return _Gateway(self.url)


class _Gateway(httpx.AsyncBaseTransport):
    def __init__(self, url: str) -> None:
        self._target = httpx.URL(url)
        self._network = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode().removeprefix("/rest/v1")
        request.url = self._target.copy_with(raw_path=path.encode())
        request.headers["host"] = self._target.netloc.decode()
        return await self._network.handle_async_request(request)

    async def aclose(self) -> None:
        await self._network.aclose()


@contextmanager
def running_postgrest(program: Path, dsn: str, log: Path) -> Iterator[PostgREST]:
    """Starts PostgREST on a free loopback port and waits until it has read the schema.

    `db-pre-request` is not among its settings: as in a hosted project, the first migration tells it."""
    port, admin_port = free_port(), free_port()
    service = PostgREST(f"http://127.0.0.1:{port}", secrets.token_hex(32))
    environment = {
        **os.environ,
        "PGRST_DB_URI": dsn.replace("://postgres@", "://authenticator@"),
        "PGRST_DB_SCHEMAS": "public",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_DB_POOL": "4",
        "PGRST_DB_MAX_ROWS": "1000",
        "PGRST_JWT_SECRET": service.secret,
        "PGRST_SERVER_HOST": "127.0.0.1",
        "PGRST_SERVER_PORT": str(port),
        "PGRST_ADMIN_SERVER_PORT": str(admin_port),
    }
    with log.open("wb") as output:
        process = subprocess.Popen([program], env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until(
            lambda: _ready(admin_port) or process.poll() is not None,
            "PostgREST ready",
        )
        assert process.poll() is None, log.read_text()
        yield service
    finally:
        process.terminate()
        process.wait(10)


def _ready(admin_port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{admin_port}/ready", timeout=1).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
