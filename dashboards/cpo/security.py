"""Security of one charger: profile, password, certificates, events. `?charger=…`; without, ends and events of all."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import door, exports, pager
from dashboards.common import formats as f
from dashboards.common.api import route
from dashboards.common.choices import param
from dashboards.common.desk import find, read
from dashboards.common.frame import live
from dashboards.common.panel import ago, draw, link
from dashboards.common.places import charger_picker
from dashboards.common.texts import known, t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, crumbs, empty, line
from dashboards.cpo import data, safeguards

Row = dict[str, Any]
PAGE_ROWS = 50
EVENT_FIELDS = ("happened_at", "received_at", "charger_id", "source", "type", "critical", "tech_info")
_ENDS = 20
_SOON_DAYS = 21


def choose(viewer: Viewer) -> str | None:
    return charger_picker(viewer, t("column.charger"), t("security.all"))


def room(viewer: Viewer) -> None:
    """One charger, or everybody's events."""
    charger_id = param("charger")
    if charger_id is None:
        return everybody(viewer)
    charger = data.charger(viewer, charger_id)
    answer = find(viewer, route("chargers", charger_id, "security"))
    if charger is None or answer is None:
        return empty("charger.none", key="no_such_charger")
    state, zone = answer.data, charger.data["station_timezone"]
    draw(as_of(answer, t("log.zone", zone=f.zone_letters(zone))), "as_of")
    profile(viewer, charger.data, state)
    password(viewer, charger.data, state)
    certificates(viewer, charger.data, state, zone)
    refusals(viewer, state, zone)
    events(viewer, charger_id, zone)


def everybody(viewer: Viewer) -> None:
    """Whose certificates end soonest, and the newest events of all chargers."""
    st.subheader(t("security.ends"))
    _ends(viewer, read(viewer, "/api/certificates", limit=_ENDS).items)
    events(viewer, None, None)


def events(viewer: Viewer, charger_id: str | None, zone: str | None) -> None:
    """Those of one charger, or of all, newest first."""
    st.subheader(t("security.events"))
    wanted: Row = {"charger_id": charger_id}
    walked = pager.trail("events", charger_id)
    answer = read(viewer, "/api/security-events", cursor=walked[-1], limit=PAGE_ROWS, **wanted)
    if not answer.items:
        return empty("security.no_events", key="no_events")
    draw(as_of(answer), "events_as_of")
    rows = [_event(viewer, row, zone) for row in answer.items]
    draw(_table(("when", "charger", "critical", "event", "info"), rows), "events")
    pager.turn("events", walked, answer.data.get("next_cursor"))
    exports.of_list(viewer, "/api/security-events", wanted, EVENT_FIELDS, "security-events")


def profile(viewer: Viewer, charger: Row, state: Row) -> None:
    """Where it stands, and the way up with what is missing for each step."""
    st.subheader(t("security.profile"))
    st.markdown(f"**{state['profile']} · {t('security.profiles.p' + str(state['profile']))}**")
    if state["wanted_profile"] is not None:
        words = t(f"security.wanted.{state['wanted_profile_state']}", n=state["wanted_profile"], old=state["profile"])
        stuck = state["wanted_profile_state"] in ("timed_out", "rejected", "failed")
        (st.warning if stuck else st.info)(words, icon=":material/warning:" if stuck else ":material/hourglass_top:")
    under_way = state["wanted_profile_state"] in ("asked", "accepted")
    for step in range(state["profile"] + 1, 4):
        missing = state["obstacles"][f"profile_{step}"]
        with st.container(border=True):
            st.markdown(f"**{step} · {t(f'security.profiles.p{step}')}**")
            for need in _needs(step):
                mark, word = ("✗", "missing") if need in missing else ("✓", "met")
                st.markdown(f"{mark} {t(f'security.need.{need}')}: {t(f'security.{word}')}")
            reason = "security.no.missing" if missing else "security.no.busy" if under_way else None
            safeguards.button("raise", viewer, charger, reason=reason, level=step)
    if state["profile"] == 3:
        st.caption(t("security.top"))


def _needs(step: int) -> Sequence[str]:
    return {1: ("password",), 2: ("password", "tls", "root_certificate")}.get(
        step, ("tls", "root_certificate", "client_certificate")
    )


def password(viewer: Viewer, charger: Row, state: Row) -> None:
    """Whether there is one, which are on their way, and how to change it."""
    st.subheader(t("security.password"))
    if state["has_password"]:
        st.markdown(t("security.password_set"))
        draw(Markup("<p>{} {}</p>").format(t("security.since"), ago(state["password_changed_at"])), "password_age")
    else:
        st.markdown(t("security.password_none"))
    if state["pending_passwords"]:
        st.info(t("security.pending", n=len(state["pending_passwords"])), icon=":material/sync_lock:")
    with st.container(horizontal=True):
        safeguards.button("rotate", viewer, charger)
        safeguards.button("by_hand", viewer, charger)


def certificates(viewer: Viewer, charger: Row, state: Row, zone: str | None) -> None:
    """What it has, until when, and how to bring more."""
    st.subheader(t("security.certificates"))
    rows = state["certificates"]
    if rows:
        head = ("kind", "state", "subject", "serial", "until", "used")
        draw(_table(head, [_certificate(viewer, row, zone) for row in rows]), "certificates")
    else:
        empty("security.no_certificates", key="no_certificates")
    with st.container(horizontal=True):
        safeguards.button("root", viewer, charger)
        safeguards.button("renew", viewer, charger)
        for row in rows:
            if row["kind"] == "ChargePointCertificate" and row["state"] in ("issued", "installed"):
                safeguards.button("revoke", viewer, charger, certificate=row)


def refusals(viewer: Viewer, state: Row, zone: str | None) -> None:
    """Handshakes that were turned away."""
    st.subheader(t("security.refusals"))
    if not state["refusals"]:
        st.caption(t("security.no_refusals"))
        return
    rows = [
        line(t(f"security.reason.{row['reason']}"), f.number(row["refused_count"], viewer.language),
             f.when(row["first_at"], zone, viewer.language), f.when(row["last_at"], zone, viewer.language),
             row["last_address"] or "–")
        for row in state["refusals"]
    ]  # fmt: skip
    draw(_table(("reason", "count", "first", "last", "address"), rows), "refusals")


def _certificate(viewer: Viewer, row: Row, zone: str | None) -> Markup:
    return line(
        t(f"security.kind.{row['kind']}"), t(f"security.state.{row['state']}"), row["subject"] or "–",
        row["serial_number"], f.when(row["not_after"], zone, viewer.language),
        f.when(row["last_used_at"], zone, viewer.language),
    )  # fmt: skip


def _ends(viewer: Viewer, rows: list[Row]) -> None:
    if not rows:
        return empty("security.no_ends", key="no_ends")
    head = ("charger", "profile", "until", "left", "used", "asked")
    draw(_table(head, [_end(viewer, row) for row in rows]), "ends")


def _end(viewer: Viewer, row: Row) -> Markup:
    charger = link("security", row["charger_id"], charger=row["charger_id"])
    ends = f.moment(row["not_after"]) or datetime.now(UTC)
    days = (ends - datetime.now(UTC)).days
    left = t("security.days_left", n=days) if days >= 0 else t("security.ended")
    return line(
        charger, str(row["security_profile"]), f.when(row["not_after"], None, viewer.language),
        Markup('<span class="alert">{}</span>').format(left) if days < _SOON_DAYS else left,
        f.when(row["last_used_at"], None, viewer.language), f.when(row["renewal_asked_at"], None, viewer.language),
    )  # fmt: skip


def _event(viewer: Viewer, row: Row, zone: str | None) -> Markup:
    ours = f"security.event.{row['type']}"
    weight = Markup('<span class="alert">{}</span>').format(t("security.critical")) if row["critical"] else "–"
    charger = link("security", row["charger_id"], charger=row["charger_id"])
    return line(
        f.when(row["happened_at"], zone, viewer.language), charger, weight,
         t(ours) if known(ours) else row["type"], row["tech_info"] or "–",
    )  # fmt: skip


def _table(head: Sequence[str], rows: Sequence[Markup]) -> Markup:
    cells = Markup().join(Markup("<th>{}</th>").format(t(f"security.head.{name}")) for name in head)
    return Markup('<div class="wide"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>').format(
        cells, Markup().join(rows)
    )


person = require_viewer(door.CPO)
st.title(t("cpo.security.title"))
if chosen := choose(person):
    crumbs(("live", t("cpo.live.title"), {}), ("charger", chosen, {"charger": chosen}), here=t("cpo.security.title"))
safeguards.ask_if_pressed()
live(door.CPO, room, every=5)
