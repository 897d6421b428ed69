"""What became of the last act. It is kept until the next one: a region that looks again every few seconds would wipe
out what was drawn once, before anybody has read it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboards.common import desk
from dashboards.common.api import ApiDown, ApiRefused
from dashboards.common.choices import param
from dashboards.common.texts import t
from dashboards.common.widgets import plain, refusal_words

_KEPT = "outcome"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`place` names the part of the room that shows it, `here` the room and the thing it was about."""

    place: str
    here: tuple[Any, ...]
    words: str
    good: bool


def attempt(place: str, act: Callable[[], object], done: str, *, about: str = "", keyed: bool = False) -> bool:
    """Does it, and keeps for `show(place)` the words `done`, or what the API said against it `about` something.
    `keyed`: it bears an idempotency key that stays until it is answered, so that it may be tried again."""
    try:
        act()
    except ApiDown:
        keep(place, t("api.down.change" if keyed else "api.down.look"), good=False)
        return False
    except ApiRefused as refusal:
        words = refusal_words(refusal)
        keep(place, f"{plain(about)}: {words}" if about else words, good=False)
        return False
    desk.forget()
    keep(place, done)
    return True


def keep(place: str, words: str, *, good: bool = True) -> None:
    """In place of what was kept before."""
    st.session_state[_KEPT] = Outcome(place, _here(), words, good)


def show(place: str) -> None:
    """Draws what is kept for this part of the room, as long as one stays with the thing it was about."""
    kept: Outcome | None = st.session_state.get(_KEPT)
    if kept is None or (kept.place, kept.here) != (place, _here()):
        return
    if kept.good:
        st.success(kept.words, icon=":material/check_circle:")
    else:
        st.error(kept.words, icon=":material/block:")


def _here() -> tuple[Any, ...]:
    return st.session_state.get("here"), param("charger"), param("campaign")
