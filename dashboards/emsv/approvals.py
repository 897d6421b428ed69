"""Chargers that announced themselves and wait until somebody says where they stand."""

from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import desk, door
from dashboards.common.api import ApiDown, ApiRefused
from dashboards.common.forgiving import forgiving
from dashboards.common.frame import live
from dashboards.common.panel import ago, draw
from dashboards.common.places import station_picker
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, empty, failed, line, plain, table
from dashboards.emsv import data, figures

COLUMNS = ("charger", "maker", "serial", "firmware", "link", "heard")


def listing(viewer: Viewer) -> None:
    answer = data.waiting(viewer)
    draw(as_of(answer), "as_of")
    if not answer.items:
        return empty("approvals.empty", key="empty")
    draw(table(COLUMNS, map(_row, answer.items)), "waiting")


def _row(row: figures.Row) -> Markup:
    return line(
        Markup("<b>{}</b>").format(row["id"]),
        " ".join(filter(None, (row["vendor"], row["model"]))) or "–",
        row["serial_number"] or "–",
        row["firmware_version"] or "–",
        t("link.online") if row["connected"] else t("link.offline"),
        ago(row["last_seen_at"]),
    )


def form(viewer: Viewer) -> None:
    """Charger and station are chosen by name and kept by id; one press approves."""
    if not viewer.may("chargers:approve"):
        st.caption(t("approvals.admins_only"))
        return
    chargers = data.waiting(viewer).items
    if not chargers:
        return
    st.subheader(t("approvals.heading"))
    charger = st.selectbox(t("column.charger"), [row["id"] for row in chargers], index=None, key="approve_charger")
    place = station_picker(viewer, t("column.station"), t("nation.choose_none"))
    if st.button(t("approvals.approve"), key="approve", type="primary", icon=":material/how_to_reg:"):
        _approve(viewer, charger, place)


def _approve(viewer: Viewer, charger: Any, place: Any) -> None:
    if not charger or not place:
        st.warning(t("approvals.choose_both"))
        return
    try:
        data.approve(viewer, str(charger), str(place))
    except ApiDown:
        st.error(t("api.down.look"), icon=":material/cloud_off:")
    except ApiRefused as refusal:
        failed(refusal)
    else:
        desk.forget()
        st.session_state["approved"] = str(charger)
        st.rerun()


st.title(t("emsv.approvals.title"))
if approved := st.session_state.pop("approved", None):
    st.success(t("approvals.done", charger=plain(approved)), icon=":material/check_circle:")
live(door.EMSV, listing)
with forgiving("form"):
    form(require_viewer(door.EMSV))
