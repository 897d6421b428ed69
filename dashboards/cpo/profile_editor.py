"""The form for a new limit: what it limits, when, and its schedule as a table that is drawn while it is edited."""

from datetime import datetime
from typing import Any

import streamlit as st

from dashboards.common import formats as f
from dashboards.common import outcomes
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer
from dashboards.common.widgets import plain
from dashboards.cpo import deeds
from dashboards.cpo.deeds import Deed, Row
from dashboards.cpo.schedule_chart import draw_schedule

PURPOSES = ("TxDefaultProfile", "ChargePointMaxProfile", "TxProfile")
KINDS = ("Relative", "Daily", "Weekly", "Absolute")
ZONES = ("Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura")
_FIRST: tuple[Row, ...] = ({"minute": 0, "limit": 16.0, "phases": None}, {"minute": 60, "limit": 10.0, "phases": None})


def editor(viewer: Viewer, station_zone: str | None) -> None:
    """Draws what is in the table; saves it when asked. Begins are meant in `station_zone`, unless another is chosen."""
    body, zone = _fields(), None
    if body["kind"] != "Relative":
        begin, zone = _begin(station_zone)
        body["starts_at"] = begin.isoformat()
        st.caption(t("limits.begins", at=_words(begin, zone, viewer)))
    periods = _periods()
    if not periods or periods[0]["start_s"] != 0:
        st.warning(t("limits.first_zero"))
        return
    body["periods"] = periods
    draw_schedule(body, viewer.language, "draft", zone)
    ready = bool(body["name"]) and viewer.may("charging_profiles:write")
    if st.button(t("limits.save"), type="primary", key="save_profile", disabled=not ready) and deeds.send(
        viewer, Deed("save", "", "POST", "/api/charging-profiles", body)
    ):
        outcomes.keep("shelf", t("limits.saved", name=plain(body["name"])))
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
    return body


def _begin(station_zone: str | None) -> tuple[datetime, str]:
    """From when on, in whose time: as a rule from the midnight that began today, where the station stands."""
    one, two = st.columns([1, 2])
    # Another station, another zone: its own is offered anew. Another zone: today may be another day there.
    zone: str = one.selectbox(
        t("limits.zone"), ZONES, index=ZONES.index(_zone_like(station_zone)), format_func=f.zone_letters,
        key=f"profile_zone_{station_zone}",
    )  # fmt: skip
    midnight = datetime.now(f.zone(zone)).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    label = t("limits.begin", zone=f.zone_letters(zone))
    chosen = two.datetime_input(label, midnight, key=f"profile_begin_{zone}", format="DD/MM/YYYY", required=True)
    return (chosen or midnight).replace(tzinfo=f.zone(zone)), zone


def _zone_like(station_zone: str | None) -> str:
    """The one of ZONES whose clocks show the same."""
    return next((zone for zone in ZONES if f.zone_letters(zone) == f.zone_letters(station_zone)), ZONES[0])


def _words(begin: datetime, zone: str, viewer: Viewer) -> str:
    """The day of the week too, since a weekly limit begins on it."""
    weekday = f.day(begin.date().isoformat(), viewer.language).partition(",")[0]
    return f"{weekday}, {f.when(begin.isoformat(), zone, viewer.language)}"


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
