"""The two dashboards of the platform and what differs between their doors."""

from dataclasses import dataclass
from functools import lru_cache

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from dashboards.common.api import Api, http
from dashboards.common.gate import Gate
from dashboards.common.login import LoginDesk
from dashboards.common.sessions import SessionStore
from dashboards.common.settings import settings


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Whom a dashboard serves. Cookies ignore ports, therefore each has a name of its own."""

    name: str
    roles: frozenset[str]
    port: int

    @property
    def cookie(self) -> str:
        return f"uniev_{self.name}"


CPO = Dashboard("cpo", frozenset({"cpo_admin", "cpo_operator"}), settings().uniev_cpo_port)
EMSV = Dashboard("emsv", frozenset({"emsv_admin", "noc_analyst"}), settings().uniev_emsv_port)


@lru_cache(maxsize=2)
def store(dashboard: Dashboard) -> SessionStore:
    """The login sessions of one dashboard, opened once per process."""
    return SessionStore(settings().folder, dashboard.name, settings().secret())


def api(dashboard: Dashboard, key: str) -> Api:
    return Api(http(settings().uniev_api_url), store(dashboard), key)


def middleware(dashboard: Dashboard) -> list[Middleware]:
    hosts = st.get_option("server.allowedHosts")
    return [Middleware(Gate, store=store(dashboard), cookie=dashboard.cookie, hosts=hosts)]


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
    return desk.routes()
