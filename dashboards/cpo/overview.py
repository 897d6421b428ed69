"""How are my stations doing right now, and how was the week."""

from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import alarms, bars, door
from dashboards.common import formats as f
from dashboards.common.frame import live
from dashboards.common.panel import address, draw, link
from dashboards.common.status import STATES, badge, shape, word
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import as_of, empty, line, table
from dashboards.cpo import data
from dashboards.cpo.rows import last_status, plug_error, plug_number, whole_charger

ATTENTION = ("faulted", "offline", "unavailable")
ATTENTION_ROWS = 8


def now(viewer: Viewer) -> None:
    answer = data.overview(viewer)
    figures = answer.data
    draw(as_of(answer), "as_of")
    if not figures["chargers"]["total"]:
        return empty("overview.empty", key="empty")
    _figures(figures, viewer)
    alarms.how_many(viewer)
    _held(figures, viewer)
    _states(figures["connectors"], viewer)
    _attention(figures["connectors"], viewer)


def _figures(figures: dict[str, Any], viewer: Viewer) -> None:
    language, chargers, sessions = viewer.language, figures["chargers"], figures["sessions"]
    tiles = [
        ("power", f.power(figures["power_now_w"], language)),
        ("active", f.number(sessions["active"], language)),
        ("energy", f.energy(figures["energy_today_wh"], language)),
        ("started", f.number(sessions["started_today"], language)),
        ("ended", f.number(sessions["ended_today"], language)),
        ("online", f"{f.number(chargers['connected'], language)} / {f.number(chargers['total'], language)}"),
    ]
    for column, (name, value) in zip(st.container(key="tiles").columns(len(tiles)), tiles, strict=True):
        column.metric(t(f"kpi.{name}.label"), value, help=t(f"kpi.{name}.help"), border=True)


def _held(figures: dict[str, Any], viewer: Viewer) -> None:
    """Sessions that wait for a decision: they are in no energy figure."""
    if waiting := figures["sessions"]["held"]:
        energy = f.energy(figures["energy_held_today_wh"], viewer.language)
        words = t("overview.held", n=f.number(waiting, viewer.language), energy=energy)
        draw(Markup('<p class="alert">{}</p>').format(link("held", words)), "held_sessions")


def _states(counts: dict[str, int], viewer: Viewer) -> None:
    """One card per state that occurs, worst first; each opens the live list filtered to it."""
    cards = [
        Markup(
            '<a class="card" href="{}" data-go="1"><span class="badge">{}<span>{}</span></span>'
            '<b class="big">{}</b><span class="more">{}</span></a>'
        ).format(
            address("live", state=state),
            shape(state, 18),
            word(state),
            f.number(counts[state], viewer.language),
            t("overview.show"),
        )
        for state in STATES
        if counts.get(state)
    ]
    st.subheader(t("overview.connectors"))
    draw(Markup('<div class="cards">{}</div>').format(Markup().join(cards)), "states")


def _attention(by_state: dict[str, int], viewer: Viewer) -> None:
    """The connectors somebody should look at, worst first; no more are read than are shown."""
    total = sum(by_state.get(state, 0) for state in ATTENTION)
    st.subheader(t("overview.attention"))
    if not total:
        return empty("overview.calm", key="calm")
    rows: list[data.Row] = []
    for state in ATTENTION:
        if by_state.get(state) and len(rows) < ATTENTION_ROWS:
            rows += data.in_state(viewer, state, ATTENTION_ROWS - len(rows)).items
    lines = [_attention_row(row, viewer) for row in rows]
    draw(table(("state", "station", "connector", "error", "reported"), lines), "attention")
    if total > len(rows):
        draw(link("live", t("overview.all_attention", n=f.number(total, viewer.language))), "attention_more")


def _attention_row(row: data.Row, viewer: Viewer) -> Markup:
    return line(
        badge(row["state"]),
        link("live", row["station_name"] or "–", station=row["station_id"]),
        link("charger", f"{row['charger_id']} · {plug_number(row)}", charger=row["charger_id"]),
        last_status(row) if row["state"] == "offline" else plug_error(row) or whole_charger(row) or "–",
        f.when(row["status_at"] or row["last_seen_at"], row["station_timezone"], viewer.language),
    )


def week(viewer: Viewer) -> None:
    st.subheader(t("overview.energy", n=14))
    answer = data.energy_by_day(viewer, 14)
    if not any(row["energy_wh"] or row["sessions"] for row in answer.items):
        return empty("overview.no_energy", key="no_energy")
    bars.energy_by_day(answer.items, viewer.language)
    draw(as_of(answer), "as_of_week")


st.title(t("cpo.overview.title"))
live(door.CPO, now)
live(door.CPO, week, every=60, key="week")
