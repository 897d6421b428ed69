"""Every station, charger and connector as it is now, a page at a time. `?station=…` opens one station."""

from datetime import UTC, datetime

import streamlit as st
from markupsafe import Markup

from dashboards.common import door, exports, pager
from dashboards.common import formats as f
from dashboards.common.choices import chips, param, search
from dashboards.common.frame import live
from dashboards.common.panel import draw, link
from dashboards.common.status import STATES, counts, word
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, crumbs, empty
from dashboards.cpo import data
from dashboards.cpo.rows import charger_table, station_header

STATIONS_PER_PAGE = 10
CSV_COLUMNS = (
    "station_name", "charger_id", "evse_id", "connector_id", "state", "status", "connected", "last_seen_at",
    "error_code", "error_info", "charger_status", "charger_error_code", "power_w", "energy_wh", "soc_percent",
    "session_id", "status_at",
)  # fmt: skip


def filters() -> tuple[str | None, str | None]:
    """What is searched for, and the state that is wanted."""
    return st.session_state.get("q", "").strip() or None, param("state")


def everything(viewer: Viewer) -> None:
    """One page of stations under the filters, in the order of their names, so that nothing jumps."""
    q, state = filters()
    walked = pager.trail("live", (q, state))
    page = data.live_stations(viewer, q, state, walked[-1], STATIONS_PER_PAGE)
    if not page.items:
        draw(as_of(page), "as_of")
        return empty("live.nothing" if q or state else "live.empty", key="nothing" if q or state else "empty")
    places = [str(row["id"]) for row in page.items]
    chargers, connectors = data.chargers(viewer, *places), data.connectors(viewer, *places)
    draw(as_of(connectors), "as_of")
    plugs = data.by(connectors.items, "charger_id")
    machines = data.by(chargers.items, "station_id")
    blocks = [
        _station(row, _matching(machines.get(row["id"], []), plugs, q, state), plugs, viewer) for row in page.items
    ]
    draw(Markup().join(blocks), "list")
    pager.turn("live", walked, page.data.get("next_cursor"), words=("page.previous", "page.next"))


def _matching(
    chargers: list[data.Row], plugs: dict[str, list[data.Row]], q: str | None, state: str | None
) -> list[data.Row]:
    """Chargers of a station that was found, by identity: those that were searched for, or all if it was the station."""
    bears = ("id", "name", "vendor", "model", "serial_number")
    rows = [row for row in chargers if not state or any(plug["state"] == state for plug in plugs.get(row["id"], []))]
    meant = [row for row in rows if q and q.lower() in " ".join(str(row.get(k) or "") for k in bears).lower()]
    return sorted(meant or rows, key=lambda row: str(row["id"]))


def _station(row: data.Row, chargers: list[data.Row], plugs: dict[str, list[data.Row]], viewer: Viewer) -> Markup:
    clock = f.when(datetime.now(UTC).isoformat(), row["timezone"], viewer.language)
    nobody = Markup('<p class="soft none">{}</p>').format(t("live.empty_station.title"))
    return Markup(
        '<section class="station"><header><span class="name">{}</span><span class="soft">{}</span>{}'
        '<span class="push num">{}</span></header>{}</section>'
    ).format(
        link("live", row["name"], station=row["id"]),
        clock,
        counts(row["connectors"]),
        f.power(row["power_w"], viewer.language),
        charger_table(chargers, plugs, viewer.language) if chargers else nobody,
    )


def one_station(viewer: Viewer) -> None:
    station_id = param("station") or ""
    found = data.station(viewer, station_id)
    if found is None:
        return empty("live.no_such_station", key="no_station")
    chargers, connectors = data.chargers(viewer, station_id), data.connectors(viewer, station_id)
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


def export(viewer: Viewer) -> None:
    """Every connector that the filters on the screen leave."""
    q, state = filters()
    wanted = {"q": q, "state": state}
    exports.of_list(viewer, "/api/connectors", wanted, CSV_COLUMNS, "connectors", "live.export")


if param("station"):
    crumbs(("live", t("cpo.live.title"), {}), here=t("crumbs.station"))
    live(door.CPO, one_station)
else:
    st.title(t("cpo.live.title"))
    search("q", t("live.search"), t("live.search_hint"))
    chips("state", t("column.state"), [s for s in STATES if s != "unknown"], word)
    live(door.CPO, everything)
    export(require_viewer(door.CPO))
