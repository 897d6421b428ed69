"""Style is not discussed: ruff decides, here and in `make lint`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.rules.tree import ROOT

RUFF = Path(sys.executable).with_name("ruff")


def ruff(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs ruff with the repository's configuration."""
    return subprocess.run([RUFF, *arguments], cwd=ROOT, check=False, capture_output=True, text=True)


def test_ruff_finds_nothing() -> None:
    done = ruff("check", "--output-format", "concise", ".")

    assert not done.returncode, done.stdout + done.stderr


def test_the_format_is_that_of_ruff() -> None:
    done = ruff("format", "--check", "--output-format", "concise", ".")

    assert not done.returncode, done.stdout + done.stderr


def test_bad_style_is_noticed(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("import os\nx = {  'a':1}\n")
    configuration = ROOT / "pyproject.toml"

    assert "F401" in ruff("check", "--config", configuration, bad).stdout
    assert ruff("format", "--check", "--config", configuration, bad).returncode == 1
