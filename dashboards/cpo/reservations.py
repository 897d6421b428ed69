"""Reservations: what is kept free now and until when, a new one, and what became of the earlier ones."""

from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import door, exports, pager
from dashboards.common import formats as f
from dashboards.common.api import ApiDown, route
from dashboards.common.choices import chips, param
from dashboards.common.desk import read
from dashboards.common.frame import live
from dashboards.common.panel import draw, link
from dashboards.common.places import charger_picker
from dashboards.common.texts import known, t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, empty, line
from dashboards.cpo import data, deeds
from dashboards.cpo.deeds import Deed, Row

STATES = ("requested", "active", "used", "expired", "cancelled", "rejected")
LIVE = ("requested", "active")
PAGE_ROWS = 50
COLUMNS = ("number", "charger", "token", "state", "until", "asked")
MINUTES = (15, 30, 60, 120, 240)
CSV_COLUMNS = (
    "id", "reservation_id", "station_name", "station_timezone", "charger_id", "connector_id", "id_token",
    "parent_token", "status", "reason", "cancel_answer", "session_id", "other_session_id", "requested_by_name",
    "created_at", "expires_at", "ended_at",
)  # fmt: skip


def new(viewer: Viewer) -> None:
    """The form: charger, connector, token, how long."""
    with st.expander(t("reservations.new"), icon=":material/event_available:"):
        try:
            tokens = {row["token"]: row for row in data.id_tokens(viewer) if len(row["token"]) <= 20}
        except ApiDown:
            return empty("api.down.empty", key="no_form")
        one, two, three, four = st.columns([3, 2, 3, 2])
        with one:
            label = t("reservations.column.charger")
            charger = charger_picker(viewer, label, t("reservations.choose"), key="reserve_charger")
        connector = two.number_input(
            t("reservations.connector"), 0, 99, 0, help=t("reservations.any"), key="reserve_plug"
        )
        token = three.selectbox(t("reservations.column.token"), list(tokens), index=None, key="reserve_token")
        minutes = four.selectbox(
            t("reservations.minutes"),
            MINUTES,
            index=1,
            format_func=lambda n: f.duration(n * 60, viewer.language),
            key="reserve_minutes",
        )
        pressed = st.button(
            t("reservations.ask"),
            type="primary",
            key="reserve",
            disabled=not (charger and token),
        )
        if pressed:
            wish = {"charger_id": charger, "connector_id": int(connector), "id_token": token}
            parent = tokens[str(token)]["parent_token"]
            if parent and len(parent) <= 20:
                wish["parent_id_token"] = parent
            if deeds.send_form(viewer, "reserve", (wish, minutes), lambda: _reservation(wish, minutes)):
                st.toast(t("reservations.sent"), icon=":material/check:")


def _reservation(wish: Row, minutes: int) -> Deed:
    until = datetime.now(UTC) + timedelta(minutes=minutes)
    return Deed("reserve", "", "POST", "/api/reservations", {**wish, "expires_at": until.isoformat()})


def filter_bar() -> None:
    chips("status", t("reservations.column.state"), STATES, lambda code: t(f"reservations.state.{code}"))


def filters() -> dict[str, Any]:
    """The query of the API that the filter stands for."""
    status = param("status")
    return {"status": status} if status in STATES else {}


def listing(viewer: Viewer) -> None:
    """What is kept now stands first; below it, page by page, what is over. A state that is chosen is listed alone."""
    wanted = filters()
    trail = pager.trail("reservations", wanted)
    kept = read(viewer, "/api/reservations", live=True, limit=PAGE_ROWS) if not wanted else None
    answer = read(viewer, "/api/reservations", **(wanted or {"live": False}), cursor=trail[-1], limit=PAGE_ROWS)
    if not answer.items and not (kept and kept.items):
        return empty("reservations.nothing" if wanted else "reservations.empty", key="no_reservations")
    draw(as_of(answer), "as_of")
    for row in (*(kept.items if kept else ()), *answer.items):
        if row["status"] in LIVE:
            _kept(row, viewer)
    if kept and kept.data.get("next_cursor"):
        st.caption(t("reservations.more", n=PAGE_ROWS))
    over = [_line(row, viewer) for row in answer.items if row["status"] not in LIVE]
    if over:
        st.subheader(t("reservations.over"))
        draw(deeds.grid("reservations", COLUMNS, over), "over")
    pager.turn("reservations", trail, answer.data.get("next_cursor"))


def _kept(row: Row, viewer: Viewer) -> None:
    """One that may still be used, with its countdown and the button that ends it."""
    with st.container(border=True, key=f"kept_{row['id']}"):
        what, do = st.columns([6, 2], vertical_alignment="center")
        with what:
            draw(
                Markup("<div><b>{}</b> · {} · {} · {} · <b>{}</b>{}</div>").format(
                    row["reservation_id"],
                    _where(row),
                    row["id_token"],
                    _state(row),
                    countdown(row, viewer),
                    _other(row),
                ),
                f"kept_words_{row['id']}",
            )
        with do:
            about = f"{row['reservation_id']} · {row['charger_id']} · {row['id_token']}"
            deed = Deed("cancel_reservation", about, "DELETE", route("reservations", row["id"]))
            deeds.button(deed, viewer, place=row["id"], icon=":material/event_busy:")


def countdown(row: Row, viewer: Viewer) -> str:
    """How long it is still kept."""
    until = f.moment(row["expires_at"])
    left = (until - datetime.now(UTC)).total_seconds() if until else 0
    return t("reservations.left", time=f.duration(left, viewer.language)) if left > 0 else t("reservations.due")


def _line(row: Row, viewer: Viewer) -> Markup:
    used = link("session", t("reservations.session"), session=row["session_id"]) if row["session_id"] else ""
    return line(
        row["reservation_id"], _where(row), row["id_token"], Markup("{} {}").format(_state(row), used),
        f.when(row["expires_at"], row["station_timezone"], viewer.language),
        row["requested_by_name"] or t("receipt.platform"),
    )  # fmt: skip


def _where(row: Row) -> Markup:
    plug = row["connector_id"] or t("reservations.any_short")
    return link("charger", f"{row['charger_id']} · {plug}", charger=row["charger_id"])


def _state(row: Row) -> str:
    word, reason = t(f"reservations.state.{row['status']}"), row["reason"]
    if not reason:
        return word
    return f"{word} ({t(f'reservations.reason.{reason}') if known(f'reservations.reason.{reason}') else reason})"


def _other(row: Row) -> Markup:
    if not row["other_session_id"]:
        return Markup("")
    return Markup(' · <span class="alert">{}</span>').format(
        link("session", t("reservations.other"), session=row["other_session_id"])
    )


def export(viewer: Viewer) -> None:
    """What the filter leaves, of all pages; the filter is that of the moment the button was drawn."""
    exports.of_list(viewer, "/api/reservations", filters(), CSV_COLUMNS, "reservations", "reservations.export")


deeds.ask_if_pressed()
st.title(t("cpo.reservations.title"))
person = require_viewer(door.CPO)
if person.may("reservations:write"):
    new(person)
filter_bar()
live(door.CPO, listing, every=5)
export(person)
