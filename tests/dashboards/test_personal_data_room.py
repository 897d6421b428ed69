"""The EMSV's room of personal data, against the real API: find a driver, see what is kept, record, invite, erase."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.common import door
from dashboards.common.sessions import session_key
from tests.dashboards.conftest import EMSV, NOC, Nation
from tests.dashboards.test_drivers_room import driver_of, everything
from tests.support.rooms import sign_in

Room = Callable[..., AppTest]


def dialog(nation: Nation, name: str, row: dict[str, Any]) -> AppTest:
    """The open dialog, as the EMSV's administrator sees it."""
    login = sign_in(nation.api_url, EMSV)
    app = AppTest.from_function(_dialog, default_timeout=20, args=(name, row))
    app.user = {"id": login["user"]["id"], "session": session_key(door.store(door.EMSV).create(login, None))}
    app.run()
    assert not app.exception, app.exception
    return app


def _dialog(name: str, row: dict[str, object]) -> None:
    from dashboards.emsv import personal_deeds

    personal_deeds.dialog(name, row)


def buttons(app: AppTest) -> set[str]:
    return {str(button.key) for button in app.button}


@pytest.mark.parametrize("language", ["id", "en"])
def test_the_room_opens_in_both_languages(room: Room, nation: Nation, language: str) -> None:
    driver, _ = driver_of(nation, "Wayan Putra")
    app = room(EMSV, "personal_data", driver=driver["id"]).run()
    app.segmented_control(key="choose_language").set_value(language).run()
    assert not app.exception
    assert app.title[0].value == {"id": "Data pribadi", "en": "Personal data"}[language]
    assert {"id": "Belum ada pernyataan", "en": "Nothing was said yet"}[language] in everything(app)


def test_a_driver_is_found_and_what_is_kept_is_shown(room: Room, nation: Nation) -> None:
    driver, session = driver_of(nation, "Nyoman Ayu")
    said = {"purpose": "contact_sharing", "text_version": "2026-1", "given": True, "method": "paper"}
    nation.post(EMSV, f"/api/drivers/{driver['id']}/consents", said)
    nation.post(EMSV, f"/api/drivers/{driver['id']}/consents", {**said, "given": False, "method": "telephone"})
    listed = everything(room(EMSV, "personal_data", q="nyoman").run())
    assert "Nyoman Ayu" in listed and "+62 811 000 111" in listed and "Wayan" not in listed
    app = room(EMSV, "personal_data", driver=driver["id"]).run()
    shown = everything(app)
    for words in ("+62 811 000 111", "Wuling Air ev", "26,70 kWh", session["id_token"], "Nusantara Charge", "2026-1",
                  "ditarik · berlaku sekarang", "kertas", "belum ada; undang"):  # fmt: skip
        assert words in shown, words
    figures = nation.get(EMSV, f"/api/drivers/{driver['id']}/kept")
    assert app.metric[0].value == str(figures["sessions"]) != "0"


def test_nobody_but_the_emsvs_administrator_has_the_room(room: Room, nation: Nation) -> None:
    driver, _ = driver_of(nation, "Ketut Sari")
    app = room(NOC, "personal_data", driver=driver["id"]).run()
    assert not app.exception
    assert "personal_erase" not in buttons(app) and "Ketut" not in everything(app)
    assert "Data pribadi" not in [title.value for title in app.title]


def test_an_unknown_name_and_a_wrong_address_say_what_to_do(room: Room) -> None:
    assert "Coba bagian nama yang lain" in everything(room(EMSV, "personal_data", q="nobody at all").run())
    gone = room(EMSV, "personal_data", driver="00000000-0000-4000-8000-000000000000").run()
    assert "Pengemudi tidak ada" in everything(gone) and "personal_erase" not in buttons(gone)


def test_a_consent_and_its_end_are_recorded(room: Room, nation: Nation) -> None:
    driver, _ = driver_of(nation, "Made Wirawan")
    room(EMSV, "personal_data").run()
    app = dialog(nation, "consent", driver)
    app.selectbox("consent_purpose").select("marketing")
    app.radio("consent_given").set_value(False)
    app.text_input("consent_version").input("2026-2")
    app.button("personal_confirm").click().run()
    (said,) = nation.get(EMSV, f"/api/drivers/{driver['id']}/consents")["items"]
    assert (said["purpose"], said["given"], said["text_version"], said["method"]) == (
        "marketing", False, "2026-2", "paper",
    )  # fmt: skip


def test_a_driver_is_invited_and_the_invitation_withdrawn(room: Room, nation: Nation) -> None:
    driver, _ = driver_of(nation, "Komang Dewi")
    room(EMSV, "personal_data").run()
    app = dialog(nation, "invite", nation.get(EMSV, f"/api/drivers/{driver['id']}"))
    assert app.text_input("driver_email").value == ""  # not the contact, which a CPO has written
    app.text_input("driver_email").input("komang@driver.test")
    app.button("personal_confirm").click().run()
    (made,) = nation.get(EMSV, "/api/invitations", driver_id=driver["id"])["items"]
    assert (made["email"], made["role"], made["name"]) == ("komang@driver.test", "driver", "Komang Dewi")
    shown = room(EMSV, "personal_data", driver=driver["id"]).run()
    assert "komang@driver.test diundang sampai" in everything(shown) and "personal_withdraw" in buttons(shown)
    assert "komang@driver.test" not in everything(room(EMSV, "people").run())
    dialog(nation, "withdraw", driver).button("personal_confirm").click().run()
    assert nation.get(EMSV, "/api/invitations", driver_id=driver["id"])["items"][0]["revoked_at"] is not None


def test_a_staff_role_is_given_in_the_room_of_people_and_drivers_are_not(room: Room, nation: Nation) -> None:
    from tests.dashboards.test_people_rooms import dialog as of_people

    room(EMSV, "people").run()
    app = of_people(nation, door.EMSV, EMSV, "invite", {})
    assert "Pengemudi" not in app.selectbox("guest_role").options
    assert "Teknisi CPO" in app.selectbox("guest_role").options


def test_erasure_names_what_goes_and_stays_and_asks_for_the_name(room: Room, nation: Nation) -> None:
    driver, _ = driver_of(nation, "Putu Erased")
    kept = nation.get(EMSV, f"/api/drivers/{driver['id']}/kept")
    room(EMSV, "personal_data").run()
    app = dialog(nation, "erase", driver)
    words = everything(app)
    assert "Hilang untuk selamanya" in words and f"{kept['sessions']} sesi dengan" in words
    for typed in ("", "Putu"):
        app.text_input("erase_name").input(typed)
        app.button("personal_confirm").click().run()
        assert "Bukan itu namanya" in everything(app)
    assert nation.get(EMSV, f"/api/drivers/{driver['id']}")["erased_at"] is None
    app.text_input("erase_name").input("Putu Erased")
    app.button("personal_confirm").click().run()
    assert nation.get(EMSV, f"/api/drivers/{driver['id']}")["erased_at"] is not None
    after = room(EMSV, "personal_data", driver=driver["id"]).run()
    assert "Dihapus pada" in everything(after) and "Putu" not in everything(after)
    assert not buttons(after) & {"personal_erase", "make_personal_copy", "personal_invite", "personal_consent"}
    assert "(dihapus)" in everything(room(EMSV, "personal_data").run())


def test_the_copy_is_not_taken_before_somebody_asks(room: Room, nation: Nation) -> None:
    """Each copy stands in the audit log: looking at a driver makes none."""
    driver, _ = driver_of(nation, "Gede Arta")
    app = room(EMSV, "personal_data", driver=driver["id"]).run()
    assert "make_personal_copy" in buttons(app)
    noted = nation.get(EMSV, "/api/audit", object_id=driver["id"], object_type="driver", limit=100)["items"]
    assert "driver.export" not in {row["action"] for row in noted}, json.dumps(noted)
