"""What each CPO keeps of its revenue, the EMSV's minimum fees and the settlement cycle, from day to day."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from dashboards.common import desk, door
from dashboards.common import formats as f
from dashboards.common.api import ApiDown, ApiRefused
from dashboards.common.frame import forgiving
from dashboards.common.panel import draw
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import empty, failed, line, table
from dashboards.emsv import data

CYCLES = ("monthly", "weekly", "daily")
COLUMNS = ("valid_from", "valid_until", "cpo_percent", "session_fee", "month_fee", "cycle", "note", "who")

Row = dict[str, Any]


def today() -> date:
    """The day of settlements."""
    return datetime.now(ZoneInfo("Asia/Jakarta")).date()


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
    cells = [
        line(
            _day(row["valid_from"]),
            _day(row["valid_until"]) if row["valid_until"] else t("revenue.open"),
            f"{f.number(float(row['cpo_percent']), viewer.language, 2)} %",
            _rupiah(row["session_minimum_fee"], viewer),
            _rupiah(row["month_minimum_fee"], viewer),
            t(f"revenue.cycle.{row['settlement_cycle']}"),
            row["note"] or "",
            row["created_by_name"],
            numbers=(2, 3, 4),
        )
        for row in rows
    ]
    draw(table(COLUMNS, cells, numbers=("cpo_percent", "session_fee", "month_fee")), "shares")


def _day(iso: str) -> str:
    """`21/11/2026`: agreements last for years, so the year is told."""
    return f"{date.fromisoformat(iso):%d/%m/%Y}"


def _rupiah(amount: str, viewer: Viewer) -> str:
    return f"Rp {f.number(float(amount), viewer.language)}"


def withdraw(viewer: Viewer, cpo_id: str, rows: list[Row]) -> None:
    """Those that have not begun."""
    for row in rows:
        if date.fromisoformat(row["valid_from"]) > today() and viewer.may("revenue_shares:write"):
            label = t("revenue.withdraw", day=_day(row["valid_from"]))
            if st.button(label, key=f"withdraw_{row['id']}", icon=":material/delete:"):
                _do(viewer, "DELETE", f"/api/cpo/{cpo_id}/revenue-shares/{row['id']}", None, "withdrawn")


def form(viewer: Viewer, cpo_id: str) -> None:
    if not viewer.may("revenue_shares:write"):
        st.caption(t("revenue.readers_only"))
        return
    with st.form("share"):
        st.markdown(f"**{t('revenue.new')}**")
        left, middle, right = st.columns(3)
        since = left.date_input(
            t("column.valid_from"), today(), min_value=today(), key="valid_from", format="DD/MM/YYYY"
        )
        until = left.date_input(
            t("column.valid_until"), None, min_value=today(), key="valid_until", format="DD/MM/YYYY",
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
    _do(viewer, "POST", f"/api/cpo/{cpo_id}/revenue-shares", body, "set")


def _do(viewer: Viewer, method: str, path: str, body: Row | None, done: str) -> None:
    try:
        viewer.api.call(method, path, body=body)
    except ApiDown:
        st.error(t("api.down.change"), icon=":material/cloud_off:")
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
        shares = data.revenue_shares(person, chosen_cpo).items
        listing(person, shares)
        withdraw(person, chosen_cpo, shares)
        form(person, chosen_cpo)
