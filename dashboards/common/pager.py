"""Turning the pages of a list that continues by cursor: how far this person has walked, and the two buttons."""

from typing import Any

import streamlit as st

from dashboards.common.texts import t

Trail = list[str | None]
"""The cursors of the pages walked so far; the last one is the page on the screen (None: the first page)."""


def trail(name: str, wanted: Any) -> Trail:
    """The walk through the list `name`; another filter `wanted` begins at the first page."""
    kept = st.session_state.get(f"{name}_trail")
    if kept is None or kept[0] != wanted:
        first: Trail = [None]
        kept = st.session_state[f"{name}_trail"] = (wanted, first)
    walked: Trail = kept[1]
    return walked


def turn(
    name: str, walked: Trail, next_cursor: str | None, *, words: tuple[str, str] = ("page.newer", "page.older")
) -> None:
    """Back and on, also by the arrow keys, as the buttons say. One such pair a page."""
    with st.container(horizontal=True):
        st.button(
            t(words[0]),
            icon=":material/chevron_left:",
            key=f"{name}_newer",
            disabled=len(walked) == 1,
            on_click=_back,
            args=(walked,),
            shortcut="Left",
        )
        st.button(
            t(words[1]),
            icon=":material/chevron_right:",
            key=f"{name}_older",
            disabled=not next_cursor,
            on_click=walked.append,
            args=(next_cursor,),
            shortcut="Right",
        )


def _back(walked: Trail) -> None:
    walked.pop()
