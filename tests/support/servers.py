"""The platform's own processes, for tests that need the real thing: started on free ports, waited for, ended."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from backend.database import DirectDatabase
from backend.services.demo import seed_demo
from bench.ports import free_port
from tests.support.postgres import run_sync
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "0123456789abcdef0123456789abcdef"
_READY_S = 60.0
_STOP_S = 15.0


@dataclass
class Server:
    """A running process of ours. `url` is where it answers; `log` is what it printed."""

    name: str
    url: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ends the process and what it started; stopping twice does no harm."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, how)
            try:
                self.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(_STOP_S)


@contextmanager
def api_server(dsn: str, folder: Path, *, port: int | None = None, **more: str) -> Iterator[Server]:
    """The REST API over this database. On a fixed `port` a second one takes the first one's place; `more`: settings."""
    port = port or free_port()
    command = ["uvicorn", "backend.main_api:app", "--host", "127.0.0.1", "--port", str(port), "--no-access-log"]
    url = f"http://127.0.0.1:{port}"
    with _running(
        "api", command, _platform(dsn, folder) | more, url, folder, lambda: _answers(f"{url}/health")
    ) as server:
        yield server


@contextmanager
def ocpp_server(dsn: str, folder: Path, *, accept_unknown: bool = False) -> Iterator[Server]:
    """The OCPP server over this database; `url` is what a charger appends its identity to."""
    port = free_port()
    given = _platform(dsn, folder) | {
        "UNIEV_OCPP_PORT": str(port),
        "UNIEV_OCPP_HOST": "127.0.0.1",
        "UNIEV_OCPP_ACCEPT_UNKNOWN": "1" if accept_unknown else "0",
    }
    script = str(ROOT / "backend" / "ocpp_server.py")
    url = f"ws://127.0.0.1:{port}"
    with _running("ocpp", [script], given, url, folder, lambda: _listens(port)) as server:
        yield server


@contextmanager
def worker(dsn: str, folder: Path, smtp_url: str) -> Iterator[Server]:
    """The worker over this database, which sends mails to this server."""
    given = _platform(dsn, folder) | {"UNIEV_SMTP_URL": smtp_url, "UNIEV_MAIL_FROM": "UNIEV <no-reply@uniev.test>"}
    log = folder / "backend.worker.log"
    with _running(
        "backend.worker", ["backend.worker"], given, "", folder, lambda: b"worker runs" in log.read_bytes()
    ) as one:
        yield one


@contextmanager
def dashboard(script: str, api_url: str, folder: Path, *, port: int | None = None) -> Iterator[Server]:
    """A Streamlit app of the platform, talking to this API."""
    port = port or free_port()
    command = ["streamlit", "run", script, "--server.port", str(port), "--server.address", "127.0.0.1"]
    given = {"UNIEV_API_URL": api_url, "UNIEV_DATA_DIR": str(folder), "UNIEV_SECRET_KEY": SECRET}
    url = f"http://127.0.0.1:{port}"
    ready = f"{url}/_stcore/health"
    with _running(Path(script).stem, command, given, url, folder, lambda: _answers(ready)) as server:
        yield server


def seed_nation(dsn: str) -> None:
    """Fills a migrated database with the demo nation."""

    async def seed() -> None:
        database = await DirectDatabase.open(dsn)
        try:
            await seed_demo(database)
        finally:
            await database.close()

    run_sync(seed())


def _platform(dsn: str, folder: Path) -> dict[str, str]:
    return {"DATABASE_URL": dsn, "UNIEV_DATA_DIR": str(folder), "UNIEV_SECRET_KEY": SECRET, "UNIEV_DEMO": "0"}


@contextmanager
def _running(
    name: str, command: list[str], given: Mapping[str, str], url: str, folder: Path, ready: Callable[[], bool]
) -> Iterator[Server]:
    """Runs a module, or a script by its path, with our Python; nothing of the caller's settings leaks in."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}.log"
    foreign = ("UNIEV_", "SUPABASE_", "STREAMLIT_", "DATABASE_URL")
    env = {k: v for k, v in os.environ.items() if not k.startswith(foreign)} | dict(given)
    start = command if command[0].endswith(".py") else ["-m", *command]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, *start], cwd=ROOT, env=env, stdout=out, stderr=out, start_new_session=True
        )
    server = Server(name, url, process, log)
    try:
        wait_until(lambda: process.poll() is not None or ready(), f"{name} to answer", _READY_S)
        assert process.poll() is None, f"{name} ended: {log.read_text()[-2000:]}"
        yield server
    finally:
        server.stop()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
