"""Who may import whom: the contracts of pyproject.toml, and what those cannot say."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from tests.rules.tree import ROOT, files, imported, syntax

LINTER = Path(sys.executable).with_name("lint-imports")
FRAMES = (Path("dashboard_cpo.py"), Path("dashboard_emsv.py"), Path("simev.py"))


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    """Runs import-linter on the project in `directory`."""
    return subprocess.run([LINTER, "--no-cache"], cwd=directory, check=False, capture_output=True, text=True)


def foreign_to_domain(tree: ast.Module) -> list[str]:
    """What a module of domain/ imports besides the standard library and its siblings."""
    return sorted(
        name
        for name in imported(tree)
        if name.split(".")[0] not in sys.stdlib_module_names and not f"{name}.".startswith("backend.domain.")
    )


def shadowing(modules: list[Path], dependencies: set[str]) -> list[str]:
    """Modules that bear the name of a dependency: a file run as a script would import them instead of it."""
    named = {path: path.parent.name if path.stem == "__init__" else path.stem for path in modules}
    return [str(path) for path, name in named.items() if name in dependencies]


def test_the_import_contracts_hold() -> None:
    done = lint_imports(ROOT)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_broken_contract_is_noticed(tmp_path: Path) -> None:
    package = tmp_path / "backend"
    for layer, body in {"services": "import backend.ocpp_server", "ocpp_server": "", "": ""}.items():
        folder = package / layer
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text(body)
    contract = '[tool.importlinter.contracts]]\nname = "doors"\ntype = "layers"\nlayers = ["ocpp_server", "services"]\n'
    project = f'[tool.importlinter]\nroot_package = "backend"\n[{contract}containers = ["backend"]\n'
    (tmp_path / "pyproject.toml").write_text(project)

    done = lint_imports(tmp_path)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "backend.services is not allowed to import backend.ocpp_server" in done.stdout


def test_domain_needs_nothing_but_the_standard_library() -> None:
    found = {str(path): foreign_to_domain(syntax(path)) for path in files(".py", under="backend/domain")}

    assert found
    assert {path: names for path, names in found.items() if names} == {}


def test_a_dependency_of_domain_is_noticed() -> None:
    tree = ast.parse("import json, pydantic\nfrom backend.domain.errors import X\nfrom backend.database import Y")

    assert foreign_to_domain(tree) == ["backend.database", "pydantic"]


def test_frames_know_only_their_own_screens() -> None:
    for frame in FRAMES:
        foreign = {name.split(".")[0] for name in imported(syntax(frame))} & {"backend", "asyncpg", "supabase"}

        assert not foreign, f"{frame} imports {foreign}"


def test_no_module_bears_the_name_of_a_dependency() -> None:
    installed = set(metadata.packages_distributions())

    assert {"ocpp", "fastapi", "websockets"} <= installed
    assert shadowing(files(".py", under="backend"), installed) == []


def test_no_program_stands_beside_a_module_named_like_one_of_python() -> None:
    """`python backend/ocpp_server.py` puts backend/ first on the path, before it can put things right."""
    beside = [path for path in files(".py", under="backend") if path.parent == Path("backend")]
    folders = sorted({path.parent / "__init__.py" for path in files(".py") if path.parent.parent == Path("backend")})

    assert shadowing([*beside, *folders], set(sys.stdlib_module_names)) == []


def test_a_shadowing_module_is_noticed() -> None:
    modules = [Path("backend/ocpp/__init__.py"), Path("backend/websockets.py"), Path("backend/ocppj/v16.py")]

    assert shadowing(modules, {"ocpp", "websockets"}) == ["backend/ocpp/__init__.py", "backend/websockets.py"]


# Modules of backend/ that make HTTP clients, and whose address each of them calls.
CALLERS = {
    "backend/database/hosted.py": "SUPABASE_URL, set by the operator",
    "backend/gateways/oidc.py": "OIDC_ISSUER, set by the operator, and what its discovery names",
    "backend/gateways/storage.py": "SUPABASE_URL, set by the operator",
    "backend/gateways/outward.py": "anybody's: looked up, checked, pinned",
}


def clients(tree: ast.Module) -> list[str]:
    """Calls that make an HTTP client or send a request at once."""
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if call in {"httpx.AsyncClient", "httpx.Client", "httpx.get", "httpx.post"}]


def test_only_known_modules_call_out_and_others_addresses_go_through_the_guard() -> None:
    found = {str(path) for path in files(".py", under="backend") if clients(syntax(path))}

    assert found <= set(CALLERS), "addresses that somebody else chose are reached by backend/gateways/outward.py alone"


def test_another_way_out_is_noticed() -> None:
    tree = ast.parse("async with httpx.AsyncClient() as client: await client.get(url)")

    assert clients(tree) == ["httpx.AsyncClient"]
