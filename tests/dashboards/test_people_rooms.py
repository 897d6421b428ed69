"""The room of people and one's own logins, in both dashboards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

from dashboards.common import door
from dashboards.common.sessions import session_key
from tests.dashboards.conftest import ADMIN, EMSV, OPERATOR, Nation
from tests.support.rooms import sign_in, words

Room = Callable[..., AppTest]


def test_an_administrator_sees_the_own_people_and_what_each_role_may_do(room: Room) -> None:
    app = room(ADMIN, "people").run()
    assert not app.exception
    shown = words(app)
    assert "Dimas Saputra" in shown and "Maria Latuconsina" not in shown
    assert "sessions:review" in shown and "Teknisi CPO" in shown


def dialog(nation: Nation, dashboard: door.Dashboard, email: str, name: str, row: dict[str, Any]) -> AppTest:
    """The open dialog, as somebody sees it."""
    login = sign_in(nation.api_url, email)
    app = AppTest.from_function(_dialog, default_timeout=20, args=(dashboard.name, name, row))
    app.user = {"id": login["user"]["id"], "session": session_key(door.store(dashboard).create(login, None))}
    app.run()
    assert not app.exception, app.exception
    return app


def _dialog(dashboard: str, name: str, row: dict[str, object]) -> None:
    from dashboards.common import door as doors
    from dashboards.common import people

    people.dialog(doors.CPO if dashboard == "cpo" else doors.EMSV, name, row)


def test_somebody_is_invited_and_withdrawn_again(room: Room, nation: Nation) -> None:
    room(ADMIN, "people").run()
    app = dialog(nation, door.CPO, ADMIN, "invite", {})
    app.text_input("guest_name").input("Putri Ayu")
    app.text_input("guest_email").input("putri@nusantara.test")
    app.selectbox("guest_role").select("cpo_technician").run()
    app.button("person_confirm").click().run()
    (made,) = nation.get(ADMIN, "/api/invitations")["items"]
    assert (made["email"], made["role"]) == ("putri@nusantara.test", "cpo_technician")
    app = room(ADMIN, "people").run()
    assert "Putri Ayu" in words(app) and "Menunggu" in words(app)
    app.selectbox("which_person").select(made["id"]).run()
    assert app.button("person_role").disabled and not app.button("person_withdraw").disabled
    dialog(nation, door.CPO, ADMIN, "withdraw", made).button("person_confirm").click().run()
    assert nation.get(ADMIN, "/api/invitations")["items"][0]["revoked_at"] is not None


def test_an_operator_has_no_room_of_people_but_sees_the_own_logins(room: Room) -> None:
    app = room(OPERATOR, "own_logins").run()
    assert not app.exception
    assert "python-httpx" in words(app) and "(yang ini)" in words(app)
    assert app.button("end_login").disabled


def test_other_logins_are_ended_at_once(room: Room, nation: Nation) -> None:
    app = room(OPERATOR, "own_logins").run()
    room(OPERATOR, "live")
    app = app.run()
    app.button("end_others").click().run()
    assert not app.exception
    listed = nation.get(OPERATOR, "/api/auth/logins")["items"]
    assert len(listed) == 2  # that of the room and that of this question


def test_the_emsv_invites_to_a_cpo(room: Room, nation: Nation) -> None:
    room(EMSV, "people").run()
    app = dialog(nation, door.EMSV, EMSV, "invite", {})
    app.text_input("guest_name").input("Agus")
    app.text_input("guest_email").input("agus@borneo.test")
    app.selectbox("guest_role").select("cpo_admin").run()
    cpo = next(row for row in nation.get(EMSV, "/api/cpos")["items"] if row["name"] == "Borneo Volt")
    app.selectbox("guest_cpo").select(cpo["id"])
    app.button("person_confirm").click().run()
    made = nation.get(EMSV, "/api/invitations")["items"][0]
    assert (made["email"], made["cpo_id"]) == ("agus@borneo.test", cpo["id"])
