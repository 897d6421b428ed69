"""Charging sessions, newest first, with filters in the address and an export of exactly what the filters leave."""

from datetime import date, datetime, time, timedelta
from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import door, exports, pager
from dashboards.common import formats as f
from dashboards.common.choices import chips, param, search
from dashboards.common.frame import live
from dashboards.common.panel import draw, link
from dashboards.common.places import station_picker
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, empty, line, table
from dashboards.cpo import data

PAGE_ROWS = 25
COLUMNS = ("started", "station", "charger", "id_token", "duration", "energy", "power", "ended", "review")
NUMBERS = ("duration", "energy", "power")
CSV_COLUMNS = (
    "id", "transaction_id", "station_name", "station_timezone", "charger_id", "evse_id", "connector_id", "id_token",
    "protocol", "started_at", "stopped_at", "duration_s", "meter_start_wh", "meter_stop_wh", "energy_wh",
    "stop_reason", "review_reasons",
)  # fmt: skip


def filter_bar(viewer: Viewer) -> None:
    one, two, three, four = st.columns([3, 2, 2, 3], vertical_alignment="bottom")
    with one:
        station_picker(viewer, t("column.station"), t("sessions.all_stations"))
    with two:
        search("charger", t("column.charger"), t("sessions.charger_hint"), labelled=True)
    with three:
        search("token", t("column.id_token"), t("sessions.token_hint"), labelled=True)
    with four:
        st.date_input(t("sessions.days"), value=[], key="days", bind="query-params", format="DD/MM/YYYY")
    chips("open", t("column.state"), ("true", "false"), lambda code: t(f"sessions.open_{code}"))


def filters() -> dict[str, Any]:
    """The query of the API that the filters stand for. Days are days of the viewer's first zone, Jakarta."""
    wanted: dict[str, Any] = {
        "station_id": param("station"),
        "charger_id": st.session_state.get("charger", "").strip() or None,
        "id_token": st.session_state.get("token", "").strip() or None,
        "open": {"true": True, "false": False}.get(param("open") or ""),
    }
    days: tuple[date, ...] = tuple(st.session_state.get("days") or ())
    if days:
        wanted["from"] = _midnight(days[0])
        wanted["to"] = _midnight(days[-1] + timedelta(days=1))
    return {name: value for name, value in wanted.items() if value is not None}


def _midnight(day: date) -> str:
    return datetime.combine(day, time(), f.zone("Asia/Jakarta")).isoformat()


def listing(viewer: Viewer) -> None:
    wanted = filters()
    trail = pager.trail("sessions", wanted)
    answer = data.session_page(viewer, wanted, trail[-1], PAGE_ROWS)
    if not answer.items:
        return empty("sessions.nothing" if wanted else "sessions.empty", key="no_sessions")
    total = answer.data.get("total")
    first = (len(trail) - 1) * PAGE_ROWS
    shown = t(
        "sessions.shown",
        first=f.number(first + 1, viewer.language),
        last=f.number(first + len(answer.items), viewer.language),
        total=f.number(total, viewer.language),
    )
    draw(as_of(answer, shown), "as_of")
    draw(table(COLUMNS, [_row(row, viewer) for row in answer.items], numbers=NUMBERS), "sessions")
    pager.turn("sessions", trail, answer.data.get("next_cursor"))


def _row(row: data.Row, viewer: Viewer) -> Markup:
    language, zone = viewer.language, row["station_timezone"]
    running = Markup("<b>{}</b>").format(t("sessions.running"))
    held = Markup('<span class="alert">{}</span>').format(t("sessions.held"))
    return line(
        link("session", f.when(row["started_at"], zone, language), session=row["id"]),
        row["station_name"] or "–",
        link("charger", f"{row['charger_id']} · {row['evse_id']}", charger=row["charger_id"]),
        row["id_token"],
        f.duration(row["duration_s"], language),
        f.energy(row["energy_wh"], language),
        f.power(row["last_power_w"], language) if row["open"] else "–",
        running if row["open"] else f.when(row["stopped_at"], zone, language),
        held if row["billing_state"] == "held" else "",
        numbers=(4, 5, 6),
    )


def export(viewer: Viewer) -> None:
    """Every session that the filters on the screen leave."""
    exports.of_list(viewer, "/api/sessions", filters(), CSV_COLUMNS, "sessions", "sessions.export")


st.title(t("cpo.sessions.title"))
filter_bar(require_viewer(door.CPO))
live(door.CPO, listing, every=5)
export(require_viewer(door.CPO))
