"""Things to do that change what a charger keeps: one dialog that names the consequence, one way to send."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import desk, door, forgiving, outcomes
from dashboards.common.api import ApiDown, ApiRefused
from dashboards.common.choices import set_param
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import failed, plain

Row = dict[str, Any]
_ASKING, _UNANSWERED = "deed", "unanswered_deeds"
# How long a press of the same form counts as a second try of what had no answer.
_SAME_S = 300
# What the API takes no key for: after no answer, one looks before one asks again.
_WITHOUT_KEY = frozenset({"delete_campaign", "delete_firmware", "delete_profile", "delete_template", "save"})
# What a deed needs in the permission table, where it is not the right to send commands.
_NEEDS = {
    **dict.fromkeys(("delete_profile", "clear_profile", "clear_profiles"), "charging_profiles:write"),
    **dict.fromkeys(("list_full", "list_differential"), "local_lists:write"),
    "delete_template": "configuration:write",
    "delete_firmware": "firmware:write",
    "delete_campaign": "campaigns:write",
    "cancel_reservation": "reservations:write",
}


@dataclass(frozen=True, slots=True)
class Deed:
    """One change, latched when its button was pressed. `name` finds its words; the key makes a second try the same.

    `facts`: (label, value), what the dialog shows of what it is about to change.
    `ends` is what the address names and what is gone afterwards.
    """

    name: str
    about: str
    method: str
    path: str
    body: Any = None
    facts: tuple[tuple[str, str], ...] = ()
    ends: str | None = None
    key: str = field(default_factory=lambda: str(uuid.uuid4()))


def button(deed: Deed, viewer: Viewer, *, place: str, icon: str, reason: str | None = None) -> None:
    """Disabled with its reason while impossible. A press opens the dialog."""
    if not viewer.may(_NEEDS.get(deed.name, "commands:send")):
        reason = "order.no.role"
    pressed = st.button(
        t(f"deed.{deed.name}.button"),
        icon=icon,
        key=f"deed_{deed.name}_{place}",
        disabled=reason is not None,
        help=t(reason) if reason else None,
    )
    if pressed:
        ask(deed)


def ask(deed: Deed) -> None:
    """Opens the dialog with the next run."""
    st.session_state[_ASKING] = deed
    st.rerun()


def ask_if_pressed() -> None:
    """Opens the dialog of the button pressed last, or says what was done in it. Called once, outside the region."""
    outcomes.show("deed")
    deed: Deed | None = st.session_state.pop(_ASKING, None)
    if deed:
        forgiving.ask(t(f"deed.{deed.name}.button"), dialog, deed)


def dialog(deed: Deed) -> None:
    """Names what is about to happen to what, and sends it on one explicit press."""
    viewer = require_viewer(door.CPO)
    st.markdown(f"**{plain(deed.about)}**")
    if deed.facts:
        st.markdown("  \n".join(f"{label}: **{plain(value)}**" for label, value in deed.facts))
    st.info(t(f"deed.{deed.name}.consequence"), icon=":material/info:")
    left, right = st.columns(2)
    confirmed = left.button(t("deed.confirm"), key="deed_confirm", type="primary", width="stretch")
    if confirmed and send(viewer, deed):
        if deed.ends:
            set_param(deed.ends, None)
        outcomes.keep("deed", t("deed.done", what=t(f"deed.{deed.name}.button"), about=plain(deed.about)))
        st.rerun()
    if right.button(t("order.cancel"), key="deed_cancel", width="stretch"):
        st.rerun()


def send(viewer: Viewer, deed: Deed) -> bool:
    """Sends it under its own idempotency key; False when it was refused or the API is down, which is said."""
    keyed = deed.name not in _WITHOUT_KEY
    try:
        viewer.api.call(
            deed.method, deed.path, body=deed.body, headers={"Idempotency-Key": deed.key} if keyed else None
        )
    except ApiDown:
        st.error(t("api.down.change" if keyed else "api.down.look"), icon=":material/cloud_off:")
        return False
    except ApiRefused as refusal:
        answered(deed)
        failed(refusal)
        return False
    answered(deed)
    desk.forget()
    return True


def send_form(viewer: Viewer, form: str, wish: Any, make: Callable[[], Deed]) -> bool:
    """Sends what a form asks for, as `send` does. Until an answer comes, a press with the same `wish` is the same
    deed."""
    return send(viewer, latched(form, wish, make))


def latched(form: str, wish: Any, make: Callable[[], Deed]) -> Deed:
    """The deed of a form that had no answer, if the `wish` is the same; else a new one.

    The whole deed is kept, since under one key the API wants one body, with the times that are in it.
    """
    waiting: dict[str, tuple[Any, Deed, float]] = st.session_state.setdefault(_UNANSWERED, {})
    kept = waiting.get(form)
    if kept is None or kept[0] != wish or time.monotonic() - kept[2] > _SAME_S:
        kept = waiting[form] = (wish, make(), time.monotonic())
    return kept[1]


def answered(deed: Deed) -> None:
    """The next press of its form is a deed of its own."""
    waiting: dict[str, tuple[Any, Deed, float]] = st.session_state.get(_UNANSWERED, {})
    for form in [form for form, kept in waiting.items() if kept[1].key == deed.key]:
        del waiting[form]


def grid(place: str, columns: tuple[str, ...], rows: list[Markup]) -> Markup:
    """Rows under the headings `<place>.column.<name>`."""
    head = Markup().join(Markup("<th>{}</th>").format(t(f"{place}.column.{name}")) for name in columns)
    return Markup('<div class="wide"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>').format(
        head, Markup().join(rows)
    )
