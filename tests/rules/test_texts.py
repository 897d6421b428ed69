"""What no file of the repository may contain: promises for later, one machine's paths, somebody's registry."""

from __future__ import annotations

import re
from pathlib import Path

from tests.rules.tree import files, text

HERE = Path("tests/rules/test_texts.py")
_TEXTS = (".py", ".sql", ".md", ".toml", ".txt", ".css", ".html", ".js", ".json", ".yml", ".yaml", "")

LATER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
# Homes and work directories of people and build machines; a path of the system (/etc, /usr/bin) is no such thing.
PERSONAL_PATH = re.compile(r"(?<![\w.~$}/-])(/(?:home|Users|root|work|workspace|builds?)/[\w.-]+|[A-Z]:\\Users\\)")
REGISTRY = re.compile(
    r"(?i)--(?:extra-)?index-url|--trusted-host|--registry[= ]|(?:npm_config_registry|PIP_INDEX_URL|GOPROXY)\s*="
    r"|https?://[^\s\"'/]*(?:pypi\.org|npmjs\.org|artifactory|nexus|pkg\.dev|devpi)"
)


def found(pattern: re.Pattern[str], content: str) -> list[str]:
    """Each match with its line number."""
    return [
        f"line {number}: {match[0]}"
        for number, line in enumerate(content.splitlines(), 1)
        for match in pattern.finditer(line)
    ]


def _breaches(pattern: re.Pattern[str]) -> dict[str, list[str]]:
    looked_at = [path for path in files(*_TEXTS) if path != HERE]
    assert len(looked_at) > 150
    matches = {str(path): found(pattern, text(path)) for path in looked_at}
    return {path: lines for path, lines in matches.items() if lines}


def test_nothing_is_left_for_later() -> None:
    assert _breaches(LATER) == {}


def test_a_promise_for_later_is_noticed() -> None:
    assert found(LATER, "x = 1\n# TODO: more") == ["line 2: TODO"]


def test_no_path_of_one_machine() -> None:
    assert _breaches(PERSONAL_PATH) == {}


def test_a_path_of_one_machine_is_noticed() -> None:
    content = "open('/home/ani/uniev/data')\nsee https://example.org/home/page\n/usr/bin/env\n'/work/main/x'"

    assert found(PERSONAL_PATH, content) == ["line 1: /home/ani", "line 4: /work/main"]


def test_no_address_of_a_registry() -> None:
    assert _breaches(REGISTRY) == {}


def test_an_address_of_a_registry_is_noticed() -> None:
    content = "pip install --index-url https://pypi.example\nnpm install x\nhttps://registry.npmjs.org/x"

    assert found(REGISTRY, content) == ["line 1: --index-url", "line 3: https://registry.npmjs.org"]
