"""Every station, charger and connector as it is now. `?station=…` opens one station."""

from datetime import UTC, datetime

import streamlit as st
from markupsafe import Markup

from dashboards.common import door
from dashboards.common import formats as f
from dashboards.common.choices import chips, param, search
from dashboards.common.frame import live
from dashboards.common.panel import draw, link
from dashboards.common.status import STATES, counts, word
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import as_of, crumbs, csv_button, empty
from dashboards.cpo import data
from dashboards.cpo.rows import charger_table, station_header

STATIONS_PER_PAGE = 10
CSV_COLUMNS = (
    "station_name", "charger_id", "evse_id", "connector_id", "state", "status", "connected", "last_seen_at",
    "error_code", "error_info", "power_w", "energy_wh", "soc_percent", "session_id", "status_at",
)  # fmt: skip


def everything(viewer: Viewer) -> None:
    """The list under the filters: station by station, in the order of their names, so that nothing jumps."""
    chargers, connectors = data.chargers(viewer), data.connectors(viewer)
    extra = [t("live.capped", n=data.LIST_CAP)] if chargers.more or connectors.more else []
    draw(as_of(connectors, *extra), "as_of")
    if not chargers.items:
        return empty("live.empty", key="empty")
    shown = _matching(chargers.items, connectors.items)
    if not shown:
        return empty("live.nothing", key="nothing")
    plugs = data.by(connectors.items, "charger_id")
    stations = list(data.by(shown, "station_id").values())
    place = st.container()
    page = _page(len(stations))
    blocks = [
        _station(rows, plugs, viewer) for rows in stations[(page - 1) * STATIONS_PER_PAGE : page * STATIONS_PER_PAGE]
    ]
    with place:
        draw(Markup().join(blocks), "list")
    kept = {row["id"] for row in shown}
    csv_button([row for row in connectors.items if row["charger_id"] in kept], CSV_COLUMNS, "connectors")


def _matching(chargers: list[data.Row], connectors: list[data.Row]) -> list[data.Row]:
    """Chargers that the search and the state filter leave, ordered by station and identity."""
    needle, state = st.session_state.get("q", "").strip().lower(), param("state")
    in_state = {row["charger_id"] for row in connectors if row["state"] == state}
    rows = [
        row
        for row in chargers
        if (not state or row["id"] in in_state)
        and needle in " ".join(str(row.get(k) or "") for k in ("id", "name", "station_name", "vendor", "model")).lower()
    ]
    return sorted(rows, key=lambda row: (row["station_name"] or "", row["station_id"] or "", row["id"]))


def _page(stations: int) -> int:
    pages = -(-stations // STATIONS_PER_PAGE)
    if pages < 2:
        return 1
    return min(int(st.pagination(pages, key="page")), pages)


def _station(chargers: list[data.Row], plugs: dict[str, list[data.Row]], viewer: Viewer) -> Markup:
    first = chargers[0]
    mine = [plug for row in chargers for plug in plugs.get(row["id"], [])]
    tally: dict[str, int] = {}
    for plug in mine:
        tally[plug["state"]] = tally.get(plug["state"], 0) + 1
    power = sum(plug["power_w"] or 0 for plug in mine if plug["session_id"])
    clock = f.when(datetime.now(UTC).isoformat(), first["station_timezone"], viewer.language)
    return Markup(
        '<section class="station"><header><span class="name">{}</span><span class="soft">{}</span>{}'
        '<span class="push num">{}</span></header>{}</section>'
    ).format(
        link("live", first["station_name"] or t("live.no_station"), station=first["station_id"]),
        clock,
        counts(tally),
        f.power(power, viewer.language),
        charger_table(chargers, plugs, viewer.language),
    )


def one_station(viewer: Viewer) -> None:
    station_id = param("station") or ""
    found = data.station(viewer, station_id)
    if found is None:
        return empty("live.no_such_station", key="no_station")
    chargers, connectors = data.chargers(viewer, station_id), data.connectors(viewer, station_id=station_id)
    with st.container(key="fixed_head"):
        draw(station_header(found.data, chargers.items, connectors.items, viewer.language), "station_head")
    draw(as_of(connectors), "as_of")
    if not chargers.items:
        return empty("live.empty_station", key="empty")
    rows = sorted(chargers.items, key=lambda row: str(row["id"]))
    plugs = data.by(connectors.items, "charger_id")
    draw(
        Markup('<section class="station">{}</section>').format(charger_table(rows, plugs, viewer.language)),
        "chargers",
    )
    draw(link("sessions", t("live.station_sessions"), station=station_id), "to_sessions")


if param("station"):
    crumbs(("live", t("cpo.live.title"), {}), here=t("crumbs.station"))
    live(door.CPO, one_station)
else:
    st.title(t("cpo.live.title"))
    search("q", t("live.search"), t("live.search_hint"))
    chips("state", t("column.state"), [s for s in STATES if s != "unknown"], word)
    live(door.CPO, everything)
