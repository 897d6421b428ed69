"""What the platform must know before the load comes: a CPO, a station, chargers, a token, a login."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import asyncpg
import httpx
import psutil
from argon2 import PasswordHasher

from backend.database import open_database
from backend.embedded import EmbeddedPostgres
from backend.settings import load_settings
from bench.messages import id_tag, identity

CONNECTORS = 2
EMAIL = "bench@bench.invalid"
PASSWORD = "bench-runs-on-loopback-only"


class Registry:
    """The platform's database for one run; registers in bulk, past the API."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._postgres = EmbeddedPostgres(data_dir)

    @classmethod
    @contextlib.asynccontextmanager
    async def filled(cls, data_dir: Path, chargers: int) -> AsyncIterator[Self]:
        """Start the embedded PostgreSQL, apply the migrations, register; stop it at the end."""
        registry = cls(data_dir)
        await asyncio.to_thread(registry._postgres.ensure_running)
        try:
            await registry._migrate()
            await registry._register(chargers)
            yield registry
        finally:
            await asyncio.to_thread(registry._postgres.close)

    @property
    def environment(self) -> dict[str, str]:
        """The variables the platform's processes run under."""
        return {
            "UNIEV_DATA_DIR": str(self._data_dir),
            "UNIEV_DEMO": "0",
            "UNIEV_OCPP_ACCEPT_UNKNOWN": "0",
            "UNIEV_LOG_LEVEL": "warning",
        }

    @property
    def dsn(self) -> str:
        """Connection string of the database."""
        return self._postgres.dsn()

    def ensure_running(self) -> None:
        """Starts the database if somebody stopped it. Blocking; raises DatabaseUnavailable."""
        self._postgres.ensure_running()

    def postmaster(self) -> psutil.Process:
        """The database server's first process."""
        process = self._postgres.postmaster()
        if process is None:
            raise RuntimeError("the embedded PostgreSQL has gone")
        return process

    async def login(self, api_url: str) -> str:
        """An access token of the run's administrator."""
        async with httpx.AsyncClient(base_url=api_url, timeout=30) as http:
            reply = await http.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD})
            reply.raise_for_status()
            return str(reply.json()["access_token"])

    async def _migrate(self) -> None:
        settings = load_settings(
            _env_file=None, data_dir=self._data_dir, database_url=None, supabase_url=None, supabase_key=None
        )
        database = await open_database(settings)
        await database.close()

    async def _register(self, chargers: int) -> None:
        connection = await asyncpg.connect(self._postgres.dsn())
        try:
            async with connection.transaction():
                await self._insert(connection, chargers)
        finally:
            await connection.close()

    async def _insert(self, connection: asyncpg.Connection, chargers: int) -> None:
        await connection.execute(
            # `demo`: without a second factor, which no program can show.
            "insert into public.users (email, name, role, password_hash, demo)"
            " values ($1, 'Bench', 'emsv_admin', $2, true)",
            EMAIL,
            PasswordHasher().hash(PASSWORD),
        )
        cpo_id = await connection.fetchval("insert into public.cpos (name) values ('Bench') returning id")
        station_id = await connection.fetchval(
            "insert into public.stations (cpo_id, name) values ($1, 'Bench') returning id", cpo_id
        )
        await connection.execute(
            "insert into public.id_tokens (cpo_id, token) select $1, unnest($2::text[])",
            cpo_id,
            [id_tag(index) for index in range(chargers)],
        )
        identities = [identity(index) for index in range(chargers)]
        await connection.execute(
            "insert into public.chargers (id, cpo_id, station_id, name, current_type, rated_power_w)"
            " select id, $1, $2, id, 'AC', 22000 from unnest($3::text[]) as id",
            cpo_id,
            station_id,
            identities,
        )
        await connection.execute(
            "insert into public.connectors (charger_id, evse_id, connector_id, cpo_id)"
            " select id, evse_id, 1, $1"
            " from unnest($2::text[]) as id, generate_series(1, $3::int) as evse_id",
            cpo_id,
            identities,
            CONNECTORS,
        )
