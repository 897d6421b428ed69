"""A new rule, tried on a payload while it is written: nothing is stored before the effect was seen."""

import json
from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import formats as f
from dashboards.common.api import ApiDown, ApiRefused
from dashboards.common.panel import draw
from dashboards.common.scorecard import word
from dashboards.common.texts import catalogue, t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import failed, plain

Row = dict[str, Any]
PHASES = ("L1", "L2", "L3", "N", "L1-N", "L2-N", "L3-N", "L1-L2", "L2-L3", "L3-L1")
ZONES = ("Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura", "Asia/Singapore", "Asia/Shanghai", "Europe/Berlin")
MEMBERS = ("readings", "registers", "both")
# The message that shows a treatment best, first.
TREATMENTS = {
    "energy_factor": "MeterValues", "ignore_phases": "MeterValues", "clock_offset": "StatusNotification",
    "clock_zone": "StatusNotification", "status_map": "StatusNotification", "error_code_map": "StatusNotification",
    "token_prefix": "StartTransaction",
}  # fmt: skip
_TIME = "2026-11-30T10:00:00Z"
_ENERGY = {"measurand": "Energy.Active.Import.Register", "unit": "Wh"}
_SAMPLES = [
    {"value": "361.5", **_ENERGY},
    {"value": "16.0", "measurand": "Current.Import", "unit": "A", "phase": "L1"},
    {"value": "0.3", "measurand": "Current.Import", "unit": "A", "phase": "L2"},
]
_VALUES = [{"timestamp": _TIME, "sampledValue": _SAMPLES}]
SAMPLES: dict[str, Row] = {
    "MeterValues": {"connectorId": 1, "transactionId": 7, "meterValue": _VALUES},
    "StatusNotification": {"connectorId": 1, "status": "Idle", "errorCode": "Error", "timestamp": _TIME},
    "StartTransaction": {"connectorId": 1, "idTag": "ID-04A2B9", "meterStart": 361, "timestamp": _TIME},
    "StopTransaction": {"transactionId": 7, "meterStop": 380, "timestamp": _TIME, "transactionData": _VALUES},
    "Authorize": {"idTag": "ID-04A2B9"},
}


def does(treatment: str, parameters: Row) -> str:
    """A treatment with its figures, in words."""
    shown = dict(parameters)
    if treatment == "energy_factor":
        shown["members"] = t(f"rules.members.{parameters['members']}")
    elif treatment == "ignore_phases":
        shown["phases"] = ", ".join(parameters["phases"])
    elif treatment.endswith("_map"):
        shown["map"] = ", ".join(f"{said} → {meant}" for said, meant in parameters["map"].items())
    return t(f"rules.does.{treatment}", **shown)


def preview(viewer: Viewer, rule: Row, action: str, payload: Row) -> Row:
    """What the API makes of a payload under this rule. Raises ApiRefused for parameters that mean nothing."""
    names = ("vendor_pattern", "model_pattern", "firmware_pattern", "treatment", "parameters")
    body = {name: rule[name] for name in names} | {"action": action, "payload": payload}
    said: Row = viewer.api.post("/api/normalising-rules/preview", body)
    return said


def form(viewer: Viewer) -> Row | None:
    """The draft with its effect; what was made of it, once it is stored."""
    left, right = st.columns(2)
    with left:
        rule = _written()
    with right:
        said = _tried(viewer, rule)
    with left:
        if said:
            st.caption(t("rules.fitting", n=f.number(said["chargers_fitting"], viewer.language)))
        why = next((t(f"rules.{lack}_first") for lack in ("name", "quirk") if not rule[lack]), None)
        why = why or (None if said else t("rules.try_first"))
        pressed = st.button(t("rules.add"), key="rule_add", type="primary", disabled=bool(why), help=why)
    if not pressed:
        return None
    try:
        made: Row = viewer.api.post("/api/normalising-rules", rule)
    except ApiDown:
        st.error(t("api.down.look"), icon=":material/cloud_off:")
    except ApiRefused as refusal:
        failed(refusal)
    else:
        return made
    return None


def _written() -> Row:
    name = st.text_input(t("column.rule_name"), key="draft_name", max_chars=120)
    columns = st.columns(3)
    patterns = {
        f"{part}_pattern": column.text_input(
            t(f"rules.{part}"), "*", key=f"draft_{part}", max_chars=120, help=t("rules.pattern_help")
        ) or "*"
        for part, column in zip(("vendor", "model", "firmware"), columns, strict=True)
    }  # fmt: skip
    quirks = [key.removeprefix("quirk.") for key in catalogue("en") if key.startswith("quirk.")]
    quirk = st.selectbox(t("column.quirk"), quirks, index=None, format_func=word, key="draft_quirk",
                         placeholder=t("rules.choose_quirk"))  # fmt: skip
    treatment = st.selectbox(
        t("column.rule_does"), list(TREATMENTS), format_func=lambda code: t(f"rules.kind.{code}"), key="draft_treatment"
    )
    parameters = _parameters(treatment)
    source = st.text_input(t("rules.source"), key="draft_source", max_chars=200, help=t("rules.source_help"))
    enabled = st.toggle(t("rules.at_once"), key="draft_enabled", help=t("rules.at_once_help"))
    return {"name": name, **patterns, "quirk": quirk, "treatment": treatment, "parameters": parameters,
            "source": source or None, "enabled": enabled}  # fmt: skip


def _parameters(treatment: str) -> Row:
    """The figures or words that a treatment wants; the API judges them."""
    if treatment == "energy_factor":
        one, two = st.columns(2)
        factor = one.text_input(t("rules.factor"), "1000", key="draft_factor", help=t("rules.factor_help"))
        members = two.selectbox(t("rules.of_what"), MEMBERS, format_func=lambda code: t(f"rules.members.{code}"),
                                key="draft_members")  # fmt: skip
        return {"factor": factor, "members": members}
    if treatment == "ignore_phases":
        return {"phases": st.multiselect(t("rules.phases"), PHASES, ["L2", "L3"], key="draft_phases")}
    if treatment == "clock_offset":
        return {"seconds": st.number_input(t("rules.seconds"), value=-25_200, step=60, key="draft_seconds")}
    if treatment == "clock_zone":
        return {"timezone": st.selectbox(t("rules.zone"), ZONES, key="draft_zone", accept_new_options=True)}
    if treatment == "token_prefix":
        return {"prefix": st.text_input(t("rules.prefix"), "ID-", key="draft_prefix", max_chars=20)}
    lines = st.text_area(t("rules.map"), "Idle = Available" if treatment == "status_map" else "Error = OtherError",
                         key=f"draft_{treatment}", help=t("rules.map_help"))  # fmt: skip
    pairs = (entry.partition("=") for entry in lines.splitlines() if entry.strip())
    return {"map": {said.strip(): meant.strip() for said, _, meant in pairs}}


def _tried(viewer: Viewer, rule: Row) -> Row | None:
    """The sample, and the same as the platform would read it. None: it could not be tried."""
    names = list(SAMPLES)
    action = st.selectbox(t("rules.try_on"), names, index=names.index(TREATMENTS[rule["treatment"]]),
                          key=f"draft_action_{rule['treatment']}")  # fmt: skip
    text = st.text_area(t("rules.sample"), json.dumps(SAMPLES[action], indent=2), height=230,
                        key=f"draft_sample_{action}", help=t("rules.sample_help"))  # fmt: skip
    try:
        payload = json.loads(text)
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        st.error(t("rules.no_json"), icon=":material/data_object:")
        return None
    try:
        said = preview(viewer, rule, action, payload)
    except ApiRefused as refusal:
        failed(refusal)
        return None
    _effect(action, payload, said)
    return said


def _effect(action: str, payload: Row, said: Row) -> None:
    if action not in said["actions"]:
        words = t("rules.not_concerned", action=plain(action), actions=plain(", ".join(said["actions"])))
        st.info(words, icon=":material/info:")
    elif not said["changed"]:
        st.info(t("rules.unchanged"), icon=":material/info:")
    else:
        draw(Markup("<h4>{}</h4><pre>{}</pre>").format(t("rules.after"), _marked(payload, said["after"])), "effect")


def _marked(before: Row, after: Row) -> Markup:
    """The lines of what comes out; those that the rule made bear a mark, not a colour alone."""
    known = set(json.dumps(before, indent=2, ensure_ascii=False).splitlines())
    lines = json.dumps(after, indent=2, ensure_ascii=False).splitlines()
    return Markup("\n").join(Markup("<b>▸ {}</b>" if line not in known else "  {}").format(line) for line in lines)
