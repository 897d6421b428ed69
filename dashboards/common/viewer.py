"""Who sits before the screen: taken from the login gate, checked again on every run."""

from dataclasses import dataclass
from typing import NoReturn

import streamlit as st

from dashboards.common import door
from dashboards.common.api import Api
from dashboards.common.settings import settings
from dashboards.common.texts import Language, pick, t, use_language


@dataclass(frozen=True, slots=True)
class Viewer:
    """A signed-in person. The API decides what they may do; this only decides what is offered."""

    dashboard: door.Dashboard
    key: str
    name: str
    email: str
    role: str
    permissions: frozenset[str]
    cpo_id: str | None
    cpo_name: str | None
    language: Language
    api: Api
    api_url: str

    def may(self, permission: str) -> bool:
        """Whether the API's permission table lets this person do it, as the last login or refresh said."""
        return permission in self.permissions


def require_viewer(dashboard: door.Dashboard) -> Viewer:
    """The viewer of this run. Without a valid login the run ends at the login page."""
    key = str(st.user.get("session") or "")
    session = door.store(dashboard).get(key) if key else None
    if session is None or session.user.get("role") not in dashboard.roles:
        leave()
    user = session.user
    language = pick(session.language, user.get("locale"), st.context.locale)
    use_language(language)
    return Viewer(
        dashboard=dashboard,
        key=key,
        name=str(user.get("name") or user.get("email")),
        email=str(user.get("email") or ""),
        role=str(user["role"]),
        permissions=frozenset(user.get("permissions") or ()),
        cpo_id=user.get("cpo_id"),
        cpo_name=user.get("cpo_name"),
        language=language,
        api=door.api(dashboard, key),
        api_url=settings().uniev_api_url,
    )


def leave() -> NoReturn:
    """Nothing of the last person stays on the screen; the browser goes to the login page."""
    st.session_state.clear()
    st.info(t("signed_out.text"))
    st.link_button(t("signed_out.again"), "/login")
    st.html("<script>window.location.replace('/login')</script>", unsafe_allow_javascript=True)
    st.stop()
