"""Requests are counted in memory, and in a real Redis that several processes share, with memory as the way out."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.gateways.rate_counter import LimitsCounter, SharedCounter, SweptMemory, open_counter
from tests.support.tools import require_tool
from tests.support.waiting import wait_until

Server = tuple[str, subprocess.Popen[bytes]]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    """A Redis of our own, on a socket: its address, and its process."""
    place = tmp_path / "redis.sock"
    command = [str(require_tool("redis-server")), "--port", "0", "--unixsocket", str(place), "--save", "",
               "--dir", str(tmp_path)]  # fmt: skip
    with (tmp_path / "redis.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        wait_until(place.exists, "Redis listens")
        yield f"redis+unix://{place}?db=0", server
        server.terminate()


async def test_names_are_counted_apart_and_forgotten_in_time() -> None:
    memory = SweptMemory()
    counter = LimitsCounter(memory)

    assert [await counter.add("a", 60) for _ in range(3)] == [1, 2, 3]
    assert [await counter.add("b", 60), await counter.add("a", 60)] == [1, 4]
    memory.expirations = dict.fromkeys(memory.expirations, time.time() - 1)
    memory._swept_at = 0
    assert await counter.add("a", 60) == 1
    assert len(memory.storage) == 1


async def test_two_processes_share_their_counts_in_redis(redis: Server) -> None:
    one, two = open_counter(redis[0]), open_counter(redis[0])

    seen = await asyncio.gather(*(counter.add("x", 60) for counter in (one, two) for _ in range(20)))

    assert sorted(seen) == list(range(1, 41))


async def test_while_redis_is_away_it_counts_in_memory_and_then_in_redis_again(redis: Server) -> None:
    address, server = redis
    clock = [0.0]
    counter = SharedCounter(address, LimitsCounter(SweptMemory()), lambda: clock[0])
    assert [await counter.add("x", 60) for _ in range(5)][-1] == 5

    server.send_signal(19)  # SIGSTOP: it hangs, which is worse than being gone
    begun = time.monotonic()
    assert [await counter.add("x", 60) for _ in range(50)] == list(range(1, 51))
    assert time.monotonic() - begun < 3  # it waits for Redis once, not fifty times
    server.send_signal(18)
    clock[0] = 60.0

    assert await counter.add("x", 60) in (6, 7)  # what Redis was told while it hung may count
