"""The keyboard: what every key does, in one place; `panel.js` listens for those that no button has."""

import streamlit as st
from markupsafe import Markup

from dashboards.common.forgiving import ask
from dashboards.common.panel import draw
from dashboards.common.texts import t

# (keys as they are written on the screen, text key)
KEYS = (
    ("/", "keys.search"),
    ("J · K", "keys.rows"),
    ("Enter", "keys.open"),
    ("← · →", "keys.pages"),
    ("Esc", "keys.close"),
    ("R", "keys.rerun"),
    ("?", "keys.help"),
)


def button() -> bool:
    """The button of the help panel; `?` presses it."""
    return st.button(t("keys.button"), icon=":material/keyboard:", key="show_keys", type="tertiary", width="stretch")


def panel() -> None:
    """Opens the list of all keys."""
    ask(t("keys.title"), listing, icon=":material/keyboard:")


def listing() -> None:
    """Every key with what it does."""
    rows = Markup().join(
        Markup('<tr><td class="key"><kbd>{}</kbd></td><td>{}</td></tr>').format(keys, t(what)) for keys, what in KEYS
    )
    draw(Markup("<table><tbody>{}</tbody></table>").format(rows), "keys")
