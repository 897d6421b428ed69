"""The README's commands, settings and endpoints are those of the code."""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
from importlib import import_module
from pathlib import Path

from backend import admin
from backend.main_api import app
from backend.settings import variables
from simulator import __main__ as simulator
from tests.rules.test_documents import documents
from tests.rules.tree import ROOT, text

README = Path("README.md")
API = Path("docs/api.md")
DEPENDENCIES = Path("docs/decisions/dependencies.md")
START_COMMANDS = (
    "python backend/ocpp_server.py",
    "uvicorn backend.main_api:app --reload --port 8000",
    "streamlit run simev.py",
    "streamlit run dashboard_cpo.py",
    "streamlit run dashboard_emsv.py",
)
METHODS = {"get", "post", "put", "patch", "delete"}
INTERNAL_TARGETS = {"python"}  # the Makefile's own question whether there is a Python

BLOCK = re.compile(r"^ *```(?:sh|bash|console)\n(.*?)^ *```", re.M | re.S)
SPAN = re.compile(r"`([^`\n]+)`")
TARGET = re.compile(r"^([a-z][\w-]*):", re.M)
TABLE_ROW = re.compile(r"^\|(.+)\|$", re.M)
REQUIREMENT = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[\w,]+\])?==", re.M)


def commands(content: str) -> list[str]:
    """Command lines in shell blocks (continued lines joined, comments dropped) and in backticks."""
    blocks = "\n".join(BLOCK.findall(content)).replace("\\\n", " ")
    lines = [line.split(" #")[0].strip() for line in blocks.splitlines()]
    spans = SPAN.findall(re.sub(r"^ *```.*?^ *```", "", content, flags=re.M | re.S))
    return [line for line in [*lines, *spans] if line and not line.startswith("#")]


def unknown_targets(lines: list[str], targets: set[str]) -> list[str]:
    """`make x` where the Makefile has no x."""
    words = [re.findall(r"(?:^|\s|=\S+ )make ([a-z][\w-]*)", line) for line in lines]
    return sorted({word for found in words for word in found} - targets)


def unknown_programs(lines: list[str]) -> list[str]:
    """`python -m x`, `python x.py`, `streamlit run x.py` that lead nowhere in this repository."""
    modules = {name for line in lines for name in re.findall(r"python -m ((?:backend|simulator|bench)[\w.]*)", line)}
    scripts = {name for line in lines for name in re.findall(r"(?:python|streamlit run) ([\w/]+\.py)", line)}
    wrong = [name for name in modules if not _is_program(name)]
    return sorted(wrong + [name for name in scripts if not (ROOT / name).is_file()])


def _is_program(module: str) -> bool:
    path = ROOT / Path(*module.split("."))
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def table(content: str, heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its two head lines; backticks removed."""
    _, found, rest = content.partition(f"# {heading}\n")
    assert found, f"there is no heading {heading!r}"
    block = re.search(r"(?:^\|.*\|\n)+", rest, re.M)
    assert block, f"there is no table under {heading!r}"
    rows = [[cell.strip().replace("`", "") for cell in row.split("|")] for row in TABLE_ROW.findall(block[0])]
    return rows[2:]


def targets() -> set[str]:
    """The Makefile's targets that people call."""
    return set(TARGET.findall(text(Path("Makefile")))) - INTERNAL_TARGETS


def test_make_commands_in_the_documents_exist() -> None:
    lines = [line for path in documents() for line in commands(text(path))]

    assert {"make run", "make test"} <= set(lines)
    assert unknown_targets(lines, targets()) == []


def test_an_unknown_make_command_is_noticed() -> None:
    lines = commands("Use `make run` or:\n```sh\nUNIEV_DEMO=0 make fly  # up\n```\nand make sense.")

    assert unknown_targets(lines, {"run"}) == ["fly"]


def test_programs_in_the_documents_exist() -> None:
    lines = [line for path in documents() for line in commands(text(path))]

    assert {"python -m backend.admin doctor", *START_COMMANDS} <= set(lines)
    assert unknown_programs(lines) == []


def test_an_unknown_program_is_noticed() -> None:
    lines = [
        "python -m backend.gone x",
        "python -m simulator",
        "streamlit run gone.py",
        "python backend/ocpp_server.py",
    ]

    assert unknown_programs(lines) == ["backend.gone", "gone.py"]


def test_the_administrators_command_lines_are_understood() -> None:
    lines = {line for path in documents() for line in commands(text(path))}
    asked = [line.split("python -m backend.admin", 1)[1] for line in lines if "python -m backend.admin " in line]
    parser = admin._parser()

    understood = {parser.parse_args(shlex.split(arguments.split("|")[0])).command for arguments in asked}

    making = {"create-user", "create-api-key", "create-cpo"}
    assert understood == making | {
        "migrate",
        "seed-demo",
        "doctor",
        "mails",
        "events",
        "rotate-secrets",
        "verify-audit",
    }


def test_the_simulators_command_lines_are_understood() -> None:
    lines = {line for path in documents() for line in commands(text(path)) if "python -m simulator " in line}

    understood = [simulator.check(_simulated(line)) for line in sorted(lines)]

    assert len(understood) > 1
    assert not any(understood)


def _simulated(line: str) -> argparse.Namespace:
    return simulator.parser().parse_args(shlex.split(line.split("python -m simulator ", 1)[1]))


def test_the_settings_table_is_that_of_the_code() -> None:
    listed = [tuple(row) for row in table(text(README), "Settings")]
    known = [(name, default, meaning.replace("`", "")) for name, (default, meaning) in variables().items()]

    assert listed == known


def test_a_table_is_read_as_written() -> None:
    content = "# A\n\n| x | y |\n|---|---|\n| `1` | a `b` c |\n| 2 | |\n\n# B\n| z |\n|---|\n| 3 |\n"

    assert table(content, "A") == [["1", "a b c"], ["2", ""]]
    assert table(content, "B") == [["3"]]


def test_the_endpoints_are_those_of_the_application() -> None:
    listed = {(row[0], row[1]): row[2] for row in table(text(API), "Endpoints")}
    paths = app.openapi()["paths"]
    served = {
        (method.upper(), path): str(operation["summary"]).replace("`", "")
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method in METHODS
    }

    assert len(served) > 30
    assert listed == served


def test_every_dependency_has_its_reason() -> None:
    required = {name for path in ("requirements.txt", "requirements-dev.txt") for name in _required(text(Path(path)))}
    reasons = {row[0]: row[1] for heading in ("Platform", "Development") for row in table(text(DEPENDENCIES), heading)}

    assert {"fastapi", "ruff"} <= required
    assert set(reasons) == required
    assert {name for name, reason in reasons.items() if len(reason.split()) < 5} == set()


def _required(content: str) -> list[str]:
    return REQUIREMENT.findall(content)


def test_a_requirement_is_read_with_and_without_extras() -> None:
    assert _required("# why==1\n-c constraints.txt\nuvicorn[standard]==0.5\nPyJWT==2\n") == ["uvicorn", "PyJWT"]


def test_help_lists_every_target() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    listed = {line.split()[0] for line in done.stdout.splitlines() if line.strip()}

    assert {"run", "test", "bench", "lint", "help"} <= targets()
    assert listed == targets()


def test_the_readme_tells_every_start_command_and_demo_login() -> None:
    people = import_module("backend.services.demo")
    content = text(README)

    missing = [line for line in START_COMMANDS if line not in content]
    missing += [person.email for person in people.DEMO_PEOPLE if person.email not in content]

    assert people.DEMO_PASSWORD in content
    assert missing == []
