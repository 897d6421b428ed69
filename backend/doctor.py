"""What `python -m backend.admin doctor` looks at: each finding is one sentence that says what to do."""

from __future__ import annotations

import asyncio
import importlib.metadata
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backend.database import SYSTEM, Database, open_database
from backend.domain.errors import DomainError
from backend.gateways.mail import read_url
from backend.preflight import LEAST_FREE_BYTES, free_bytes, ports
from backend.services.directory import utc_now
from backend.services.pki.chains import Chain, read_chain
from backend.services.pki.ending import EARLY_DAYS
from backend.services.pki.serving import FilePairs
from backend.services.readiness import CheckResult, ReadinessCheck
from backend.settings import Settings

REQUIREMENTS: Final = Path(__file__).resolve().parent.parent / "requirements.txt"
_LEAST_PYTHON: Final = (3, 11)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `sentence` says how it is and, unless `ok`, what to do."""

    subject: str
    ok: bool
    sentence: str


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Looks at versions, disk, ports, then the database (and starts the embedded one if it is down)."""
    yield _python()
    yield _packages()
    yield _disk(settings.data_dir)
    for variable, (host, port) in ports(settings).items():
        yield await _port(variable, host, port)
    yield await _tls(settings)
    yield await _mail(settings)
    async for finding in _database(settings):
        yield finding


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    ok = sys.version_info >= _LEAST_PYTHON
    return Finding("Python", ok, version if ok else f"{version} is too old; install 3.11 or newer.")


def _packages() -> Finding:
    wrong = list(_differing(REQUIREMENTS.read_text(encoding="utf-8")))
    if wrong:
        return Finding("packages", False, f"{'; '.join(wrong)}. Run `pip install -r requirements.txt`.")
    return Finding("packages", True, "as pinned in requirements.txt")


def _differing(requirements: str) -> Iterator[str]:
    for line in requirements.splitlines():
        name, pinned, version = line.split("#")[0].split(";")[0].strip().partition("==")
        if not pinned:
            continue
        try:
            installed = importlib.metadata.version(name.split("[")[0])
        except importlib.metadata.PackageNotFoundError:
            yield f"{name} is missing"
            continue
        if installed != version:
            yield f"{name} is {installed} instead of {version}"


def _disk(directory: Path) -> Finding:
    free = free_bytes(directory)
    text = f"{free // 2**20} MiB free for {directory}"
    if free >= LEAST_FREE_BYTES:
        return Finding("disk", True, text)
    return Finding("disk", False, f"{text}; make room, or set UNIEV_DATA_DIR to another disk.")


async def _port(variable: str, host: str, port: int) -> Finding:
    subject = f"port {port}"
    if not await asyncio.to_thread(_answers, "127.0.0.1" if host in ("0.0.0.0", "::") else host, port):
        return Finding(subject, True, f"free for {variable}")
    return Finding(
        subject,
        True,
        f"in use. Right while the platform runs; else stop what listens there, or set {variable}.",
    )


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


async def _tls(settings: Settings) -> Finding:
    """Until when the port with TLS can be trusted."""
    subject = "TLS port"
    if settings.ocpp_tls_port is None:
        return Finding(subject, True, "UNIEV_OCPP_TLS_PORT is not set: no charger can use security profile 2 or 3.")
    try:
        pairs = FilePairs.named(settings.ocpp_tls_cert, settings.ocpp_tls_key)
        if pairs is None:
            return Finding(subject, True, "certified by the platform's own authority, anew every 30 days")
        chains = [read_chain(pair.chain_pem) for pair in await pairs.fresh() or []]
    except DomainError as error:
        return Finding(subject, False, error.detail)
    except ValueError:
        return Finding(subject, False, "A file of UNIEV_OCPP_TLS_CERT holds no certificate in PEM form.")
    return _certified(subject, chains)


def _certified(subject: str, chains: list[Chain]) -> Finding:
    first = min(chains, key=lambda chain: chain.not_after)
    days = (first.not_after - utc_now()).days
    until = f"{first.subject} {'ends' if days >= 0 else 'ended'} on {first.not_after:%Y-%m-%d}"
    if days < EARLY_DAYS:
        text = f"{until}; put a renewed one into the files of UNIEV_OCPP_TLS_CERT: it is taken up within ten minutes."
        return Finding(subject, False, text)
    if any(chain.root is None for chain in chains):
        until += "; append its root to the file, or no charger can be raised to security profile 2"
    return Finding(subject, True, until)


async def _mail(settings: Settings) -> Finding:
    if settings.smtp_url is None:
        return Finding("mail", True, "UNIEV_SMTP_URL is not set: read mails with `python -m backend.admin mails`.")
    server = read_url(settings.smtp_url.get_secret_value())
    if await asyncio.to_thread(_answers, server.host, server.port):
        return Finding("mail", True, f"the server {server.host} answers on port {server.port}")
    return Finding("mail", False, f"{server.host} does not answer on port {server.port}; look at UNIEV_SMTP_URL.")


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    try:
        database = await open_database(settings)
    except DomainError as error:
        yield Finding("database", False, error.detail)
        return
    try:
        found = await ReadinessCheck(database, utc_now).run()
        people = await _people(database) if found.database is CheckResult.OK else None
    finally:
        await database.close()
    if found.database is not CheckResult.OK:
        yield Finding("database", False, "It opens but does not answer; look at its log, and at the disk.")
        return
    yield Finding("database", True, f"answers; schema version {found.schema_version}")
    if people is not None:
        yield people
    running = found.ocpp_server is CheckResult.OK
    text = "is up" if running else "was not heard of; start it with `python backend/ocpp_server.py` or `make run`."
    yield Finding("OCPP server", running, text)


async def _people(database: Database) -> Finding | None:
    """Whether somebody of the demo, whose password everybody knows, may still sign in."""
    demo = [("demo", "is", True), ("active", "is", True)]
    rows = await database.select("users", scope=SYSTEM, columns="email", where=demo, limit=100)
    if not rows:
        return None
    text = (
        f"{len(rows)} of the demo sign in with a known password and no second factor: deactivate them before real work."
    )
    return Finding("people", True, text)
