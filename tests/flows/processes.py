"""The processes that `make run` starts, on a data directory of their own, to be killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from backend.database import Database, open_database
from backend.embedded import EmbeddedPostgres
from backend.settings import load_settings
from bench.ports import free_port
from tests.support.servers import ROOT, SECRET
from tests.support.waiting import eventually_found

_STOP_S = 15.0
_READY_S = 60.0
_FOREIGN = ("UNIEV_", "SUPABASE_", "STREAMLIT_", "DATABASE_URL")


class Processes:
    """OCPP server, API and worker over one embedded PostgreSQL, by the names `ocpp`, `api` and `worker`."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.ocpp_port, self.api_port = free_port(), free_port()
        self.postgres = EmbeddedPostgres(data_dir)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        api = ["-m", "uvicorn", "backend.main_api:app", "--host", "127.0.0.1", "--port", str(self.api_port)]
        self._commands = {
            "ocpp": ["backend/ocpp_server.py"],
            "api": [*api, "--no-access-log"],
            "worker": ["-m", "backend.worker"],
        }

    @property
    def url(self) -> str:
        """Where chargers connect; the identity is appended."""
        return f"ws://127.0.0.1:{self.ocpp_port}"

    @property
    def api_url(self) -> str:
        """Where the REST API answers."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The settings of these processes; nothing of the caller's leaks in."""
        given = {"UNIEV_DATA_DIR": str(self.data_dir), "UNIEV_DEMO": "0", "UNIEV_SECRET_KEY": SECRET,
                 "UNIEV_OCPP_HOST": "127.0.0.1", "UNIEV_OCPP_PORT": str(self.ocpp_port), "UNIEV_LOG_FORM": "human",
                 "UNIEV_LOG_LEVEL": "warning"}  # fmt: skip
        return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)} | given

    def start(self, *names: str) -> None:
        """Starts processes; they need a moment until they serve."""
        for name in names:
            with self.log(name).open("ab") as out:
                self._running[name] = subprocess.Popen(
                    [sys.executable, *self._commands[name]], cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
                    stdout=out, stderr=out, start_new_session=True,
                )  # fmt: skip

    def admin(self, *arguments: str) -> str:
        """What `python -m backend.admin` prints."""
        command = [sys.executable, "-m", "backend.admin", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kill(self, name: str) -> None:
        """`kill -9`; `postgres` is the postmaster."""
        if name == "postgres":
            postmaster = self.postgres.postmaster()
            assert postmaster is not None, "PostgreSQL does not run"
            postmaster.kill()
        else:
            process = self._running.pop(name)
            assert process.poll() is None, f"{name} had ended by itself: {self.words()}"
            process.kill()
            process.wait(_STOP_S)

    def stop(self) -> None:
        """SIGTERM to all; the last one takes PostgreSQL with it."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(_STOP_S)
        self._running.clear()

    async def ready(self) -> None:
        """Waits until the API says that database and OCPP server are there."""

        async def ask() -> bool:
            try:
                async with httpx.AsyncClient(trust_env=False) as client:
                    return (await client.get(f"{self.api_url}/ready")).status_code == httpx.codes.OK
            except httpx.HTTPError:
                return False

        await eventually_found(ask, "the platform is ready", _READY_S)

    def ended(self) -> list[str]:
        """Processes that ended without being asked to."""
        return [name for name, process in self._running.items() if process.poll() is not None]

    def log(self, name: str) -> Path:
        """What a process printed, over all its lives."""
        return self.data_dir.parent / f"{name}.log"

    def words(self) -> str:
        """The end of each log."""
        logs = {name: self.log(name) for name in self._commands}
        return "\n".join(f"--- {name}\n{log.read_text()[-1500:]}" for name, log in logs.items() if log.exists())

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """The platform's database, opened as the platform does; starts it if it does not run."""
        opened = await open_database(load_settings(_env_file=None, data_dir=self.data_dir, demo=False))
        try:
            yield opened
        finally:
            await opened.close()


@asynccontextmanager
async def processes(prepare: Callable[[Database], object]) -> AsyncIterator[Processes]:
    """Nothing started yet, but a migrated database that `prepare` (awaited) has filled. Leaves nothing behind."""
    with tempfile.TemporaryDirectory(prefix="uniev-flows-") as folder:
        group = Processes(Path(folder) / "data")
        async with group.database() as database:
            await prepare(database)  # type: ignore[misc]
        try:
            yield group
        finally:
            group.stop()
            left = group.postgres.postmaster()
            if left is not None:
                left.kill()
                left.wait(_STOP_S)
