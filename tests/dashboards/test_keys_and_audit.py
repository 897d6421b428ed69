"""The rooms API keys and Audit log, in both dashboards: what is shown to whom, what may be done, shown once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.common import door
from dashboards.common.own_logins import browser
from dashboards.common.sessions import session_key
from tests.dashboards.conftest import ADMIN, EMSV, NOC, OTHER_ADMIN, Nation
from tests.support.rooms import sign_in, words

Room = Callable[..., AppTest]


def dialog(nation: Nation, name: str, row: dict[str, object]) -> AppTest:
    """The open dialog, as the person ADMIN sees it."""
    login = sign_in(nation.api_url, ADMIN)
    app = AppTest.from_function(_dialog, default_timeout=20, args=(name, row))
    app.user = {"id": login["user"]["id"], "session": session_key(door.store(door.CPO).create(login, None))}
    return app.run()


def _dialog(name: str, row: dict[str, object]) -> None:
    from dashboards.common import api_keys
    from dashboards.common import door as doors

    api_keys.dialog(doors.CPO, name, row)


@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize(
    ("name", "titles"), [("api_keys", ("Kunci API", "API keys")), ("audit", ("Log audit", "Audit log"))]
)
def test_the_rooms_open_in_both_languages(
    room: Room, nation: Nation, name: str, titles: tuple[str, str], language: str
) -> None:
    app = room(ADMIN, name).run()
    app.segmented_control(key="choose_language").set_value(language).run()

    assert not app.exception
    assert app.title[0].value == titles[language == "en"]


def test_a_key_is_made_with_its_scopes_and_shown_once(room: Room, nation: Nation) -> None:
    room(ADMIN, "api_keys").run()  # points this process at the API
    app = dialog(nation, "make", {})
    app.text_input(key="key_name").set_value("Pembukuan")
    app.multiselect(key="key_scopes").set_value(["sessions:read", "stations:read"])
    app.number_input(key="key_rate").set_value(120)
    app.button(key="key_confirm").click().run()
    shown = app.code[0].value

    made = next(key for key in nation.get(ADMIN, "/api/apikeys")["items"] if key["name"] == "Pembukuan")
    text = words(room(ADMIN, "api_keys").run())
    assert shown.startswith("uniev_") and shown.startswith(made["prefix"])
    assert (made["scopes"], made["requests_per_minute"]) == (["sessions:read", "stations:read"], 120)
    assert "Pembukuan" in text and made["prefix"] in text and shown not in text
    assert "sessions:read, stations:read" in text and "✓ berlaku" in text
    assert "Pembukuan" not in words(room(OTHER_ADMIN, "api_keys").run())


def test_a_key_is_exchanged_and_revoked(room: Room, nation: Nation) -> None:
    key = nation.post(ADMIN, "/api/apikeys", {"name": "Lama"})
    room(ADMIN, "api_keys").run()
    rotated = dialog(nation, "rotate", key)
    rotated.selectbox(key="key_overlap").set_value(3600)
    rotated.button(key="key_confirm").click().run()
    app = room(ADMIN, "api_keys").run()
    assert rotated.code[0].value.startswith("uniev_") and rotated.code[0].value != key["key"]
    assert "sudah diganti, masih berlaku" in words(app)

    dialog(nation, "revoke", key).button(key="key_confirm").click().run()
    listed = {row["id"]: row for row in nation.get(ADMIN, "/api/apikeys")["items"]}
    assert listed[key["id"]]["revoked_at"] is not None


def test_the_audit_log_tells_who_did_what_and_is_filtered(room: Room, nation: Nation) -> None:
    station = nation.get(ADMIN, "/api/stations", limit=1)["items"][0]
    nation.post(ADMIN, "/api/apikeys", {"name": "Untuk log"})
    app = room(ADMIN, "audit").run()
    text = words(app)
    assert "Kunci API" in text and "dibuat" in text and "Untuk log" in text and "***" in text
    assert "127.0.0.1" in text and not app.exception
    assert "Tidak ada apa-apa" in words(room(ADMIN, "audit", object=station["id"], days="1").run())
    assert "Untuk log" not in words(room(OTHER_ADMIN, "audit").run())


@pytest.mark.parametrize("email", [EMSV, NOC])
def test_the_emsv_sees_the_log_of_all(room: Room, nation: Nation, email: str) -> None:
    nation.post(ADMIN, "/api/apikeys", {"name": "Milik CPO"})
    nation.post(OTHER_ADMIN, "/api/apikeys", {"name": "Milik lain"})
    text = words(room(email, "audit").run())
    assert "Milik CPO" in text and "Milik lain" in text


def test_what_a_change_changed_stands_there_in_words(room: Room) -> None:
    seen = words(room(ADMIN, "audit").run())  # with the login of this very person
    assert "faktor kedua tidak" in seen
    assert "False" not in seen and "second_factor" not in seen
    assert "second factor no" in words(room(ADMIN, "audit", locale="en-GB").run())


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
         "Chrome 156 · Linux"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64) Chrome/140.0.0.0 Safari/537 Edg/140.0.0.0", "Edge 140 · Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari 18 · iOS"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox 140 · macOS"),
        ("python-httpx/0.28", "python-httpx/0.28"),
        (None, "–"),
    ],
)  # fmt: skip
def test_a_browser_is_named_as_people_name_it(agent: str | None, shown: str) -> None:
    assert browser(agent) == shown
