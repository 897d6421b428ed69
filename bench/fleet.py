"""A fleet of cheap chargers in one process: connect, boot, open sessions, meter on schedule, leave."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from bench import messages
from bench.charger import Answer, ChargerSocket, Refused
from bench.latency import Window
from bench.messages import Payload

# 7919 is prime: heartbeats visit the chargers in another order than the readings, and still each one in turn.
HEARTBEAT_STRIDE = 7919


async def paced(count: int, rate: float, work: Callable[[int], Awaitable[None]]) -> float:
    """Start `work(0) … work(count - 1)` at `rate` per second (0: all at once); seconds until all ended."""
    began = perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for index in range(count):
            if rate and (delay := began + index / rate - perf_counter()) > 0:
                await asyncio.sleep(delay)
            tasks.create_task(_as_coroutine(work(index)))
    return perf_counter() - began


async def _as_coroutine(work: Awaitable[None]) -> None:
    await work


async def every(interval_s: float, begin: float, end: float, fire: Callable[[int, float], None]) -> None:
    """Call `fire(k, due)` at `begin + k * interval_s` until `end`; late ones follow, none is skipped."""
    k = 0
    while (due := begin + k * interval_s) < end:
        if (delay := due - perf_counter()) > 0:
            await asyncio.sleep(delay)
        fire(k, due)
        k += 1


def _unchecking(suite: str | None) -> ssl.SSLContext:
    """A client's; whether it believes the certificate costs the server nothing. `suite`: of TLS 1.2; None: any."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if suite is not None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(suite)
    return context


class Fleet:
    """Chargers of one server. `on_request` answers what the platform asks of any of them. `suite`: for `wss://`."""

    def __init__(self, url: str, compression: bool, suite: str | None = None) -> None:
        self.url = url
        self.compression = compression
        self.chargers: list[ChargerSocket] = []
        self.errors: Counter[str] = Counter()
        self.put_off = 0
        self.on_request: Callable[[ChargerSocket, str, Payload, float], Payload | None] = _knows_nothing
        address = urlsplit(url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._tls = _unchecking(suite) if address.scheme == "wss" else None

    async def connect(self, first: int, count: int, rate: float, timeout_s: float) -> dict[str, Any]:
        """Connect and boot `count` chargers: `{accepted, compressed, put_off, seconds, errors}`.

        Whoever is not Accepted within `timeout_s` is an error; `compressed` counts the offers taken, `put_off` those
        who were told once to boot again later.
        """
        before = len(self.chargers)
        self.errors.clear()
        self.put_off = 0
        seconds = await paced(
            count, rate, lambda index: self._guard("connect", self._connect_one(first + index), timeout_s)
        )
        compressed = sum(charger.compressed for charger in self.chargers[before:])
        self.chargers.sort(key=lambda charger: charger.index)
        return {
            "accepted": len(self.chargers) - before,
            "compressed": compressed,
            "put_off": self.put_off,
            "seconds": seconds,
            "errors": dict(self.errors),
        }

    async def open_sessions(self, rate: float, timeout_s: float) -> dict[str, Any]:
        """StartTransaction and StatusNotification(Charging) on connector 1 of each; `{opened, errors}`."""
        self.errors.clear()
        await paced(
            len(self.chargers),
            rate,
            lambda index: self._guard("session", self._open_one(self.chargers[index]), timeout_s),
        )
        opened = sum(charger.transaction_id is not None for charger in self.chargers)
        return {"opened": opened, "errors": dict(self.errors)}

    async def close(self, timeout_s: float) -> None:
        """Close every socket in good order; the ones still open after `timeout_s` are dropped."""
        for charger in self.chargers:
            charger.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(charger.closed for charger in self.chargers))
        for charger in self.chargers:
            charger.abort()
        self.chargers.clear()

    async def meter(self, window: Window, begin: float, meter_s: float, heartbeat_s: float) -> None:
        """MeterValues of each charger every `meter_s` seconds, Heartbeat every `heartbeat_s`, evenly phased.

        Runs from `begin` to the end of the window; what comes before the window warms up.
        """
        count = len(self.chargers)

        def read(k: int, due: float) -> None:
            charger = self.chargers[k % count]
            charger.readings += 1
            charger.energy_wh += messages.POWER_W * meter_s / 3600
            soc_percent = min(80, 20 + charger.readings // 10)
            payload = messages.meter_values(charger.transaction_id or 0, charger.energy_wh, soc_percent)
            self._scheduled_call(window, charger, "MeterValues", payload, due)

        def beat(k: int, due: float) -> None:
            self._scheduled_call(window, self.chargers[k * HEARTBEAT_STRIDE % count], "Heartbeat", {}, due)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(every(meter_s / count, begin, window.end, read))
            tasks.create_task(every(heartbeat_s / count, begin + meter_s / count / 2, window.end, beat))

    def _scheduled_call(
        self, window: Window, charger: ChargerSocket, action: str, payload: Payload, due: float
    ) -> None:
        window.scheduled(action, due, perf_counter())
        charger.call(action, payload, partial(_note, window, action, due))

    async def _connect_one(self, index: int) -> None:
        charger = ChargerSocket(
            self.url,
            index,
            messages.identity(index),
            self.compression,
            self._requested,
        )
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: charger, self._host, self._port, ssl=self._tls)
            await charger.opened
            await self._boot(charger)
        except BaseException:
            charger.abort()
            raise
        self.chargers.append(charger)

    async def _boot(self, charger: ChargerSocket) -> None:
        """In a storm a charger may be told once to come back later."""
        answer = await charger.ask("BootNotification", messages.boot(charger.index))
        if answer["status"] == "Pending":
            self.put_off += 1
            await asyncio.sleep(answer["interval"])
            answer = await charger.ask("BootNotification", messages.boot(charger.index))
        if answer["status"] != "Accepted":
            raise Refused(f"boot: {answer['status']}")

    def _requested(self, charger: ChargerSocket, action: str, payload: Payload, at: float) -> Payload | None:
        return self.on_request(charger, action, payload, at)

    async def _open_one(self, charger: ChargerSocket) -> None:
        answer = await charger.ask("StartTransaction", messages.start(charger.index, round(charger.energy_wh)))
        if answer["idTagInfo"]["status"] != "Accepted":
            raise Refused(f"start: {answer['idTagInfo']['status']}")
        charger.transaction_id = answer["transactionId"]
        await charger.ask("StatusNotification", messages.charging())

    async def _guard(self, what: str, work: Awaitable[None], timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await work
        except TimeoutError:
            self.errors[f"{what}: no answer within {timeout_s:g} s"] += 1
        except (Refused, OSError) as error:
            self.errors[f"{what}: {error}"] += 1


def _note(window: Window, action: str, due: float, answer: Answer) -> None:
    window.answered(action, due, answer.at, answer.error)


def _knows_nothing(charger: ChargerSocket, action: str, payload: Payload, at: float) -> Payload | None:
    return None
