"""docs/security.md: every claim names tests, and each of them exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.rules.tree import ROOT, syntax, text

PAGE = Path("docs/security.md")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def claims(content: str) -> dict[str, list[tuple[str, str]]]:
    """Claim → (file, name) of its tests: the rows of the tables between "What stops it" and the next chapter."""
    chapter = content.split("\n## What stops it\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("|").split("|") for line in chapter.splitlines() if line.startswith("|")]
    return {row[0].strip(): _TEST.findall(row[-1]) for row in rows if row[0].strip() not in ("claim", "---", "")}


def missing(found: dict[str, list[tuple[str, str]]]) -> list[str]:
    """What names no test, or one that is not there."""
    without = [claim for claim, tests in found.items() if not tests]
    gone = [f"{file}::{name}" for tests in found.values() for file, name in tests if not _is_test(Path(file), name)]
    return without + gone


def _is_test(path: Path, name: str) -> bool:
    if not (ROOT / path).is_file() or not name.startswith("test_"):
        return False
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name for node in syntax(path).body
    )


def test_every_claim_names_a_test_that_exists() -> None:
    found = claims(text(PAGE))

    assert len(found) > 50
    assert missing(found) == []


def test_a_claim_without_a_test_and_a_test_that_is_gone_are_noticed() -> None:
    proof = "tests/rules/test_security_document.py::test_every_claim_names_a_test_that_exists"
    rows = ["| claim | test |", "|---|---|", "| all is well | believe me |", "| known | `tests/rules/tree.py::files` |",
            f"| proven | `{proof}` |"]  # fmt: skip
    page = "\n## What stops it\n\n" + "\n".join(rows) + "\n\n## What nothing stops\n| free | words |\n"

    assert missing(claims(page)) == ["all is well", "tests/rules/tree.py::files"]


def test_every_kind_of_attacker_has_its_chapter() -> None:
    chapters = re.findall(r"^### (.+)$", text(PAGE), re.MULTILINE)

    for attacker in ("CPO", "insider", "telephone", "API key", "charger", "competitor", "backup", "stranger"):
        assert any(attacker in chapter for chapter in chapters), attacker
