"""Tests assert something, skip nothing in silence, and never sleep in hope."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.rules.tree import files, syntax

# The only places that may skip (a tool that the machine lacks) or sleep (between looks at a condition).
MAY_SKIP = {Path("tests/support/tools.py")}
MAY_SLEEP = {Path("tests/support/waiting.py")}
_SLEEPERS = {"sleep", "wait_for_timeout"}
_SKIPPERS = {"skip", "skipif", "skipunless", "skiptest", "xfail", "importorskip"}


def sleeps(tree: ast.Module) -> list[str]:
    """Pauses of a guessed length. `asyncio.sleep(0)` gives way without pausing and is none."""
    return [
        f"line {call.lineno}: {ast.unparse(call.func)}"
        for call in _calls(tree)
        if _last_name(call.func) in _SLEEPERS and not _is_zero(call)
    ]


def skips(tree: ast.Module) -> list[str]:
    """Uses of anything that keeps a test from counting, as call or as mark."""
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name))
    return [f"line {node.lineno}: {ast.unparse(node)}" for node in names if _last_name(node).lower() in _SKIPPERS]


def asserts_nothing(tree: ast.Module) -> list[str]:
    """Tests without an `assert`, a `pytest.raises` or a call of a helper that asserts; and `assert True`.

    A helper that asserts is a function of the same module with an assertion, or any whose name begins with
    assert_, check_, expect, wait_until, eventually or until (they fail in the end).
    """
    helpers = {node.name for node in _functions(tree) if _asserts(node, frozenset())}
    known = frozenset(name for name in helpers if not name.startswith("test"))
    empty = [node.name for node in _functions(tree) if node.name.startswith("test") and not _asserts(node, known)]
    return empty + [f"line {node.lineno}: {ast.unparse(node)}" for node in ast.walk(tree) if _is_idle(node)]


def _asserts(function: ast.AST, helpers: frozenset[str]) -> bool:
    if any(isinstance(node, ast.Assert) and not _is_idle(node) for node in ast.walk(function)):
        return True
    names = {_last_name(call.func) for call in _calls(function)}
    beginnings = ("assert_", "check_", "expect", "wait_until", "eventually", "until")
    return bool(names & helpers) or any(name == "raises" or name.startswith(beginnings) for name in names)


def _is_idle(node: ast.AST) -> bool:
    return isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant)


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    yield from sorted(found, key=lambda call: call.lineno)


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_zero(call: ast.Call) -> bool:
    return len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0


def _breaches(rule: object, allowed: set[Path]) -> dict[str, list[str]]:
    assert callable(rule)
    found = {str(path): rule(syntax(path)) for path in files(".py", under="tests") if path not in allowed}
    assert len(found) > 30
    return {path: breaches for path, breaches in found.items() if breaches}


def test_no_test_sleeps_in_hope() -> None:
    assert _breaches(sleeps, MAY_SLEEP) == {}


def test_a_sleep_is_noticed() -> None:
    tree = ast.parse("time.sleep(1)\nawait asyncio.sleep(0.5)\nawait asyncio.sleep(0)\npage.wait_for_timeout(9)")

    assert sleeps(tree) == ["line 1: time.sleep", "line 2: asyncio.sleep", "line 4: page.wait_for_timeout"]


def test_only_a_missing_tool_skips_a_test() -> None:
    assert _breaches(skips, MAY_SKIP) == {}


def test_a_skipped_test_is_noticed() -> None:
    tree = ast.parse("@pytest.mark.xfail(reason='later')\ndef test_it():\n    pytest.skip('now')\n")

    assert skips(tree) == ["line 1: pytest.mark.xfail", "line 3: pytest.skip"]


def test_every_test_asserts_something() -> None:
    assert _breaches(asserts_nothing, set()) == {}


def test_a_test_that_asserts_nothing_is_noticed() -> None:
    tree = ast.parse(
        "def test_empty():\n    run()\n"
        "def test_true():\n    assert True\n"
        "def test_real():\n    assert run() == 1\n"
        "def test_by_helper():\n    same(1)\n"
        "def same(x):\n    assert x\n"
        "async def test_raises():\n    with pytest.raises(ValueError):\n        run()\n"
    )

    assert asserts_nothing(tree) == ["test_empty", "test_true", "line 4: assert True"]
