"""Drivers that this CPO has met: name, car, battery, the contact if they let it have it, and what they charged here.
`?driver=…`"""

import streamlit as st
from markupsafe import Markup

from dashboards.common import door, pager
from dashboards.common import formats as f
from dashboards.common.api import route
from dashboards.common.choices import param, search
from dashboards.common.desk import find, read
from dashboards.common.frame import live
from dashboards.common.panel import ago, draw, link
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import as_of, crumbs, csv_button, empty, line, table
from dashboards.cpo import deeds
from dashboards.cpo.data import Row

PAGE_ROWS = 25
COLUMNS = ("name", "contact", "car", "battery", "since")
SESSIONS = ("started", "station", "charger", "duration", "energy", "ended")
CSV_COLUMNS = ("id", "started_at", "stopped_at", "station_name", "charger_id", "evse_id", "duration_s", "energy_wh")


def room(viewer: Viewer) -> None:
    """One driver, or all that this CPO has met."""
    if driver_id := param("driver"):
        return one(viewer, driver_id)
    wanted = st.session_state.get("q", "").strip() or None
    trail = pager.trail("drivers", wanted)
    answer = read(viewer, "/api/drivers", name=wanted, cursor=trail[-1], limit=PAGE_ROWS)
    if not answer.items:
        return empty("drivers.nothing" if wanted else "drivers.empty", key="no_drivers")
    draw(as_of(answer), "as_of")
    draw(deeds.grid("drivers", COLUMNS, [_line(row, viewer) for row in answer.items]), "drivers")
    pager.turn("drivers", trail, answer.data.get("next_cursor"))


def _line(row: Row, viewer: Viewer) -> Markup:
    return line(
        link("drivers", row["name"] or "–", driver=row["id"]),
        row["contact"] or Markup('<span class="soft">{}</span>').format(t("drivers.no_contact")),
        row["car"] or "–", f.energy(row["battery_wh"], viewer.language), ago(row["created_at"]),
    )  # fmt: skip


def one(viewer: Viewer, driver_id: str) -> None:
    """What the CPO may know of one driver."""
    found = find(viewer, route("drivers", driver_id))
    if found is None:
        return empty("drivers.none", key="no_driver")
    crumbs(("drivers", t("cpo.drivers.title"), {}), here=found.data["name"] or "–")
    draw(as_of(found), "as_of")
    draw(deeds.grid("drivers", COLUMNS, [_line(found.data, viewer)]), "driver")
    st.caption(t("drivers.limits"))
    st.subheader(t("drivers.history"))
    trail = pager.trail("history", driver_id)
    answer = read(viewer, route("drivers", driver_id, "sessions"), cursor=trail[-1], limit=PAGE_ROWS)
    if not answer.items:
        return empty("drivers.no_history", key="no_history")
    draw(table(SESSIONS, [_session(row, viewer) for row in answer.items], numbers=("duration", "energy")), "history")
    pager.turn("history", trail, answer.data.get("next_cursor"))
    csv_button(answer.items, CSV_COLUMNS, "driver-history", more=bool(answer.data.get("next_cursor")))


def _session(row: Row, viewer: Viewer) -> Markup:
    language, zone = viewer.language, row["station_timezone"]
    return line(
        link("session", f.when(row["started_at"], zone, language), session=row["id"]), row["station_name"] or "–",
        link("charger", f"{row['charger_id']} · {row['evse_id']}", charger=row["charger_id"]),
        f.duration(row["duration_s"], language), f.energy(row["energy_wh"], language),
        f.when(row["stopped_at"], zone, language) if row["stopped_at"] else t("sessions.running"),
        numbers=(3, 4),
    )  # fmt: skip


st.title(t("cpo.drivers.title"))
if not param("driver"):
    search("q", t("drivers.name"), t("drivers.search"), labelled=True)
live(door.CPO, room, every=15)
