"""One charger: its connectors, what can be asked of it, its timeline, and its message log.

`?charger=…`; the timeline also by `&kind=…&evse=…&until=…`.
"""

from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import door, pager
from dashboards.common import formats as f
from dashboards.common.choices import chips, dropdown, param, set_param
from dashboards.common.frame import live
from dashboards.common.panel import ago, draw, link
from dashboards.common.status import badge
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, crumbs, empty
from dashboards.cpo import data, messages, orders, timeline
from dashboards.cpo.rows import Row, charger_header, last_status, plug_error, plug_number, trouble, whole_charger

TIMELINE_ROWS = 20
ACTIONS = (
    "Authorize", "BootNotification", "ChangeAvailability", "ChangeConfiguration", "ClearCache", "DataTransfer",
    "GetConfiguration", "Heartbeat", "MeterValues", "RemoteStartTransaction", "RemoteStopTransaction", "Reset",
    "StartTransaction", "StatusNotification", "StopTransaction", "UnlockConnector",
)  # fmt: skip


def now(viewer: Viewer) -> None:
    found = data.charger(viewer, param("charger") or "")
    if found is None:
        return empty("charger.none", key="no_charger")
    charger = found.data
    plugs = data.connectors(viewer, charger_id=charger["id"])
    rows = sorted(plugs.items, key=lambda plug: (plug["evse_id"], plug["connector_id"]))
    with st.container(key="fixed_head"):
        _path(charger)
        draw(charger_header(charger, rows, viewer.language), "charger_head")
    draw(as_of(plugs), "as_of")
    _whole_charger(charger, rows, viewer)
    for plug in rows:
        _connector(charger, plug, viewer)
    if not rows:
        empty("charger.no_connectors", key="no_plugs")


def _path(charger: Row) -> None:
    above: list[tuple[str, str, dict[str, Any]]] = [("live", t("cpo.live.title"), {})]
    if charger["station_id"]:
        above.append(("live", charger["station_name"], {"station": charger["station_id"]}))
    crumbs(*above, here=charger["id"])


def _whole_charger(charger: Row, rows: list[Row], viewer: Viewer) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if charger["error_code"] not in (None, "NoError") or charger["status"] == "Faulted":
            draw(trouble(charger, []), "charger_trouble")
        orders.button("reset", viewer, charger)
        if reason := orders.obstacle("reset", viewer, charger):
            st.caption(t(reason))


def _connector(charger: Row, plug: Row, viewer: Viewer) -> None:
    name = f"{plug['evse_id']}_{plug['connector_id']}"
    with st.container(border=True, key=f"plug_{name}"):
        what, do = st.columns([5, 4], vertical_alignment="center")
        with what:
            draw(_connector_words(plug, viewer), f"plug_words_{name}")
        with do, st.container(horizontal=True, horizontal_alignment="right"):
            for kind in ("start", "stop", "unlock"):
                orders.button(kind, viewer, charger, plug)
            if st.button(
                t("timeline.show"),
                key=f"timeline_{name}",
                icon=":material/history:",
                type="tertiary",
                help=t("timeline.show_help"),
                on_click=only_connector,
                args=(plug["evse_id"],),
            ):
                st.rerun()


def _connector_words(plug: Row, viewer: Viewer) -> Markup:
    parts = [Markup("<b>{}</b>").format(t("live.connector_n", n=plug_number(plug))), badge(plug["state"])]
    if plug["state"] == "offline":
        parts.append(Markup('<span class="soft">{}</span>').format(last_status(plug)))
    if whole := whole_charger(plug):
        parts.append(whole)
    parts.append(Markup('<span class="soft">{} {}</span>').format(t("charger.since"), ago(plug["status_at"])))
    if words := plug_error(plug):
        parts.append(Markup('<span class="alert">{}</span>').format(words))
    return Markup('<div class="plugs">{}</div>{}').format(
        Markup().join(Markup("<span>{}</span>").format(part) for part in parts), _session(plug, viewer)
    )


def _session(plug: Row, viewer: Viewer) -> Markup:
    if not plug["session_id"]:
        return Markup('<div class="soft">{}</div>').format(t("charger.no_session"))
    facts = (
        (t("column.power"), f.power(plug["power_w"], viewer.language)),
        (t("column.energy"), f.energy(plug["energy_wh"], viewer.language)),
        (t("column.soc"), f.percent(plug["soc_percent"], viewer.language)),
        (t("column.id_token"), plug["id_token"]),
        (t("column.started"), ago(plug["started_at"])),
        (t("column.reading"), ago(plug["last_reading_at"])),
    )
    words = Markup(" · ").join(Markup('<span class="soft">{}</span> <b>{}</b>').format(*fact) for fact in facts)
    return Markup("<div>{} · {}</div>").format(
        link("session", t("charger.open_session"), session=plug["session_id"]), words
    )


def history(viewer: Viewer) -> None:
    """What happened, in one list; an order stands here from the queue to its effect."""
    charger_id = param("charger") or ""
    found = data.charger(viewer, charger_id)
    if found is None:
        return
    filters = {"kind": param("kind"), "evse_id": param("evse"), "until": param("until")}
    walked = pager.trail("timeline", (charger_id, filters))
    answer = data.timeline(viewer, charger_id, filters, walked[-1], TIMELINE_ROWS)
    if not answer.items:
        return empty("timeline.nothing" if any(filters.values()) else "timeline.empty", key="no_timeline")
    notes = [t("timeline.until", time=f.when(param("until"), found.data["station_timezone"], viewer.language))]
    draw(as_of(answer, *notes[: bool(param("until"))]), "timeline_as_of")
    draw(timeline.timeline(answer.items, found.data["station_timezone"], viewer.language), "timeline")
    pager.turn("timeline", walked, answer.data.get("next_cursor"))


def timeline_filters() -> None:
    """By kind and by connector; what stands in the address is kept."""
    evse = param("evse")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chips("kind", t("timeline.filter"), timeline.KINDS, lambda code: t(f"timeline.kind.{code}"))
        if evse:
            chips("evse", t("column.connector"), (evse,), lambda number: t("live.connector_n", n=number))


def only_connector(evse_id: int) -> None:
    """The timeline below shows this connector and what concerns the whole unit."""
    set_param("evse", str(evse_id))


def log(viewer: Viewer) -> None:
    charger_id = param("charger") or ""
    found = data.charger(viewer, charger_id)
    if found is None:
        return
    answer = data.exchanges(viewer, charger_id, {"action": param("action")})
    if answer is None or not answer.items:
        return empty("log.nothing" if param("action") else "log.empty", key="no_messages")
    draw(as_of(answer, t("log.zone", zone=f.zone_letters(found.data["station_timezone"]))), "log_as_of")
    draw(link("message_log", t("log.open"), charger=charger_id), "log_link")
    draw(messages.log(answer.items, found.data["station_timezone"], viewer.language), "log")


orders.ask_if_pressed()
live(door.CPO, now)
st.subheader(t("timeline.heading"), anchor="timeline")
timeline_filters()
live(door.CPO, history, key="timeline_region")
if require_viewer(door.CPO).may("messages:read"):
    st.subheader(t("log.heading"))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        dropdown("action", t("log.filter"), ACTIONS, lambda code: code, t("log.all"))
        running = st.toggle(t("log.live"), value=True, key="log_live", help=t("log.live_help"))
    live(door.CPO, log, every=2 if running else None, key="log_region")
