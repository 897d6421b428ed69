"""The form that switches a charger on."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

import streamlit as st

from dashboards.simulator.garage import Taken, garage
from dashboards.simulator.texts import w
from simulator import ChargerSpec

KINDS: dict[str, tuple[str, int]] = {
    "AC 7,4 kW": ("AC", 7_400),
    "AC 22 kW": ("AC", 22_000),
    "DC 50 kW": ("DC", 50_000),
    "DC 120 kW": ("DC", 120_000),
    "DC 200 kW": ("DC", 200_000),
}
SPEEDS = (1, 10, 60)


def default_url() -> str:
    """The OCPP server of this machine."""
    return f"ws://127.0.0.1:{os.environ.get('UNIEV_OCPP_PORT', '9000')}"


def near(url: str) -> bool:
    """Whether a WebSocket address is on this machine: the screen must not knock elsewhere."""
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"}:
        return False
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def spec_of(kind: str, plugs: int) -> ChargerSpec:
    """The type plate of a row of KINDS."""
    current, rated_power_w = KINDS[kind]
    return ChargerSpec("DC" if current == "DC" else "AC", rated_power_w, plugs)


def start_form() -> None:
    """Draw the form in place; on success the new charger becomes the chosen one."""
    with st.form("start", border=True):
        st.subheader(w("start.head"))
        identity = st.text_input(
            w("start.identity"), value="SIM-1", key="start_identity", help=w("start.identity.help"), max_chars=48
        )
        url = st.text_input(w("start.url"), value=default_url(), key="start_url")
        kind = st.selectbox(w("start.kind"), list(KINDS), index=2, key="start_kind")
        left, right = st.columns(2)
        plugs = left.selectbox(w("start.plugs"), (1, 2, 3, 4), key="start_plugs")
        speed = right.selectbox(
            w("start.speed"), SPEEDS, format_func=lambda pace: f"{pace}×", help=w("start.speed.help"), key="start_speed"
        )
        password = st.text_input(w("start.password"), type="password", key="start_password")
        if st.form_submit_button(w("start.go"), type="primary", icon=":material/power_settings_new:", width="stretch"):
            _start(identity.strip(), url.strip(), spec_of(kind, plugs), password, speed)


def _start(identity: str, url: str, spec: ChargerSpec, password: str, speed: int) -> None:
    if not identity:
        st.error(w("start.nameless"))
    elif not near(url):
        st.error(w("start.far"))
    else:
        try:
            garage().start(identity, url, spec, password=password or None, speed=speed)
        except Taken:
            st.error(w("start.taken", identity=identity))
        else:
            st.session_state["chosen"] = identity
            st.rerun()
