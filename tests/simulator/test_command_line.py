"""`python -m simulator` as a process: summary, signals, exit codes, refusals."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from simulator.__main__ import check, main, parser
from tests.simulator.csms import Csms
from tests.simulator.rest import rest_api

ROOT = Path(__file__).parents[2]


async def launch(*arguments: str) -> asyncio.subprocess.Process:
    """The command line in a process of its own."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "simulator", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def finished(process: asyncio.subprocess.Process, timeout_s: float = 30) -> tuple[int | None, str, str]:
    """Exit code, standard output, standard error."""
    out, err = await asyncio.wait_for(process.communicate(), timeout_s)
    return process.returncode, out.decode(), err.decode()


async def test_a_run_ends_with_a_summary_on_output_and_in_a_file(csms: Csms, tmp_path: Path) -> None:
    file = tmp_path / "summary.json"
    process = await launch(
        *("--url", csms.url, "--chargers", "3", "--scenario", "short", "--once", "--duration", "20"),
        *("--speed", "600", "--summary", str(file), "--seed", "5"),
    )
    code, out, err = await finished(process)
    assert (code, json.loads(out)) == (0, json.loads(file.read_text()))
    assert json.loads(out)["sessions"]["ended"] == len(csms.state.stops) > 0
    assert "3/3 connected" in err or "0/3 connected" in err


async def test_a_signal_ends_a_fleet_within_two_seconds(csms: Csms) -> None:
    process = await launch("--url", csms.url, "--chargers", "4", "--scenario", "demo", "--duration", "0")
    await csms.until(lambda: csms.state.sockets == 4)
    process.send_signal(signal.SIGTERM)
    code, out, _err = await finished(process, 2)
    assert code == 0
    assert json.loads(out)["chargers"] == 4


async def test_nobody_there_is_an_exit_code(tmp_path: Path) -> None:
    process = await launch("--url", "ws://127.0.0.1:1", "--chargers", "1", "--duration", "1")
    code, out, _err = await finished(process)
    assert (code, json.loads(out)["connections"]) == (1, 0)


async def test_a_refused_login_says_what_to_check() -> None:
    async with rest_api({}) as base_url:
        process = await launch("--from-api", base_url, "--quiet")
        code, _out, err = await finished(process)
    assert code == 1
    assert "--email" in err


async def test_a_signal_while_the_api_is_down_ends_it() -> None:
    process = await launch("--from-api", "http://127.0.0.1:1", "--quiet")
    await asyncio.wait_for(asyncio.to_thread(_catches_signals, process.pid), 20)
    process.send_signal(signal.SIGINT)
    assert (await finished(process, 2))[:2] == (0, "")


def _catches_signals(pid: int) -> None:
    """Return when the process handles SIGTERM itself (its bit in SigCgt)."""
    while not int(Path(f"/proc/{pid}/status").read_text().split("SigCgt:")[1].split()[0], 16) & 0x4000:
        os.sched_yield()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--url", "ws://10.0.0.1:9000"], "--allow-remote"),
        (["--chargers", "0"], "--chargers"),
        (["--speed", "0.5"], "--speed"),
        (["--duration", "-1"], "--duration"),
        (["--scenario", "city-day", "--once"], "mix"),
        (["--set", "Colour=red"], "--set Colour=red"),
        (["--set", "ConnectionTimeOut"], "KEY=VALUE"),
    ],
)
def test_wrong_arguments_are_explained(arguments: list[str], hint: str, capsys: Any) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert hint in capsys.readouterr().err


async def test_configuration_keys_can_be_set_at_the_start(csms: Csms) -> None:
    arguments = ("--once", "--chargers", "1", "--speed", "600", "--duration", "60", "--id-tokens", "TAG-1")
    process = await launch("--url", csms.url, *arguments, "--set", "LocalPreAuthorize=true", "--set", "CpoName=X=Y")
    code, output, _progress = await finished(process, 60)
    assert (code, json.loads(output)["sessions"]["ended"]) == (0, 2), "one at each plug"


def test_remote_servers_only_on_request() -> None:
    assert check(parser().parse_args(["--url", "ws://10.0.0.1:9000", "--allow-remote"])) is None
    assert check(parser().parse_args(["--url", "ws://localhost:9000"])) is None
    assert check(parser().parse_args(["--url", "ws://[::1]:9000"])) is None


def test_identities_from_a_file(csms_file: Path) -> None:
    from simulator.__main__ import _named

    options = parser().parse_args(["--identities", str(csms_file), "--basic-password", "x"])
    assert [(member.identity, member.password) for member in _named(options)] == [("A", "x"), ("B", "x")]
    listed = parser().parse_args(["--identity-list", "Q,R,S", "--chargers", "2"])
    assert [member.identity for member in _named(listed)] == ["Q", "R"]
    assert [member.identity for member in _named(parser().parse_args(["--chargers", "2"]))] == ["SIM-0001", "SIM-0002"]


@pytest.fixture
def csms_file(tmp_path: Path) -> Path:
    """A file of identities with a comment and a blank line."""
    file = tmp_path / "identities.txt"
    file.write_text("# ours\nA\n\nB\n")
    return file
