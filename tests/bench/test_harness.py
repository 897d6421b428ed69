"""The bench in its short form: it starts what it measures, every call is answered, and nothing stays behind.

No figure is judged here: a test machine is no place to measure.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
CHARGERS = 20
SECONDS = 3
READINGS = CHARGERS * SECONDS // 10


def _command(*arguments: str) -> list[str]:
    size = ["--quick", "--chargers", str(CHARGERS), "--seconds", str(SECONDS)]
    return [sys.executable, "-m", "bench", *size, *arguments]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """One short run of everything: its table, and the JSON it saved."""
    saved = tmp_path_factory.mktemp("bench") / "latest.json"
    done = subprocess.run(
        _command("--scale", "town", "--save", str(saved)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    # 1 says that a figure is beyond its limit, which a busy machine may well bring about.
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout, json.loads(saved.read_text())["town"]


@pytest.mark.parametrize("server", ["baseline", "platform"])
def test_every_call_of_the_metering_load_is_answered(run: tuple[str, dict[str, Any]], server: str) -> None:
    figures = run[1][server]
    assert figures["metering"]["connect"]["accepted"] == CHARGERS
    assert figures["metering"]["sessions"]["opened"] == CHARGERS
    assert figures["metering"]["answered_in_window"]["MeterValues"] == pytest.approx(READINGS, abs=1)
    assert figures["calls_lost"] == 0, figures["metering_problems"]


@pytest.mark.parametrize("server", ["baseline", "platform"])
def test_a_storm_connects_and_boots_everybody(run: tuple[str, dict[str, Any]], server: str) -> None:
    figures = run[1][server]
    assert figures["storm_refused"] == 0, figures["idle_problems"]
    assert figures["idle"]["storm"]["accepted"] == CHARGERS


def test_remote_starts_reach_the_chargers_wire(run: tuple[str, dict[str, Any]]) -> None:
    figures = run[1]["platform"]
    assert figures["commands"]["requests"] > 0
    assert figures["remote_start_lost"] == 0, figures["command_problems"]


def test_postgresql_has_a_line_of_its_own(run: tuple[str, dict[str, Any]]) -> None:
    table, kept = run
    assert kept["platform"]["postgres_us_per_reading"] >= 0
    assert "postgres_us_per_reading" not in kept["baseline"]
    assert "PostgreSQL CPU per MeterValues" in table


def test_tls_is_measured_by_kind_of_key_and_in_a_storm(tmp_path: Path) -> None:
    saved = tmp_path / "latest.json"
    sizes = ("--scale", "nation", "--rows", "tls", "--only", "platform", "--save", str(saved))
    done = subprocess.run(_command(*sizes), cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    figures = json.loads(saved.read_text())["nation"]["platform"]
    assert figures["tls_storm_lost"] == 0, figures["tls_problems"]
    assert [storm["accepted"] for storm in figures["tls"]["storm"]] == [CHARGERS]
    assert set(figures["tls"]["costs_ms"]) == {"warm", "plain", "ecdsa", "rsa"}


def test_a_storm_beside_commands_and_a_few_chargers_are_measured(tmp_path: Path) -> None:
    saved = tmp_path / "latest.json"
    sizes = ("--scale", "nation", "--rows", "flat,calm", "--only", "platform", "--save", str(saved))
    done = subprocess.run(_command(*sizes), cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    figures = json.loads(saved.read_text())["nation"]["platform"]
    assert [storm["accepted"] for storm in figures["calm"]["storm"]] == [CHARGERS], figures["calm_problems"]
    assert figures["calm_lost"] == 0, figures["calm_problems"]
    assert figures["storm_slowdown"] > 0
    assert figures["few"]["metering"]["answered_in_window"]["MeterValues"] > 0, figures["few_problems"]
    # A handful of readings may cost less than one tick of the kernel's clock: zero is a figure, too.
    assert min(figures["cost_us_per_message"], figures["few_us_per_message"]) >= 0


def test_the_session_list_is_read_to_its_end_in_both_orders(tmp_path: Path) -> None:
    saved = tmp_path / "latest.json"
    sizes = ("--scale", "walls", "--save", str(saved))
    done = subprocess.run(_command(*sizes), cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    figures = json.loads(saved.read_text())["walls"]["platform"]
    assert figures["pages_wrong"] == 0
    assert figures["newest_pages"] == figures["oldest_pages"] == 3 * 10 + 10  # three CPOs of 500 each
    assert figures["token_ms"] > 0


def test_interrupted_it_stops_what_it_started(tmp_path: Path) -> None:
    bench = subprocess.Popen(
        _command("--only", "baseline", "--seconds", "60", "--save", str(tmp_path / "latest.json")),
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert bench.stderr is not None
        assert "metering" in bench.stderr.readline()
        process = psutil.Process(bench.pid)
        # The load generator starts when the server listens.
        wait_until(lambda: len(process.children(recursive=True)) == 2, "server and load generator")
        children = process.children(recursive=True)
        bench.send_signal(signal.SIGINT)
        assert bench.wait(20) == 130
    finally:
        bench.kill()
        bench.wait()
    assert psutil.wait_procs(children, timeout=5)[1] == []
    assert not (tmp_path / "latest.json").exists()
