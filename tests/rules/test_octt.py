"""Every certification case of OCPP 1.6 for a central system has a test of its name, or a line that says why not.

`tests/flows/octt/cases.csv` lists the 77 cases of the Open Charge Alliance's test document for OCPP 1.6 (CSMS side) by
number and title; the steps in the tests are from the standard. `why_not` is for a case that cannot concern a CSMS.
"""

from __future__ import annotations

import ast
import csv
from collections.abc import Iterable
from pathlib import Path

from tests.rules.tree import ROOT, files, syntax

FOLDER = Path("tests/flows/octt")
NUMBER_OF_CASES = 77


def cases() -> list[dict[str, str]]:
    """The rows of the list."""
    with (ROOT / FOLDER / "cases.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def beginning(case: str) -> str:
    """How the name of a case's test begins: TC_044_1_CSMS → test_tc_044_1_."""
    return f"test_{case.lower().removesuffix('csms')}"


def unproven(rows: Iterable[dict[str, str]], tests: Iterable[str]) -> list[str]:
    """Cases with neither a test nor a reason, and those with both."""
    names = list(tests)
    return [
        row["case"]
        for row in rows
        if any(name.startswith(beginning(row["case"])) for name in names) == bool(row["why_not"].strip())
    ]


def strangers(rows: Iterable[dict[str, str]], tests: Iterable[str]) -> list[str]:
    """Tests that bear the number of no case."""
    known = tuple(beginning(row["case"]) for row in rows)
    return [name for name in tests if name.startswith("test_tc_") and not name.startswith(known)]


def names() -> list[str]:
    """Tests of the folder."""
    trees = [syntax(path) for path in files(".py", under=str(FOLDER))]
    functions = [node for tree in trees for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
    return [node.name for node in functions if node.name.startswith("test_")]


def test_every_case_has_a_test_or_a_reason() -> None:
    rows = cases()

    assert len(rows) == len({row["case"] for row in rows}) == NUMBER_OF_CASES
    assert unproven(rows, names()) == []
    assert strangers(rows, names()) == []


def test_a_case_without_a_test_is_noticed() -> None:
    rows = [{"case": "TC_044_1_CSMS", "why_not": ""}, {"case": "TC_044_2_CSMS", "why_not": "no CSMS in it"}]

    assert unproven(rows, ["test_tc_044_2_download_failed"]) == ["TC_044_1_CSMS", "TC_044_2_CSMS"]
    assert unproven(rows, ["test_tc_044_1_download"]) == []
    assert strangers(rows, ["test_tc_044_1_download", "test_tc_999_nothing"]) == ["test_tc_999_nothing"]
