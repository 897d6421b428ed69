"""Files stay short enough to be read in one go, functions short enough to be seen at once."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.rules.tree import files, syntax, text

LONGEST_FILE = 400
LONGEST_FUNCTION = 60


def overlong_files(line_counts: dict[Path, int]) -> list[str]:
    """Files of LONGEST_FILE lines or more."""
    return [f"{path}: {count} lines" for path, count in line_counts.items() if count >= LONGEST_FILE]


def overlong_functions(tree: ast.Module) -> list[str]:
    """Functions that are longer than LONGEST_FUNCTION lines, their docstring included."""
    return [
        f"{node.name}, line {node.lineno}: {(node.end_lineno or 0) - node.lineno + 1} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]


def test_files_stay_under_400_lines() -> None:
    counts = {path: text(path).count("\n") for path in files(".py", ".sql")}

    assert len(counts) > 100
    assert overlong_files(counts) == []


def test_an_overlong_file_is_noticed() -> None:
    assert overlong_files({Path("a.py"): 399, Path("b.sql"): 400}) == ["b.sql: 400 lines"]


def test_functions_stay_within_60_lines() -> None:
    found = {str(path): overlong_functions(syntax(path)) for path in files(".py")}

    assert {path: functions for path, functions in found.items() if functions} == {}


def test_an_overlong_function_is_noticed() -> None:
    body = "\n".join(f"    a{number} = {number}" for number in range(60))
    tree = ast.parse(f"def short():\n    pass\n\nasync def long():\n{body}\n")

    assert overlong_functions(tree) == ["long, line 4: 61 lines"]
