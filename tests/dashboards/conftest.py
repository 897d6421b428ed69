"""The rooms, run by Streamlit's own test runner against the real API over a seeded database."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from backend.embedded import EmbeddedPostgres
from dashboards.common import door
from dashboards.common.sessions import session_key
from dashboards.common.settings import settings as dashboard_settings
from dashboards.common.texts import pick
from tests.support.postgres import execute, fresh_database, run_sync
from tests.support.rooms import sign_in
from tests.support.servers import ROOT, SECRET, api_server, seed_nation

ADMIN = "admin@nusantara.demo.uniev.id"
OPERATOR = "operator@nusantara.demo.uniev.id"
OTHER_ADMIN = "admin@khatulistiwa.demo.uniev.id"
EMSV = "emsv@demo.uniev.id"
NOC = "noc@demo.uniev.id"


@dataclass(frozen=True)
class Nation:
    """A seeded database and the API over it."""

    dsn: str
    api_url: str

    def get(self, email: str, path: str, **params: Any) -> Any:
        """What the API itself says to this person."""
        return self._ask(email, "GET", path, params=params)

    def post(self, email: str, path: str, body: Any) -> Any:
        """A change in the name of this person."""
        return self._ask(email, "POST", path, json=body)

    def put(self, email: str, path: str, body: Any) -> Any:
        """A setting in the name of this person."""
        return self._ask(email, "PUT", path, json=body)

    def _ask(self, email: str, method: str, path: str, **options: Any) -> Any:
        token = sign_in(self.api_url, email)["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        with httpx.Client(trust_env=False, base_url=self.api_url, headers=bearer) as client:
            return client.request(method, path, **options).raise_for_status().json()


@pytest.fixture(scope="session")
def nation(postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nation]:
    """The demo nation, shared by every test that only reads or adds to it."""
    with fresh_database(postgres_server) as dsn:
        seed_nation(dsn)
        with api_server(dsn, tmp_path_factory.mktemp("api")) as server:
            yield Nation(dsn, server.url)


@pytest.fixture
def dashboards_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Points this process's dashboards at an API, with an empty data directory and empty caches."""

    def point(api_url: str) -> None:
        monkeypatch.setenv("UNIEV_API_URL", api_url)
        _forget()

    monkeypatch.setenv("UNIEV_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("UNIEV_SECRET_KEY", SECRET)
    yield point
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    dashboard_settings.cache_clear()
    door.store.cache_clear()
    st.cache_data.clear()


@pytest.fixture
def room(nation: Nation, dashboards_at: Callable[[str], None]) -> Iterator[Callable[..., AppTest]]:
    """Opens a room as somebody: `room(ADMIN, "live", station="…")`. Not run yet.

    Afterwards everybody reads Indonesian again: the nation is shared, and a chosen language is kept with the person.
    """
    dashboards_at(nation.api_url)

    def open_room(email: str, page: str | None = None, *, locale: str = "id-ID", **params: str) -> AppTest:
        dashboard = door.EMSV if email in (EMSV, NOC) else door.CPO
        return visit(dashboard, nation.api_url, email, page, locale, **params)

    yield open_room
    run_sync(execute(nation.dsn, "update public.users set locale = 'id'"))


def visit(
    dashboard: door.Dashboard, api_url: str, email: str, page: str | None, locale: str = "id-ID", **params: str
) -> AppTest:
    """A fresh browser tab of a signed-in person."""
    login = sign_in(api_url, email)
    # As if chosen at the door: what one test saves as its language is no matter of another.
    cookie = door.store(dashboard).create(login, pick(locale))
    app = AppTest.from_file(str(ROOT / "dashboards" / dashboard.name / "main.py"), default_timeout=20)
    app.user = {"id": login["user"]["id"], "session": session_key(cookie)}
    app.context = {"locale": locale}
    if page:
        app.switch_page(f"{page}.py")
    for name, value in params.items():
        app.query_params[name] = value
    return app
