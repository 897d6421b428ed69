"""What can be done about a charger's security: buttons, and the dialog that names the consequence first."""

import uuid
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from dashboards.common import desk, door, outcomes
from dashboards.common.api import ApiDown, ApiRefused, route
from dashboards.common.forgiving import ask
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import failed, plain

Row = dict[str, Any]
_ASKING = "safeguard"
_OWNERS_ONLY = frozenset({"by_hand", "raise", "revoke"})
_NEED_A_SOCKET = frozenset({"rotate", "raise", "root", "renew"})
_WITHOUT_KEY = frozenset({"by_hand", "revoke"})  # the API takes none
_ICONS = {
    "rotate": ":material/sync_lock:", "by_hand": ":material/password:", "raise": ":material/arrow_upward:",
    "root": ":material/verified_user:", "renew": ":material/autorenew:", "revoke": ":material/block:",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing to do with one charger, latched when the button was pressed. The key makes a second try the same."""

    kind: str
    charger_id: str
    level: int = 0
    certificate: Row = field(default_factory=dict)
    key: str = field(default_factory=lambda: str(uuid.uuid4()))

    def request(self) -> tuple[str, Any]:
        """Path and body."""
        charger = ("chargers", self.charger_id)
        return {
            "rotate": (route(*charger, "password-rotation"), None),
            "by_hand": (route(*charger, "password"), {}),
            "raise": (route(*charger, "security-profile"), {"profile": self.level}),
            "root": (route(*charger, "certificates", "root"), None),
            "renew": (route(*charger, "certificates", "renew"), None),
            "revoke": (route("certificates", str(self.certificate.get("id")), "revoke"), None),
        }[self.kind]


def button(
    kind: str,
    viewer: Viewer,
    charger: Row,
    *,
    reason: str | None = None,
    level: int = 0,
    certificate: Row | None = None,
) -> None:
    """Disabled with its reason while impossible. A press opens the dialog."""
    if not viewer.may("chargers:write" if kind in _OWNERS_ONLY else "commands:send"):
        reason = "order.no.role"
    elif kind in _NEED_A_SOCKET and not charger["connected"]:
        reason = reason or "order.no.offline"
    place = str(level) if level else (certificate or {}).get("serial_number", "")
    pressed = st.button(
        t(f"security.do.{kind}.button", n=level, serial=place), icon=_ICONS[kind], key=f"{kind}_{place}",
        disabled=reason is not None, help=t(reason) if reason else None,
    )  # fmt: skip
    if pressed:
        st.session_state[_ASKING] = Measure(kind, charger["id"], level, certificate or {})
        st.rerun()


def ask_if_pressed() -> None:
    """Opens the dialog of the button pressed last, or says what was done in it. Called once, outside the region."""
    outcomes.show("safeguard")
    measure: Measure | None = st.session_state.pop(_ASKING, None)
    if measure:
        title = t(f"security.do.{measure.kind}.title", n=measure.level)
        ask(title, dialog, measure, icon=_ICONS[measure.kind])


def dialog(measure: Measure) -> None:
    """Says what will follow, and does it on one explicit press. A password made by hand is shown here, once."""
    viewer = require_viewer(door.CPO)
    st.markdown(f"{t('column.charger')}: **{plain(measure.charger_id)}**")
    st.info(t(f"security.do.{measure.kind}.consequence", n=measure.level), icon=":material/info:")
    left, right = st.columns(2)
    if left.button(t(f"security.do.{measure.kind}.confirm", n=measure.level), key="confirm", type="primary",
                   width="stretch"):  # fmt: skip
        answer = send(viewer, measure)
        if answer is not None and measure.kind == "by_hand":
            st.code(answer["password"], language=None)
            st.caption(t("security.shown_once"))
        elif answer is not None:
            what = t(f"security.do.{measure.kind}.title", n=measure.level)
            outcomes.keep("safeguard", t("deed.done", what=what, about=plain(measure.charger_id)))
            st.rerun()
    if right.button(t("order.cancel"), key="cancel", width="stretch"):
        st.rerun()


def send(viewer: Viewer, measure: Measure) -> Row | None:
    """The API's answer; None when it refused or is down."""
    path, body = measure.request()
    try:
        key = None if measure.kind in _WITHOUT_KEY else measure.key
        answer: Row = viewer.api.post(path, body, idempotency_key=key)
    except ApiDown:
        # A second password made by hand makes the first one void: whoever was not told that one wants the second.
        words = {"by_hand": "security.down_by_hand", "revoke": "api.down.look"}.get(measure.kind, "api.down.change")
        st.error(t(words), icon=":material/cloud_off:")
        return None
    except ApiRefused as refusal:
        failed(refusal)
        return None
    desk.forget()
    return answer
