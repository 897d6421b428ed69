"""`make run`: checks the machine, readies the database, and runs the Procfile until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from backend.database import Database, open_database
from backend.domain.errors import DomainError
from backend.logs import set_up_logs
from backend.preflight import troubles
from backend.services.demo import DEMO_PASSWORD, DEMO_PEOPLE, seed_demo
from backend.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parent.parent
_STOP_WITHIN_S = 8


def main() -> None:
    """Entry point. The exit status is 0 after Ctrl-C, 1 when something could not start or died."""
    settings = load_settings()
    set_up_logs(settings)
    found = list(troubles(settings))
    if found:
        sys.exit("\n".join(found))
    try:
        sys.exit(asyncio.run(_run(settings)))
    except DomainError as error:
        sys.exit(f"UNIEV cannot start: {error.detail}")
    except KeyboardInterrupt:
        sys.exit(0)  # before the processes ran; from then on `_supervise` hears of it


async def _run(settings: Settings) -> int:
    database = await open_database(settings)  # held until the end: last out, so the embedded server stops with us
    try:
        if settings.demo:
            await seed_demo(database)
        print(await _welcome(database, settings), flush=True)
        return await _supervise(settings)
    finally:
        await database.close()


async def _supervise(settings: Settings) -> int:
    """Runs honcho until it ends, or until Ctrl-C or SIGTERM reaches us: then it ends every process."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    names = [] if settings.demo else ["ocpp", "api", "worker", "cpo", "emsv", "simev"]
    honcho = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "honcho", "--no-colour", "start", *names,
        cwd=ROOT, env=_environment(settings), start_new_session=True,
    )  # fmt: skip
    ended = asyncio.create_task(honcho.wait())
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if ended.done():
        return ended.result()
    honcho.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(ended, _STOP_WITHIN_S)
    except TimeoutError:
        honcho.kill()
    return 0


def _environment(settings: Settings) -> dict[str, str]:
    """What the Procfile's commands read; our own interpreter's programs come first on the PATH."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONUNBUFFERED": "1",
        "STREAMLIT_SERVER_MAX_UPLOAD_SIZE": str(settings.max_firmware_mb),
        "UNIEV_LOG_FORM": _log_form(settings),
        "UNIEV_API_HOST": settings.api_host,
        "UNIEV_API_PORT": str(settings.api_port),
        "UNIEV_API_URL": f"http://{_reachable(settings.api_host)}:{settings.api_port}",
        "UNIEV_OCPP_PORT": str(settings.ocpp_port),
        "UNIEV_CPO_PORT": str(settings.cpo_port),
        "UNIEV_EMSV_PORT": str(settings.emsv_port),
        "UNIEV_SIMEV_PORT": str(settings.simev_port),
    }


def _log_form(settings: Settings) -> str:
    """The processes write into honcho's pipe; whether people read it only we can see."""
    if settings.log_form != "auto":
        return settings.log_form
    return "human" if sys.stdout.isatty() else "json"


async def _welcome(database: Database, settings: Settings) -> str:
    api = f"http://{_reachable(settings.api_host)}:{settings.api_port}"
    rows = [
        ("CPO dashboard", f"http://127.0.0.1:{settings.cpo_port}"),
        ("EMSV dashboard (NOC)", f"http://127.0.0.1:{settings.emsv_port}"),
        ("EV simulator", f"http://127.0.0.1:{settings.simev_port}"),
        ("REST API", f"{api}/docs"),
        ("OCPP 1.6J", f"ws://{_reachable(settings.ocpp_host)}:{settings.ocpp_port}/{{charger_id}}"),
    ]
    if settings.smtp_url is None:
        rows.append(("Mails (no server set)", ".venv/bin/python -m backend.admin mails"))
    if settings.demo:
        rows += [(f"Login, {person.role}", f"{person.email}  /  {DEMO_PASSWORD}") for person in DEMO_PEOPLE]
    width = max(len(what) for what, _ in rows)
    lines = [f"  {what.ljust(width)}   {where}" for what, where in rows]
    if not settings.demo and not await _has_people(database):
        lines.append("\n  Nobody can log in yet. Make the first administrator:")
        lines.append("    .venv/bin/python -m backend.admin create-user --role emsv_admin --email YOU@EXAMPLE.ORG")
    return "\n".join(["", "  UNIEV runs. Ctrl-C ends it.", "", *lines, ""])


async def _has_people(database: Database) -> bool:
    from backend.database import SYSTEM

    return bool(await database.select("users", scope=SYSTEM, columns="id", limit=1))


def _reachable(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::", "") else host


if __name__ == "__main__":
    main()
