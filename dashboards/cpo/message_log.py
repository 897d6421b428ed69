"""The OCPP message log of one charger: live or held still, by action and error, with an export. `?charger=…`"""

from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import door, exports, pager
from dashboards.common import formats as f
from dashboards.common.api import ApiDown, route
from dashboards.common.choices import chips, dropdown, param
from dashboards.common.frame import live
from dashboards.common.panel import draw, link
from dashboards.common.places import charger_picker
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, crumbs, empty
from dashboards.cpo import data, messages

PAGE_ROWS = 50
ACTIONS = (
    "Authorize", "BootNotification", "CancelReservation", "CertificateSigned", "ChangeAvailability",
    "ChangeConfiguration", "ClearCache", "ClearChargingProfile", "DataTransfer", "DeleteCertificate",
    "DiagnosticsStatusNotification", "ExtendedTriggerMessage", "FirmwareStatusNotification", "GetCompositeSchedule",
    "GetConfiguration", "GetDiagnostics", "GetInstalledCertificateIds", "GetLocalListVersion", "GetLog", "Heartbeat",
    "InstallCertificate", "LogStatusNotification", "MeterValues", "RemoteStartTransaction", "RemoteStopTransaction",
    "ReserveNow", "Reset", "SecurityEventNotification", "SendLocalList", "SetChargingProfile", "SignCertificate",
    "SignedFirmwareStatusNotification", "SignedUpdateFirmware", "StartTransaction", "StatusNotification",
    "StopTransaction", "TriggerMessage", "UnlockConnector", "UpdateFirmware",
)  # fmt: skip


def choose(viewer: Viewer) -> None:
    """Which charger, which messages."""
    one, two, three = st.columns([3, 3, 3], vertical_alignment="bottom")
    with one:
        charger_picker(viewer, t("column.charger"), t("message_log.choose"))
    with two:
        dropdown("action", t("log.filter"), ACTIONS, lambda code: code, t("log.all"))
    with three, st.container(horizontal=True, vertical_alignment="bottom"):
        chips("direction", t("column.direction"), ("in", "out"), lambda way: t(f"log.{way}"))
        chips("only", t("message_log.errors"), ("errors",), lambda _: t("message_log.errors"))


def filters() -> dict[str, Any]:
    """The query of the API that the filters stand for."""
    wanted = {"action": param("action"), "direction": param("direction"), "errors": param("only") == "errors" or None}
    return {name: value for name, value in wanted.items() if value is not None}


def listing(viewer: Viewer) -> None:
    """The newest exchanges, or the page that was walked to."""
    charger_id = param("charger")
    if charger_id is None:
        return empty("message_log.none", key="no_charger")
    charger = data.charger(viewer, charger_id)
    if charger is None:
        return empty("charger.none", key="no_such_charger")
    walked = pager.trail("messages", (charger_id, filters()))
    answer = data.exchanges(viewer, charger_id, filters(), walked[-1], PAGE_ROWS)
    if answer is None or not answer.items:
        return empty("log.nothing" if filters() else "log.empty", key="no_messages")
    zone = charger.data["station_timezone"]
    notes = [t("log.zone", zone=f.zone_letters(zone))]
    if not viewer.may("messages:identifiers"):
        notes.append(t("message_log.masked"))
    draw(as_of(answer, *notes), "as_of")
    draw(messages.log(answer.items, zone, viewer.language), "log")
    pager.turn("messages", walked, answer.data.get("next_cursor"))


def export(viewer: Viewer, charger_id: str) -> None:
    """The filters above, over days of the charger's place: today there, unless others are chosen."""
    try:
        found = data.charger(viewer, charger_id)
    except ApiDown:
        return  # the region above says so
    if found is None:
        return
    zone = f.zone(found.data["station_timezone"])
    path, today = route("chargers", charger_id, "messages", "export"), datetime.now(zone).date()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen: tuple[date, ...] = st.date_input(
            t("message_log.days"), value=(today, today), key=f"export_days_{charger_id}", format="DD/MM/YYYY"
        )
        wanted = {**filters(), **_span(chosen or (today,), zone)}
        exports.offer(
            viewer,
            "messages",
            t("message_log.export"),
            lambda: viewer.api.download(path, **wanted),
            of=(charger_id, wanted),
            name=exports.stamped(f"uniev-messages-{charger_id}", "jsonl"),
            mime="application/x-ndjson",
            help=t("message_log.export_help"),
        )


def _span(days: tuple[date, ...], zone: tzinfo) -> dict[str, str]:
    """From the first midnight to the one after the last day."""
    since = datetime.combine(days[0], time(), zone)
    until = datetime.combine(days[-1] + timedelta(days=1), time(), zone)
    return {"from": since.isoformat(), "to": until.isoformat()}


def place(charger_id: str) -> None:
    crumbs(("live", t("cpo.live.title"), {}), ("charger", charger_id, {"charger": charger_id}), here=t("log.heading"))


person = require_viewer(door.CPO)
st.title(t("cpo.message_log.title"))
if chosen := param("charger"):
    place(chosen)
choose(person)
running = st.toggle(t("log.live"), value=True, key="log_live", help=t("log.live_help"))
live(door.CPO, listing, every=2 if running else None)
if chosen := param("charger"):
    export(person, chosen)
    draw(Markup("<p>{}</p>").format(link("quirks", t("message_log.quirks"), charger=chosen)), "quirks_link")
