"""What each CPO keeps of its revenue, the EMSV's minimum fees and the settlement cycle, from day to day."""

from decimal import Decimal
from typing import Any

import streamlit as st

from dashboards.common import desk, door, shares
from dashboards.common.api import ApiDown, ApiRefused, route
from dashboards.common.forgiving import forgiving
from dashboards.common.panel import draw
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import empty, failed
from dashboards.emsv import data

CYCLES = ("monthly", "weekly", "daily")

Row = dict[str, Any]


def choose(viewer: Viewer) -> str | None:
    names = {row["id"]: row["name"] for row in data.cpos(viewer).items}
    if not names:
        empty("operators.empty", key="empty")
        return None
    chosen = st.selectbox(t("column.cpo"), list(names), format_func=names.__getitem__, key="cpo")
    return str(chosen)


def listing(viewer: Viewer, rows: list[Row]) -> None:
    if not rows:
        return empty("revenue.empty", key="none")
    draw(shares.listing(viewer, rows), "shares")


def withdraw(viewer: Viewer, cpo_id: str, rows: list[Row]) -> None:
    """Those that have not begun."""
    for row in rows:
        if shares.state(row) == "coming" and viewer.may("revenue_shares:write"):
            label = t("revenue.withdraw", day=shares.day(row["valid_from"]))
            if st.button(label, key=f"withdraw_{row['id']}", icon=":material/delete:"):
                _do(viewer, "DELETE", route("cpo", cpo_id, "revenue-shares", row["id"]), None, "withdrawn")


def form(viewer: Viewer, cpo_id: str) -> None:
    if not viewer.may("revenue_shares:write"):
        st.caption(t("revenue.readers_only"))
        return
    with st.form("share"):
        st.markdown(f"**{t('revenue.new')}**")
        left, middle, right = st.columns(3)
        since = left.date_input(
            t("column.valid_from"), shares.today(), min_value=shares.today(), key="valid_from", format="DD/MM/YYYY"
        )
        until = left.date_input(
            t("column.valid_until"), None, min_value=shares.today(), key="valid_until", format="DD/MM/YYYY",
            help=t("revenue.until_help"),
        )  # fmt: skip
        percent = middle.number_input(t("column.cpo_percent"), 0.0, 100.0, 90.0, 0.5, key="cpo_percent")
        cycle = middle.selectbox(t("column.cycle"), CYCLES, format_func=lambda c: t(f"revenue.cycle.{c}"), key="cycle")
        session_fee = right.number_input(t("column.session_fee"), 0, 1_000_000_000, 0, 50, key="session_fee")
        month_fee = right.number_input(t("column.month_fee"), 0, 1_000_000_000, 0, 50_000, key="month_fee")
        note = st.text_input(t("column.note"), key="note", max_chars=200)
        pressed = st.form_submit_button(t("revenue.set"), type="primary")
    if not pressed:
        return
    body = {
        "valid_from": since.isoformat(), "valid_until": until.isoformat() if until else None,
        "cpo_percent": str(Decimal(str(percent))), "session_minimum_fee": str(session_fee),
        "month_minimum_fee": str(month_fee), "settlement_cycle": cycle, "note": note or None,
    }  # fmt: skip
    _do(viewer, "POST", route("cpo", cpo_id, "revenue-shares"), body, "set")


def _do(viewer: Viewer, method: str, path: str, body: Row | None, done: str) -> None:
    try:
        viewer.api.call(method, path, body=body)
    except ApiDown:
        st.error(t("api.down.look"), icon=":material/cloud_off:")
    except ApiRefused as refusal:
        failed(refusal)
    else:
        desk.forget()
        st.session_state["share_done"] = done
        st.rerun()


st.title(t("emsv.revenue.title"))
st.caption(t("revenue.about"))
if done := st.session_state.pop("share_done", None):
    st.success(t(f"revenue.done.{done}"), icon=":material/check_circle:")
with forgiving("revenue"):
    person = require_viewer(door.EMSV)
    if chosen_cpo := choose(person):
        agreed = shares.shares(person, chosen_cpo).items
        listing(person, agreed)
        withdraw(person, chosen_cpo, agreed)
        form(person, chosen_cpo)
