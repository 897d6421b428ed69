"""A piece of HTML on a Streamlit page, with what plain HTML lacks there: links that stay in the session, and ages that
go on counting when no new data arrive.

Everything drawn goes through `Markup(...).format(...)`, which escapes; nothing else is ever put into a panel.
"""

import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import streamlit as st
from markupsafe import Markup

from dashboards.common.formats import age, moment
from dashboards.common.texts import language, t

STALE_AFTER_S = 10
_FOLDER = Path(__file__).parent
_component = st.components.v2.component(
    "uniev_panel",
    css=(_FOLDER / "panel.css").read_text("utf-8"),
    js=(_FOLDER / "panel.js").read_text("utf-8"),
    isolate_styles=False,
)


def draw(html: Markup, key: str) -> None:
    """Show HTML and follow its links.

    The link carries the id of the thing, so that what opens is what was clicked, whatever the list looks like by now.
    """
    words = {unit: t(f"age.{unit}") for unit in ("second", "minute", "hour", "day")} | {"old": t("age.old")}
    result = _component(key=key, data={"html": str(html), "now": time.time(), "words": words}, on_go_change=_nothing)
    target = getattr(result, "go", None)
    if target:
        follow(str(target))


def link(page: str, label: str | Markup, css: str = "", **params: Any) -> Markup:
    """A link to a room of this dashboard: `link("charger", "ID-01", charger="ID-01")`."""
    return Markup('<a class="{}" href="{}" data-go="1">{}</a>').format(css, address(page, **params), label)


def address(page: str, **params: Any) -> str:
    query = urlencode({k: v for k, v in params.items() if v is not None})
    return f"/{page}?{query}" if query else f"/{page}"


def follow(target: str) -> None:
    """Open a room by its address, in the running session."""
    parts = urlsplit(target)
    room = st.session_state.get("rooms", {}).get(parts.path.strip("/"))
    if room:
        st.switch_page(room, query_params=dict(parse_qsl(parts.query)))


def ago(iso: str | None, *, stale: bool = False) -> Markup:
    """Age of a time, counted on in the browser. `stale`: turns grey and says so past ten seconds."""
    at = moment(iso)
    if at is None:
        return Markup('<span class="quiet">{}</span>').format(t("age.never"))
    seconds = time.time() - at.timestamp()
    return Markup('<time datetime="{}" data-at="{:.1f}"{}>{}</time>').format(
        at.isoformat(timespec="seconds"),
        at.timestamp(),
        Markup(' data-stale="{}"').format(STALE_AFTER_S) if stale else "",
        age(seconds, language()),
    )


def _nothing() -> None:
    """A trigger needs a callback to exist; the value is read from the result."""
