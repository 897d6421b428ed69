"""The real OCPP server over a real database, in the test's own process, with a small CPO to serve."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg

from backend.database import SYSTEM, Database
from backend.domain.charger_password import hash_password
from backend.ocpp_server import build
from backend.ocppj.server import OcppServer, Pace
from backend.ocppj.tls import TlsPort
from backend.services.judging import Judge
from backend.settings import Settings
from simulator import SimulatedCharger, StepClock
from tests.flows.raw import RawCharger, plugged
from tests.support.waiting import eventually_found

CPO = "11111111-0000-0000-0000-000000000001"
STATION = "22222222-0000-0000-0000-000000000001"
CHARGER = "CP-1"


class Running:
    """A started server. `store` reads and prepares data past the server, as the database's owner."""

    def __init__(
        self, database: Database, settings: Settings, dsn: str, pace: Pace | None, tls: TlsPort | None = None
    ) -> None:
        self.tls = tls
        self.database, self.settings, self.dsn, self.pace = database, settings, dsn, pace
        self.server: OcppServer = build(database, settings, pace)
        self.store: asyncpg.Connection[Any] | None = None

    @property
    def url(self) -> str:
        """Where chargers connect; the identity is appended."""
        return f"ws://127.0.0.1:{self.server.port}"

    async def start(self) -> None:
        """Opens the port."""
        await self.server.start("127.0.0.1", 0, self.tls)

    async def restart(self) -> None:
        """Stops the server and starts a new one, on another port, with nothing but the database in common."""
        await self.server.stop()
        self.server = build(self.database, self.settings, self.pace)
        await self.start()

    # -- what is in the database

    async def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What a query finds."""
        assert self.store is not None
        return [dict(row) for row in await self.store.fetch(query, *values)]

    async def row(self, query: str, *values: Any) -> dict[str, Any]:
        """The only row that a query finds."""
        [found] = await self.rows(query, *values)
        return found

    async def store_execute(self, statement: str) -> None:
        """Changes data past the server."""
        assert self.store is not None
        await self.store.execute(statement)

    async def session(self, transaction_id: int) -> dict[str, Any]:
        """A session by its transaction id, judged if it has ended."""
        await Judge(self.database, self.settings.reading_gap_s).judge()
        return await self.row("select * from public.sessions where transaction_id = $1", transaction_id)

    async def until(self, query: str, *values: Any, timeout_s: float = 20.0) -> dict[str, Any]:
        """The only row of a query, once it finds one."""
        [row] = await eventually_found(lambda: self.rows(query, *values), query, timeout_s)
        return row

    async def ask(self, action: str, payload: dict[str, Any], *, charger_id: str = CHARGER, queue: bool = False,
                  expires_in_s: int = 60) -> str:  # fmt: skip
        """Enqueues a command as the API does; returns its id."""
        arguments = {"p_charger_id": charger_id, "p_action": action, "p_payload": payload, "p_idempotency_key": None,
                     "p_queue": queue, "p_expires_in_s": expires_in_s, "p_requested_by_name": "test"}  # fmt: skip
        command = await self.database.call("enqueue_command", arguments, scope=SYSTEM)
        return str(command["id"])

    async def command(self, command_id: str, condition: str = "true") -> dict[str, Any]:
        """A command, once an SQL condition on it holds."""
        return await self.until(f"select * from public.commands where id = $1 and {condition}", command_id)  # noqa: S608

    async def register(self, charger_id: str = CHARGER, *, password: bytes | None = None, **columns: Any) -> str:
        """A charger of the CPO, accepted unless said otherwise."""
        row = {"id": charger_id, "cpo_id": CPO, "station_id": STATION, "rated_power_w": 22_000,
               "password_hash": password and hash_password(password), **columns}  # fmt: skip
        await self.database.insert("chargers", [row], scope=SYSTEM, columns="id")
        return charger_id

    async def token(self, token: str, **columns: Any) -> None:
        """An id token of the CPO, active unless said otherwise."""
        await self.database.insert(
            "id_tokens", [{"cpo_id": CPO, "token": token, **columns}], scope=SYSTEM, columns="id"
        )

    # -- who talks to the server

    def plugged(self, path: str = CHARGER, **options: Any) -> AbstractAsyncContextManager[RawCharger]:
        """A raw socket. `path` goes into the URL as it is."""
        return plugged(f"{self.url}/{path}", **options)

    def simulated(self, identity: str = CHARGER, **options: Any) -> SimulatedCharger:
        """A scriptable charger of the simulator, whose clock moves only when told; enter it before use."""
        return SimulatedCharger(self.url, identity, **{"clock": StepClock(), **options})


@asynccontextmanager
async def running(
    database: Database, settings: Settings, dsn: str, *, pace: Pace | None = None, tls: TlsPort | None = None
) -> AsyncIterator[Running]:
    """A started server whose CPO has one station, the charger CP-1 and the tokens TAG-1 and TAG-2."""
    platform = Running(database, settings, dsn, pace, tls)
    platform.store = await asyncpg.connect(dsn)
    await platform.store.execute(
        "insert into public.cpos (id, name) values ($1, 'Flows')", CPO
    )  # fmt: skip
    await platform.store.execute("insert into public.stations (id, cpo_id, name) values ($1, $2, 'Here')", STATION, CPO)
    await platform.register()
    await platform.token("TAG-1")
    await platform.token("TAG-2")
    await platform.start()
    try:
        yield platform
    finally:
        await platform.server.stop()
        await platform.store.close()
