"""A new campaign: what, over which chargers, in which waves. It ends as a draft, whose dry run comes next."""

import re
from typing import Any

import streamlit as st

from dashboards.common import desk
from dashboards.common.api import ApiDown, ApiRefused
from dashboards.common.choices import set_param
from dashboards.common.desk import read
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import failed

KINDS = ("configuration_template", "firmware_update", "password_rotation")


def wizard(viewer: Viewer) -> None:
    """Three steps on one page; the button makes the draft."""
    with st.container(border=True):
        st.subheader(t("campaigns.step_what"))
        what = _what(viewer)
    with st.container(border=True):
        st.subheader(t("campaigns.step_whom"))
        whom = _whom(viewer)
    with st.container(border=True):
        st.subheader(t("campaigns.step_waves"))
        waves = _waves()
    ready = bool(what["name"]) and what["parameters"] is not None
    if st.button(t("campaigns.save"), icon=":material/preview:", key="save", type="primary", disabled=not ready):
        _save(viewer, {**what, "filter": whom, **waves})


def _what(viewer: Viewer) -> dict[str, Any]:
    name = st.text_input(t("campaigns.name"), key="campaign_name", max_chars=120)
    kind = st.selectbox(t("column.campaign_kind"), KINDS, format_func=lambda k: t(f"campaigns.kind.{k}"), key="kind")
    return {"name": name.strip(), "kind": kind, "parameters": _parameters(viewer, kind)}


def _parameters(viewer: Viewer, kind: str) -> dict[str, str] | None:
    """None while something is missing."""
    if kind == "configuration_template":
        chosen = _one_of(viewer, "/api/configuration-templates", "template", lambda row: str(row["name"]))
        return {"template_id": chosen} if chosen else None
    if kind == "firmware_update":
        chosen = _one_of(viewer, "/api/firmware-files", "file", lambda row: f"{row['name']} · {row['version']}")
        return {"firmware_file_id": chosen} if chosen else None
    st.caption(t("campaigns.password_note"))
    return {}


def _one_of(viewer: Viewer, path: str, name: str, words: Any) -> str | None:
    try:
        rows = {row["id"]: row for row in read(viewer, path, cap=500).items}
    except ApiDown:
        rows = {}
    if not rows:
        st.info(t(f"campaigns.no_{name}"), icon=":material/info:")
        return None
    chosen: str | None = st.selectbox(
        t(f"campaigns.{name}"), list(rows), format_func=lambda code: words(rows[code]), index=None, key=name
    )
    return chosen


def _whom(viewer: Viewer) -> dict[str, Any]:
    try:
        stations = {row["id"]: row["name"] for row in read(viewer, "/api/stations", cap=1_000).items}
    except ApiDown:
        stations = {}
    chosen = st.multiselect(
        t("column.station"), list(stations), format_func=lambda code: stations[code], key="stations",
        placeholder=t("campaigns.all_stations"),
    )  # fmt: skip
    wanted: dict[str, Any] = {"station_ids": chosen} if chosen else {}
    for column, name in zip(st.columns(4), ("vendor", "model", "firmware_version", "tag"), strict=True):
        if text := column.text_input(t(f"campaigns.{name}"), key=name, help=t("campaigns.pattern_help")).strip():
            wanted[name] = text
    typed = st.text_area(t("campaigns.identities"), key="identities", height=80)
    if identities := [part for part in re.split(r"[\s,;]+", typed) if part]:
        wanted["charger_ids"] = identities
    return wanted


def _waves() -> dict[str, Any]:
    one, two, three = st.columns(3)
    canary = one.number_input(t("campaigns.canary"), 0, 1000, 1, key="canary", help=t("campaigns.canary_help"))
    measure = two.radio(
        t("campaigns.measure"), ("count", "share"), format_func=lambda m: t(f"campaigns.by_{m}"), key="measure"
    )
    size = three.number_input(t(f"campaigns.wave_{measure}"), 1, 100 if measure == "share" else 100_000, 10, key="size")
    four, five, six = st.columns(3)
    pause = four.number_input(t("campaigns.pause_min"), 0, 43_200, 15, key="pause_min")
    failures = five.number_input(
        t("campaigns.max_failures"), 0, 100_000, 1, key="max_failures", help=t("campaigns.budget_help")
    )
    patience = six.number_input(
        t("campaigns.timeout_min"), 1, 43_200, 60, key="timeout_min", help=t("campaigns.timeout_help")
    )
    idle = st.toggle(t("campaigns.only_idle"), value=True, key="only_idle", help=t("campaigns.idle_help"))
    sized = {"wave_share": size / 100} if measure == "share" else {"wave_size": size}
    return {"canary_size": canary, **sized, "wave_pause_s": pause * 60, "max_failures": failures,
            "timeout_s": patience * 60, "only_idle": idle}  # fmt: skip


def _save(viewer: Viewer, body: dict[str, Any]) -> None:
    try:
        made = viewer.api.post("/api/campaigns", body)
    except ApiDown:
        st.error(t("api.down.look"), icon=":material/cloud_off:")
    except ApiRefused as refusal:
        failed(refusal)
    else:
        desk.forget()
        set_param("new", None)
        set_param("campaign", made["id"])
        st.rerun()
