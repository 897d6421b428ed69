"""What this CPO keeps of its revenue, the EMSV's minimum fees and the settlement cycle: now, to come and past."""

import streamlit as st

from dashboards.common import door, shares
from dashboards.common.frame import live
from dashboards.common.panel import draw
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import as_of, csv_button, empty

CSV_COLUMNS = (
    "id", "valid_from", "valid_until", "cpo_percent", "session_minimum_fee", "month_minimum_fee", "settlement_cycle",
    "note", "created_by_name", "created_at",
)  # fmt: skip


def room(viewer: Viewer) -> None:
    """What holds today in large, then everything that was agreed."""
    answer = shares.shares(viewer, str(viewer.cpo_id))
    draw(as_of(answer), "as_of")
    holding = [row for row in answer.items if shares.state(row) == "now"]
    if not holding:
        empty("revenue.default", key="default_share")
    for row in holding:
        present(viewer, row)
    if not answer.items:
        return
    st.subheader(t("revenue.own.all"))
    draw(shares.listing(viewer, answer.items), "shares")
    csv_button(answer.items, CSV_COLUMNS, "revenue-shares", more=answer.more)


def present(viewer: Viewer, row: shares.Row) -> None:
    """The agreement that holds today; no two do."""
    until = row["valid_until"]
    words = t("revenue.own.until" if until else "revenue.own.since", day=shares.day(row["valid_from"]),
              until=shares.day(until) if until else "")  # fmt: skip
    st.caption(words)
    share, rest, session, month, cycle = st.columns(5)
    share.metric(t("revenue.own.share"), shares.percent(row["cpo_percent"], viewer))
    rest.metric(t("revenue.own.rest"), shares.percent(100 - float(row["cpo_percent"]), viewer))
    session.metric(t("column.session_fee"), shares.rupiah(row["session_minimum_fee"], viewer))
    month.metric(t("column.month_fee"), shares.rupiah(row["month_minimum_fee"], viewer))
    cycle.metric(t("column.cycle"), t(f"revenue.cycle.{row['settlement_cycle']}"))


st.title(t("cpo.revenue.title"))
st.caption(t("revenue.own.about"))
live(door.CPO, room, every=30)
