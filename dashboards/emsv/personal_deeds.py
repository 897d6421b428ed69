"""What may be done about a driver's data: a consent, a login, a copy, erasure. Each dialog names the consequence."""

from functools import partial
from typing import Any

import streamlit as st

from dashboards.common import desk, door, exports
from dashboards.common import formats as f
from dashboards.common.api import ApiDown, ApiRefused, route
from dashboards.common.desk import find, read
from dashboards.common.forgiving import ask
from dashboards.common.people import state
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import failed, plain

Row = dict[str, Any]
PURPOSES = ("service", "contact_sharing", "notifications", "marketing")
METHODS = ("paper", "telephone", "web", "app")
_PATIENCE_S = 70  # the database gives up after sixty
_ASKING, _DONE = "personal_deed", "personal_done"


def offer(viewer: Viewer, driver_id: str) -> None:
    """What was done just now, and the buttons; none for a driver who does not exist or was erased."""
    done_for, words = st.session_state.pop(_DONE, ("", ""))
    if done_for == driver_id:
        st.success(words, icon=":material/check_circle:")
    found = find(viewer, route("drivers", driver_id))
    if found is None or found.data["erased_at"]:
        return
    row, figures = found.data, read(viewer, route("drivers", driver_id, "kept")).data
    with st.container(horizontal=True):
        _button("consent", ":material/fact_check:", row)
        _copy(viewer, driver_id)
        if open_invitation(viewer, driver_id):
            _button("withdraw", ":material/cancel_schedule_send:", row)
        _button("invite", ":material/person_add:", row, t("personal.has_login") if figures["login"] else None)
        _button("erase", ":material/delete_forever:", row, t("personal.running") if figures["running"] else None)


def ask_if_pressed() -> None:
    """Opens the dialog of the button pressed last. Called once, outside the live region."""
    asked: tuple[str, Row] | None = st.session_state.pop(_ASKING, None)
    if asked:
        ask(t(f"personal.{asked[0]}.button"), dialog, *asked)


def dialog(name: str, row: Row) -> None:
    """Says what is about to happen and does it on one press."""
    viewer = require_viewer(door.EMSV)
    st.markdown(f"**{plain(row['name'])}**")
    form = {"consent": _consent_form, "invite": _invitation_form, "erase": _erasure_form}.get(name)
    body = form(viewer, row) if form else {}
    st.info(t(f"personal.{name}.consequence"), icon=":material/info:")
    if not st.button(t(f"personal.{name}.confirm"), key="personal_confirm", type="primary", width="stretch"):
        return
    if name == "erase" and body["typed"].strip() != row["name"]:
        st.error(t("personal.erase.mistyped"), icon=":material/block:")
        return
    try:
        words = _send(viewer, name, row, body)
    except ApiDown:
        st.error(t("api.down.look"), icon=":material/cloud_off:")
        return
    except ApiRefused as refusal:
        return failed(refusal)
    st.session_state[_DONE] = (row["id"], words)
    desk.forget()
    st.rerun()


def open_invitation(viewer: Viewer, driver_id: str) -> Row | None:
    """The invitation that the driver may still follow, or could until it expired."""
    rows = read(viewer, "/api/invitations", driver_id=driver_id, limit=1).items
    return rows[0] if rows and state(rows[0]) == "open" else None


def _send(viewer: Viewer, name: str, row: Row, body: Row) -> str:
    """Does it, and says in words what was done."""
    driver = ("drivers", row["id"])
    if name == "consent":
        viewer.api.post(route(*driver, "consents"), body)
        return t("personal.consent.done")
    if name == "invite":
        viewer.api.post("/api/invitations", body)
        return t("personal.invite.done", email=plain(body["email"]))
    if name == "withdraw":
        invited = open_invitation(viewer, row["id"])
        if invited:
            viewer.api.call("DELETE", route("invitations", invited["id"]))
        return t("personal.withdraw.done")
    viewer.api.call("POST", route(*driver, "erasure"), timeout_s=_PATIENCE_S)
    return t("personal.erase.done", n=body["n"], energy=body["energy"])


def _button(name: str, icon: str, row: Row, reason: str | None = None) -> None:
    if st.button(
        t(f"personal.{name}.button"), icon=icon, key=f"personal_{name}", disabled=reason is not None, help=reason
    ):
        st.session_state[_ASKING] = (name, row)
        st.rerun()


def _copy(viewer: Viewer, driver_id: str) -> None:
    """The copy is put together when it is asked for, since every copy stands in the audit log."""
    exports.offer(
        viewer,
        "personal_copy",
        t("personal.copy"),
        partial(viewer.api.call, "GET", route("drivers", driver_id, "export"), raw=True, timeout_s=_PATIENCE_S),
        of=driver_id,
        name=f"driver-{driver_id}.json",
        mime="application/json",
        help=t("personal.copy_help"),
    )


def _consent_form(viewer: Viewer, row: Row) -> Row:
    """What the driver said; the words are as a rule those that the driver saw last."""
    said = read(viewer, route("drivers", row["id"], "consents"), limit=1).items
    purpose = st.selectbox(t("personal.consent.purpose"), PURPOSES, key="consent_purpose",
                           format_func=lambda one: t(f"personal.purpose.{one}"))  # fmt: skip
    given = st.radio(t("personal.consent.said"), (True, False), key="consent_given", horizontal=True,
                     format_func=lambda one: t("personal.given" if one else "personal.withdrawn"))  # fmt: skip
    method = st.selectbox(t("personal.consent.method"), METHODS, key="consent_method",
                          format_func=lambda one: t(f"personal.method.{one}"))  # fmt: skip
    version = st.text_input(t("personal.consent.version"), said[0]["text_version"] if said else "", max_chars=40,
                            key="consent_version", help=t("personal.consent.version_help"))  # fmt: skip
    return {"purpose": purpose, "given": given, "method": method, "text_version": version}


def _invitation_form(_: Viewer, row: Row) -> Row:
    """The address is asked anew: a CPO may have written the contact."""
    email = st.text_input(t("people.email"), max_chars=254, key="driver_email")
    language = st.selectbox(t("people.language"), ("id", "en"), key="driver_language",
                            format_func={"id": "Indonesia", "en": "English"}.__getitem__)  # fmt: skip
    return {"driver_id": row["id"], "role": "driver", "name": row["name"], "email": email, "locale": language}


def _erasure_form(viewer: Viewer, row: Row) -> Row:
    """What goes, what the books keep, and the name to be typed."""
    figures = read(viewer, route("drivers", row["id"], "kept")).data
    sessions, energy = f.number(figures["sessions"], viewer.language), f.energy(figures["energy_wh"], viewer.language)
    st.markdown(t("personal.erase.goes"))
    st.markdown(t("personal.erase.stays", n=sessions, energy=energy))
    typed = st.text_input(t("personal.erase.type", name=row["name"]), key="erase_name", autocomplete="off")
    return {"typed": typed, "n": sessions, "energy": energy}
