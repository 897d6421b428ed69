"""The dashboards' ways to the API and to a file, each through one place that does it safely."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.rules.tree import files, syntax

# What carries a path to the API, beside the client's own methods.
_CARRIERS = frozenset({"Deed", "ask", "call", "change", "download", "find", "get", "pages", "post", "read", "send"})


def loose_paths(tree: ast.AST) -> Iterator[int]:
    """Lines on which a path of the API is put together otherwise than by `route`, which quotes each part."""
    for node in ast.walk(tree):
        whole = isinstance(node, ast.JoinedStr) and any("/api/" in _text(part) for part in node.values)
        glued = isinstance(node, ast.BinOp) and ("/api" in _text(node.left) or "/api" in _text(node.right))
        if whole or glued:
            yield node.lineno
        elif isinstance(node, ast.Call) and _name(node.func) in _CARRIERS:
            yield from (part.lineno for part in node.args if isinstance(part, ast.JoinedStr) and _climbs(part))


def _climbs(node: ast.JoinedStr) -> bool:
    """A path: it begins with a slash, or goes on with one right after a value."""
    before: ast.expr | None = None
    for part in node.values:
        if _text(part).startswith("/") and (before is None or isinstance(before, ast.FormattedValue)):
            return True
        before = part
    return False


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def test_no_unquoted_value_gets_into_a_path_of_the_api() -> None:
    looked_at = files(".py", under="dashboards")
    assert len(looked_at) > 60
    assert {str(path): lines for path in looked_at if (lines := set(loose_paths(syntax(path))))} == {}


def test_an_unquoted_value_in_a_path_is_noticed() -> None:
    for line in (
        'read(viewer, f"/api/chargers/{charger_id}")',
        'path = "/api/chargers/" + charger_id',
        'path = f"/api/chargers/{charger_id}/security"',
        'Deed("reset", charger_id, "POST", f"{path}/commands/{name}")',
        'viewer.api.get(f"/{noun}/{number}")',
    ):
        assert set(loose_paths(ast.parse(line))) == {1}, line
    assert list(loose_paths(ast.parse('read(viewer, route("chargers", charger_id), name=f"{a} / {b}")'))) == []


def test_a_file_is_handed_over_in_one_place_and_as_bytes() -> None:
    """A callable would be run in a thread without a session, where Streamlit's state is one for all tenants."""
    used = {
        path
        for path in files(".py", under="dashboards")
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.Attribute) and node.attr == "download_button"
    }
    assert used == {Path("dashboards/common/exports.py"), Path("dashboards/common/widgets.py")}
