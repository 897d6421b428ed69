"""The nation now: the map, connectors by state, and what the platform itself has to say."""

from typing import Any

import pydeck as pdk
import streamlit as st
from markupsafe import Markup

from dashboards.common import alarms, door
from dashboards.common import formats as f
from dashboards.common.frame import live
from dashboards.common.panel import draw, link
from dashboards.common.places import station_picker
from dashboards.common.status import STATES, counts, shape, word
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import as_of, empty
from dashboards.emsv import data, figures, geo

_VIEW = pdk.ViewState(latitude=-2.3, longitude=118.0, zoom=3.52, min_zoom=3, max_zoom=14)
_LAND = {"light": [214, 224, 220], "dark": [44, 58, 64]}
_NATION = {"light": [236, 242, 239], "dark": [66, 84, 92]}
_LINE = {"light": [139, 156, 150], "dark": [120, 140, 148]}


def now(viewer: Viewer) -> None:
    answer = data.overview(viewer)
    said = answer.data
    draw(as_of(answer), "as_of")
    _figures(said, viewer)
    alarms.how_many(viewer)
    if not said["chargers"]["total"]:
        return empty("nation.empty", key="empty")
    draw(_states(said["connectors"], viewer), "states")


def places(viewer: Viewer) -> None:
    """The map and, for keyboards and screen readers too, one station chosen by name."""
    left, right = st.columns([7, 3])
    answer = data.station_map(viewer)
    with left, st.container(key="map_box"):
        _map(answer.items)
        draw(as_of(answer), "map_as_of")
    with right:
        st.subheader(t("nation.station"))
        _one(viewer)


def _figures(said: dict[str, Any], viewer: Viewer) -> None:
    language, chargers, sessions = viewer.language, said["chargers"], said["sessions"]
    tiles = [
        ("power", f.power(said["power_now_w"], language)),
        ("active", f.number(sessions["active"], language)),
        ("energy", f.energy(said["energy_today_wh"], language)),
        ("started", f.number(sessions["started_today"], language)),
        ("online", f"{f.number(chargers['connected'], language)} / {f.number(chargers['total'], language)}"),
        ("dropped", f.number(said["log"]["dropped_total"], language)),
    ]
    for column, (name, value) in zip(st.container(key="tiles").columns(len(tiles)), tiles, strict=True):
        column.metric(t(f"kpi.{name}.label"), value, help=t(f"kpi.{name}.help"), border=True)


def _states(by_state: dict[str, int], viewer: Viewer) -> Markup:
    """Connectors of the nation by state, worst first, in one line."""
    cards = Markup().join(
        Markup(
            '<div class="card slim"><span class="badge">{}<span>{}</span></span> <b class="num">{}</b></div>'
        ).format(shape(state, 18), word(state), f.number(by_state[state], viewer.language))
        for state in STATES
        if by_state.get(state)
    )
    return Markup('<div class="cards" role="group" aria-label="{}">{}</div>').format(t("nation.states"), cards)


def _map(rows: list[dict[str, Any]]) -> None:
    """Outlines and stations come by URL; the address of the stations changes only when their look does."""
    marked = figures.points(rows)
    theme = "dark" if st.context.theme.type == "dark" else "light"
    troubled = sum(point["s"] in ("faulted", "offline") for point in marked)
    st.pydeck_chart(
        pdk.Deck(
            map_provider=None,
            initial_view_state=_VIEW,
            layers=[
                _outline("region", _LAND[theme], _LINE[theme]),
                _outline("indonesia", _NATION[theme], _LINE[theme]),
                _symbols(figures.version(marked)),
            ],
            tooltip={"text": "{n}\n{c}"},
            parameters={"clearColor": [0, 0, 0, 0]},
        ),
        height=560,
        key="map",
        alt=t("nation.map_alt", n=len(marked), troubled=troubled),
    )
    st.caption(t("nation.map_alt", n=len(marked), troubled=troubled))


def _outline(name: str, fill: list[int], line: list[int]) -> pdk.Layer:
    return pdk.Layer(
        "GeoJsonLayer",
        id=name,
        data=f"/geo/outline/{name}.json",
        get_fill_color=fill,
        get_line_color=line,
        line_width_min_pixels=0.6,
        stroked=True,
        filled=True,
    )


def _symbols(version: str) -> pdk.Layer:
    return pdk.Layer(
        "IconLayer",
        id="stations",
        data=f"/geo/stations.json?v={version}",
        get_position="p",
        get_icon="s",
        icon_atlas=pdk.types.String("/geo/atlas.svg", quote_type=""),
        icon_mapping=geo.icon_mapping(),
        get_size="s == 'faulted' ? 22 : s == 'offline' ? 18 : 15",
        size_units=pdk.types.String("pixels", quote_type=""),
        pickable=True,
    )


def _one(viewer: Viewer) -> None:
    """The same choice as a click on the map would give."""
    chosen = station_picker(viewer, t("nation.choose"), t("nation.choose_none"))
    rows = data.live_station(viewer, chosen).items if chosen else []
    for row in rows:
        draw(
            Markup('<p><b>{}</b><br><span class="soft">{} · {}</span></p><p>{}</p><p>{} <b>{}</b></p>').format(
                row["name"],
                ", ".join(filter(None, (row["city"], row["province"]))),
                f.zone_letters(row["timezone"]),
                counts(row["connectors"]),
                t("column.power"),
                f.power(row["power_w"], viewer.language),
            ),
            "one_station",
        )


def waiting(viewer: Viewer) -> None:
    """A line only when there is something to do."""
    rows = data.waiting(viewer).items
    if rows:
        draw(link("approvals", t("nation.waiting", n=len(rows))), "waiting")


st.title(t("emsv.nation.title"))
live(door.EMSV, waiting, every=10, key="waiting_region")
live(door.EMSV, now)
live(door.EMSV, places, every=10, key="places_region")
