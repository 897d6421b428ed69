"""Limits: templates with their schedule, what a charger holds, and what it says it will allow. `?charger=…`"""

from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import door, outcomes
from dashboards.common import formats as f
from dashboards.common.api import route
from dashboards.common.choices import param
from dashboards.common.desk import Answer, find, read
from dashboards.common.frame import live
from dashboards.common.panel import ago, draw, link
from dashboards.common.places import charger_picker
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, empty, line, plain
from dashboards.cpo import data, deeds
from dashboards.cpo.deeds import Deed, Row
from dashboards.cpo.profile_editor import editor
from dashboards.cpo.schedule_chart import draw_schedule

HELD = ("number", "name", "connector", "purpose", "level", "session", "since", "state")
LOOK_AHEAD_S = (3600, 6 * 3600, 24 * 3600)


def templates(viewer: Viewer) -> Answer:
    return read(viewer, "/api/charging-profiles", cap=data.LIST_CAP)


def shelf(viewer: Viewer) -> None:
    """The templates, each with its curve, and the form for a new one."""
    st.subheader(t("limits.templates"))
    outcomes.show("shelf")
    zone = station_zone(viewer)
    found = templates(viewer)
    if not found.items:
        empty("limits.empty", key="no_templates")
    for row in found.items:
        with st.expander(f"{row['wire_id']} · {plain(row['name'])} · {t('limits.purpose.' + row['purpose'])}"):
            draw_schedule(row, viewer.language, f"template_{row['id']}", zone)
            st.caption(_about(row, zone, viewer))
            deed = Deed("delete_profile", row["name"], "DELETE", route("charging-profiles", row["id"]))
            deeds.button(deed, viewer, place=row["id"], icon=":material/delete:")
    with st.expander(t("limits.new"), icon=":material/add:"):
        editor(viewer, zone)


def station_zone(viewer: Viewer) -> str | None:
    """Where the chosen charger stands, if one is chosen."""
    charger_id = param("charger")
    charger = data.charger(viewer, charger_id) if charger_id else None
    return charger.data["station_timezone"] if charger else None


def _about(row: Row, zone: str | None, viewer: Viewer) -> str:
    parts = [t(f"limits.kind.{row['kind']}"), f"{t('limits.column.level')} {row['stack_level']}"]
    if row["recurrency"]:
        parts.append(t(f"limits.kind.{row['recurrency']}"))
    for name in ("starts_at", "valid_from", "valid_to"):
        if row[name]:
            parts.append(f"{t('limits.' + name)} {f.when(row[name], zone, viewer.language)}")
    return " · ".join(parts)


def choose(viewer: Viewer) -> None:
    charger_picker(viewer, t("limits.column.charger"), t("limits.choose"))


def charger_room(viewer: Viewer) -> None:
    """What the chosen charger holds and will allow."""
    charger_id = param("charger")
    if charger_id is None:
        return
    charger = data.charger(viewer, charger_id)
    held = find(viewer, route("chargers", charger_id, "charging-profiles"), limit=50)
    schedules = find(viewer, route("chargers", charger_id, "composite-schedules"), limit=1)
    if charger is None or held is None or schedules is None:
        return empty("charger.none", key="no_charger")
    st.subheader(t("limits.held", charger=plain(charger_id)))
    draw(as_of(held), "as_of")
    if held.items:
        draw(deeds.grid("limits", HELD, [_held(row) for row in held.items]), "held")
    else:
        empty("limits.none_held", key="none_held")
    reason = None if charger.data["connected"] else "order.no.offline"
    _orders(viewer, charger_id, held.items, reason)
    st.subheader(t("limits.composite"))
    if schedules.items:
        newest = schedules.items[0]
        st.caption(t("limits.composite_of", n=newest["connector_id"]))
        draw_schedule(newest, viewer.language, "composite", charger.data["station_timezone"])
    else:
        empty("limits.no_composite", key="no_composite")


def _held(row: Row) -> Markup:
    session = link("session", str(row["transaction_id"]), session=row["session_id"]) if row["session_id"] else "–"
    state = t("limits.state.held") if row["held"] else t(f"limits.state.{row['removed_because']}")
    return line(
        row["wire_id"], row["template_name"] or "–", row["connector_id"], t(f"limits.purpose.{row['purpose']}"),
        row["stack_level"], session, ago(row["installed_at"]), state,
    )  # fmt: skip


def _orders(viewer: Viewer, charger_id: str, rows: list[Row], reason: str | None) -> None:
    clear = route("chargers", charger_id, "charging-profiles", "clear")
    ask = route("chargers", charger_id, "commands", "GetCompositeSchedule")
    with st.container(horizontal=True):
        for row in rows:
            if row["held"]:
                about = f"{charger_id} · {row['wire_id']} · {row['template_name'] or ''}"
                deed = Deed("clear_profile", about, "POST", clear, {"wire_id": row["wire_id"]})
                deeds.button(deed, viewer, place=row["id"], icon=":material/remove:", reason=reason)
        deed = Deed("clear_profiles", charger_id, "POST", clear, {})
        deeds.button(deed, viewer, place="all", icon=":material/delete_sweep:", reason=reason)
        for seconds in LOOK_AHEAD_S:
            body = {"connectorId": 0, "duration": seconds}
            deed = Deed(f"composite_{seconds // 3600}", charger_id, "POST", ask, body)
            deeds.button(deed, viewer, place="ask", icon=":material/query_stats:", reason=reason)


def apply(viewer: Viewer) -> None:
    """The form that gives the chosen charger a limit."""
    charger_id = param("charger")
    if charger_id is None:
        return
    with st.expander(t("limits.apply"), icon=":material/bolt:"):
        names = {row["id"]: row for row in templates(viewer).items}
        running = read(viewer, "/api/sessions", charger_id=charger_id, open=True, limit=20).items
        sessions: dict[str, Row] = {row["id"]: row for row in running}
        one, two, three = st.columns(3)
        chosen = one.selectbox(
            t("limits.template"), list(names), index=None, format_func=lambda i: names[i]["name"], key="apply_profile"
        )
        tx = bool(chosen) and names[str(chosen)]["purpose"] == "TxProfile"
        connector = two.number_input(t("limits.column.connector"), 0, 99, 0, disabled=tx, key="apply_plug")
        session = three.selectbox(
            t("limits.column.session"), list(sessions), index=None, disabled=not tx, key="apply_session",
            format_func=lambda i: f"{sessions[i]['transaction_id']} · {sessions[i]['id_token']}",
        )  # fmt: skip
        ready = bool(chosen) and bool(session or not tx) and viewer.may("charging_profiles:write")
        if st.button(t("limits.send"), type="primary", key="apply", disabled=not ready):
            body: dict[str, Any] = {"profile_id": chosen, "connector_id": int(connector)}
            if tx:
                body["session_id"] = session
            path = route("chargers", charger_id, "charging-profiles")
            if deeds.send_form(viewer, "apply", (path, body), lambda: Deed("apply", "", "POST", path, body)):
                st.toast(t("limits.sent"), icon=":material/check:")


deeds.ask_if_pressed()
st.title(t("cpo.charging_profiles.title"))
choose(require_viewer(door.CPO))
live(door.CPO, charger_room, every=5)
live(door.CPO, apply, every=None, key="apply_region")
live(door.CPO, shelf, every=None, key="shelf")
