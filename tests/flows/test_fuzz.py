"""100,000 malformed frames stop nothing: a good charger beside them is answered and stored, to the last message."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from backend.database import SYSTEM, DirectDatabase
from tests.flows.fuzz import TEXT, Fuzz, dumped, wire
from tests.flows.raw import RawCharger, energy, plugged
from tests.flows.running import CPO, STATION
from tests.support.servers import Server, ocpp_server

FRAMES = int(os.environ.get("UNIEV_TEST_FUZZ_FRAMES", "100000"))
SEED = int(os.environ.get("UNIEV_TEST_FUZZ_SEED", "16"))
SOCKETS = 100
AT_ONCE = 50
WITHIN_S = 150.0


@pytest.fixture
async def server(dsn: str, database: DirectDatabase, tmp_path: Path) -> AsyncIterator[Server]:
    """The real process, with a good charger and some bad ones registered."""
    rows: dict[str, list[dict[str, Any]]] = {
        "cpos": [{"id": CPO, "name": "Flows"}],
        "stations": [{"id": STATION, "cpo_id": CPO, "name": "Here"}],
        "chargers": [{"id": name, "cpo_id": CPO, "station_id": STATION}
                     for name in ("GOOD", *(f"BAD-{number}" for number in range(SOCKETS)))],
        "id_tokens": [{"cpo_id": CPO, "token": token} for token in ("TAG-1", "GOOD-TAG")],
    }  # fmt: skip
    for table, row in rows.items():
        await database.insert(table, row, scope=SYSTEM, columns="")
    with ocpp_server(dsn, tmp_path / "ocpp") as started:
        yield started


class Attack:
    """One bad charger: it sends its share of frames, over as many sockets as the server makes it open.

    After each handful it waits for the answer to a Heartbeat: so everything before was taken up by the server.
    """

    def __init__(self, server: Server, number: int, frames: int) -> None:
        self.port = int(server.url.rsplit(":", 1)[1])
        self.identity = f"BAD-{number}"
        self.fuzz = Fuzz(SEED * 1000 + number)
        self.frames = iter(self.fuzz)
        self.left = frames

    async def run(self) -> None:
        """Ends when all is sent and taken up."""
        while self.left > 0:
            await self._bad_handshake()
            reader, writer = await self._open()
            for number in range(self.fuzz.chance.randint(3, 30)):
                writer.write(self._handful(f"mark-{number}"))
                await reader.readuntil(f'"mark-{number}",'.encode())
                self.left -= AT_ONCE
                if self.left <= 0:
                    break
            await self._leave(reader, writer)

    def _handful(self, mark: str) -> bytes:
        frames = [wire(frame, self.fuzz.chance) for frame in itertools.islice(self.frames, AT_ONCE)]
        heartbeat = wire((TEXT, dumped([2, mark, "Heartbeat", {}])), self.fuzz.chance)
        return b"".join((*frames, self.fuzz.fragments(), heartbeat))

    async def _leave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Breaks the protocol, or just goes."""
        writer.write(self.fuzz.fatal())
        if self.fuzz.chance.random() < 0.7:
            with suppress(ConnectionError):
                writer.write_eof()
                await asyncio.wait_for(reader.read(), 30)  # the server closes
        writer.transport.abort()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        writer.write(
            f"GET /{self.identity} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
        )
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101"), answer
        return reader, writer

    async def _bad_handshake(self) -> None:
        with suppress(ConnectionError):
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(self.fuzz.handshake(self.identity))
            await writer.drain()
            writer.close()


class GoodCharger:
    """Meters as fast as it is answered, on one socket, and knows what it said."""

    def __init__(self) -> None:
        self.registers: list[int] = []
        self.slowest_s = 0.0
        self.transaction_id = 0

    async def run(self, charger: RawCharger, over: asyncio.Event) -> None:
        """One session that lasts until it is over. AssertionError when any call is refused."""
        assert await charger.boot() == "Accepted"
        self.transaction_id = await charger.start("GOOD-TAG", 0, "2026-01-01T00:00:00Z")
        for number in itertools.count(1):
            began = time.monotonic()
            at = f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
            await charger.meter([energy(at, number)], transactionId=self.transaction_id)
            self.registers.append(number)
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            if over.is_set():
                break
        await charger.stop(self.transaction_id, self.registers[-1], at)


async def test_100_000_malformed_frames_disturb_nobody(server: Server, dsn: str) -> None:
    attacks = [Attack(server, number, FRAMES // SOCKETS + 1) for number in range(SOCKETS)]
    good, over = GoodCharger(), asyncio.Event()
    async with plugged(f"{server.url}/GOOD") as charger, asyncio.timeout(WITHIN_S):
        metering = asyncio.create_task(good.run(charger, over))
        await asyncio.gather(*(attack.run() for attack in attacks))
        over.set()
        await metering

    assert server.process.poll() is None, server.log.read_text()[-3000:]
    assert sum(attack.left for attack in attacks) <= 0
    assert "Traceback" not in server.log.read_text(), server.log.read_text()[-6000:]
    assert len(good.registers) > 50
    assert good.slowest_s < 5
    store = await asyncpg.connect(dsn)
    session = await store.fetchrow("select * from public.sessions where transaction_id = $1", good.transaction_id)
    stored = await store.fetch(
        "select energy_wh from public.meter_values where session_id = $1 order by 1", session["id"]
    )
    internal = await store.fetch("select payload from public.ocpp_messages where payload like '[4,%InternalError%'")
    await store.close()
    assert internal == []  # what cannot be stored is refused by name before it is tried
    assert [row["energy_wh"] for row in stored] == good.registers
    assert (session["charger_id"], session["energy_wh"]) == ("GOOD", good.registers[-1])
    assert session["review_reasons"] == []
