"""Every CPO of the platform with its figures."""

import streamlit as st
from markupsafe import Markup

from dashboards.common import door
from dashboards.common import formats as f
from dashboards.common.frame import live
from dashboards.common.panel import draw
from dashboards.common.status import STATES, counts
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import as_of, csv_button, empty, line, table
from dashboards.emsv import data, figures

COLUMNS = ("cpo", "state", "stations", "connectors", "power", "created")


def listing(viewer: Viewer) -> None:
    answer = data.cpos(viewer)
    draw(as_of(answer), "as_of")
    if not answer.items:
        return empty("operators.empty", key="empty")
    rows = figures.per_cpo(answer.items, data.operator_figures(viewer).items)
    draw(table(COLUMNS, [_row(row, viewer) for row in rows], numbers=("stations", "power")), "cpos")
    csv_button([_flat(row) for row in rows], ("id", "name", "status", "stations", "power_w", *STATES), "cpos")


def _flat(row: figures.Row) -> figures.Row:
    """One line of the export: connectors by state as columns."""
    cpo = row["cpo"]
    head = {"id": cpo["id"], "name": cpo["name"], "status": cpo["status"]}
    return {**head, "stations": row["stations"], "power_w": row["power_w"], **row["connectors"]}


def _row(row: figures.Row, viewer: Viewer) -> Markup:
    cpo = row["cpo"]
    return line(
        Markup("<b>{}</b>").format(cpo["name"]),
        t(f"cpo_status.{cpo['status']}"),
        f.number(row["stations"], viewer.language),
        counts(row["connectors"]) or "–",
        f.power(row["power_w"], viewer.language),
        f.when(cpo["created_at"], None, viewer.language),
        numbers=(2, 4),
    )


st.title(t("emsv.operators.title"))
live(door.EMSV, listing, every=5)
