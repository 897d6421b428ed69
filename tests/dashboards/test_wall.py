"""The wall screens, the help panel of the keyboard, and the language that a person keeps."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.common import door, keys
from dashboards.common import formats as f
from dashboards.common.sessions import session_key
from tests.dashboards.conftest import ADMIN, NOC, OPERATOR, Nation
from tests.support.rooms import panels, sign_in, words
from tests.support.servers import ROOT

Room = Callable[..., AppTest]


@pytest.mark.parametrize(("email", "name"), [(ADMIN, "Nusantara Charge"), (NOC, "Nasional")])
def test_the_wall_shows_the_figures_of_its_people_and_their_age(
    room: Room, nation: Nation, email: str, name: str
) -> None:
    figures = nation.get(email, "/api/analytics/dashboard", stations="false")
    app = room(email, "wall").run()
    assert not app.exception
    text = words(app)
    assert f"{name} Data diperbarui" in text
    assert f"Unit daring 0 / {f.number(figures['chargers']['total'], 'id')}" in text
    assert f"Luring {f.number(figures['connectors']['offline'], 'id')}" in text


def test_the_wall_names_the_worst_connectors_and_counts_the_rest(room: Room, nation: Nation) -> None:
    offline = nation.get(ADMIN, "/api/analytics/dashboard")["connectors"]["offline"]
    text = words(room(ADMIN, "wall").run())
    assert nation.get(ADMIN, "/api/connectors", state="offline", limit=1)["items"][0]["charger_id"] in text
    assert f"dan {offline - 6} konektor lagi" in text


def test_the_wall_asks_every_five_seconds_and_loads_itself_again_when_its_data_stay_old(room: Room) -> None:
    page = "".join(panels(room(ADMIN, "wall").run()))
    assert 'class="wall" data-reload="60"' in page
    assert 'data-stale="10"' in page


def test_the_help_panel_tells_every_key() -> None:
    def show() -> None:
        from dashboards.common.keys import listing

        listing()

    text = words(AppTest.from_function(show).run())
    assert all(shown in text for shown, _ in keys.KEYS)
    assert "ke kolom pencarian" in text


def test_the_question_mark_stands_on_the_button_of_the_help_panel(room: Room) -> None:
    app = room(ADMIN).run()
    assert "( ? )" in app.button(key="show_keys").label
    assert not app.button(key="show_keys").click().run().exception


def test_the_language_that_a_person_chose_is_there_at_the_next_login(room: Room, nation: Nation) -> None:
    room(OPERATOR).run().segmented_control(key="choose_language").set_value("en").run()
    assert nation.get(OPERATOR, "/api/auth/me")["locale"] == "en"
    login = sign_in(nation.api_url, OPERATOR)
    later = AppTest.from_file(str(ROOT / "dashboards/cpo/main.py"), default_timeout=20)
    later.user = {"id": login["user"]["id"], "session": session_key(door.store(door.CPO).create(login, None))}
    later.context = {"locale": "id-ID"}
    assert later.run().segmented_control(key="choose_language").value == "en"
