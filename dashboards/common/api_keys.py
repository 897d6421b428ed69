"""Keys of programs on the screen, the same in both dashboards: list, make, exchange, revoke. A key is shown once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import desk, door
from dashboards.common import formats as f
from dashboards.common.api import ApiDown, ApiRefused, route
from dashboards.common.desk import read
from dashboards.common.forgiving import ask
from dashboards.common.panel import ago, draw
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, csv_button, empty, failed, line, plain, table

Row = dict[str, Any]
COLUMNS = ("key_name", "key_start", "key_may", "key_rate", "key_used", "key_ends", "key_state")
FIELDS = (
    "id", "cpo_id", "name", "role", "prefix", "scopes", "requests_per_minute", "created_at", "last_used_at",
    "expires_at", "revoked_at", "replaced_by",
)  # fmt: skip
LIVES = (0, 30, 90, 365)
OVERLAPS = (0, 3600, 86_400, 604_800)
_ASKING = "key_deed"
_CAP = 500


def room(viewer: Viewer) -> None:
    """All keys, newest first, also those that have ended."""
    answer = read(viewer, "/api/apikeys", cap=_CAP)
    if not answer.items:
        return empty("api_keys.none", key="no_keys")
    draw(as_of(answer, t("api_keys.explain")), "as_of")
    draw(table(COLUMNS, [_key(row, viewer) for row in answer.items], numbers=("key_rate",)), "keys")
    csv_button(answer.items, FIELDS, "api-keys", more=answer.more)


def acts(viewer: Viewer) -> None:
    """What may be done. Each opens a dialog that names the consequence."""
    reason = None if viewer.may("api_keys:write") else t("order.no.role")
    live = [row for row in read(viewer, "/api/apikeys", cap=_CAP).items if state(row) in ("works", "overlap")]
    names = {row["id"]: f"{row['name']} · {row['prefix']}…" for row in live}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if st.button(t("api_keys.make.button"), icon=":material/add:", key="key_make", type="primary",
                     disabled=reason is not None, help=reason):  # fmt: skip
            _ask("make", {})
        which = t("api_keys.which")
        chosen = st.selectbox(
            which, list(names), index=None, format_func=names.__getitem__, key="key_which",
            placeholder=t("api_keys.choose_first"),
        )  # fmt: skip
        row: Row = next((row for row in live if row["id"] == chosen), {})
        for name, icon in (("rotate", ":material/autorenew:"), ("revoke", ":material/block:")):
            impossible = reason or (None if row else t("api_keys.choose_first"))
            if name == "rotate" and row and state(row) == "overlap":
                impossible = t("api_keys.state.overlap")
            if st.button(t(f"api_keys.{name}.button"), icon=icon, key=f"key_{name}", disabled=impossible is not None,
                         help=impossible):  # fmt: skip
                _ask(name, row)


def ask_if_pressed(dashboard: door.Dashboard) -> None:
    """Opens the dialog of the button pressed last. Called once, outside the live region."""
    asked: tuple[str, Row] | None = st.session_state.pop(_ASKING, None)
    if asked:
        ask(t(f"api_keys.{asked[0]}.button"), dialog, dashboard, *asked)


def dialog(dashboard: door.Dashboard, name: str, row: Row) -> None:
    """Says what is about to happen, does it on one press, and shows a new key this once."""
    viewer = require_viewer(dashboard)
    if row:
        st.markdown(f"**{plain(row['name'])}** · {plain(row['prefix'])}…")
    body = _wishes(viewer) if name == "make" else _overlap() if name == "rotate" else {}
    st.info(t(f"api_keys.{name}.consequence"), icon=":material/info:")
    if not st.button(t("api_keys.confirm"), key="key_confirm", type="primary", width="stretch"):
        return
    answer = _send(viewer, name, row, body)
    if answer is None:
        return
    if name == "revoke":
        st.rerun()
    st.code(answer["key"], language=None)
    st.warning(t("api_keys.shown_once"), icon=":material/visibility:")


def state(row: Row) -> str:
    """`revoked`, `ended`, `overlap` (exchanged, still works) or `works`."""
    ends = f.moment(row["expires_at"])
    if row["revoked_at"]:
        return "revoked"
    if ends is not None and ends <= datetime.now(UTC):
        return "ended"
    return "overlap" if row["replaced_by"] else "works"


def _ask(name: str, row: Row) -> None:
    st.session_state[_ASKING] = (name, row)
    st.rerun()


def _wishes(viewer: Viewer) -> Row:
    """The form of a new key. A CPO's keys are those of integrations; the EMSV's may look, or administer."""
    roles = ["integrator"] if viewer.cpo_id else ["noc_analyst", "emsv_admin"]
    name = st.text_input(t("api_keys.name"), max_chars=120, key="key_name", help=t("api_keys.name_help"))
    role = st.selectbox(t("api_keys.role"), roles, format_func=lambda code: t(f"role.{code}"), key="key_role")
    table_of = {one["role"]: one["permissions"] for one in read(viewer, "/api/roles").items}
    everything, usual = t("api_keys.all_scopes"), t("api_keys.usual_rate")
    scopes = st.multiselect(t("api_keys.scopes"), table_of[role], key="key_scopes", placeholder=everything)
    days = st.selectbox(t("api_keys.life"), LIVES, 2, format_func=_life, key="key_life")
    rate = st.number_input(t("api_keys.rate"), 1, 1_000_000, None, key="key_rate", placeholder=usual)
    ends = (datetime.now(UTC) + timedelta(days=days)).isoformat() if days else None
    return {"name": name, "role": role, "scopes": scopes or None, "expires_at": ends, "requests_per_minute": rate}


def _life(days: int) -> str:
    return t("api_keys.days", n=days) if days else t("api_keys.for_ever")


def _overlap() -> Row:
    chosen = st.selectbox(
        t("api_keys.overlap"), OVERLAPS, 2, format_func=lambda s: t(f"api_keys.overlap_{s}"), key="key_overlap"
    )
    return {"overlap_s": chosen}


def _send(viewer: Viewer, name: str, row: Row, body: Row) -> Row | None:
    """The API's answer ({} for a revocation); None when it refused or is down."""
    try:
        if name == "revoke":
            viewer.api.call("DELETE", route("apikeys", row["id"]))
            desk.forget()
            return {}
        path = "/api/apikeys" if name == "make" else route("apikeys", row["id"], "rotation")
        answer: Row = viewer.api.post(path, body)
    except ApiDown:
        st.error(t("api.down.look"), icon=":material/cloud_off:")
        return None
    except ApiRefused as refusal:
        failed(refusal)
        return None
    desk.forget()
    return answer


def _key(row: Row, viewer: Viewer) -> Markup:
    may = Markup("{}<br><span class='soft'>{}</span>").format(
        t(f"role.{row['role']}"), ", ".join(row["scopes"]) if row["scopes"] is not None else t("api_keys.all_scopes")
    )
    made = Markup("<b>{}</b><br><span class='soft'>{}</span>").format(row["name"], ago(row["created_at"]))
    rate = f.number(row["requests_per_minute"], viewer.language) if row["requests_per_minute"] else "–"
    ends = f.when(row["expires_at"], None, viewer.language) if row["expires_at"] else t("api_keys.for_ever")
    now = state(row)
    marks = {"works": "✓", "overlap": "…", "ended": "✕", "revoked": "✕"}
    shown = Markup("<span aria-hidden='true'>{}</span> {}").format(marks[now], t(f"api_keys.state.{now}"))
    start = Markup("<code>{}…</code>").format(row["prefix"])
    return line(made, start, may, rate, ago(row["last_used_at"]), ends, shown, numbers=(3,))
