"""The two dashboards of the platform and what differs between their doors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from threading import Thread

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from dashboards.common.api import Api, http
from dashboards.common.doorstep import Doorstep
from dashboards.common.gate import Gate
from dashboards.common.login import LoginDesk
from dashboards.common.outline import Outline
from dashboards.common.register import RegisterDesk
from dashboards.common.sessions import SessionStore
from dashboards.common.settings import settings

# What the rooms and Streamlit itself import only when they come to it.
_SLOW_IMPORTS = ("pandas", "plotly.graph_objects", "pydeck")


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Whom a dashboard serves. Cookies ignore ports, therefore each has a name of its own."""

    name: str
    roles: frozenset[str]
    port: int

    @property
    def cookie(self) -> str:
        return f"uniev_{self.name}"


CPO = Dashboard(
    "cpo", frozenset({"cpo_admin", "cpo_operator", "cpo_technician", "cpo_finance"}), settings().uniev_cpo_port
)
EMSV = Dashboard("emsv", frozenset({"emsv_admin", "emsv_finance", "noc_analyst"}), settings().uniev_emsv_port)


@lru_cache(maxsize=2)
def store(dashboard: Dashboard) -> SessionStore:
    """The login sessions of one dashboard, opened once per process."""
    return SessionStore(settings().folder, dashboard.name, settings().secret())


def api(dashboard: Dashboard, key: str) -> Api:
    return Api(http(settings().uniev_api_url), store(dashboard), key, _sender)


def _sender() -> str | None:
    address: object = st.context.ip_address  # Streamlit's own test runner has something else there
    return address if isinstance(address, str) else None


def middleware(dashboard: Dashboard) -> list[Middleware]:
    hosts = st.get_option("server.allowedHosts")
    return [Middleware(Gate, store=store(dashboard), cookie=dashboard.cookie, hosts=hosts), Middleware(Outline)]


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Reads at the start what takes seconds to import, beside serving: else the first person waits for it."""
    Thread(target=_warm_up, name="warm-up", daemon=True).start()
    yield


def _warm_up() -> None:
    for name in _SLOW_IMPORTS:
        import_module(name)


def routes(dashboard: Dashboard) -> list[BaseRoute]:
    """Login and logout by form. The other dashboard is named for people who came to the wrong one."""
    other = EMSV if dashboard is CPO else CPO
    desk = LoginDesk(
        name=dashboard.name,
        cookie=dashboard.cookie,
        roles=dashboard.roles,
        other_port=other.port,
        store=store(dashboard),
        client=http(settings().uniev_api_url),
        demo=settings().uniev_demo,
    )
    applying = RegisterDesk(http(settings().uniev_api_url)).routes() if dashboard is CPO else []
    return [*Doorstep(desk).routes(), *applying]
