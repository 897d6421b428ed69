"""Things to do that change what a charger keeps: one dialog that names the consequence, one way to send."""

import uuid
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import desk, door, outcomes
from dashboards.common.api import ApiDown, ApiRefused
from dashboards.common.choices import set_param
from dashboards.common.forgiving import ask
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import failed, plain

Row = dict[str, Any]
_ASKING = "deed"
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

    `ends` is what the address names and what is gone afterwards.
    """

    name: str
    about: str
    method: str
    path: str
    body: Any = None
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
        st.session_state[_ASKING] = deed
        st.rerun()


def ask_if_pressed() -> None:
    """Opens the dialog of the button pressed last, or says what was done in it. Called once, outside the region."""
    outcomes.show("deed")
    deed: Deed | None = st.session_state.pop(_ASKING, None)
    if deed:
        ask(t(f"deed.{deed.name}.button"), dialog, deed)


def dialog(deed: Deed) -> None:
    """Names what is about to happen to what, and sends it on one explicit press."""
    viewer = require_viewer(door.CPO)
    st.markdown(f"**{plain(deed.about)}**")
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
    """Sends it under its own idempotency key; False when it was refused or the API is down."""
    try:
        viewer.api.call(deed.method, deed.path, body=deed.body, headers={"Idempotency-Key": deed.key})
    except ApiDown:
        st.error(t("api.down.change"), icon=":material/cloud_off:")
        return False
    except ApiRefused as refusal:
        failed(refusal)
        return False
    desk.forget()
    return True


def grid(place: str, columns: tuple[str, ...], rows: list[Markup]) -> Markup:
    """Rows under the headings `<place>.column.<name>`."""
    head = Markup().join(Markup("<th>{}</th>").format(t(f"{place}.column.{name}")) for name in columns)
    return Markup('<div class="wide"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>').format(
        head, Markup().join(rows)
    )
