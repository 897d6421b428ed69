"""The rooms of the CPO dashboard against the real API: what is shown to whom, in both languages, and when it fails."""

from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from bench.ports import free_port
from dashboards.common import door, widgets
from dashboards.common import formats as f
from dashboards.common.sessions import session_key
from dashboards.cpo import orders
from tests.dashboards.conftest import ADMIN, EMSV, OPERATOR, OTHER_ADMIN, Nation, visit
from tests.support.rooms import PASSWORD, panels, sign_in, words
from tests.support.servers import api_server

Room = Callable[..., AppTest]
ROOMS = ("overview", "live", "sessions", "held", "charger", "session")


def charger_of(nation: Nation, email: str = ADMIN) -> str:
    return str(nation.get(email, "/api/chargers", limit=1)["items"][0]["id"])


@pytest.mark.parametrize("page", ROOMS)
@pytest.mark.parametrize("language", ["id", "en"])
def test_every_room_opens_in_both_languages(room: Room, page: str, language: str) -> None:
    app = room(ADMIN, page, choose_language=language)
    app.run()
    app.segmented_control(key="choose_language").set_value(language).run()
    assert not app.exception
    assert app.segmented_control(key="choose_language").value == language
    assert ("Bahasa" if language == "id" else "Language") == app.segmented_control(key="choose_language").label


def test_the_overview_shows_the_figures_of_the_api(room: Room, nation: Nation) -> None:
    figures = nation.get(ADMIN, "/api/analytics/dashboard")
    text = words(room(ADMIN).run())
    assert f"Unit daring 0 / {figures['chargers']['total']}" in text
    assert f"Energi hari ini {f.energy(figures['energy_today_wh'], 'id')}" in text
    assert f"Sesi mulai hari ini {figures['sessions']['started_today']}" in text
    assert f"Luring {figures['connectors']['offline']}" in text
    assert "Data diperbarui" in text


def test_every_figure_explains_itself(room: Room) -> None:
    app = room(ADMIN).run()
    assert len(app.metric) == 6
    assert all(len(metric.proto.help) > 30 for metric in app.metric)


def test_the_chart_has_words_for_those_who_do_not_see_it(room: Room) -> None:
    chart = next(panel for panel in panels(room(ADMIN).run()) if 'class="bars"' in panel)
    assert 'role="img" aria-label="Energi per hari selama 14 hari' in chart
    assert chart.count("<li ") == 14
    assert chart.count("--share:1.000") == 1  # the longest is the best day's


def test_the_live_list_links_by_id_and_finds_by_search(room: Room, nation: Nation) -> None:
    charger = charger_of(nation)
    app = room(ADMIN, "live", q=charger).run()
    listed = "".join(panels(app))
    assert f'href="/charger?charger={charger}"' in listed
    assert listed.count('href="/charger?') == 1


def test_a_filter_without_hits_differs_from_an_empty_platform(room: Room) -> None:
    assert "Tidak ada yang cocok dengan saringan" in words(room(ADMIN, "live", q="no such thing").run())


def test_a_station_has_an_address_of_its_own(room: Room, nation: Nation) -> None:
    station = nation.get(ADMIN, "/api/stations", limit=1)["items"][0]
    text = words(room(ADMIN, "live", station=station["id"]).run())
    assert station["name"] in text
    assert "Terakhir terdengar" in text


def test_the_station_of_another_cpo_does_not_exist_here(room: Room, nation: Nation) -> None:
    foreign = nation.get(OTHER_ADMIN, "/api/stations", limit=1)["items"][0]
    text = words(room(ADMIN, "live", station=foreign["id"]).run())
    assert "Stasiun ini tidak ada" in text
    assert foreign["name"] not in text


def test_two_cpos_in_one_process_never_see_each_other(room: Room, nation: Nation) -> None:
    own, foreign = charger_of(nation), charger_of(nation, OTHER_ADMIN)
    for email, mine, theirs in ((ADMIN, own, foreign), (OTHER_ADMIN, foreign, own)) * 2:
        listed = "".join(panels(room(email, "live", q="").run()))
        assert mine.rsplit("-", 1)[0] in listed or mine in "".join(panels(room(email, "live", q=mine).run()))
        assert theirs not in "".join(panels(room(email, "live", q=theirs).run()))


def test_a_charger_that_is_offline_takes_no_orders_and_says_why(room: Room, nation: Nation) -> None:
    app = room(OPERATOR, "charger", charger=charger_of(nation)).run()
    assert not app.exception
    orders_of = tuple(f"{kind}_" for kind in orders.KINDS)
    buttons = {button.key: button for button in app.button if str(button.key).startswith(orders_of)}
    assert {"start_1_1", "stop_1_1", "unlock_1_1", "reset_all"} <= set(buttons)
    assert all(button.disabled for button in buttons.values())
    assert "luring" in str(buttons["start_1_1"].help)
    assert "Linimasa" in words(app)


def test_an_unknown_charger_is_explained(room: Room) -> None:
    assert "Pengisi daya ini tidak ada" in words(room(ADMIN, "charger", charger="NOPE").run())


def test_sessions_are_newest_first_and_older_ones_follow(room: Room, nation: Nation) -> None:
    rows = nation.get(ADMIN, "/api/sessions", limit=26, count=True)
    app = room(ADMIN, "sessions").run()
    listed = "".join(panels(app))
    assert listed.index(rows["items"][0]["id"]) < listed.index(rows["items"][24]["id"])
    assert rows["items"][25]["id"] not in listed
    assert f"1–25 dari {f.number(rows['total'], 'id')}" in words(app)
    app.button(key="sessions_older").click().run()
    assert rows["items"][25]["id"] in "".join(panels(app))
    app.button(key="sessions_newer").click().run()
    assert rows["items"][0]["id"] in "".join(panels(app))


def test_the_session_filters_stand_in_the_address(room: Room, nation: Nation) -> None:
    row = nation.get(ADMIN, "/api/sessions", limit=1)["items"][0]
    text = words(room(ADMIN, "sessions", token=row["id_token"], charger=row["charger_id"]).run())
    assert row["id_token"] in text
    assert row["charger_id"] in text
    assert "Tidak ada sesi yang cocok" in words(room(ADMIN, "sessions", token="NOBODY").run())


def test_a_session_shows_its_curve_meter_and_reason(room: Room, nation: Nation) -> None:
    row = nation.get(ADMIN, "/api/sessions", limit=1, open="false")["items"][0]
    app = room(ADMIN, "session", session=row["id"]).run()
    assert not app.exception
    text = words(app)
    assert f"Meter awal {f.register(row['meter_start_wh'], 'id')}" in text
    assert f"Sesi {row['transaction_id']}" in text
    assert "Daya menurut waktu stasiun" in text
    assert app.get("plotly_chart")


def test_a_held_session_says_in_words_what_is_not_plausible(room: Room, nation: Nation) -> None:
    held = next(r for page in _session_pages(nation) for r in page if r["review_reasons"])
    app = room(ADMIN, "session", session=held["id"]).run()
    assert len(app.warning) == len(held["review_reasons"])
    assert all(str(warning.value).startswith("Ditahan") for warning in app.warning)


def _session_pages(nation: Nation) -> list[list[dict[str, object]]]:
    pages, cursor = [], None
    for _ in range(10):
        page = nation.get(ADMIN, "/api/sessions", limit=200, **({"cursor": cursor} if cursor else {}))
        pages.append(page["items"])
        cursor = page["next_cursor"]
        if not cursor:
            break
    return pages


def test_the_last_data_stay_when_the_api_goes_and_new_ones_come_when_it_returns(
    nation: Nation, dashboards_at: Callable[[str], None], tmp_path: Path
) -> None:
    port = free_port()
    with api_server(nation.dsn, tmp_path / "one", port=port) as server:
        dashboards_at(server.url)
        app = visit(door.CPO, server.url, ADMIN, None).run()
        before = [metric.value for metric in app.metric]
    st.cache_data.clear()
    app.run()
    assert not app.exception
    assert [metric.value for metric in app.metric] == before
    assert any("tidak menjawab" in str(warning.value) for warning in app.warning)
    with api_server(nation.dsn, tmp_path / "two", port=port):
        st.cache_data.clear()
        app.run()
        assert not app.warning


def test_without_any_data_the_room_says_that_it_keeps_trying(
    nation: Nation, dashboards_at: Callable[[str], None]
) -> None:
    dashboards_at(f"http://127.0.0.1:{free_port()}")
    for page in (None, "live", "sessions"):
        app = visit(door.CPO, nation.api_url, ADMIN, page).run()
        assert not app.exception
        assert "Layanan data tidak menjawab" in words(app)


def test_an_empty_cpo_is_taught_how_to_begin(room: Room, nation: Nation) -> None:
    cpo = nation.post(EMSV, "/api/cpos", {"name": "Operator Baru"})
    person = {"email": "admin@baru.uniev.id", "name": "Baru", "role": "cpo_admin", "cpo_id": cpo["id"]}
    nation.post(EMSV, "/api/users", {**person, "password": PASSWORD})
    texts = [words(room(person["email"], page).run()) for page in (None, "live", "sessions")]
    assert "Belum ada pengisi daya" in texts[0]
    assert "POST /api/chargers" in texts[1]
    assert "Belum ada sesi" in texts[2]


def test_signing_out_in_one_tab_empties_the_other(room: Room) -> None:
    first = room(ADMIN).run()
    second = AppTest.from_file(str(first._script_path), default_timeout=20)
    second.user = first.user
    second.run()
    assert second.metric
    first.button(key="sign_out").click().run()
    second.run()
    assert not second.metric
    assert "Anda sudah keluar" in words(second)


def test_without_a_login_nothing_is_shown(room: Room) -> None:
    app = room(ADMIN)
    app.user = {"id": "somebody", "session": "made up"}
    app.run()
    assert not app.metric
    assert "Anda sudah keluar" in words(app)


def test_a_login_of_the_other_dashboard_opens_nothing_here(room: Room, nation: Nation) -> None:
    app = room(ADMIN)
    login = sign_in(nation.api_url, EMSV)
    app.user = {"id": login["user"]["id"], "session": session_key(door.store(door.CPO).create(login, None))}
    app.run()
    assert not app.metric


def test_the_dialog_names_station_charger_connector_session_and_consequence(room: Room, nation: Nation) -> None:
    room(ADMIN)  # points this process at the API
    app = AppTest.from_function(_stop_dialog, default_timeout=20)
    login = sign_in(nation.api_url, OPERATOR)
    app.user = {"id": login["user"]["id"], "session": session_key(door.store(door.CPO).create(login, None))}
    app.run()
    assert not app.exception
    text = words(app)
    for expected in (
        "SPKLU Uji",
        "ID-TEST-1",
        "Konektor: **2**",
        "TAG",
        "12,34 kWh",
        "hanya energi yang sudah terpakai",
    ):
        assert expected in text
    app.button(key="confirm").click().run()
    assert "Sesi ini tidak ada" in words(app)  # refused by the real API, said in words, dialog still open


def _stop_dialog() -> None:
    from dashboards.cpo.orders import Order, dialog

    session = {
        "session_id": "00000000-0000-4000-8000-000000000000",
        "id_token": "TAG",
        "energy_wh": 12_340,
        "power_w": 7_000,
    }
    dialog(Order("stop", "ID-TEST-1", "SPKLU Uji", evse_id=2, connector="2", session=session, key="same-key"))


def test_an_order_keeps_its_key_so_that_a_second_press_is_the_same_command() -> None:
    order = orders.Order("reset", "ID-1", "Stasiun")
    assert order.key == order.key
    assert order.key != orders.Order("reset", "ID-1", "Stasiun").key


def test_names_that_look_like_markdown_stay_names() -> None:
    assert widgets.plain("**a** [b](c)") == r"\*\*a\*\* \[b\]\(c\)"
