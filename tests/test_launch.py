"""`make run`'s launcher: one table when all is up, one sentence when it cannot be, nothing left at the end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from bench.ports import free_port
from tests.support.servers import ROOT
from tests.support.waiting import wait_until

PORTS = ("UNIEV_OCPP_PORT", "UNIEV_API_PORT", "UNIEV_CPO_PORT", "UNIEV_EMSV_PORT", "UNIEV_SIMEV_PORT")


def environment(folder: Path) -> dict[str, str]:
    """Everything on free ports over an embedded database in `folder`; nothing of the caller's settings."""
    foreign = ("UNIEV_", "SUPABASE_", "STREAMLIT_", "DATABASE_URL")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    ports = {name: str(free_port()) for name in PORTS}
    return {**own, **ports, "UNIEV_DATA_DIR": str(folder / "data"), "UNIEV_OCPP_HOST": "127.0.0.1", "UNIEV_DEMO": "0"}


@contextmanager
def launched(env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The launcher in a process group of its own, as a terminal would have it; ended in any case."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "backend.launch"],
            cwd=ROOT, env=env, stdout=output, stderr=output, process_group=0,
        )  # fmt: skip
    try:
        yield process
    finally:
        family = [process, *psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
        for member in family:
            member.kill()
        process.wait(10)


def is_ready(port: str) -> bool:
    """Whether database, API and OCPP server are up."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def lives(process: psutil.Process) -> bool:
    """Whether it still does anything; one that only waits for its end to be noted does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_ctrl_c_ends_everything_within_ten_seconds_and_leaves_nothing(tmp_path: Path) -> None:
    env, log = environment(tmp_path), tmp_path / "log"
    with launched(env, log) as launcher:
        wait_until(lambda: launcher.poll() is not None or is_ready(env["UNIEV_API_PORT"]), "readiness", 60)
        assert launcher.poll() is None, log.read_text()[-2000:]
        started = psutil.Process(launcher.pid).children(recursive=True)

        os.killpg(launcher.pid, signal.SIGINT)
        status = launcher.wait(10)

        assert status == 0, log.read_text()[-2000:]
        assert len(started) >= 6
        assert [process for process in started if lives(process)] == []
    left = [path.name for path in (tmp_path / "data" / "postgres").iterdir()]
    assert [name for name in left if name == "postmaster.pid" or name.startswith(".s.PGSQL")] == []
    welcome = log.read_text()
    assert f"ws://127.0.0.1:{env['UNIEV_OCPP_PORT']}/{{charger_id}}" in welcome
    assert "backend.admin create-user --role emsv_admin" in welcome


def test_a_taken_port_is_told_in_one_sentence(tmp_path: Path) -> None:
    env = environment(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(env["UNIEV_OCPP_PORT"])))
        taken.listen()

        done = subprocess.run(
            [sys.executable, "-m", "backend.launch"],
            cwd=ROOT, env=env, check=False, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    port = env["UNIEV_OCPP_PORT"]
    expected = f"Port {port} is taken: stop what listens there, or set UNIEV_OCPP_PORT to another port.\n"
    assert (done.returncode, done.stderr) == (1, expected)
    assert not (tmp_path / "data").exists()
