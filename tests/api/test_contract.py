"""The running API against its own OpenAPI document: thousands of generated requests (Schemathesis)."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn

from backend.database import SYSTEM, open_database
from backend.domain.caller import PLATFORM
from backend.domain.roles import Role, belongs_to_cpo
from backend.domain.scope import Scope
from backend.main_api import app
from backend.services.api_keys import KeyRequest, KeyRole
from backend.services.demo import seed_demo
from backend.services.directory import build_directory
from backend.settings import Settings
from tests.support.waiting import wait_until

CHECKS = ",".join(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "unsupported_method",
        "ignored_auth",
    ]
)


async def _credentials(settings: Settings, role: Role) -> str:
    """A header that names a holder of `role` on a seeded platform: a key, or a person's token."""
    database = await open_database(settings)
    try:
        await seed_demo(database)
        services = build_directory(database, settings.secret_key)
        if role is Role.EMSV_ADMIN:
            made = await services.api_keys.create(PLATFORM, KeyRequest("contract test", KeyRole.EMSV_ADMIN))
            return f"X-API-Key: {made.key}"
        cpo = (await database.select("cpos", scope=SYSTEM, columns="id", limit=1))[0]["id"]
        person = {"email": "who@contract.test", "name": "Who", "role": role.value, "demo": True}
        row = {**person, "cpo_id": cpo if belongs_to_cpo(role) else None, "password_hash": "none"}
        user = (await database.insert("users", [row], scope=SYSTEM, columns="id,cpo_id"))[0]
        if role is Role.DRIVER:
            await database.insert("drivers", [{"name": "Who", "user_id": user["id"]}], scope=SYSTEM)
        token = services.people.tokens.access(Scope(role, user["id"], user["cpo_id"]), "Who")
        return f"Authorization: Bearer {token}"
    finally:
        await database.close()


@contextmanager
def _served() -> Iterator[str]:
    """The application of the door, on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_until(lambda: server.started, "the API to start")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


# The administrator may ask everything, so all is asked in that name; the others find refusals, and their own rows.
@pytest.mark.parametrize(
    ("role", "phases", "examples"),
    [(Role.EMSV_ADMIN, "examples,coverage,fuzzing", 12)]
    + [(role, "fuzzing", 2) for role in (Role.CPO_ADMIN, Role.CPO_TECHNICIAN, Role.CPO_FINANCE, Role.DRIVER)],
)
def test_the_running_api_keeps_its_own_document(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, role: Role, phases: str, examples: int
) -> None:
    assert settings.database_url is not None
    header = asyncio.run(_credentials(settings, role))
    config = tmp_path / "schemathesis.toml"
    config.write_text("[auth]\nauto-signup = false\n")  # it would take `create_user` for a sign-up
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value())
    monkeypatch.setenv("UNIEV_SECRET_KEY", settings.secret_key)
    monkeypatch.setenv("UNIEV_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("UNIEV_LOG_LEVEL", "error")
    monkeypatch.setenv("UNIEV_RATE_PER_MINUTE", "0")  # nobody is told to wait
    with _served() as url:
        program = Path(sys.executable).with_name("st")
        options = [
            "--config-file", str(config), "run", f"{url}/openapi.json", "--header", header,
            "--checks", CHECKS, "--seed", "7",
            "--phases", phases, "--max-examples", str(examples), "--no-shrink", "--no-color",
            "--suppress-health-check", "all", "--warnings", "off",
            "--exclude-path", "/ready",  # rightly answers 503 here: no OCPP server runs
        ]  # fmt: skip
        done = subprocess.run(
            [program, *options], check=False, capture_output=True, text=True, timeout=540, cwd=tmp_path
        )
    assert done.returncode == 0, done.stdout[-12_000:]
