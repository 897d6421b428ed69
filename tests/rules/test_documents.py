"""What the documents name exists: files, functions, links, and one line of the map for each file."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

from tests.rules.tree import ROOT, files, repository_files, syntax, text

MAP = Path("docs/map.md")
MAPPED = ("backend", "dashboards", "simulator", "bench", "drills", "supabase", "tests/support")
_MAPPED_SUFFIXES = (".py", ".sql", ".toml", ".csv", ".html", ".css", ".js", ".geojson")

_PATH = r"(?:[\w.-]+/)*[\w.-]+\.(?:py|sql|md|toml|txt|csv)"
PLACE = re.compile(rf"`({_PATH}):([\w.]+)`")  # `backend/ocppj/v16.py:V16.meter_values`
NAMED_FILE = re.compile(rf"`({_PATH})`")
LINK = re.compile(r"\]\((?!\w+:|#)([^)#]+)(?:#[^)]*)?\)")
DOCUMENT = re.compile(r"\bdocs/[\w./-]+\.md\b")
TREE_LINE = re.compile(r"^((?:[│ ]{4})*)(?:[├└]── )?([\w.@*-]+/?)(?:\s{2,}\S.*)?$")


def documents() -> list[Path]:
    """README.md and everything under docs/."""
    return [path for path in files(".md") if path == Path("README.md") or path.is_relative_to("docs")]


def missing_places(content: str) -> list[str]:
    """`file:name` where the file does not define the name."""
    return [f"{path}:{name}" for path, name in PLACE.findall(content) if not _defines(Path(path), name)]


def _defines(path: Path, name: str) -> bool:
    if not (ROOT / path).is_file():
        return False
    if path.suffix == ".py":
        return name in _names(syntax(path))
    return re.search(rf"\b{re.escape(name)}\b", text(path)) is not None


def _names(tree: ast.Module) -> set[str]:
    """What a module defines: functions, classes, `Class.method`, and constants."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            methods = (item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef))
            names |= {f"{node.name}.{method.name}" for method in methods}
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def missing_files(content: str, directory: Path) -> list[str]:
    """Files in backticks (from the root, if they have a folder) and relative links that lead nowhere."""
    named = [name for name in NAMED_FILE.findall(content) if "/" in name and not (ROOT / name).is_file()]
    return named + [target for target in LINK.findall(content) if not (ROOT / directory / target).exists()]


def tree_paths(content: str) -> list[Path]:
    """The paths of the tree in the map's first code block, line by line; four columns of indent are one level."""
    block = content.split("```", 2)[1].split("\n", 1)[1]
    folders: list[str] = []
    paths = []
    for line in block.splitlines():
        match = TREE_LINE.match(line)
        if not match:
            continue
        depth = len(match[1]) // 4 + (1 if re.search("[├└]── ", line) else 0)
        folders[depth:] = [match[2].rstrip("/")]
        paths.append(Path(*folders))
    return paths


def unmapped(tree: list[Path]) -> list[str]:
    """Files that need a line in the map and have none. An `__init__.py` is told by its folder's line."""
    wanted = {
        path.parent if path.name == "__init__.py" else path
        for folder in MAPPED
        for path in files(*_MAPPED_SUFFIXES, under=folder)
    }
    wanted |= {path for path in repository_files() if len(path.parts) == 1 and path.suffix in (".py", ".txt", ".toml")}
    return sorted(str(path) for path in wanted - set(tree))


def test_places_in_the_code_exist() -> None:
    found = {str(path): missing_places(text(path)) for path in documents()}

    assert sum(len(PLACE.findall(text(path))) for path in documents()) > 30
    assert {path: places for path, places in found.items() if places} == {}


def test_a_place_that_is_gone_is_noticed() -> None:
    content = (
        "`tests/rules/tree.py:files`, `tests/rules/tree.py:gone`, `tests/rules/test_documents.py:MAP`, `no/such.py:x`"
    )

    assert missing_places(content) == ["tests/rules/tree.py:gone", "no/such.py:x"]


def test_files_and_links_exist() -> None:
    found = {str(path): missing_files(text(path), path.parent) for path in documents()}

    assert len(found) > 10
    assert {path: names for path, names in found.items() if names} == {}


def test_a_file_that_is_gone_is_noticed() -> None:
    content = "`backend/gone.py` and `settings.py`, [map](map.md), [gone](gone.md#x), [web](https://example.org)"

    assert missing_files(content, Path("docs")) == ["backend/gone.py", "gone.md"]


def test_documents_that_the_code_names_exist() -> None:
    named = {name for path in files(".py", ".sql", ".txt", ".toml") for name in DOCUMENT.findall(text(path))}

    assert "docs/decisions/0004-group-commit.md" in named
    assert {name for name in named if not (ROOT / name).is_file()} <= {"docs/gone.md"}


def test_the_map_shows_the_tree_as_it_is() -> None:
    tree = tree_paths(text(MAP))

    assert unmapped(tree) == []
    assert [str(path) for path, lines in Counter(tree).items() if lines > 1] == []
    assert [str(path) for path in sorted(tree) if not (ROOT / path).exists() and "*" not in path.name] == []


def test_a_file_without_a_line_in_the_map_is_noticed() -> None:
    lines = ["backend/    the platform", "├── api/   edge", "│   └── auth.py   logins", "└── logs.py  lines"]
    shown = "# Map\n```\n" + "\n".join(lines) + "\n```\n`more`"

    tree = tree_paths(shown)

    assert tree == [Path("backend"), Path("backend/api"), Path("backend/api/auth.py"), Path("backend/logs.py")]
    assert "backend/settings.py" in unmapped(tree)
    assert "backend/logs.py" not in unmapped(tree)
