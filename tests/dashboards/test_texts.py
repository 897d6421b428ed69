"""Both languages are complete, and no screen asks for a text that nobody wrote."""

import ast
import re
import string
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.api.actions import ACTIONS
from backend.services.commands import CommandStatus
from dashboards.common import door
from dashboards.common.status import STATES
from dashboards.common.texts import catalogue, pick, say
from tests.support.servers import ROOT

FOLDER = ROOT / "dashboards"
# Functions whose argument at this place is a text key.
CALLS = {"t": 0, "say": 1, "empty": 0, "_Wrong": 0}
# empty("x") shows two texts.
PARTS = {"empty": (".title", ".text")}


def test_both_catalogues_have_the_same_keys() -> None:
    assert set(catalogue("id")) == set(catalogue("en"))


def test_both_languages_take_the_same_values() -> None:
    for key, text in catalogue("id").items():
        assert _fields(text) == _fields(catalogue("en")[key]), key


@pytest.mark.parametrize("language", ["id", "en"])
def test_no_text_is_written_twice(language: str) -> None:
    """The second one replaced the first, whatever room it was meant for."""
    written = Counter[str]()
    for file in sorted((FOLDER / "common" / "texts" / language).glob("*.toml")):
        written.update(_leaves(tomllib.loads(file.read_text("utf-8"))))
    assert [key for key, times in written.items() if times > 1] == []


def test_every_used_key_exists() -> None:
    used = list(_used_keys())
    assert len(used) > 150
    missing = [f"{file.name}: {key}" for file, key in used if not _exists(key)]
    assert missing == []


def test_every_written_key_is_used() -> None:
    """By its name, or by a pattern such as `kpi.*.label`, somewhere in the source."""
    patterns = [re.compile(_pattern(text)) for _, node in _strings() if (text := _text(node)) and "." in text]
    unused = [key for key in catalogue("id") if not any(pattern.fullmatch(key) for pattern in patterns)]
    assert unused == []


def test_states_commands_actions_and_roles_have_words() -> None:
    wanted = [f"state.{state}" for state in STATES]
    wanted += [f"receipt.{status.value}" for status in CommandStatus]
    wanted += [f"action.{action}" for action in ACTIONS]
    wanted += [f"role.{role}" for role in door.CPO.roles | door.EMSV.roles]
    assert [key for key in wanted if key not in catalogue("id")] == []


@pytest.mark.parametrize(
    ("wishes", "language"),
    [((None, "id-ID"), "id"), (("en-GB",), "en"), (("fr-FR",), "id"), ((), "id"), (("en", "id"), "en")],
)
def test_the_first_known_wish_wins_and_indonesian_is_the_default(wishes: tuple[str | None, ...], language: str) -> None:
    assert pick(*wishes) == language


def test_an_unknown_key_is_an_error_not_an_empty_screen() -> None:
    with pytest.raises(KeyError):
        say("id", "no.such.key")


def _sources() -> Iterator[tuple[Path, ast.AST]]:
    """Every node of the dashboards' source; the simulator's screen has texts of its own."""
    for file in sorted(FOLDER.rglob("*.py")):
        if "simulator" not in file.parts:
            yield from ((file, node) for node in ast.walk(ast.parse(file.read_text("utf-8"))))


def _strings() -> Iterator[tuple[Path, ast.Constant | ast.JoinedStr]]:
    yield from ((file, node) for file, node in _sources() if isinstance(node, ast.Constant | ast.JoinedStr))


def _used_keys() -> Iterator[tuple[Path, str]]:
    """Keys that stand in the source; the variable part of an f-string becomes `*`."""
    yield from ((file, key) for file, node in _strings() for key in _bare(node))
    yield from ((file, key) for file, node in _sources() if isinstance(node, ast.Call) for key in _called(node))


def _bare(node: ast.Constant | ast.JoinedStr) -> list[str]:
    """Keys handed on as plain strings: everything that reads like a key we have, or nearly."""
    text = _text(node)
    likely = text and re.fullmatch(r"(order\.no|api|login|review|stop|fault|ocpp)\.[\w.*]*[\w*]", text)
    return [text] if text and likely and not text.endswith(".html") else []


def _called(node: ast.Call) -> list[str]:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name not in CALLS or len(node.args) <= CALLS[name]:
        return []
    argument = node.args[CALLS[name]]
    branches = [argument.body, argument.orelse] if isinstance(argument, ast.IfExp) else [argument]
    keys = [key for branch in branches if (key := _text(branch)) and not key.startswith("*")]
    return [key + part for key in keys for part in PARTS.get(name, ("",))]


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "*" for v in node.values)
    return None


def _pattern(key: str) -> str:
    return re.escape(key).replace(r"\*", r"[\w]+(\.[\w]+)?")


def _exists(key: str) -> bool:
    if "*" not in key and key not in catalogue("id"):
        return any(known.startswith(f"{key}.") for known in catalogue("id"))
    return any(re.fullmatch(_pattern(key), known) for known in catalogue("id"))


def _leaves(tree: dict[str, Any], above: str = "") -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield above + name


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
