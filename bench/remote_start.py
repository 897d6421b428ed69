"""Remote starts: from the integrator's request to the frame on the charger's wire, on one clock."""

from __future__ import annotations

import asyncio
from collections import Counter
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import httpx

from bench import messages
from bench.charger import ChargerSocket
from bench.fleet import Fleet, every
from bench.latency import Window, summary_ms
from bench.messages import Payload

IDLE_CONNECTOR = 2  # connector 1 is in a session
ACCEPTED = 202


class RemoteStarts:
    """Asks for remote starts at a steady rate, of another charger each time, while the fleet meters."""

    def __init__(self, fleet: Fleet, api_url: str, token: str) -> None:
        self._fleet = fleet
        self._http = httpx.AsyncClient(
            base_url=api_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=15.0,
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=20),
        )
        self._asked: dict[int, float] = {}
        self._on_wire: list[float] = []
        self._acknowledged: list[float] = []
        self._errors: Counter[str] = Counter()
        self._requests: set[asyncio.Task[None]] = set()
        self._sent = 0

    async def __aenter__(self) -> Self:
        self._fleet.on_request = self._answer
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await asyncio.gather(*self._requests)
        await self._http.aclose()

    async def run(self, window: Window, rate: float) -> None:
        """One request every `1 / rate` seconds over the window, each counted from the moment it was due."""
        await self._one_uncounted()
        await asyncio.sleep(window.begin - perf_counter())
        await every(1 / rate, window.begin, window.end, self._fire)

    def outstanding(self) -> int:
        """Accepted requests whose frame has not reached the charger."""
        return len(self._asked)

    def report(self) -> dict[str, Any]:
        """`{requests, on_wire: summary, acknowledged: summary, missing, errors}`."""
        return {
            "requests": self._sent,
            "on_wire": summary_ms(self._on_wire),
            "acknowledged": summary_ms(self._acknowledged),
            "missing": self.outstanding(),
            "errors": dict(self._errors),
        }

    def _fire(self, k: int, due: float) -> None:
        charger = self._fleet.chargers[k % (len(self._fleet.chargers) - 1)]
        task = asyncio.get_running_loop().create_task(self._request(charger, due))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _one_uncounted(self) -> None:
        # Opens the HTTP connection and warms the path; the last charger is left out of the counted ones.
        response = await self._post(self._fleet.chargers[-1])
        response.raise_for_status()

    async def _request(self, charger: ChargerSocket, due: float) -> None:
        self._sent += 1
        self._asked[charger.index] = due
        try:
            response = await self._post(charger)
        except httpx.HTTPError as error:
            self._errors[type(error).__name__] += 1
            self._asked.pop(charger.index, None)
            return
        self._acknowledged.append(perf_counter() - due)
        if response.status_code != ACCEPTED:
            self._errors[f"{response.status_code} {response.text[:120]}"] += 1
            self._asked.pop(charger.index, None)

    async def _post(self, charger: ChargerSocket) -> httpx.Response:
        body = {
            "charger_id": charger.identity,
            "connector_id": IDLE_CONNECTOR,
            "id_token": messages.id_tag(charger.index),
        }
        return await self._http.post("/api/client/remote-start", json=body)

    def _answer(self, charger: ChargerSocket, action: str, payload: Payload, at: float) -> Payload | None:
        if action != "RemoteStartTransaction":
            return None
        if (due := self._asked.pop(charger.index, None)) is not None:
            self._on_wire.append(at - due)
        return {"status": "Accepted"}
