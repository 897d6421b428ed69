"""A small central system that keeps state, written with the plain `ocpp` package: a second opinion on the simulator."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
from websockets.asyncio.server import Request, Response, Server, ServerConnection, serve
from websockets.typing import Subprotocol

LOG = logging.getLogger("csms")
LOG.setLevel(logging.CRITICAL)


@dataclass
class State:
    """What the central system knows; tests change the first lines and read the rest."""

    tags: dict[str, str] = field(
        default_factory=lambda: {"TAG-1": "Accepted", "TAG-2": "Accepted", "SIM-TAG-1": "Accepted"}
    )
    identities: set[str] | None = None
    boot_statuses: list[str] = field(default_factory=list)
    interval_s: int = 300
    swallow: Counter[str] = field(default_factory=Counter)
    fail: Counter[str] = field(default_factory=Counter)
    start_status: str | None = None
    heard: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    transactions: dict[tuple[Any, ...], int] = field(default_factory=dict)
    stops: dict[int, dict[str, Any]] = field(default_factory=dict)
    headers: list[dict[str, str]] = field(default_factory=list)
    points: dict[str, Point] = field(default_factory=dict)
    sockets: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def actions(self, identity: str | None = None) -> list[str]:
        """Names of the calls heard, in order."""
        return [action for who, action, _payload in self.heard if identity in (None, who)]

    def payloads(self, action: str) -> list[dict[str, Any]]:
        """Payloads of the calls of one name, in order (snake case)."""
        return [payload for _who, name, payload in self.heard if name == action]

    def statuses(self, connector_id: int = 1) -> list[str]:
        """Statuses of one connector as heard, in order."""
        heard = self.payloads("StatusNotification")
        return [payload["status"] for payload in heard if payload["connector_id"] == connector_id]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Point(ChargePoint):  # type: ignore[misc]
    """One charger as the central system sees it."""

    def __init__(self, identity: str, connection: ServerConnection, state: State) -> None:
        super().__init__(identity, connection, response_timeout=5, logger=LOG)
        self.state = state

    async def _handle_call(self, msg: Any) -> Any:
        if self.state.swallow[msg.action] > 0:
            self.state.swallow[msg.action] -= 1
            self._connection.transport.abort()
            raise ConnectionAbortedError
        if self.state.fail[msg.action] > 0:
            self.state.fail[msg.action] -= 1
            raise ocpp_internal_error()
        return await super()._handle_call(msg)

    def hear(self, action: str, payload: dict[str, Any]) -> None:
        self.state.heard.append((self.id, action, payload))
        self.state.news.set()

    def _info(self, id_tag: str) -> dict[str, str]:
        return {"status": self.state.tags.get(id_tag, "Invalid")}

    @on("BootNotification")
    def boot(self, **payload: Any) -> Any:
        self.hear("BootNotification", payload)
        status = self.state.boot_statuses.pop(0) if self.state.boot_statuses else "Accepted"
        return call_result.BootNotification(_now(), self.state.interval_s, status)

    @on("Heartbeat")
    def heartbeat(self, **payload: Any) -> Any:
        self.hear("Heartbeat", payload)
        return call_result.Heartbeat(_now())

    @on("StatusNotification")
    def status(self, **payload: Any) -> Any:
        self.hear("StatusNotification", payload)
        return call_result.StatusNotification()

    @on("Authorize")
    def authorize(self, **payload: Any) -> Any:
        self.hear("Authorize", payload)
        return call_result.Authorize(self._info(payload["id_tag"]))

    @on("StartTransaction")
    def start_transaction(self, **payload: Any) -> Any:
        self.hear("StartTransaction", payload)
        key = (self.id, *sorted(payload.items()))
        number = self.state.transactions.setdefault(key, 1000 + len(self.state.transactions))
        info = {"status": self.state.start_status} if self.state.start_status else self._info(payload["id_tag"])
        return call_result.StartTransaction(number, info)

    @on("MeterValues")
    def meter_values(self, **payload: Any) -> Any:
        self.hear("MeterValues", payload)
        return call_result.MeterValues()

    @on("StopTransaction")
    def stop_transaction(self, **payload: Any) -> Any:
        self.hear("StopTransaction", payload)
        self.state.stops[payload["transaction_id"]] = payload
        return call_result.StopTransaction()

    @on("DiagnosticsStatusNotification")
    def diagnostics_status(self, **payload: Any) -> Any:
        self.hear("DiagnosticsStatusNotification", payload)
        return call_result.DiagnosticsStatusNotification()

    @on("FirmwareStatusNotification")
    def firmware_status(self, **payload: Any) -> Any:
        self.hear("FirmwareStatusNotification", payload)
        return call_result.FirmwareStatusNotification()

    @on("LogStatusNotification")
    def log_status(self, **payload: Any) -> Any:
        self.hear("LogStatusNotification", payload)
        return call_result.LogStatusNotification()

    @on("SecurityEventNotification")
    def security_event(self, **payload: Any) -> Any:
        self.hear("SecurityEventNotification", payload)
        return call_result.SecurityEventNotification()

    @on("SignCertificate")
    def sign_certificate(self, **payload: Any) -> Any:
        self.hear("SignCertificate", payload)
        return call_result.SignCertificate("Accepted")

    @on("SignedFirmwareStatusNotification")
    def signed_firmware_status(self, **payload: Any) -> Any:
        self.hear("SignedFirmwareStatusNotification", payload)
        return call_result.SignedFirmwareStatusNotification()

    @on("DataTransfer")
    def data_transfer(self, **payload: Any) -> Any:
        self.hear("DataTransfer", payload)
        return call_result.DataTransfer("Accepted")


def ocpp_internal_error() -> Exception:
    """The error a central system with a broken database answers."""
    from ocpp.exceptions import InternalError

    return InternalError("database away")


@dataclass
class Csms:
    """A running central system: `url` to connect to, `state` to look at."""

    url: str
    state: State
    server: Server

    async def until(self, true: Callable[[], object]) -> None:
        """Wait until `true()` holds, looking again after each call heard; TimeoutError after ten seconds."""
        async with asyncio.timeout(10):
            while not true():
                self.state.news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.state.news.wait(), 0.02)

    def point(self, identity: str) -> Point:
        """The present connection of a charger."""
        return self.state.points[identity]


def _gate(state: State) -> Callable[[ServerConnection, Request], Response | None]:
    def gate(connection: ServerConnection, request: Request) -> Response | None:
        state.headers.append(dict(request.headers.raw_items()))
        identity = request.path.rsplit("/", 1)[-1]
        if state.identities is not None and identity not in state.identities:
            return connection.respond(HTTPStatus.NOT_FOUND, "unknown\n")
        return None

    return gate


@contextlib.asynccontextmanager
async def central_system(state: State | None = None, port: int = 0) -> AsyncIterator[Csms]:
    """A central system on a free loopback port for the length of the block."""
    known = state or State()

    async def charge_point(connection: ServerConnection) -> None:
        assert connection.request is not None
        known.sockets += 1
        point = Point(connection.request.path.rsplit("/", 1)[-1], connection, known)
        known.points[point.id] = point
        with contextlib.suppress(Exception):
            await point.start()

    async with serve(
        charge_point,
        "127.0.0.1",
        port,
        subprotocols=[Subprotocol("ocpp1.6")],
        process_request=_gate(known),
        close_timeout=1,
    ) as server:
        bound = next(iter(server.sockets)).getsockname()[1]
        yield Csms(f"ws://127.0.0.1:{bound}", known, server)
