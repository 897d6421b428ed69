"""The load generator: a process of its own that reads orders as JSON lines and answers in JSON lines.

    {"order": "connect", …}  →  {"done": "connect", …}

Orders: `fleet`, `connect`, `sessions`, `meter`, `commands`, `close`. `meter` and `commands` send
`{"event": "begin"}` and `{"event": "end"}` at the edges of the measured window, so that whoever measures the
server reads its clocks at these moments. The process ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import uvloop

from bench.fleet import Fleet
from bench.latency import Window
from bench.remote_start import RemoteStarts

Order = dict[str, Any]
GRACE_S = 15.0


class Load:
    """Carries out orders one after another."""

    def __init__(self, say: Callable[[dict[str, Any]], None]) -> None:
        self._say = say
        self._fleet: Fleet | None = None
        self._orders: dict[str, Callable[[Order], Awaitable[dict[str, Any]]]] = {
            "fleet": self._new_fleet,
            "connect": self._connect,
            "sessions": self._sessions,
            "meter": self._meter,
            "commands": self._commands,
            "close": self._close,
        }

    async def carry_out(self, order: Order) -> None:
        """Answers `{"done": order, …}`, or `{"failed": order, "why": text}`."""
        name = order["order"]
        try:
            self._say({"done": name, **await self._orders[name](order)})
        except Exception as error:
            self._say({"failed": name, "why": f"{type(error).__name__}: {error}"})

    @property
    def fleet(self) -> Fleet:
        """The fleet of the last `fleet` order."""
        if self._fleet is None:
            raise ValueError("no fleet yet")
        return self._fleet

    async def _new_fleet(self, order: Order) -> dict[str, Any]:
        self._fleet = Fleet(order["url"], order["compression"], order.get("suite"))
        return {}

    async def _connect(self, order: Order) -> dict[str, Any]:
        return await self.fleet.connect(order["first"], order["count"], order["rate"], order["timeout_s"])

    async def _sessions(self, order: Order) -> dict[str, Any]:
        return await self.fleet.open_sessions(order["rate"], order["timeout_s"])

    async def _close(self, order: Order) -> dict[str, Any]:
        await self.fleet.close(order["timeout_s"])
        gc.enable()
        gc.collect()
        return {}

    async def _meter(self, order: Order) -> dict[str, Any]:
        window = self._window(order)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._events(window))
            tasks.create_task(self._metering(window, order))
        await self._settled(lambda: window.outstanding() == 0)
        return window.report()

    async def _commands(self, order: Order) -> dict[str, Any]:
        window = self._window(order)
        starts = RemoteStarts(self.fleet, order["api_url"], order["token"])
        async with starts, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._events(window))
            tasks.create_task(self._metering(window, order))
            tasks.create_task(starts.run(window, order["rate"]))
        await self._settled(lambda: window.outstanding() == 0 and starts.outstanding() == 0)
        return {"metering": window.report(), **starts.report()}

    def _window(self, order: Order) -> Window:
        # The load generator's own collector must not show up as the server's answer time.
        gc.collect()
        gc.freeze()
        gc.disable()
        begin = perf_counter() + order["warm_s"]
        return Window(begin, begin + order["seconds"])

    async def _metering(self, window: Window, order: Order) -> None:
        await self.fleet.meter(window, perf_counter(), order["meter_s"], order["heartbeat_s"])

    async def _events(self, window: Window) -> None:
        await asyncio.sleep(window.begin - perf_counter())
        self._say({"event": "begin"})
        await asyncio.sleep(window.end - perf_counter())
        self._say({"event": "end"})

    async def _settled(self, settled: Callable[[], bool]) -> None:
        # Answers and frames that are still under way get this long before they count as missing.
        last = perf_counter() + GRACE_S
        while not settled() and perf_counter() < last:  # noqa: ASYNC110 - two sources, polled outside the window
            await asyncio.sleep(0.05)


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def main() -> None:
    """Serve orders until standard input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    load = Load(_say)
    while line := await reader.readline():
        await load.carry_out(json.loads(line))


if __name__ == "__main__":
    uvloop.run(main())
