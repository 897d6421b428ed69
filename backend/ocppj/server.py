"""The OCPP server: gate, sockets, life signs, delivery, put together."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import random
import resource
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from http import HTTPStatus
from socket import SO_RCVBUF, SO_SNDBUF, SOL_SOCKET
from typing import Any, Final, NamedTuple
from uuid import uuid4

from websockets.http11 import Request

from backend.domain.credentials import Proof
from backend.domain.errors import DatabaseUnavailable, DomainError
from backend.ocppj.admission import Door
from backend.ocppj.conduct import Conduct
from backend.ocppj.connection import Connection, Dialect
from backend.ocppj.delivery import Delivery
from backend.ocppj.dismissals import Dismissals
from backend.ocppj.gate import Admitted, Gate, Knock, Refused, identity
from backend.ocppj.moderation import Moderation
from backend.ocppj.refusals import TlsFailures
from backend.ocppj.registry import Registry
from backend.ocppj.socket import ChargerSocket, Peer, header
from backend.ocppj.tls import TlsPort, peer_certificate
from backend.ocppj.tls_link import TlsLink
from backend.services.alarms import Alarms
from backend.services.credential_changes import CredentialChanges
from backend.services.intake.facts import Intake
from backend.services.intake.lane import Lane
from backend.services.message_log import MessageLog
from backend.services.nodes import Nodes
from backend.services.quirk_book import QuirkBook
from backend.services.treatments import Treatments

log = logging.getLogger(__name__)

_SLOTS: Final = 60  # of the wheel that pings
_SHARES: Final = 12  # of the chargers, whose life signs are stored in turn
# The kernel doubles it. What a flood may fill at once, and what a peer that does not read may hold.
_KERNEL_BUFFERS: Final = {SO_RCVBUF: 8 << 10, SO_SNDBUF: 64 << 10}
_TLS_STEPS: Final = 1  # at once: a signature costs up to a millisecond of a pass of the loop
_BACKLOG: Final = 4096  # the loop takes one or two a pass; a fuller queue of the kernel would drop handshakes


_LATE_S: Final = 2.0


class Pace(NamedTuple):
    """Seconds. Each socket is pinged every `ping_every`; dropped when silent for `silent_for`, or when a handshake
    takes longer than `shy_for`. The node's life sign is stored every `tell_every`, a charger's at each twelfth."""

    ping_every: float = 60.0
    silent_for: float = 140.0
    shy_for: float = 10.0
    tell_every: float = 5.0

    @classmethod
    def of(cls, ping_interval_s: float) -> Pace:
        """Two pings and a third of the time to answer: whoever is silent for longer is gone."""
        return cls(ping_every=ping_interval_s, silent_for=ping_interval_s * 7 / 3)


class OcppServer:
    """Serves chargers between `start` and `stop`. `port` is the one in use, also when 0 was asked for."""

    def __init__(
        self, *, intake: Intake, lane: Lane, gate: Gate, dialect: Dialect, registry: Registry, delivery: Delivery,
        message_log: MessageLog, nodes: Nodes, alarms: Alarms, quirks: QuirkBook, treatments: Treatments,
        changes: CredentialChanges, pace: Pace | None = None,
    ) -> None:  # fmt: skip
        self._pace = pace or Pace()
        self._intake, self._lane, self._gate, self._dialect = intake, lane, gate, dialect
        self._registry, self._delivery, self._message_log, self._nodes = (
            registry,
            delivery,
            message_log,
            nodes,
        )
        self._alarms, self._quirks, self._treatments = alarms, quirks, treatments
        self._dismissals = Dismissals(changes, gate, registry, self._pace.tell_every)
        self._conduct = Conduct(nodes.name)
        self._door, self._tls_door = Door(), Door(_TLS_STEPS)
        self._tls_failures = TlsFailures(gate.refusals, nodes.name)
        self._sockets_made = 0
        self._shy: set[ChargerSocket] = set()  # not admitted yet
        self._wheel: list[set[ChargerSocket]] = [set() for _ in range(_SLOTS)]
        self._turns = itertools.cycle(range(_SLOTS))
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._moderation = Moderation(
            lane,
            connections=registry.__len__,
            newcomers=lambda: self._sockets_made,
            waiting=lambda: len(self._door) + len(self._tls_door),
            hurries=lambda: delivery.hurries,
        )
        self._listeners: list[asyncio.Server] = []
        self.port = self.tls_port = 0
        self._tls: TlsPort | None = None

    async def start(self, host: str, port: int, tls: TlsPort | None = None) -> None:
        """Opens the port, and the one with TLS. Raises OSError when one is taken, DatabaseUnavailable when nothing
        can be stored, InvalidInput for a server certificate that cannot be used."""
        loop = asyncio.get_running_loop()
        await self._nodes.begin()
        await self._treatments.load()
        self.port = await self._listen(loop, host, port)
        jobs = [self._pulse, self._tell, self._alert, self._message_log.run, self._delivery.run, _quiet_collector,
                self._quirks.run, self._treatments.run, self._dismissals.run]  # fmt: skip
        if tls is not None:
            await tls.load()
            self._tls = tls
            self.tls_port = await self._listen(loop, host, tls.port, tls.context)
            jobs.append(tls.keep_fresh)
        for job in jobs:
            self._tasks.append(asyncio.create_task(_for_ever(job)))
        self._moderation.start()

    async def _listen(
        self, loop: asyncio.AbstractEventLoop, host: str, port: int, context: ssl.SSLContext | None = None
    ) -> int:
        """The port in use."""
        plain = partial(self._socket, loop)
        factory = (
            plain if context is None else lambda: TlsLink(plain(), context, self._tls_door, self._tls_failures.note)
        )
        server = await loop.create_server(factory, host, port, backlog=_BACKLOG, reuse_address=True)
        self._listeners.append(server)
        for listener in server.sockets:
            for option, size in _KERNEL_BUFFERS.items():
                listener.setsockopt(SOL_SOCKET, option, size)
        used: int = server.sockets[0].getsockname()[1]
        return used

    async def drain(self, over_s: float) -> None:
        """Admits nobody any more and closes the sockets one after another over `over_s` seconds, so that the
        servers that take over are not stormed. Commands and messages are served until a socket's turn comes."""
        for listener in self._listeners:
            listener.close()
        sockets = [connection.socket for connection in self._registry]
        random.shuffle(sockets)  # no station loses all its chargers at once
        begin = asyncio.get_running_loop().time()
        for number, socket in enumerate(sockets, 1):
            socket.close(1012, "This server is being replaced; please connect again.")
            await asyncio.sleep(begin + over_s * number / len(sockets) - asyncio.get_running_loop().time())

    async def stop(self) -> None:
        """Closes every socket (1001: going away) and returns when everything told is stored."""
        self._moderation.stop()
        for listener in self._listeners:
            listener.close()
        for socket in self._sockets():
            socket.close(1001, "The server restarts.")
        await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for socket in self._sockets():
            socket.abort()
        with suppress(TimeoutError, DomainError):
            async with asyncio.timeout(3):
                await self._lane.drain()
                await self._nodes.end()

    # -- handshake

    def _sockets(self) -> list[ChargerSocket]:
        return [*self._shy, *(socket for slot in self._wheel for socket in slot)]

    def _socket(self, loop: asyncio.AbstractEventLoop) -> ChargerSocket:
        socket = ChargerSocket(self._door, self._admit, loop)
        self._shy.add(socket)
        self._sockets_made += 1
        return socket

    async def _admit(self, socket: ChargerSocket, request: Request) -> tuple[str, Peer] | tuple[HTTPStatus, str]:
        try:
            if self._conduct.restless(identity(request.path)):
                raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "This charger connects too often; come back in a minute.")
            admitted = await self._gate.admit(_knock(socket, request))
        except Refused as refused:
            return refused.status, refused.sentence
        except DomainError as error:
            log.warning("handshake refused: %s", error.detail)
            return HTTPStatus.SERVICE_UNAVAILABLE, "Cannot admit chargers now; please try again."
        connection = Connection(
            admitted.charger_id, admitted.registration, self._dialect, socket, self._message_log,
            self._conduct, on_open=partial(self._on_open, admitted), on_closed=self._on_closed,
        )  # fmt: skip
        return admitted.protocol, connection

    def _on_open(self, admitted: Admitted, connection: Connection) -> None:
        """Only now the newest socket wins: a handshake that fails after the gate displaces nobody."""
        self._conduct.note("reconnecting", connection.charger_id)
        self._shy.discard(connection.socket)
        self._wheel[next(self._turns)].add(connection.socket)
        self._registry.add(connection)
        self._dismissals.opened(connection, admitted)
        self._spawn(partial(self._record_connect, connection, admitted.proof, self._nodes.now()))

    async def _record_connect(self, connection: Connection, proof: Proof, at: datetime) -> None:
        if connection.closed:  # while the database was away
            return
        awaited = True  # unless we hear that nothing is
        self._delivery.arrives(connection.charger_id)
        try:
            awaited = await self._intake.connect({
                "charger_id": connection.charger_id, "connection_id": connection.connection_id,
                "node": self._nodes.name, "protocol": connection.dialect.protocol,
                "remote_address": connection.socket.remote_address, "at": at, "security_profile": proof.profile,
                "password_hash": proof.password_hash, "certificate_id": proof.certificate_id,
            })  # fmt: skip
        finally:
            self._delivery.arrived(connection.charger_id, awaited)

    def _on_closed(self, connection: Connection) -> None:
        self._registry.remove(connection)
        self._dismissals.closed(connection)
        self._spawn_disconnect(connection)

    def _spawn_disconnect(self, connection: Connection) -> None:
        at = self._nodes.now()
        self._spawn(partial(self._intake.disconnect, connection.charger_id, connection.connection_id, at))

    def _spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.ensure_future(_stored_in_the_end(work))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    # -- the clock

    async def _pulse(self) -> None:
        """One wheel for all sockets: at each step one slot's are pinged, the silent and the shy are dropped."""
        loop, turn = asyncio.get_running_loop(), 0
        due = forgiven_at = loop.time()
        while True:
            due += self._pace.ping_every / _SLOTS
            await asyncio.sleep(max(0.0, due - loop.time()))
            turn = (turn + 1) % _SLOTS
            now = loop.time()
            if now - due > _LATE_S:  # it is we who were silent: nobody could be heard, and nobody was pinged
                due = forgiven_at = now
            for socket in list(self._shy):
                if socket.is_gone:
                    self._shy.discard(socket)
                elif not socket.waits and now - socket.heard_at > self._pace.shy_for:
                    self._conduct.note("dawdling", remote_address=socket.remote_address)
                    socket.abort()
            for socket in list(self._wheel[turn]):
                if socket.is_gone:
                    self._wheel[turn].discard(socket)
                elif now - max(socket.heard_at, forgiven_at) > self._pace.silent_for:
                    socket.blame("silent")
                    socket.abort()
                elif socket.is_closing:
                    socket.abort()
                else:
                    socket.ping()

    async def _tell(self) -> None:
        """Life signs of this node, and of the sockets of one share that were heard of since that share's last turn:
        a row a charger and turn is what life signs cost the database."""
        told = [0.0] * _SHARES
        for share in itertools.cycle(range(_SHARES)):
            now = asyncio.get_running_loop().time()
            heard = [
                connection.charger_id
                for connection in self._registry
                if hash(connection.charger_id) % _SHARES == share and connection.socket.heard_at >= told[share]
            ]
            try:
                if await self._nodes.beat({**self.stats(), **self._certified()}):
                    await self._reclaim()
                if refused := self._gate.refusals.take():
                    await self._nodes.refused(refused)
                if heard:
                    self._dismiss(await self._nodes.touch(heard, self._nodes.now()))
                told[share] = now
            except DomainError as error:
                log.warning("life signs not stored: %s", error.detail)
            await asyncio.sleep(self._pace.tell_every)

    async def _reclaim(self) -> None:
        held = list(self._registry)
        await self._nodes.reclaim([(one.charger_id, one.connection_id) for one in held])
        for connection in held:
            if connection.closed:  # meanwhile: what was told of it may have come too early
                self._spawn_disconnect(connection)

    async def _alert(self) -> None:
        """Tells of those who misbehave."""
        while True:
            await asyncio.sleep(self._pace.tell_every)
            if seen := [*self._conduct.take(), *self._tls_failures.take()]:
                await _stored_in_the_end(partial(self._alarms.report, seen, uuid4()))

    def _dismiss(self, charger_ids: list[str]) -> None:
        for charger_id in charger_ids:
            if (connection := self._registry.get(charger_id)) is not None:
                connection.dismiss("This charger is registered no more, or its certificate was revoked.")

    def _certified(self) -> dict[str, Any]:
        """What chargers must trust to come by TLS."""
        return {} if self._tls is None else {"tls_certificates": self._tls.served}

    def stats(self) -> dict[str, Any]:
        """Counters for operators."""
        return {"connections": len(self._registry), "log_dropped": self._message_log.dropped,
                "batches": self._lane.batches, "rows": self._lane.rows, "waiting_at_door": len(self._door),
                **({"tls_port": self.tls_port, "tls_failures": self._tls_failures.total}
                   if self.tls_port else {})}  # fmt: skip


def _knock(socket: ChargerSocket, request: Request) -> Knock:
    tls = socket.ssl_object
    return Knock(
        request.path, request.headers.get_all("Sec-WebSocket-Protocol"), header(request, "Authorization"),
        tls is not None, peer_certificate(tls), socket.remote_address,
    )  # fmt: skip


async def _for_ever(job: Callable[[], Awaitable[None]]) -> None:
    """A defect in one of the server's own jobs is logged, and the job goes on: chargers must not notice."""
    while True:
        try:
            await job()
        except Exception:
            log.exception("%s failed and begins again", getattr(job, "__qualname__", job))
        await asyncio.sleep(1)


async def _stored_in_the_end(work: Callable[[], Awaitable[None]]) -> None:
    """Nobody repeats for us what sockets did: a charger must not stay offline, or online, for ever."""
    while True:
        try:
            return await work()
        except DatabaseUnavailable as error:
            log.warning("not stored yet: %s", error.detail)
            await asyncio.sleep(1.0)
        except DomainError as error:
            return log.warning("not stored: %s", error.detail)


async def _quiet_collector() -> None:
    """The cyclic collector's full passes over thousands of sockets are the latency tail: what lives, lives long.

    Young garbage is still collected; the survivors are set aside now and then, so that no pass walks them.
    """
    gc.set_threshold(50_000, 20, 1000)
    while True:
        gc.freeze()
        await asyncio.sleep(30)


def raise_file_limit() -> int:
    """Lets this process hold as many sockets as the system permits; returns that number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
