"""What backend/ offers to other modules says what it does."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.rules.tree import files, syntax

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def undocumented(tree: ast.Module) -> list[str]:
    """Public functions, classes and methods of a module without a docstring, and the module itself.

    Exempt: methods that a base class or protocol of ours or of a library has already described (the six verbs,
    callbacks of asyncio, hooks of pydantic), and bodies of protocols, whose class says what they are.
    """
    missing = [] if ast.get_docstring(tree) or not tree.body else ["the module"]
    missing += [node.name for node in _public(tree.body) if not ast.get_docstring(node)]
    for owner in (node for node in _public(tree.body) if isinstance(node, ast.ClassDef) and not node.bases):
        missing += [f"{owner.name}.{node.name}" for node in _public(owner.body) if not _described(owner, node)]
    return missing


def _public(body: list[ast.stmt]) -> Iterator[Definition]:
    yield from (node for node in body if isinstance(node, Definition) and not node.name.startswith("_"))


def _described(owner: ast.ClassDef, node: Definition) -> bool:
    return bool(ast.get_docstring(node)) or (owner.name, node.name) in SAID_ELSEWHERE


SAID_ELSEWHERE = {
    (transport, verb)  # by the protocol `backend.database.interface.Database`
    for transport in ("DirectDatabase", "SupabaseDatabase")
    for verb in ("select", "insert", "upsert", "update", "delete", "call", "close")
}


def test_what_is_public_in_backend_is_documented() -> None:
    found = {str(path): undocumented(syntax(path)) for path in files(".py", under="backend")}

    assert len(found) > 50
    assert {path: names for path, names in found.items() if names} == {}


def test_a_missing_docstring_is_noticed() -> None:
    tree = ast.parse(
        '"""Module."""\n'
        "def told():\n    'Yes.'\n"
        "def untold(): ...\n"
        "def _own(): ...\n"
        "class Thing:\n    'Yes.'\n    def method(self): ...\n    def _own(self): ...\n"
    )

    assert undocumented(tree) == ["untold", "Thing.method"]
    assert undocumented(ast.parse("VALUE = 1")) == ["the module"]
