"""`python -m bench.screens`: how long the dashboards' pages take over a fleet of thousands of stations.

A fresh platform with `--stations` stations (two chargers of two connectors each), the real API and dashboards, and a
headless Chromium that opens each page anew. Printed per page, in seconds since the navigation began: when the frame of
the page stands (skeleton) and when its data do. Pictures go to `--pictures`, if given.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

import httpx
from playwright.sync_api import Page, sync_playwright

from backend.database import open_database
from backend.embedded import EmbeddedPostgres
from backend.services.demo import DEMO_PASSWORD, seed_demo
from backend.settings import load_settings
from bench.large_fleet import found_large_fleet
from bench.ports import free_port
from bench.servers import HOST, ROOT, Program

CPO, ADMIN, NOC = "Nusantara Charge", "admin@nusantara.demo.uniev.id", "noc@demo.uniev.id"
FRAME = ".uv-outline, [data-testid=stAppSkeleton], [data-testid=stSidebar]"
# Page and what is there once its data are.
PAGES = {
    "cpo": {
        "/": ".card",
        "/live": ".uv .station",
        "/live?q=besar+04321": ".uv .station",
        "/live?state=faulted": ".uv .station",
        "/sessions": ".uv tbody tr",
        "/charger?charger={charger}": ".uv .event",
        "/wall": ".uv .wall .tile",
    },
    "emsv": {"/": ".uv .card", "/operators": ".uv tbody tr", "/wall": ".uv .wall .tile"},
}
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
]  # fmt: skip


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m bench.screens", description=__doc__)
    parser.add_argument("--stations", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=5, help="times each page is opened; the median is printed")
    parser.add_argument("--pictures", type=Path, help="folder for one picture a page, 1920 by 1080")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or sys.exit("Chromium is missing; on Debian: apt install chromium.")
    with (
        tempfile.TemporaryDirectory(prefix="uniev-screens-") as folder,
        _platform(Path(folder), options.stations) as at,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for name, email in (("cpo", ADMIN), ("emsv", NOC)):
            context = browser.new_context(viewport={"width": 1920, "height": 1080}, locale="id-ID")
            page = context.new_page()
            _sign_in(page, at[name], email)
            for path, content in PAGES[name].items():
                _measure(page, at[name], path.format(charger=at["charger"]), content, options, name)
        browser.close()


def _measure(page: Page, url: str, path: str, content: str, options: argparse.Namespace, name: str) -> None:
    frames, wholes = [], []
    for _ in range(options.runs):
        page.goto("about:blank")
        began = perf_counter()
        page.goto(url + path, wait_until="commit")
        page.wait_for_selector(FRAME, state="attached")
        frames.append(perf_counter() - began)
        page.wait_for_selector(content, timeout=30_000)
        wholes.append(perf_counter() - began)
    print(f"{name}{path:40} skeleton {median(frames):5.2f} s   data {median(wholes):5.2f} s", flush=True)
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(1500)
        label = "".join(letter if letter.isalnum() else "_" for letter in path.strip("/")) or "home"
        page.screenshot(path=options.pictures / f"{name}-{label}.png")


def _sign_in(page: Page, url: str, email: str) -> None:
    page.goto(url)
    page.fill("#email", email)
    page.fill("#password", DEMO_PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_selector("[data-testid=stSidebar]")


@contextlib.contextmanager
def _platform(folder: Path, stations: int) -> Iterator[dict[str, str]]:
    """Addresses of the two dashboards and a charger of the large fleet; everything ends with the context."""
    (folder / ".streamlit").symlink_to(ROOT / ".streamlit")  # found from where the program runs
    postgres = EmbeddedPostgres(folder / "data")
    postgres.ensure_running()
    programs: list[Program] = []
    try:
        charger = asyncio.run(_fill(folder / "data", postgres.dsn(), stations))
        api, cpo, emsv = free_port(), free_port(), free_port()
        environment = {
            "UNIEV_DATA_DIR": str(folder / "data"), "UNIEV_DEMO": "0", "UNIEV_LOG_LEVEL": "warning",
            "UNIEV_API_URL": f"http://{HOST}:{api}", "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        start = [sys.executable, "-m", "uvicorn", "backend.main_api:app", "--host", HOST, "--port", str(api)]
        programs.append(Program("API", start, environment, folder / "api.log"))
        asyncio.run(programs[0].listens(api))
        for name, port in (("cpo", cpo), ("emsv", emsv)):
            start = [sys.executable, "-m", "streamlit", "run", str(ROOT / f"dashboard_{name}.py"),
                     "--server.port", str(port), "--server.address", HOST]  # fmt: skip
            programs.append(Program(name, start, environment, folder / f"{name}.log"))
            asyncio.run(programs[-1].listens(port))
        httpx.get(f"http://{HOST}:{api}/ready", trust_env=False).raise_for_status()
        yield {"cpo": f"http://{HOST}:{cpo}", "emsv": f"http://{HOST}:{emsv}", "charger": charger}
    finally:
        for program in reversed(programs):
            program.stop()
        postgres.close()


async def _fill(data_dir: Path, dsn: str, stations: int) -> str:
    settings = load_settings(_env_file=None, data_dir=data_dir, database_url=None, supabase_url=None, supabase_key=None)
    database = await open_database(settings)
    await seed_demo(database)
    await database.close()
    return await found_large_fleet(dsn, CPO, stations)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
