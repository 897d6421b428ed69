"""Choosing one station among thousands: a few are offered, typing asks the API for others."""

import re
from typing import Any

import streamlit as st

from dashboards.common.api import ApiDown, route
from dashboards.common.choices import param, set_param
from dashboards.common.desk import find, read
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import plain

OFFERED = 50
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TYPED, _CHOICE = "station_typed", "choose_station"


def station_picker(viewer: Viewer, label: str, none: str) -> str | None:
    """The id of a station, which the address keeps too, or None, shown as `none`.

    Never more than OFFERED stations are read, whatever the fleet; an unknown name searches, a single hit is taken.
    While the API is down the address stays as it is.
    """
    current, typed = param("station"), st.session_state.get(_TYPED)
    try:
        answer = read(viewer, "/api/stations", q=typed, limit=OFFERED)
        names = _names(answer.items)
        if current and current not in names and (chosen := find(viewer, route("stations", current))):
            names = _names([chosen.data]) | names
    except ApiDown:
        return current
    if typed and len(answer.items) == 1:
        st.session_state.pop(_TYPED)
        current = st.session_state[_CHOICE] = answer.items[0]["id"]
    elif _CHOICE not in st.session_state or st.session_state[_CHOICE] not in ("", *names):
        st.session_state[_CHOICE] = current if current in names else ""
    choice: str = st.selectbox(
        label,
        ["", *names],
        format_func=lambda code: names.get(code, code) if code else none,
        key=_CHOICE,
        accept_new_options=True,
        on_change=_changed,
        help=t("picker.help", n=OFFERED) if answer.data.get("next_cursor") or typed else None,
    )
    if typed and not answer.items:
        st.caption(t("picker.nothing", text=plain(typed)))
    set_param("station", choice)
    return choice or None


def _names(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["id"]: " · ".join(filter(None, (row["name"], row["city"]))) for row in rows}


def _changed() -> None:
    """A text that is no id was typed: what matches is offered in the next run."""
    choice = st.session_state[_CHOICE]
    if not choice or _ID.fullmatch(choice):
        st.session_state.pop(_TYPED, None)
        return
    st.session_state[_TYPED] = choice.strip() or None
    st.session_state[_CHOICE] = ""
