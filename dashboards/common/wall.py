"""A wall screen: the whole fleet on one page without scrolling, to be read from four metres, without a hand on it.

It asks anew every five seconds, says when its data are old, and loads itself again when they stay so.
"""

from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import formats as f
from dashboards.common.desk import Answer, read
from dashboards.common.door import Dashboard
from dashboards.common.frame import live
from dashboards.common.panel import address, ago, draw
from dashboards.common.status import STATES, shape, word
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import age_of, empty

Row = dict[str, Any]
EVERY_S = 5
TROUBLE = ("faulted", "offline", "unavailable")
TROUBLE_ROWS = 6
RELOAD_AFTER_S = 60
# The wall has the whole screen: nothing lies over it.
_ALONE = '<style>[data-testid="stSidebar"], [data-testid="stHeader"] { display: none }</style>'


def wall(dashboard: Dashboard, home: str) -> None:
    """The wall of a dashboard; Escape leads back to the room `home`."""

    def now(viewer: Viewer) -> None:
        answer = read(viewer, "/api/analytics/dashboard", stations=False)
        if not answer.data["chargers"]["total"]:
            return empty("wall.empty", key="empty")
        draw(_page(answer, _trouble(viewer, answer.data["connectors"]), viewer, home), "wall")

    st.html(_ALONE)
    live(dashboard, now, every=EVERY_S)


def _trouble(viewer: Viewer, by_state: dict[str, int]) -> list[Row]:
    """The worst connectors, no more than there is room for."""
    rows: list[Row] = []
    for state in TROUBLE:
        if by_state.get(state) and len(rows) < TROUBLE_ROWS:
            rows += read(viewer, "/api/connectors", state=state, limit=TROUBLE_ROWS - len(rows)).items
    return rows


def _page(answer: Answer, trouble: list[Row], viewer: Viewer, home: str) -> Markup:
    said, language = answer.data, viewer.language
    chargers, sessions = said["chargers"], said["sessions"]
    figures = (
        ("power", f.power(said["power_now_w"], language)),
        ("active", f.number(sessions["active"], language)),
        ("energy", f.energy(said["energy_today_wh"], language)),
        ("online", f"{f.number(chargers['connected'], language)} / {f.number(chargers['total'], language)}"),
    )
    tiles = Markup().join(
        Markup('<div class="tile"><span>{}</span><b>{}</b></div>').format(t(f"kpi.{name}.label"), value)
        for name, value in figures
    )
    return Markup(
        '<section class="wall" data-reload="{}"><header><h1>{}</h1><span class="age">{} {}</span>'
        '<a class="leave" href="{}" data-go="1" title="{}" aria-label="{}">✕</a></header>'
        '<div class="tiles">{}</div><div class="tiles states">{}</div>{}</section>'
    ).format(
        RELOAD_AFTER_S,
        viewer.cpo_name or t("wall.nation"),
        t("age.data"),
        ago(age_of(answer), stale=True),
        address(home),
        t("wall.leave"),
        t("wall.leave"),
        tiles,
        _states(said["connectors"], viewer),
        _list(trouble, said["connectors"], viewer),
    )


def _states(by_state: dict[str, int], viewer: Viewer) -> Markup:
    return Markup().join(
        Markup('<div class="tile state"><span class="badge">{}<span>{}</span></span><b>{}</b></div>').format(
            shape(state, 44), word(state), f.number(by_state[state], viewer.language)
        )
        for state in STATES
        if by_state.get(state)
    )


def _list(rows: list[Row], by_state: dict[str, int], viewer: Viewer) -> Markup:
    if not rows:
        return Markup('<p class="calm">{}</p>').format(t("wall.calm"))
    lines = Markup().join(
        Markup("<li>{}<b>{}</b><span>{} · {}</span><span>{}</span></li>").format(
            shape(row["state"], 36), row["station_name"] or "–", row["charger_id"], row["evse_id"],
            ago(row["status_at"] or row["last_seen_at"]),
        )
        for row in rows
    )  # fmt: skip
    total = sum(by_state.get(state, 0) for state in TROUBLE)
    rest = t("wall.more", n=f.number(total - len(rows), viewer.language)) if total > len(rows) else ""
    return Markup('<ol class="trouble">{}</ol><p class="rest">{}</p>').format(lines, rest)
