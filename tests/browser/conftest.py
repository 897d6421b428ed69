"""A real Chromium before the real dashboards, API, OCPP server and simulated chargers."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, Response, expect, sync_playwright

from backend.embedded import EmbeddedPostgres
from simulator import ChargerSpec, SimulatedCharger
from tests.support.postgres import fresh_database
from tests.support.rooms import PASSWORD, sign_in
from tests.support.servers import Server, api_server, dashboard, free_port, ocpp_server, seed_nation
from tests.support.tools import require_tool
from tests.support.waiting import wait_until

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
OPERATOR = "operator@nusantara.demo.uniev.id"
# Streamlit's page asks for these below a deep address first, is told 404, and then finds the right place.
_PROBES = ("/_stcore/health", "/_stcore/host-config")

expect.set_options(timeout=20_000)


@dataclass(frozen=True)
class Stack:
    """Everything that `make run` starts, on free ports; chargers are connected by the tests."""

    api: Server
    ocpp: Server
    cpo: Server
    emsv: Server
    folder: Path
    dsn: str
    tokens: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, email: str = OPERATOR) -> dict[str, Any]:
        """What the API itself says."""
        if email not in self.tokens:
            self.tokens[email] = sign_in(self.api.url, email)["access_token"]
        bearer = {"Authorization": f"Bearer {self.tokens[email]}"}
        reply = httpx.get(self.api.url + path, headers=bearer, trust_env=False, timeout=30)
        answer: dict[str, Any] = reply.raise_for_status().json()
        return answer


@dataclass
class Visitor:
    """One browser of one person. Everything odd that the page did is kept in `oddities`."""

    page: Page
    url: str
    context: BrowserContext
    oddities: list[str] = field(default_factory=list)
    issuer: str = "nowhere:"  # single sign-on leads there; what its pages ask for is their own matter

    def sign_in(self, email: str, path: str = "/") -> None:
        """Through the form, as a person does, straight to `path`."""
        self.page.goto(self.url + path)
        self.page.fill("#email", email)
        self.page.fill("#password", PASSWORD)
        self.page.click("button[type=submit]")

    def watch(self) -> None:
        """Keeps requests to other places, console errors, and answers that say something failed."""
        self.page.on("request", self._request)
        self.page.on("response", self._response)
        self.page.on("pageerror", lambda error: self.oddities.append(f"exception: {error}"))
        self.page.on("console", lambda m: self._console(m.type, m.text))

    def refused(self, status: int, path: str) -> None:
        """Takes back one oddity that the test wanted: a page of ours that says no. ValueError if it did not."""
        self.oddities.remove(f"{status}: {self.url}{path}")

    def _request(self, request: Request) -> None:
        ours = (self.url, self.url.replace("http", "ws"), "data:", "blob:", self.issuer)
        if not request.url.startswith(ours) and not request.frame.url.startswith(self.issuer):
            self.oddities.append(f"off-origin: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and not response.url.endswith(_PROBES):
            self.oddities.append(f"{response.status}: {response.url}")

    def _console(self, kind: str, text: str) -> None:
        # Failed loads are judged with their address in _response; this line has none.
        if kind == "error" and not text.startswith("Failed to load resource"):
            self.oddities.append(f"console: {text}")


def picture(page: Page, name: str) -> None:
    """Kept for people to look at, where a folder is named."""
    if folder := os.environ.get("UNIEV_TEST_PICTURES"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


@pytest.fixture(scope="session")
def stack(postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Started once; the tests only add to it."""
    require_tool("chromium")
    folder, port = tmp_path_factory.mktemp("stack"), free_port()
    public_url = f"http://127.0.0.1:{port}"  # where chargers fetch firmware and leave logs
    with (
        fresh_database(postgres_server) as dsn,
        _seeded(dsn),
        api_server(dsn, folder, port=port, UNIEV_PUBLIC_URL=public_url) as api,
        ocpp_server(dsn, folder) as ocpp,
        dashboard("dashboard_cpo.py", api.url, folder) as cpo,
        dashboard("dashboard_emsv.py", api.url, folder) as emsv,
    ):
        yield Stack(api, ocpp, cpo, emsv, folder, dsn)


@contextmanager
def _seeded(dsn: str) -> Iterator[None]:
    seed_nation(dsn)
    yield


@dataclass
class Driver:
    """A charger of the simulator, driven from the test while the browser looks on."""

    charger: SimulatedCharger
    _loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs something of the charger to its end: `driver.do(driver.charger.plug_in(1))`."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def lose_network(self) -> None:
        """The cable is pulled: no close frame, no reconnecting."""
        self._loop.call_soon_threadsafe(self.charger.drop_connection)


@pytest.fixture
def connect(stack: Stack) -> Iterator[Callable[..., Driver]]:
    """Connects a registered charger: `connect("ID-BTN02-1")`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    drivers: list[Driver] = []

    def connect_charger(identity: str, connectors: int = 2) -> Driver:
        spec = ChargerSpec("DC", 60_000, connectors)
        driver = Driver(SimulatedCharger(stack.ocpp.url, identity, spec=spec, autonomous=True), loop)
        driver.do(driver.charger.__aenter__())
        drivers.append(driver)
        wait_until(lambda: stack.get(f"/api/chargers/{identity}")["last_boot_at"] is not None, f"{identity} to boot")
        return driver

    yield connect_charger
    for driver in drivers:
        driver.do(driver.charger.__aexit__(None, None, None))
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)
    loop.close()


# Not for the session: while Playwright is open it keeps an event loop running, and asynchronous tests of other
# modules in the same process could not start theirs.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    place = require_tool("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(place), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    """Opens a browser of its own cookies: `visit(stack.cpo.url)`. At the end nothing odd may have happened."""
    visitors: list[Visitor] = []

    def open_browser(url: str, locale: str = "id-ID") -> Visitor:
        context = chromium.new_context(viewport={"width": 1440, "height": 1000}, locale=locale)
        visitor = Visitor(context.new_page(), url, context)
        visitor.watch()
        visitors.append(visitor)
        return visitor

    yield open_browser
    for visitor in visitors:
        visitor.context.close()
    assert [oddity for visitor in visitors for oddity in visitor.oddities] == []
