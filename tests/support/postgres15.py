"""Debian's PostgreSQL 15, the oldest that the migrations must run on, in a directory of its own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DEBIANS_USER = "postgres"  # PostgreSQL refuses root; the package brings this user


@contextmanager
def running_postgres15(programs: Path) -> Iterator[str]:
    """DSN of an empty database on a server that is gone afterwards. `programs`: the folder with `initdb`."""
    directory = Path(tempfile.mkdtemp(prefix="uniev-pg15-"))
    user = _DEBIANS_USER if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(directory, user)
    cluster = directory / "cluster"
    try:
        _run(programs / "initdb", "--auth=trust", "-U", "postgres", "-N", "-D", cluster, user=user)
        options = f"-k {directory} -c listen_addresses= -c fsync=off"
        log = directory / "log"
        _run(programs / "pg_ctl", "-w", "-D", cluster, "-l", log, "-o", options, "start", user=user)
        try:
            yield f"postgresql://postgres@/postgres?host={directory}"
        finally:
            _run(programs / "pg_ctl", "-w", "-m", "immediate", "-D", cluster, "stop", user=user)
    finally:
        shutil.rmtree(directory)


def _run(*command: str | Path, user: str | None) -> None:
    # Output to nowhere: the server that pg_ctl leaves behind would keep a pipe open.
    subprocess.run(command, check=True, user=user, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
