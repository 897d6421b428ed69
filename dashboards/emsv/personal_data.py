"""People who charge, for whoever answers for their data: find one, see what is kept, act on it. `?driver=…`"""

import streamlit as st
from markupsafe import Markup

from dashboards.common import door, pager
from dashboards.common import formats as f
from dashboards.common.api import route
from dashboards.common.choices import param, search
from dashboards.common.desk import find, read
from dashboards.common.frame import live
from dashboards.common.panel import ago, draw
from dashboards.common.panel import link as to
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, crumbs, empty, line, table
from dashboards.emsv import personal_deeds as deeds
from dashboards.emsv.personal_deeds import Row

PAGE_ROWS = 25
PEOPLE = ("driver_name", "driver_contact", "driver_car", "driver_since", "driver_state")
PROFILE = ("driver_contact", "driver_car", "driver_battery", "driver_since", "driver_login")
TOKENS = ("token_number", "token_of", "held_since", "held_until")
CONSENTS = ("consent_purpose", "consent_said", "consent_version", "consent_method", "consent_at")
ZONE = "Asia/Jakarta"


def room(viewer: Viewer) -> None:
    """One driver, or all of them."""
    if driver_id := param("driver"):
        return one(viewer, driver_id)
    wanted = st.session_state.get("q", "").strip() or None
    trail = pager.trail("personal_data", wanted)
    answer = read(viewer, "/api/drivers", name=wanted, cursor=trail[-1], limit=PAGE_ROWS)
    if not answer.items:
        return empty("personal.nothing" if wanted else "personal.empty", key="no_drivers")
    draw(as_of(answer), "as_of")
    draw(table(PEOPLE, [_person(row) for row in answer.items]), "drivers")
    pager.turn("personal_data", trail, answer.data.get("next_cursor"))


def one(viewer: Viewer, driver_id: str) -> None:
    """Everything that is kept of one driver, or that they were erased."""
    found = find(viewer, route("drivers", driver_id))
    if found is None:
        return empty("personal.none", key="no_driver")
    row = found.data
    crumbs(("personal_data", t("emsv.personal_data.title"), {}), here=row["name"] or t("personal.nameless"))
    if row["erased_at"]:
        return empty("personal.erased", key="erased", at=f.when(row["erased_at"], ZONE, viewer.language))
    draw(as_of(found), "as_of")
    figures = read(viewer, route("drivers", driver_id, "kept")).data
    invited = deeds.open_invitation(viewer, driver_id)
    cells = (_contact(row), row["car"] or "–", f.energy(row["battery_wh"], viewer.language), ago(row["created_at"]))
    draw(table(PROFILE, [line(*cells, _login(viewer, figures["login"], invited))]), "profile")
    _figures(viewer, figures)
    _tokens(viewer, driver_id)
    _consents(viewer, driver_id)


def _person(row: Row) -> Markup:
    name = to("personal_data", row["name"] or t("personal.nameless"), driver=row["id"])
    state = t("personal.state.erased" if row["erased_at"] else "personal.state.kept")
    return line(name, _contact(row), row["car"] or "–", ago(row["created_at"]), state)


def _contact(row: Row) -> str:
    return row["contact"] or "–"


def _login(viewer: Viewer, login: Row | None, invited: Row | None) -> str:
    if login:
        return t("personal.login.has" if login["active"] else "personal.login.barred", email=login["email"])
    if invited:
        until = f.when(invited["expires_at"], ZONE, viewer.language)
        return t("personal.login.invited", email=invited["email"], until=until)
    return t("personal.login.none")


def _figures(viewer: Viewer, figures: Row) -> None:
    sessions, energy, last = st.columns(3)
    sessions.metric(t("personal.sessions"), f.number(figures["sessions"], viewer.language))
    energy.metric(t("personal.energy"), f.energy(figures["energy_wh"], viewer.language))
    last.metric(t("personal.last"), f.when(figures["last_at"], ZONE, viewer.language))


def _tokens(viewer: Viewer, driver_id: str) -> None:
    st.subheader(t("personal.tokens"))
    rows = read(viewer, route("drivers", driver_id, "id-tokens")).items
    if not rows:
        return empty("personal.no_tokens", key="no_tokens")
    cpos = {row["id"]: row["name"] for row in read(viewer, "/api/cpos", cap=500).items}
    draw(table(TOKENS, [_token(viewer, row, cpos) for row in rows]), "tokens")


def _token(viewer: Viewer, row: Row, cpos: dict[str, str]) -> Markup:
    token = find(viewer, route("id-tokens", row["id_token_id"])) if row["id_token_id"] else None
    return line(
        token.data["token"] if token else t("personal.token_gone"), cpos.get(row["cpo_id"], "EMSV"),
        f.when(row["held_since"], ZONE, viewer.language),
        f.when(row["held_until"], ZONE, viewer.language) if row["held_until"] else t("personal.still"),
    )  # fmt: skip


def _consents(viewer: Viewer, driver_id: str) -> None:
    """Everything that was said, latest first; what holds now is marked in words."""
    st.subheader(t("personal.consents"))
    rows = read(viewer, route("drivers", driver_id, "consents"), cap=200).items
    if not rows:
        return empty("personal.no_consents", key="no_consents")
    latest = {row["purpose"]: row["id"] for row in reversed(rows)}
    draw(table(CONSENTS, [_consent(viewer, row, latest[row["purpose"]] == row["id"]) for row in rows]), "consents")


def _consent(viewer: Viewer, row: Row, holds: bool) -> Markup:
    said: Markup | str = t("personal.given" if row["given"] else "personal.withdrawn")
    if holds:
        said = Markup("<b>{}</b> · {}").format(said, t("personal.holds"))
    return line(
        t(f"personal.purpose.{row['purpose']}"), said, row["text_version"], t(f"personal.method.{row['method']}"),
        f.when(row["at"], ZONE, viewer.language),
    )  # fmt: skip


person, chosen = require_viewer(door.EMSV), param("driver")
st.title(t("emsv.personal_data.title"))
if chosen:
    deeds.offer(person, chosen)
else:
    search("q", t("personal.name"), t("personal.search"), labelled=True)
live(door.EMSV, room, every=15)
deeds.ask_if_pressed()
