"""Each drill in its short form: the real processes, real chargers, and nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from drills.__main__ import DRILLS, rehearse
from drills.checks import Check, Drill, Stage
from drills.report import Outcome, save, table
from tests.support.tools import missing

ROOT = Path(__file__).resolve().parents[2]
# What a test machine, where other tests run at the same time, is no place to measure.
MEASURED = ("recovery within", "works again within", "p99 of the good ones", "/ready says so")


@pytest.mark.parametrize("name", DRILLS)
async def test_a_drill_holds_in_its_short_form(name: str) -> None:
    outcome = await rehearse(DRILLS[name], short=True, seed=3)

    if outcome.impossible:
        missing(f"the drill {name} cannot be done: {outcome.impossible}")
    broken = [check for check in outcome.checks if not check.holds and not any(one in check.what for one in MEASURED)]
    assert outcome.checks
    assert broken == []


async def test_what_goes_wrong_on_the_way_is_a_drill_that_does_not_hold(tmp_path: Path) -> None:
    async def run(stage: Stage) -> list[Check]:
        stage.figures["begun"] = 1
        raise TimeoutError("nobody came")

    drill = Drill("odd", "nothing", "hold", {}, {}, run)
    outcome = await rehearse(drill, short=True, seed=1)
    save(tmp_path, [outcome], seed=1, short=True)

    assert not outcome.holds
    assert "BROKEN  the drill comes to its end: TimeoutError: nobody came" in table([outcome])
    assert '"begun": 1' in (tmp_path / "latest.json").read_text()
    assert "nobody came" in (tmp_path / "latest.txt").read_text()


def test_a_drill_that_cannot_be_done_does_not_hold() -> None:
    drill = DRILLS["disk"]
    outcome = Outcome(drill, [], {}, 0.0, impossible="no disk")

    assert not outcome.holds
    assert "NOT DONE  no disk" in table([outcome])


def test_interrupted_it_leaves_no_process() -> None:
    command = [sys.executable, "-m", "drills", "--short", "--only", "kill"]
    drill = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert drill.stderr is not None
        for line in drill.stderr:
            if "killed" in line:
                break
        started = psutil.Process(drill.pid).children(recursive=True)
        drill.terminate()
        assert drill.wait(60) == 130
        assert psutil.wait_procs(started, timeout=30)[1] == []
    finally:
        drill.kill()
        drill.wait()
