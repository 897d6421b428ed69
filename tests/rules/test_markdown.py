"""Words of others never become Markdown: a charger's name may be a picture that calls home, or a link to a trap."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.rules.tree import files, syntax

ELEMENTS = {
    "markdown", "caption", "info", "warning", "error", "success", "title", "header", "subheader", "expander", "toast",
    "metric", "write", "popover", "status",
}  # fmt: skip
NUMBERS = {"n", "total", "troubled", "meter", "energy", "when", "decision", "day", "state", "wire_id", "profile"}
"""Values of texts that are figures, times, or words of ours."""
MADE_PLAIN = {"plain", "len"}


def _raw(node: ast.AST) -> Iterator[ast.AST]:
    """Values of others in what is drawn, unless `plain` or a format of ours (`f.…`, `shares.…`) makes them harmless."""
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in MADE_PLAIN:
            return
        case ast.Call(func=ast.Attribute(value=ast.Name(id="f" | "shares"))):
            return
        case ast.Call(func=ast.Name(id="t"), keywords=keywords):  # the key itself is ours
            for one in keywords:
                if one.arg not in NUMBERS:
                    yield from [one.value] if isinstance(one.value, ast.Name) else _raw(one.value)
        case ast.Subscript(slice=ast.Constant(value=name)) if name in NUMBERS:
            return
        case ast.Subscript():
            yield node
        case _:
            for child in ast.iter_child_nodes(node):
                yield from _raw(child)


def unsafe(tree: ast.AST) -> list[int]:
    """Lines that draw words of others as Markdown."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ELEMENTS:
            found |= {one.lineno for argument in node.args for one in _raw(argument)}  # type: ignore[attr-defined]
    return sorted(found)


def test_words_of_others_never_become_markdown() -> None:
    rooms = [path for path in files(".py", under="dashboards") if "simulator" not in path.parts]
    assert len(rooms) > 50
    assert {str(path): lines for path in rooms if (lines := unsafe(syntax(Path(path))))} == {}


def test_a_name_that_is_drawn_as_it_is_would_be_noticed() -> None:
    drawn = [
        'st.caption(t("x", keys=", ".join(found["keys"])))',
        'st.info(t("y", charger=name))',
        "st.error(f\"{row['a']}\")",
    ]
    harmless = "st.caption(t(f\"x.{row['state']}\", n=row['n'], who=plain(row['name'])))"
    assert unsafe(ast.parse("\n".join([*drawn, harmless]))) == [1, 2, 3]
