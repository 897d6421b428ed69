"""The form for a new limit: what it limits, when, and its schedule as a table that is drawn while it is edited."""

from datetime import UTC, datetime
from typing import Any

import streamlit as st

from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.cpo import deeds
from dashboards.cpo.deeds import Deed, Row
from dashboards.cpo.schedule_chart import draw_schedule

PURPOSES = ("TxDefaultProfile", "ChargePointMaxProfile", "TxProfile")
KINDS = ("Relative", "Daily", "Weekly", "Absolute")
_FIRST: tuple[Row, ...] = ({"minute": 0, "limit": 16.0, "phases": None}, {"minute": 60, "limit": 10.0, "phases": None})


def editor(viewer: Viewer) -> None:
    """Draws what is in the table; saves it when asked."""
    body = _fields()
    periods = _periods()
    if not periods or periods[0]["start_s"] != 0:
        st.warning(t("limits.first_zero"))
        return
    body["periods"] = periods
    draw_schedule(body, viewer.language, "draft")
    ready = bool(body["name"]) and viewer.may("charging_profiles:write")
    if st.button(t("limits.save"), type="primary", key="save_profile", disabled=not ready) and deeds.send(
        viewer, Deed("save", "", "POST", "/api/charging-profiles", body)
    ):
        st.rerun()


def _fields() -> dict[str, Any]:
    one, two, three = st.columns(3)
    name = one.text_input(t("limits.column.name"), max_chars=120, key="profile_name")
    purpose = two.selectbox(
        t("limits.column.purpose"),
        PURPOSES,
        format_func=lambda code: t(f"limits.purpose.{code}"),
        key="profile_purpose",
    )
    kind = three.selectbox(
        t("limits.when"), KINDS, format_func=lambda code: t(f"limits.kind.{code}"), key="profile_kind"
    )
    level = one.number_input(t("limits.column.level"), 0, 99, 0, help=t("limits.level_help"), key="profile_level")
    unit = two.segmented_control(t("limits.unit"), ["A", "W"], default="A", required=True, key="profile_unit")
    hours = three.number_input(t("limits.duration"), 0, 24 * 7, 0, help=t("limits.duration_help"), key="profile_hours")
    body: dict[str, Any] = {
        "name": name, "purpose": purpose, "stack_level": int(level), "rate_unit": unit or "A",
        "duration_s": int(hours) * 3600 or None, "kind": "Recurring" if kind in ("Daily", "Weekly") else kind,
    }  # fmt: skip
    if body["kind"] == "Recurring":
        body["recurrency"] = kind
    if kind != "Relative":
        body["starts_at"] = _midnight()
    return body


def _midnight() -> str:
    """Schedules that repeat are written from midnight on, UTC+7."""
    return datetime.now(UTC).strftime("%Y-%m-%dT00:00:00+07:00")


def _periods() -> list[Row]:
    edited = st.data_editor(
        [dict(row) for row in _FIRST], num_rows="dynamic", key="profile_periods", width="stretch",
        column_config={
            "minute": st.column_config.NumberColumn(t("limits.from_minute"), min_value=0, step=1, required=True),
            "limit": st.column_config.NumberColumn(t("limits.limit"), min_value=0, step=0.1, required=True),
            "phases": st.column_config.NumberColumn(t("limits.phases"), min_value=1, max_value=3, step=1),
        },
    )  # fmt: skip
    complete = [row for row in edited if row.get("minute") is not None and row.get("limit") is not None]
    return sorted(
        (
            {"start_s": int(row["minute"]) * 60, "limit": round(float(row["limit"]), 1),
             "phases": int(row["phases"]) if row.get("phases") else None}
            for row in complete
        ),
        key=lambda row: row["start_s"],
    )  # fmt: skip
