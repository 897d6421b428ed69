"""The platform's processes over a database of their own: started, killed, asked how they are."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import asyncpg
import httpx
import psutil

from bench.ports import free_port
from bench.registry import Registry
from bench.servers import HOST, ROOT, Program

NAMES = ("ocpp", "api", "worker")
READY_S = 90.0
_LOOK_S = 0.1


class TookTooLong(Exception):
    """Something that had to become true did not in time."""


async def until(condition: Callable[[], Awaitable[bool]], what: str, within_s: float) -> float:
    """Waits for a condition; returns the seconds it took. Raises TookTooLong naming `what`."""
    began = perf_counter()
    while not await condition():
        if perf_counter() - began > within_s:
            raise TookTooLong(f"waited {within_s:g} s in vain for: {what}")
        await asyncio.sleep(_LOOK_S)
    return perf_counter() - began


class Platform:
    """OCPP server, API and worker by the names `ocpp`, `api` and `worker`; `kill` also knows `postgres`.

    `own_database`: they start, share and revive the embedded PostgreSQL in their data directory; otherwise they
    are given the address of a server that is none of their business.
    """

    def __init__(self, directory: Path, registry: Registry, *, own_database: bool = True, **settings: str) -> None:
        self.directory = directory
        self.registry = registry
        self.ocpp_port, self.api_port = free_port(), free_port()
        self.environment = registry.environment | {
            "UNIEV_OCPP_HOST": HOST,
            "UNIEV_OCPP_PORT": str(self.ocpp_port),
            "UNIEV_API_HOST": HOST,
            "UNIEV_API_PORT": str(self.api_port),
            "UNIEV_API_URL": self.api_url,
            "UNIEV_LOG_FORM": "human",
            **settings,
        }
        if not own_database:
            elsewhere = directory / "elsewhere"
            self.environment |= {"DATABASE_URL": registry.dsn, "UNIEV_DATA_DIR": str(elsewhere)}
        api = ["-m", "uvicorn", "backend.main_api:app", "--host", HOST, "--port", str(self.api_port)]
        self._commands = {
            "ocpp": [str(ROOT / "backend/ocpp_server.py")],
            "api": [*api, "--no-access-log"],
            "worker": ["-m", "backend.worker"],
        }
        self._running: dict[str, Program] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def running(
        cls, directory: Path, chargers: int, *, data_dir: Path | None = None, own_database: bool = True, **settings: str
    ) -> AsyncIterator[Platform]:
        """All processes, ready, with `chargers` registered on a fresh database. Leaves no process."""
        async with Registry.filled(data_dir or directory / "data", chargers) as registry:
            platform = cls(directory, registry, own_database=own_database, **settings)
            try:
                platform.start(*NAMES)
                await platform.ready()
                yield platform
            finally:
                platform.stop()

    @property
    def url(self) -> str:
        """Where chargers connect; the identity is appended."""
        return f"ws://{HOST}:{self.ocpp_port}"

    @property
    def api_url(self) -> str:
        """Where the REST API answers."""
        return f"http://{HOST}:{self.api_port}"

    # -- processes

    def start(self, *names: str) -> None:
        """Starts processes; they need a moment until they serve."""
        for name in names:
            command = [sys.executable, *self._commands[name]]
            self._running[name] = Program(name, command, self.environment, self.directory / f"{name}.log")

    def kill(self, name: str) -> None:
        """`kill -9`. Whoever dies is started again by the caller; PostgreSQL is revived by those that use it."""
        if name == "postgres":
            with contextlib.suppress(psutil.NoSuchProcess):
                self.registry.postmaster().kill()
        else:
            self._running.pop(name).kill()

    def ended(self) -> list[str]:
        """Processes that ended without being asked to."""
        return [name for name, program in self._running.items() if program.ended]

    def stop(self) -> None:
        """SIGTERM to all."""
        for program in self._running.values():
            program.stop()
        self._running.clear()

    def words(self) -> str:
        """The end of each log."""
        return "\n".join(f"--- {name}\n{program.last_words()}" for name, program in self._running.items())

    # -- how it is

    async def readiness(self) -> tuple[int, dict[str, Any]]:
        """Status and content of `/ready`; (0, {}) if the API does not answer within 5 s."""
        try:
            async with httpx.AsyncClient(timeout=5, trust_env=False) as http:
                reply = await http.get(f"{self.api_url}/ready")
                return reply.status_code, reply.json()
        except (httpx.HTTPError, ValueError):
            return 0, {}

    async def is_ready(self) -> bool:
        """Whether `/ready` says so."""
        return (await self.readiness())[0] == httpx.codes.OK

    async def ready(self) -> float:
        """Waits for it; the seconds it took."""
        try:
            return await until(self.is_ready, "the platform is ready", READY_S)
        except TookTooLong as late:
            raise TookTooLong(f"{late}\n{self.words()}") from None

    @contextlib.asynccontextmanager
    async def api(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the REST API with the administrator's token."""
        headers = {"Authorization": f"Bearer {await self.registry.login(self.api_url)}"}
        async with httpx.AsyncClient(base_url=self.api_url, headers=headers, timeout=30, trust_env=False) as client:
            yield client

    async def rows(self, query: str, *values: Any) -> list[asyncpg.Record]:
        """What a query finds, past the platform."""
        connection = await asyncpg.connect(self.registry.dsn, timeout=10)
        try:
            found: list[asyncpg.Record] = await connection.fetch(query, *values)
            return found
        finally:
            await connection.close()
