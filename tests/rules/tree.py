"""What the rules look at: the files of the repository, read once."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@cache
def repository_files() -> tuple[Path, ...]:
    """Every file that belongs to the repository or is about to (not ignored), relative to ROOT."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    found = sorted({Path(name) for name in listed.split("\0") if name})
    return tuple(path for path in found if (ROOT / path).is_file())


def files(*suffixes: str, under: str = ".") -> list[Path]:
    """Files of the repository with one of the suffixes, below one folder."""
    return [path for path in repository_files() if path.suffix in suffixes and path.is_relative_to(under)]


@cache
def text(path: Path) -> str:
    """A file's text; `path` is relative to ROOT."""
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def syntax(path: Path) -> ast.Module:
    """A Python file's syntax tree."""
    return ast.parse(text(path), str(path))


def imported(tree: ast.Module) -> set[str]:
    """Full names of what a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names
