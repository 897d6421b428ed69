"""Supabase's command line over a database as a new hosted project has it: roles and schemas, and nothing of ours."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.migrate import MIGRATIONS
from tests.support.postgres import execute
from tests.support.relay import Relay

_SHIM = Path(__file__).resolve().parent.parent.parent / "backend" / "embedded_shim.sql"
_OWNER = "project_owner"
# A project's `postgres` is no superuser. What it may do with `authenticator` Supabase grants it by an extension.
_MAKE_OWNER = f"""
do $$ begin
    if to_regrole('{_OWNER}') is null then
        create role {_OWNER} login createrole createdb bypassrls;
        grant anon, authenticated, service_role, authenticator to {_OWNER} with admin option;
        grant set on parameter pgrst.db_pre_request to {_OWNER};
    end if;
    execute format('alter database %I owner to {_OWNER}', current_database());
end $$;
drop schema supabase_migrations cascade;
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said: `said` is its JSON, `told` what it wrote for people beside it."""

    ok: bool
    said: dict[str, Any]
    told: str

    @property
    def error(self) -> str:
        """The code of the error; "" if there was none."""
        return str(self.said.get("error", {}).get("code", ""))


class CommandLine:
    """The program, with a home of its own: no login, no word to anybody outside."""

    def __init__(self, program: Path, home: Path) -> None:
        self._program = program
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "DO_NOT_TRACK": "1",
            "SUPABASE_NO_KEYRING": "1",
            "SUPABASE_NO_UPDATE_NOTIFIER": "1",
            "SUPABASE_TELEMETRY_DISABLED": "1",
        }

    async def run(self, folder: Path, *words: str) -> Answer:
        """One command in the folder that holds `supabase/`; waits two minutes at most."""
        process = await asyncio.create_subprocess_exec(
            self._program, *words, "--output-format", "json", cwd=folder, env=self._environment,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(120):
                said, told = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return Answer(process.returncode == 0, json.loads(said or "{}"), told.decode())

    async def on(self, dsn: str, folder: Path, *words: str) -> Answer:
        """A command on one database, which it reaches over TCP."""
        async with Relay.over_tcp(dsn) as address:
            return await self.run(folder, *words, f"--remote={address}", "--yes")

    async def push(self, dsn: str, folder: Path) -> Answer:
        """`supabase db push`: what the folder has and the database lacks."""
        return await self.on(dsn, folder, "db", "push")


def project_folder(place: Path, files: Iterable[Path]) -> Path:
    """A folder with our `supabase/config.toml` and these migrations; returns where the migrations lie."""
    migrations = place / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    shutil.copy(MIGRATIONS.parent / "config.toml", place / "supabase")
    for file in files:
        shutil.copy(file, migrations)
    return migrations


async def make_project(dsn: str) -> str:
    """Makes an empty database a new project's; returns the DSN of its owner, who is no superuser."""
    await execute(dsn, _SHIM.read_text(encoding="utf-8"))
    await execute(dsn, _MAKE_OWNER)
    return dsn.replace("://postgres@", f"://{_OWNER}@")
