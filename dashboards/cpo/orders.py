"""What may be asked of a charger from the screen, when it is possible, and the dialog that asks first."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from dashboards.common import desk, door
from dashboards.common import formats as f
from dashboards.common.api import ApiDown, ApiRefused, route
from dashboards.common.forgiving import ask
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import failed, plain
from dashboards.cpo import data
from dashboards.cpo.rows import plug_number

Row = dict[str, Any]
_ASKING = "asking"
_TOKEN_LENGTH = 20  # of an idToken in OCPP 1.6


@dataclass(frozen=True, slots=True)
class Order:
    """One thing asked of one charger, latched when the button was pressed: later data cannot change its aim.

    The key makes a second press, or a second try after a lost answer, the same command.
    """

    kind: str
    charger_id: str
    station_name: str
    evse_id: int | None = None
    connector: str = ""
    session: Row | None = None
    key: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True, slots=True)
class Kind:
    """How an order reaches the API, and whether it needs to be confirmed as destructive."""

    icon: str
    path: Callable[[Order], str]
    body: Callable[[Order, str | None], dict[str, Any]]


KINDS: dict[str, Kind] = {
    "start": Kind(
        ":material/play_arrow:",
        lambda o: "/api/client/remote-start",
        lambda o, token: {"charger_id": o.charger_id, "connector_id": o.evse_id, "id_token": token},
    ),
    "stop": Kind(
        ":material/stop:",
        lambda o: "/api/client/remote-stop",
        lambda o, _: {"session_id": (o.session or {})["session_id"]},
    ),
    "unlock": Kind(
        ":material/lock_open:",
        lambda o: route("chargers", o.charger_id, "commands", "UnlockConnector"),
        lambda o, _: {"connectorId": o.evse_id},
    ),
    "reset": Kind(
        ":material/restart_alt:",
        lambda o: route("chargers", o.charger_id, "commands", "Reset"),
        lambda o, _: {"type": "Soft"},
    ),
}


def obstacle(kind: str, viewer: Viewer, charger: Row, plug: Row | None = None) -> str | None:
    """Why an order is impossible now, as a text key; None when it is possible."""
    if not viewer.may("commands:send"):
        return "order.no.role"
    if not charger["connected"]:
        return "order.no.offline"
    if plug is None:
        return None
    if kind == "start" and plug["session_id"]:
        return "order.no.busy"
    if kind == "start" and plug["state"] in ("faulted", "unavailable"):
        return f"order.no.{plug['state']}"
    if kind == "stop" and not plug["session_id"]:
        return "order.no.nothing"
    return None


def button(kind: str, viewer: Viewer, charger: Row, plug: Row | None = None) -> None:
    """The button of an order; disabled with its reason while impossible. A press opens the dialog."""
    reason = obstacle(kind, viewer, charger, plug)
    place = f"{plug['evse_id']}_{plug['connector_id']}" if plug else "all"
    pressed = st.button(
        t(f"order.{kind}.button"),
        icon=KINDS[kind].icon,
        key=f"{kind}_{place}",
        disabled=reason is not None,
        help=t(reason) if reason else None,
        type="primary" if kind == "start" and reason is None else "secondary",
    )
    if pressed:
        st.session_state[_ASKING] = Order(
            kind=kind,
            charger_id=charger["id"],
            station_name=charger["station_name"] or "–",
            evse_id=plug["evse_id"] if plug else None,
            connector=plug_number(plug) if plug else "",
            session=plug if plug and plug["session_id"] else None,
        )
        st.rerun()


def ask_if_pressed() -> None:
    """Opens the dialog of the button pressed last. Called once, outside the live region."""
    order: Order | None = st.session_state.pop(_ASKING, None)
    if order:
        ask(t(f"order.{order.kind}.title"), dialog, order, icon=KINDS[order.kind].icon)


def dialog(order: Order) -> None:
    """Names what is about to happen to whom, and sends it on one explicit press."""
    viewer = require_viewer(door.CPO)
    st.markdown(_facts(order, viewer))
    st.info(t(f"order.{order.kind}.consequence"), icon=":material/info:")
    token = _choose_token(viewer) if order.kind == "start" else None
    blocked = order.kind == "start" and not token
    left, right = st.columns(2)
    if left.button(
        t(f"order.{order.kind}.confirm"), key="confirm", type="primary", disabled=blocked, width="stretch"
    ) and send(viewer, order, token):
        st.rerun()
    if right.button(t("order.cancel"), key="cancel", width="stretch"):
        st.rerun()


def send(viewer: Viewer, order: Order, token: str | None) -> bool:
    """Sends the order under its own idempotency key; False when it was refused or the API is down."""
    kind = KINDS[order.kind]
    try:
        viewer.api.post(kind.path(order), kind.body(order, token), idempotency_key=order.key)
    except ApiDown:
        st.error(t("api.down.change"), icon=":material/cloud_off:")
        return False
    except ApiRefused as refusal:
        failed(refusal)
        return False
    desk.forget()
    return True


def _facts(order: Order, viewer: Viewer) -> str:
    lines = [(t("column.station"), order.station_name), (t("column.charger"), order.charger_id)]
    if order.connector:
        lines.append((t("column.connector"), order.connector))
    lines.append((t("column.session"), _session_words(order, viewer)))
    return "  \n".join(f"{label}: **{plain(value)}**" for label, value in lines)


def _session_words(order: Order, viewer: Viewer) -> str:
    if order.session is None:
        running = _running(order, viewer) if order.kind == "reset" else 0
        return t("order.sessions_running", n=running) if running else t("order.no_session")
    row = order.session
    return t(
        "order.session",
        token=row["id_token"],
        energy=f.energy(row["energy_wh"], viewer.language),
        power=f.power(row["power_w"], viewer.language),
    )


def _running(order: Order, viewer: Viewer) -> int:
    return sum(bool(plug["session_id"]) for plug in data.connectors(viewer, charger_id=order.charger_id).items)


def _choose_token(viewer: Viewer) -> str | None:
    """From the list, by those who may see it; a technician types the token that is in their hand."""
    if not viewer.may("id_tokens:read"):
        typed = st.text_input(t("order.start.token"), key="start_token", max_chars=_TOKEN_LENGTH, live="400ms")
        return (typed or "").strip() or None
    tokens = data.id_tokens(viewer)
    if not tokens:
        st.warning(t("order.start.no_tokens"))
        return None
    names = {row["token"]: " · ".join(filter(None, (row["token"], row["holder_name"]))) for row in tokens}
    choice: str | None = st.selectbox(
        t("order.start.token"),
        list(names),
        format_func=lambda code: names[code],
        index=None,
        key="start_token",
    )
    return choice
