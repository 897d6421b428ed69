"""`make lint` fails on an advisory, and says so in a line when nothing could be looked up."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from typing import Any

import pytest

from tests.rules.tree import ROOT

judge: Callable[[int, str, str], tuple[int, str]] = runpy.run_path(str(ROOT / ".ci" / "advisories.py"))["judge"]
GOOD: dict[str, Any] = {"name": "limits", "version": "5.8.0", "vulns": []}
BAD: dict[str, Any] = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"]}]}
UNKNOWN: dict[str, Any] = {"name": "redis", "skip_reason": "Dependency not found on PyPI"}


def answer(*packages: dict[str, Any]) -> str:
    """What `pip-audit --format json` writes."""
    return json.dumps({"dependencies": packages, "fixes": []})


@pytest.mark.parametrize(
    ("returned", "said", "complained", "status", "words"),
    [
        (0, answer(GOOD, UNKNOWN), "", 0, "no advisory on 1 of 2 packages"),
        (1, answer(GOOD, BAD), "Found 1 known vulnerability", 1, "old 1.0: PYSEC-1 (mended in 1.1)"),
        (0, answer(UNKNOWN), "", 0, "no package was checked"),
        (1, "", "…\nConnectionError: no route", 0, "cannot be reached, so no package was checked (ConnectionError"),
    ],
)
def test_findings_fail_and_silence_is_told(returned: int, said: str, complained: str, status: int, words: str) -> None:
    found, line = judge(returned, said, complained)

    assert (found, words in line) == (status, True)


def test_lint_asks_for_advisories() -> None:
    assert ".ci/advisories.py" in (ROOT / "Makefile").read_text().split("lint:", 1)[1].split("\n\n", 1)[0]
