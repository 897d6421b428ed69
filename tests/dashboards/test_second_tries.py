"""Pressed again because no answer came: the same command under the same key, or the advice to look first."""

import json
from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.common import door
from dashboards.common.sessions import session_key
from tests.dashboards.conftest import ADMIN, OPERATOR, Nation
from tests.dashboards.test_fleet_care_rooms import charger_of, reported, submit
from tests.support.lossy import Lossy, lossy
from tests.support.rooms import sign_in, words

Room = Callable[..., AppTest]
NEVER_TWICE = "tidak akan dikirim dua kali"
LOOK_FIRST = "lihat dahulu daftarnya"


@pytest.fixture
def network(room: Room, nation: Nation, dashboards_at: Callable[[str], None]) -> Iterator[Lossy]:
    """The rooms reach the API through it."""
    with lossy(nation.api_url) as relay:
        dashboards_at(relay.url)
        yield relay


def keys(network: Lossy, path: str) -> list[tuple[str | None, bytes]]:
    return [(change.key, change.body) for change in network.changes if change.path == path]


def pressed_twice(app: AppTest, button: str, network: Lossy) -> None:
    """The answer to the first press is lost."""
    network.lose = 1
    app.button(key=button).click().run()
    assert NEVER_TWICE in words(app)
    app.button(key=button).click().run()
    assert NEVER_TWICE not in words(app)


def test_a_reservation_is_asked_for_once(room: Room, nation: Nation, network: Lossy) -> None:
    """Each press had a key of its own, and a time of its own: two reservations."""
    app = room(OPERATOR, "reservations").run()
    app.selectbox(key="reserve_charger").set_value(charger_of(nation)).run()
    app.selectbox(key="reserve_token").set_value(app.selectbox(key="reserve_token").options[0]).run()
    pressed_twice(app, "reserve", network)
    app.button(key="reserve").click().run()
    first, second, third = keys(network, "/api/reservations")
    assert first == second and first[0]
    assert third[0] not in (None, first[0]), "what was answered is over: another press is another reservation"


def test_other_values_are_another_reservation(room: Room, nation: Nation, network: Lossy) -> None:
    app = room(OPERATOR, "reservations").run()
    app.selectbox(key="reserve_charger").set_value(charger_of(nation)).run()
    app.selectbox(key="reserve_token").set_value(app.selectbox(key="reserve_token").options[0]).run()
    network.lose = 1
    app.button(key="reserve").click().run()
    app.number_input(key="reserve_plug").set_value(1).run()
    app.button(key="reserve").click().run()
    first, second = keys(network, "/api/reservations")
    assert first[0] != second[0] and json.loads(second[1])["connector_id"] == 1


def test_a_changed_key_is_sent_once(room: Room, nation: Nation, network: Lossy) -> None:
    charger = charger_of(nation)
    reported(nation, charger, HeartbeatInterval="300")
    app = room(OPERATOR, "configuration", charger=charger).run()
    app.selectbox(key="change_key").set_value("HeartbeatInterval")
    app.text_input(key="change_value").set_value("60")
    submit(app, "add_change")
    pressed_twice(app, "send_changes", network)
    first, second = keys(network, f"/api/chargers/{charger}/commands/ChangeConfiguration")
    assert first == second and first[0]


def test_a_limit_is_given_once(room: Room, nation: Nation, network: Lossy) -> None:
    body = {"name": "Sekali saja", "purpose": "TxDefaultProfile", "stack_level": 0, "rate_unit": "A",
            "kind": "Relative", "periods": [{"start_s": 0, "limit": 16.0}]}  # fmt: skip
    made = nation.post(ADMIN, "/api/charging-profiles", body)
    charger = charger_of(nation)
    app = room(ADMIN, "charging_profiles", charger=charger).run()
    app.selectbox(key="apply_profile").set_value(made["id"]).run()
    pressed_twice(app, "apply", network)
    first, second = keys(network, f"/api/chargers/{charger}/charging-profiles")
    assert first == second and first[0]


def test_a_campaign_is_looked_for_before_it_is_made_again(room: Room, nation: Nation, network: Lossy) -> None:
    """The API takes no key for it: to say that nothing is sent twice made two campaigns."""
    app = room(ADMIN, "campaigns", new="1").run()
    app.text_input(key="campaign_name").set_value("Sandi baru").run()
    app.selectbox(key="kind").set_value("password_rotation").run()
    network.lose = 1
    app.button(key="save").click().run()
    assert LOOK_FIRST in words(app)
    assert NEVER_TWICE not in words(app)


def test_a_template_is_looked_for_before_it_is_made_again(room: Room, network: Lossy) -> None:
    app = room(ADMIN, "configuration").run()
    app.text_input(key="template_name").set_value("Sekali")
    app.text_area(key="template_settings").set_value("HeartbeatInterval = 60")
    network.lose = 1
    submit(app, "new_template")
    assert LOOK_FIRST in words(app)


def test_a_password_made_by_hand_is_made_again(nation: Nation, network: Lossy) -> None:
    """The first one may hold already, and nobody has seen it: only a second press helps."""
    login = sign_in(nation.api_url, ADMIN)
    charger = charger_of(nation, place=7)  # its profile is not what other tests look at
    dialog = AppTest.from_function(_by_hand, default_timeout=20, args=(charger,))
    dialog.user = {"id": login["user"]["id"], "session": session_key(door.store(door.CPO).create(login, "id"))}
    network.lose = 1
    dialog.run().button(key="confirm").click().run()
    assert "tekan sekali lagi; kata sandi yang ditampilkan nanti" in words(dialog)
    assert NEVER_TWICE not in words(dialog)
    dialog.button(key="confirm").click().run()
    assert dialog.code[0].value
    assert {change.key for change in network.changes if change.path.endswith("/password")} == {None}


def _by_hand(charger: str) -> None:
    from dashboards.cpo.safeguards import Measure, dialog

    dialog(Measure("by_hand", charger))
