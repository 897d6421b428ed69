"""Door for chargers: `python backend/ocpp_server.py` serves OCPP-J on ws://HOST:9000/{charger_id}."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path

if __package__ in (None, ""):  # run as a script: the repository's root is the import root
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import uvloop

from backend.database import Database, open_database
from backend.domain.errors import DomainError
from backend.domain.masking import Mask
from backend.logs import set_up_logs
from backend.ocppj.admission import BootQueue
from backend.ocppj.delivery import Delivery
from backend.ocppj.gate import Gate
from backend.ocppj.registry import Registry
from backend.ocppj.server import OcppServer, Pace, raise_file_limit
from backend.ocppj.tls import TlsPort
from backend.ocppj.v16 import V16
from backend.services.alarms import Alarms
from backend.services.credential_changes import CredentialChanges
from backend.services.directory import utc_now
from backend.services.dispatch import Dispatch
from backend.services.intake.facts import Intake
from backend.services.intake.lane import Lane
from backend.services.message_log import MessageLog
from backend.services.nodes import Nodes, node_name
from backend.services.pki.authority import Authority
from backend.services.pki.serving import FilePairs, IssuedPairs, PairSource, listed
from backend.services.quirk_book import QuirkBook
from backend.services.treatments import Treatments
from backend.services.vault import Vault
from backend.settings import Settings, load_settings

log = logging.getLogger("backend.ocpp_server")


def build(database: Database, settings: Settings, pace: Pace | None = None) -> OcppServer:
    """Wires an OCPP server over a database."""
    lane = Lane(database)
    quirks = QuirkBook(database, Mask(settings.secret_key.encode()))
    intake = Intake(database, lane, quirks)
    treatments = Treatments(database)
    registry = Registry()
    node = node_name(settings.ocpp_port)
    return OcppServer(
        intake=intake,
        lane=lane,
        gate=Gate(intake, accept_unknown=settings.ocpp_accept_unknown),
        dialect=V16(intake, settings.heartbeat_interval_s, BootQueue(), treatments),
        registry=registry,
        delivery=Delivery(Dispatch(database, node), registry),
        message_log=MessageLog(database),
        nodes=Nodes(database, node),
        alarms=Alarms(database),
        quirks=quirks,
        treatments=treatments,
        changes=CredentialChanges(database),
        pace=pace or Pace.of(settings.ocpp_ping_interval_s),
    )


async def tls_port(database: Database, settings: Settings) -> TlsPort | None:
    """The port with TLS, if one is wanted: with an own certificate, else with one of the platform's authority."""
    if settings.ocpp_tls_port is None:
        return None
    authority = Authority(database, Vault(settings.secret_key, settings.former_keys), utc_now)
    source: PairSource | None = FilePairs.named(settings.ocpp_tls_cert, settings.ocpp_tls_key)
    if source is None:
        source = IssuedPairs(authority, listed(settings.ocpp_tls_hosts), utc_now)
    return TlsPort(settings.ocpp_tls_port, await authority.trusted_pem(), source)


async def serve(settings: Settings) -> None:
    """Runs until SIGINT, or SIGTERM (which drains before); either ends a drain."""
    stopping, draining = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _on_signal, number, stopping, draining)
    raise_file_limit()
    database = await open_database(settings)
    server = build(database, settings)
    try:
        await server.start(settings.ocpp_host, settings.ocpp_port, await tls_port(database, settings))
        log.info("OCPP server listens on ws://%s:%d/{charger_id}", settings.ocpp_host, server.port)
        if server.tls_port:
            log.info("and with TLS on wss://%s:%d/{charger_id}", settings.ocpp_host, server.tls_port)
        await stopping.wait()
        if draining.is_set() and settings.ocpp_drain_s:
            stopping.clear()
            await _drain(server, settings.ocpp_drain_s, stopping)
        log.info("closing %s", server.stats())
    finally:
        await server.stop()
        await database.close()


def _on_signal(number: signal.Signals, stopping: asyncio.Event, draining: asyncio.Event) -> None:
    if number == signal.SIGTERM:
        draining.set()
    stopping.set()


async def _drain(server: OcppServer, over_s: float, stopping: asyncio.Event) -> None:
    log.info("letting %d chargers go over %g s", server.stats()["connections"], over_s)
    impatient = asyncio.create_task(stopping.wait())
    drain = asyncio.create_task(server.drain(over_s))
    await asyncio.wait({impatient, drain}, return_when=asyncio.FIRST_COMPLETED)
    for task in (impatient, drain):
        task.cancel()


def main() -> None:
    """Entry point; ends with one clear sentence when it cannot serve."""
    settings = load_settings()
    set_up_logs(settings)
    try:
        uvloop.run(serve(settings))
    except OSError as error:
        sys.exit(f"The OCPP server cannot listen on {settings.ocpp_host}:{settings.ocpp_port}: {error.strerror}.")
    except DomainError as error:
        sys.exit(f"The OCPP server cannot start: {error.detail}")


if __name__ == "__main__":
    main()
