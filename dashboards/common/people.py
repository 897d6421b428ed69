"""People on the screen, the same in both dashboards: who may log in, who is invited, what each role may do."""

from __future__ import annotations

from typing import Any

import streamlit as st
from markupsafe import Markup

from dashboards.common import desk, door
from dashboards.common.api import ApiDown, ApiRefused, route
from dashboards.common.desk import read
from dashboards.common.forgiving import ask
from dashboards.common.panel import ago, draw
from dashboards.common.texts import t
from dashboards.common.viewer import Viewer, require_viewer
from dashboards.common.widgets import as_of, csv_button, empty, failed, line, plain, table

Row = dict[str, Any]
PEOPLE = ("person", "email", "role", "second_factor", "may_enter", "last_login")
GUESTS = ("person", "email", "role", "invited_by", "invited", "invitation_state")
FIELDS = ("id", "cpo_id", "email", "name", "role", "active", "second_factor", "last_login_at", "created_at")
DEEDS = {
    "role": ":material/badge:", "switch": ":material/person_off:", "factor": ":material/phonelink_erase:",
    "withdraw": ":material/cancel_schedule_send:",
}  # fmt: skip
_ASKING = "person_deed"
_CAP = 500


def room(viewer: Viewer) -> None:
    """Everybody who may log in, then who is invited."""
    answer = read(viewer, "/api/users", cap=_CAP)
    draw(as_of(answer, t("people.explain")), "as_of")
    draw(table(PEOPLE, [_person(row) for row in answer.items]), "people")
    csv_button(answer.items, FIELDS, "people", more=answer.more)
    st.subheader(t("people.invitations"))
    guests = read(viewer, "/api/invitations", cap=_CAP).items
    if not guests:
        return empty("people.nobody_invited", key="no_guests")
    draw(table(GUESTS, [_guest(row) for row in guests]), "guests")


def acts(viewer: Viewer) -> None:
    """What may be done. Each opens a dialog that names the consequence."""
    reason = None if viewer.may("users:write") else t("order.no.role")
    users = {row["id"]: row for row in read(viewer, "/api/users", cap=_CAP).items if row["email"] != viewer.email}
    guests = {row["id"]: row for row in read(viewer, "/api/invitations", cap=_CAP).items if state(row) == "open"}
    everybody = {**users, **guests}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if st.button(t("people.invite.button"), icon=":material/person_add:", key="invite", type="primary",
                     disabled=reason is not None, help=reason):  # fmt: skip
            _ask("invite", {})
        chosen = st.selectbox(t("people.which"), list(everybody), index=None, key="which_person",
                              placeholder=t("people.choose_first"),
                              format_func=lambda one: _called(everybody[one]))  # fmt: skip
        row: Row = everybody.get(str(chosen), {})
        for name, icon in DEEDS.items():
            impossible = reason or _obstacle(name, row)
            if st.button(t(f"people.{name}.button"), icon=icon, key=f"person_{name}", disabled=impossible is not None,
                         help=impossible):  # fmt: skip
                _ask(name, row)


def permissions(viewer: Viewer) -> None:
    """The permission table: a line a permission, a column a role."""
    with st.expander(t("people.permissions"), icon=":material/table_view:"):
        roles = [one for one in read(viewer, "/api/roles").items if one["permissions"]]
        names = list(dict.fromkeys(name for one in roles for name in one["permissions"]))
        head = Markup().join(Markup("<th>{}</th>").format(t(f"role.{one['role']}")) for one in roles)
        lines = Markup().join(_permission(name, roles) for name in names)
        st.caption(t("people.permissions_help"))
        grid = "<table class='grid'><thead><tr><th>{}</th>{}</tr></thead><tbody>{}</tbody></table>"
        draw(Markup(grid).format(t("people.permission"), head, lines), "permissions")


def ask_if_pressed(dashboard: door.Dashboard) -> None:
    """Opens the dialog of the button pressed last. Called once, outside the live region."""
    asked: tuple[str, Row] | None = st.session_state.pop(_ASKING, None)
    if asked:
        ask(t(f"people.{asked[0]}.button"), dialog, dashboard, *asked)


def dialog(dashboard: door.Dashboard, name: str, row: Row) -> None:
    """Says what is about to happen and does it on one press."""
    viewer = require_viewer(dashboard)
    if row:
        st.markdown(f"**{plain(row['name'])}** · {plain(row['email'])}")
    body = _guest_form(viewer) if name == "invite" else _role_form(viewer, row) if name == "role" else {}
    st.info(t(f"people.{name}.consequence"), icon=":material/info:")
    unsaid = None in body.values()
    if not st.button(t("people.confirm"), key="person_confirm", type="primary", width="stretch", disabled=unsaid):
        return
    try:
        _send(viewer, name, row, body)
    except ApiDown:
        st.error(t("api.down.look"), icon=":material/cloud_off:")
        return
    except ApiRefused as refusal:
        return failed(refusal)
    desk.forget()
    st.rerun()


def state(row: Row) -> str:
    """Of an invitation: `accepted`, `withdrawn` or `open`; whether it has expired, the API knows."""
    return "accepted" if row["accepted_at"] else "withdrawn" if row["revoked_at"] else "open"


def _send(viewer: Viewer, name: str, row: Row, body: Row) -> None:
    if name == "invite":
        viewer.api.post("/api/invitations", body)
    elif name == "withdraw":
        viewer.api.call("DELETE", route("invitations", row["id"]))
    elif name == "factor":
        viewer.api.call("DELETE", route("users", row["id"], "second-factor"))
    else:
        changes = body if name == "role" else {"active": not row["active"]}
        viewer.api.call("PUT", route("users", row["id"]), body=changes)


def _obstacle(name: str, row: Row) -> str | None:
    """Why a deed makes no sense for who was chosen, in words."""
    if not row:
        return t("people.choose_first")
    is_guest = "active" not in row
    if is_guest is not (name == "withdraw"):
        return t("people.only_invited") if name == "withdraw" else t("people.not_here_yet")
    if name == "factor" and not row["second_factor"]:
        return t("people.no_factor")
    return None


def _guest_form(viewer: Viewer) -> Row:
    name = st.text_input(t("people.name"), max_chars=120, key="guest_name")
    email = st.text_input(t("people.email"), max_chars=254, key="guest_email")
    role = _role(viewer, "guest_role", None)
    language = st.selectbox(t("people.language"), ("id", "en"), key="guest_language",
                            format_func={"id": "Indonesia", "en": "English"}.__getitem__)  # fmt: skip
    body = {"name": name, "email": email, "role": role, "locale": language}
    if viewer.cpo_id is None and str(role).startswith("cpo_"):
        cpos = {row["id"]: row["name"] for row in read(viewer, "/api/cpos", cap=_CAP).items}
        body["cpo_id"] = st.selectbox(t("people.cpo"), list(cpos), format_func=cpos.__getitem__, key="guest_cpo")
    return body


def _role_form(viewer: Viewer, row: Row) -> Row:
    return {"role": _role(viewer, "new_role", row)}


def _role(viewer: Viewer, key: str, row: Row | None) -> str | None:
    """A role that the viewer may give, chosen by nobody else; for who is here already, one of the same house."""
    table_of = {one["role"]: one for one in read(viewer, "/api/roles").items}
    given = [role for role in table_of[viewer.role]["grants"] if role != "integrator" and role != "driver"]
    if row is not None:
        home = table_of[row["role"]]["home"]
        given = [role for role in given if table_of[role]["home"] == home]
    index = given.index(row["role"]) if row and row["role"] in given else None
    choice: str | None = st.selectbox(
        t("people.role_label"), given, index, format_func=lambda code: t(f"role.{code}"), key=key,
        placeholder=t("people.choose_role"),
    )  # fmt: skip
    return choice


def _called(row: Row) -> str:
    return f"{row['name']} · {row['email']}"


def _ask(name: str, row: Row) -> None:
    st.session_state[_ASKING] = (name, row)
    st.rerun()


def _person(row: Row) -> Markup:
    return line(
        Markup("<b>{}</b>").format(row["name"]), row["email"], t(f"role.{row['role']}"),
        t("people.on") if row["second_factor"] else "–", t("people.yes") if row["active"] else t("people.no"),
        ago(row["last_login_at"]) if row["last_login_at"] else "–",
    )  # fmt: skip


def _guest(row: Row) -> Markup:
    return line(
        Markup("<b>{}</b>").format(row["name"]), row["email"], t(f"role.{row['role']}"),
        row["invited_by_name"] or "–", ago(row["created_at"]), t(f"people.state.{state(row)}"),
    )  # fmt: skip


def _permission(name: str, roles: list[Row]) -> Markup:
    marks = Markup().join(Markup("<td>{}</td>").format("●" if name in one["permissions"] else "") for one in roles)
    return Markup("<tr><td><code>{}</code></td>{}</tr>").format(name, marks)
