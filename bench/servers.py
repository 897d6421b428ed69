"""Start and stop what is measured: the baseline, and the platform on data of its own. Loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psutil

from bench.measure import Cores, family, pin
from bench.ports import free_port
from bench.registry import Registry

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
READY_S = 60.0
STOP_S = 15.0


class DidNotStart(Exception):
    """A process ended, or did not answer in time; the text holds the end of its log."""


class Program:
    """One child process, its output in a file; in a session of its own: Ctrl-C reaches us, we stop it."""

    def __init__(self, name: str, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                arguments,
                cwd=log.parent,  # where no `.env` of a developer can lead the platform to another database
                env=_clean_environment() | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.process = psutil.Process(self._child.pid)

    async def listens(self, port: int) -> None:
        """Returns once the port takes connections; raises `DidNotStart`."""
        until = perf_counter() + READY_S
        while self._child.poll() is None and perf_counter() < until:
            with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
                return
            await asyncio.sleep(0.1)
        raise DidNotStart(f"{self.name} does not listen on {port}.\n{self.last_words()}")

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:].strip()

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._child.poll() is not None

    def kill(self) -> None:
        """SIGKILL. Blocks until it is gone; raises DidNotStart if it had ended by itself."""
        if self.ended:
            raise DidNotStart(f"{self.name} had ended by itself.\n{self.last_words()}")
        self._child.kill()
        self._child.wait()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after `STOP_S`. Blocks until it is gone."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            print(f"{self.name} did not stop within {STOP_S:g} s and was killed", file=sys.stderr)
            self._child.kill()
            self._child.wait()


@dataclass(frozen=True, slots=True)
class Running:
    """A server under measurement."""

    name: str
    url: str
    server: Program
    postmaster: psutil.Process | None = None
    api_url: str = ""
    token: str = ""
    profiled: bool = False
    tls_url: str = ""

    def edge(self, event: str) -> None:
        """Tell a profiled server that the measured window begins or ends."""
        if self.profiled:
            self.server.process.send_signal(signal.SIGUSR1 if event == "begin" else signal.SIGUSR2)

    @property
    def processes(self) -> list[psutil.Process]:
        """The OCPP server's own processes (never PostgreSQL's)."""
        return family(self.server.process)


class Baseline:
    """The plain library server."""

    name = "baseline"

    def __init__(self, cores: Cores, directory: Path) -> None:
        self._cores = cores
        self._log = directory / "baseline.log"

    @contextlib.asynccontextmanager
    async def running(self, with_api: bool = False) -> AsyncIterator[Running]:
        """A fresh server process; it has no API."""
        port = free_port()
        arguments = [
            sys.executable,
            str(ROOT / "bench/baseline_server.py"),
            "--host",
            HOST,
            "--port",
            str(port),
        ]
        with self._cores.starting_on(self._cores.server):
            program = Program("baseline server", arguments, {}, self._log)
        try:
            await program.listens(port)
            yield Running(self.name, f"ws://{HOST}:{port}", program)
        finally:
            program.stop()


class Platform:
    """UNIEV: embedded PostgreSQL, OCPP server and, when asked for, the REST API.

    `profile`: a file for cProfile's figures of the OCPP server.
    """

    name = "platform"

    def __init__(self, cores: Cores, directory: Path, registry: Registry, profile: Path | None = None) -> None:
        self._cores = cores
        self._directory = directory
        self._registry = registry
        self._profile = profile

    @contextlib.asynccontextmanager
    async def running(self, with_api: bool = False, with_tls: bool = False) -> AsyncIterator[Running]:
        """Fresh server processes on the kept database. The port with TLS has certificates of the platform's own
        authority, one with each kind of key."""
        ocpp_port, api_port, tls_port = free_port(), free_port(), free_port()
        environment = self._registry.environment | {
            "UNIEV_OCPP_HOST": HOST,
            "UNIEV_OCPP_PORT": str(ocpp_port),
            **({"UNIEV_OCPP_TLS_PORT": str(tls_port)} if with_tls else {}),
            "UNIEV_API_HOST": HOST,
            "UNIEV_API_PORT": str(api_port),
            "UNIEV_API_URL": f"http://{HOST}:{api_port}",
        }
        profiler = ["-m", "bench.profiled", str(self._profile)] if self._profile else []
        programs: list[Program] = []
        try:
            with self._cores.starting_on(self._cores.server):
                arguments = [sys.executable, *profiler, str(ROOT / "backend/ocpp_server.py")]
                programs.append(Program("OCPP server", arguments, environment, self._directory / "ocpp.log"))
            await programs[0].listens(tls_port if with_tls else ocpp_port)
            if with_api:
                programs.append(self._api(api_port, environment))
                await programs[1].listens(api_port)
            postmaster = self._registry.postmaster()
            pin((one.pid for one in [postmaster, *postmaster.children(recursive=True)]), self._cores.rest)
            api_url = f"http://{HOST}:{api_port}" if with_api else ""
            token = await self._registry.login(api_url) if with_api else ""
            yield Running(
                self.name,
                f"ws://{HOST}:{ocpp_port}",
                programs[0],
                postmaster,
                api_url,
                token,
                profiled=self._profile is not None,
                tls_url=f"wss://{HOST}:{tls_port}" if with_tls else "",
            )
        finally:
            for program in reversed(programs):
                program.stop()

    def _api(self, port: int, environment: dict[str, str]) -> Program:
        arguments = [
            sys.executable,
            "-m",
            "uvicorn",
            "backend.main_api:app",
            "--host",
            HOST,
            "--port",
            str(port),
        ]
        return Program("REST API", arguments, environment, self._directory / "api.log")


_SURROUNDINGS = {"PYTHONPATH": str(ROOT), "UNIEV_RATE_PER_MINUTE": "0"}  # one caller asks for a whole nation


def _clean_environment() -> dict[str, str]:
    elsewhere = {"DATABASE_URL", "SUPABASE_URL", "SUPABASE_KEY", "UNIEV_SECRET_KEY"}
    return {name: value for name, value in os.environ.items() if name not in elsewhere} | _SURROUNDINGS
