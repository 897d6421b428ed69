"""Choosing one station or charger among thousands: a few are offered, typing asks the API for others."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboards.common.api import ApiDown, route
from dashboards.common.choices import heed, note, param, set_param
from dashboards.common.desk import find, read
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import plain

Row = dict[str, Any]
OFFERED = 50
_LONGEST = 100  # what the API takes as a search


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is chosen: its `name` in the address and in texts, the list to search, and its words.

    `kept` are the words of one that the address names and that is not among those offered; None: there is none.
    """

    name: str
    path: str
    words: Callable[[Row], str]
    kept: Callable[[Viewer, str], str | None]


def _station(row: Row) -> str:
    return " · ".join(filter(None, (row["name"], row["city"])))


def _kept_station(viewer: Viewer, station_id: str) -> str | None:
    found = find(viewer, route("stations", station_id))
    return _station(found.data) if found else None


_STATIONS = _Kind("station", "/api/stations", _station, _kept_station)
# Whether there is such a charger, the room says.
_CHARGERS = _Kind(
    "charger",
    "/api/chargers",
    lambda row: " · ".join(filter(None, (row["id"], row["station_name"]))),
    lambda _, charger_id: charger_id,
)


def station_picker(viewer: Viewer, label: str, none: str) -> str | None:
    """The id of a station, which the address keeps too, or None, shown as `none`."""
    return _pick(viewer, _STATIONS, label, none, "choose_station")


def charger_picker(viewer: Viewer, label: str, none: str, *, key: str = "choose_charger") -> str | None:
    """The identity of a charger, which the address keeps too, or None, shown as `none`."""
    return _pick(viewer, _CHARGERS, label, none, key)


def _pick(viewer: Viewer, kind: _Kind, label: str, none: str, key: str) -> str | None:
    """Never more than OFFERED rows are read, whatever the fleet; an unknown name searches, a single hit is taken.

    While the API is down the address stays as it is.
    """
    if key not in st.session_state:  # the room was just opened: what was typed elsewhere was for that place
        st.session_state.pop(f"{kind.name}_typed", None)
    current, typed = param(kind.name), st.session_state.get(f"{kind.name}_typed")
    try:
        answer = read(viewer, kind.path, q=typed, limit=OFFERED)
        names = {row["id"]: kind.words(row) for row in answer.items}
        if typed and (hit := _hit(typed, names)):
            st.session_state.pop(f"{kind.name}_typed")
            set_param(kind.name, current := hit)
        if current and current not in names and (words := kind.kept(viewer, current)):
            names = {current: words} | names
    except ApiDown:
        return current
    heed(kind.name, key, ("", *names), "")
    choice: str = st.selectbox(
        label,
        ["", *names],
        format_func=lambda code: names.get(code, code) if code else none,
        key=key,
        accept_new_options=True,
        on_change=_changed,
        args=(kind.name, key, frozenset(names)),
        help=t(f"picker.{kind.name}.help", n=OFFERED) if answer.data.get("next_cursor") or typed else None,
    )
    if typed:
        found = "picker.found" if answer.items else f"picker.{kind.name}.nothing"
        st.caption(t(found, text=plain(typed)))
    note(kind.name, key, choice)
    return choice or None


def _hit(typed: str, found: Collection[str]) -> str | None:
    """The only one, or the one whose identity was typed whole."""
    whole = next((code for code in found if code.lower() == typed.lower()), None)
    return whole or (next(iter(found)) if len(found) == 1 else None)


def _changed(name: str, key: str, offered: Collection[str]) -> None:
    """A text that was not offered was typed: what matches is offered in the next run, and the address kept."""
    choice = st.session_state[key]
    if not choice or choice in offered:
        st.session_state.pop(f"{name}_typed", None)
        return
    st.session_state[f"{name}_typed"] = choice.strip()[:_LONGEST] or None
    st.session_state[key] = param(name) or ""
