"""One's own logins on the screen, the same in both dashboards: where one is signed in, ended one by one or at once."""

from __future__ import annotations

from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import door
from dashboards.common.api import ApiDown, ApiRefused, route
from dashboards.common.panel import ago, draw
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import failed, line, table

Row = dict[str, Any]
COLUMNS = ("login_agent", "login_address", "login_began", "login_used", "login_factor")
# What a browser's name for itself holds: the newest names first, because each pretends to be the older ones.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iOS"), ("iPad", "iPadOS"), ("Windows", "Windows"), ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)  # fmt: skip
_TOLD = "logins_told"


def room(viewer: Viewer) -> None:
    """The list, and what may be done with it. Read afresh each time: nobody else may see it."""
    rows = viewer.api.get("/api/auth/logins")["items"]
    draw(table(COLUMNS, [_login(row) for row in rows]), "logins")
    others = {row["id"]: row for row in rows if not row["current"]}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(t("logins.which"), list(others), index=None, key="which_login", placeholder="–",
                              format_func=lambda one: _name(others[one]))  # fmt: skip
        if st.button(t("logins.end"), key="end_login", icon=":material/logout:", disabled=chosen is None):
            _send(viewer, "DELETE", route("auth", "logins", str(chosen)))
        if st.button(t("logins.end_others"), key="end_others", icon=":material/devices_off:", disabled=not others):
            _send(viewer, "POST", "/api/auth/logins/end-others")


def password(dashboard: door.Dashboard) -> None:
    """The form for a new password of one's own."""
    viewer = require_viewer(dashboard)
    with st.expander(t("logins.password"), icon=":material/password:"), st.form("own_password", border=False):
        current = st.text_input(t("logins.current"), type="password", key="current_password")
        new = st.text_input(t("logins.new"), type="password", key="new_password")
        if st.form_submit_button(t("logins.change")):
            _send(viewer, "PUT", "/api/auth/password", {"current": current, "password": new})
    if st.session_state.pop(_TOLD, False):
        st.success(t("logins.done"), icon=":material/check:")


def factor(viewer: Viewer) -> None:
    """The way to a second factor, or to a new telephone."""
    kind = viewer.api.get("/api/auth/me")["second_factor"]
    st.caption(t(f"logins.factor_{kind}"))
    if kind == "off":
        st.link_button(t("logins.enrol"), "/auth/enrolment", icon=":material/phonelink_lock:")
    elif kind == "on":
        with st.form("own_factor", border=False):
            code = st.text_input(t("logins.code"), key="factor_code")
            if st.form_submit_button(t("logins.remove"), icon=":material/phonelink_erase:"):
                _send(viewer, "POST", "/api/auth/second-factor/removal", {"code": code})


def _send(viewer: Viewer, method: str, path: str, body: Row | None = None) -> None:
    try:
        viewer.api.call(method, path, body=body)
    except ApiDown:
        st.error(t("api.down.look"), icon=":material/cloud_off:")
    except ApiRefused as refusal:
        failed(refusal)
    else:
        st.session_state[_TOLD] = True
        st.rerun()


def _name(row: Row) -> str:
    return f"{browser(row['agent'])} · {row['address'] or '–'}"


def browser(agent: str | None) -> str:
    """`Chrome 156 · Linux` out of what a browser tells; what no browser tells stays as it is."""
    told = agent or "–"
    name = next((f"{name} {told.split(mark, 1)[1].split('.')[0]}" for mark, name in _BROWSERS if mark in told), None)
    system = next((name for mark, name in _SYSTEMS if mark in told), None)
    return " · ".join(filter(None, (name, system))) if name else told


def _login(row: Row) -> Markup:
    here = Markup(" <b>{}</b>").format(t("logins.this")) if row["current"] else ""
    agent = Markup('<span title="{}">{}</span>{}').format(row["agent"] or "", browser(row["agent"]), here)
    return line(
        agent, row["address"] or "–", ago(row["created_at"]), ago(row["seen_at"]),
        t("people.on") if row["second_factor"] else "–",
    )  # fmt: skip
