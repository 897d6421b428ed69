"""The rooms for what chargers keep: reservations, local lists and limits, against the real API."""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.common import desk, door
from dashboards.common.api import Api, ApiRefused
from dashboards.common.sessions import session_key
from dashboards.cpo import profile_editor
from dashboards.cpo.schedule_chart import steps
from tests.dashboards.conftest import ADMIN, OPERATOR, OTHER_ADMIN, Nation
from tests.support.postgres import execute, run_sync
from tests.support.rooms import panels, sign_in, words
from tests.support.servers import ROOT

Room = Callable[..., AppTest]
ROOMS = ("reservations", "local_lists", "charging_profiles")


def charger_of(nation: Nation, email: str = ADMIN) -> str:
    return str(nation.get(email, "/api/chargers", limit=1)["items"][0]["id"])


def reserve(nation: Nation, token: str, email: str = ADMIN) -> dict[str, Any]:
    until = (datetime.now(UTC) + timedelta(minutes=45)).isoformat()
    body = {
        "charger_id": charger_of(nation, email),
        "connector_id": 1,
        "id_token": token,
        "expires_at": until,
        "queue": True,
    }
    made: dict[str, Any] = nation.post(email, "/api/reservations", body)
    return made


def everything(app: AppTest) -> str:
    return words(app) + "".join(panels(app))


@pytest.mark.parametrize("page", ROOMS)
@pytest.mark.parametrize("language", ["id", "en"])
def test_every_room_opens_in_both_languages(room: Room, nation: Nation, page: str, language: str) -> None:
    for params in ({}, {"charger": charger_of(nation)}):
        app = room(ADMIN, page, **params)
        app.run()
        app.segmented_control(key="choose_language").set_value(language).run()
        assert not app.exception


def test_a_reservation_counts_down_and_can_be_cancelled_after_a_question(room: Room, nation: Nation) -> None:
    made = reserve(nation, "KEEP-ME")
    app = room(OPERATOR, "reservations").run()
    assert "KEEP-ME" in everything(app)
    assert "sisa 44 mnt" in everything(app)
    app.button(key=f"deed_cancel_reservation_{made['id']}").click().run()
    assert "Unit diminta membebaskan konektor" in words(app)
    assert app.button(key="deed_confirm").label == "Ya, lakukan"


def _cancel_dialog() -> None:
    import streamlit as st

    from dashboards.cpo.deeds import Deed, dialog

    dialog(Deed("cancel_reservation", "about", "DELETE", f"/api/reservations/{st.query_params['id']}", key="same-key"))


def test_a_refused_change_is_said_in_words_and_the_dialog_stays(room: Room, nation: Nation) -> None:
    made = reserve(nation, "STAYS")
    run_sync(execute(nation.dsn, f"""
        update public.commands set status = 'accepted' where id = '{made['command_id']}';
        update public.reservations set status = 'active' where id = '{made['id']}'
    """))  # fmt: skip # noqa: S608
    room(ADMIN)  # points this process at the API
    app = AppTest.from_function(_cancel_dialog, default_timeout=20)
    login = sign_in(nation.api_url, OPERATOR)
    app.user = {"id": login["user"]["id"], "session": session_key(door.store(door.CPO).create(login, None))}
    app.query_params["id"] = made["id"]
    app.run()
    app.button(key="deed_confirm").click().run()
    assert not app.exception
    assert "luring" in words(app)
    assert nation.get(ADMIN, f"/api/reservations/{made['id']}")["status"] == "active"


def test_the_reservations_of_another_cpo_are_not_here(room: Room, nation: Nation) -> None:
    reserve(nation, "NOT-YOURS", OTHER_ADMIN)
    assert "NOT-YOURS" not in everything(room(ADMIN, "reservations").run())


def test_a_reservation_is_asked_with_the_form(room: Room, nation: Nation) -> None:
    app = room(ADMIN, "reservations").run()
    assert app.button(key="reserve").disabled
    app.selectbox(key="reserve_charger").set_value(charger_of(nation)).run()
    app.selectbox(key="reserve_token").select_index(0).run()
    app.button(key="reserve").click().run()
    assert not app.exception
    assert "luring" in words(app)


def test_a_list_shows_what_differs_and_offers_what_is_possible(room: Room, nation: Nation) -> None:
    charger = charger_of(nation)
    order = nation.post(ADMIN, f"/api/chargers/{charger}/local-list", {"mode": "full", "queue": True})
    app = room(OPERATOR, "local_lists", charger=charger).run()
    text = everything(app)
    assert "tidak diketahui" in text
    assert f"1 / {len(order['parts'])}" in text
    assert app.button(key="deed_list_full_list").disabled  # offline
    assert "Setelah memblokir token" in text
    assert charger in everything(room(ADMIN, "local_lists").run())


def test_a_page_that_stood_open_put_back_what_another_changed(room: Room, nation: Nation) -> None:
    charger = charger_of(nation)
    path = f"/api/chargers/{charger}/local-list"
    nation.put(ADMIN, path, {"sync": None})
    mine, theirs = (room(OPERATOR, "local_lists", charger=charger).run() for _ in range(2))
    theirs.segmented_control(key=f"sync_{charger}").set_value("on").run()
    assert nation.get(ADMIN, path)["sync"] is True
    desk.forget()
    mine.run()
    assert nation.get(ADMIN, path)["sync"] is True
    assert mine.segmented_control(key=f"sync_{charger}").value == "on"
    mine.segmented_control(key=f"sync_{charger}").set_value("off").run()
    assert nation.get(ADMIN, path)["sync"] is False
    nation.put(ADMIN, path, {"sync": None})


def test_a_rule_was_put_back_by_whoever_may_not_change_it(room: Room, nation: Nation) -> None:
    cpo = f"/api/cpos/{nation.get(ADMIN, '/api/auth/me')['cpo_id']}"
    looking, another = room(OPERATOR, "local_lists").run(), room(ADMIN, "local_lists").run()
    nation.put(ADMIN, cpo, {"local_list_sync": True})
    desk.forget()
    for app in (looking, another):
        app.run()
        assert not app.error
        assert app.toggle(key="rule_local_list_sync").value is True
    assert nation.get(ADMIN, cpo)["local_list_sync"] is True
    nation.put(ADMIN, cpo, {"local_list_sync": False})


def test_a_refused_setting_is_said_once_and_not_asked_again(
    room: Room, nation: Nation, monkeypatch: pytest.MonkeyPatch
) -> None:
    charger, asked = charger_of(nation), []

    def refuse(self: Api, method: str, path: str, **options: Any) -> Any:
        if method == "PUT":
            asked.append(path)
            raise ApiRefused(403, "forbidden", "Not you.")
        return call(self, method, path, **options)

    call = Api.call
    monkeypatch.setattr(Api, "call", refuse)
    app = room(OPERATOR, "local_lists", charger=charger).run()
    app.segmented_control(key=f"sync_{charger}").set_value("off").run()
    for _ in range(2):
        assert len(app.error) == 1
        assert app.segmented_control(key=f"sync_{charger}").value == "cpo"
        app.run()
    assert asked == [f"/api/chargers/{charger}/local-list"]


def test_a_reservation_that_lives_was_lost_behind_a_hundred_newer_ones(room: Room, nation: Nation) -> None:
    made = reserve(nation, "OLD-BUT-KEPT")
    run_sync(execute(nation.dsn, f"""
        update public.reservations set created_at = now() - interval '1 day', expires_at = '2030-01-01T00:30Z'
            where id = '{made['id']}';
        insert into public.reservations (cpo_id, charger_id, reservation_id, connector_id, id_token, expires_at, status,
                ended_at)
            select cpo_id, charger_id, n, 1, 'OVER-' || n, '2026-11-01T00:30Z', 'expired', now()
            from public.reservations, generate_series(1000, 1120) n where id = '{made['id']}';
        update public.stations set timezone = 'Asia/Jayapura'
            where id = (select station_id from public.chargers where id = '{made['charger_id']}')
    """))  # fmt: skip # noqa: S608
    app = room(ADMIN, "reservations").run()
    assert "OLD-BUT-KEPT" in everything(app)
    assert "1 Nov 2026 09.30 WIT" in words(app)
    first = everything(app)
    app.button(key="reservations_older").click().run()
    assert "OLD-BUT-KEPT" in everything(app)
    assert everything(app) != first
    assert "30 mnt" in app.selectbox(key="reserve_minutes").options
    assert app.button(key="make_reservations").label == "Unduh CSV"


def columns_of(page: str) -> set[str]:
    """The columns of a room's file; a room cannot be imported, it would be drawn."""
    tree = ast.parse((ROOT / f"dashboards/cpo/{page}.py").read_text())
    [columns] = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CSV_COLUMNS"
    ]
    return set(columns)


def test_all_reservations_and_lists_can_be_taken_along(nation: Nation) -> None:
    """What the files hold: the API's own names of the columns, each of which it does tell."""
    reserve(nation, "ALONG")
    nation.put(ADMIN, f"/api/chargers/{charger_of(nation)}/local-list", {"sync": None})
    for page, path in (("reservations", "reservations"), ("local_lists", "local-lists")):
        [row] = nation.get(ADMIN, f"/api/{path}", limit=1)["items"]
        assert columns_of(page) <= row.keys()


def test_a_list_beyond_the_first_page_is_reached(room: Room, nation: Nation) -> None:
    codes = [row["id"] for row in nation.get(ADMIN, "/api/chargers", limit=60)["items"]]
    for code in codes:
        nation.put(ADMIN, f"/api/chargers/{code}/local-list", {"sync": None})
    listed = [row["charger_id"] for row in nation.get(ADMIN, "/api/local-lists", limit=200)["items"]]
    app = room(ADMIN, "local_lists").run()
    assert listed[49] in "".join(panels(app))
    assert listed[50] not in "".join(panels(app))
    app.button(key="lists_older").click().run()
    assert listed[50] in "".join(panels(app))


def test_only_the_administrator_changes_the_rules(room: Room, nation: Nation) -> None:
    assert room(OPERATOR, "local_lists").run().toggle(key="rule_concurrent_sessions").disabled
    app = room(ADMIN, "local_lists").run()
    cpo = nation.get(ADMIN, "/api/auth/me")["cpo_id"]
    for wanted in (True, False):
        app.toggle(key="rule_concurrent_sessions").set_value(wanted).run()
        assert nation.get(ADMIN, f"/api/cpos/{cpo}")["concurrent_sessions"] is wanted
        word = "menyala" if wanted else "mati"
        assert f"Disimpan. Satu token boleh mengisi beberapa mobil sekaligus: {word}" in words(app.run())


def test_a_refused_setting_is_said_until_the_next_act_and_taken_back(
    room: Room, nation: Nation, monkeypatch: pytest.MonkeyPatch
) -> None:
    charger = charger_of(nation)
    path, key = f"/api/chargers/{charger}/local-list", f"sync_{charger}"
    app = room(ADMIN, "local_lists", charger=charger).run()
    asked: list[str] = []
    call = Api.call

    def refused(api: Api, method: str, path: str, **options: Any) -> Any:
        if method != "PUT":
            return call(api, method, path, **options)
        asked.append(path)
        raise ApiRefused(409, "some_conflict", "it holds something else")

    with monkeypatch.context() as patch:
        patch.setattr(Api, "call", refused)
        app.segmented_control(key=key).set_value("on").run()
        app.run()
    assert asked == [path]  # once, not again with every look
    assert "it holds something else" in words(app)
    assert app.segmented_control(key=key).value == "cpo"
    app.segmented_control(key=key).set_value("on").run()
    assert "Disimpan. Jaga daftar ini tetap sesuai: Otomatis" in words(app)
    assert "it holds something else" not in words(app)
    assert nation.get(ADMIN, path)["sync"] is True
    app.segmented_control(key=key).set_value("cpo").run()


def test_a_limit_is_drawn_saved_and_offered(room: Room, nation: Nation) -> None:
    app = room(ADMIN, "charging_profiles", charger=charger_of(nation)).run()
    app.text_input(key="profile_name").set_value("Malam").run()
    app.button(key="save_profile").click().run()
    assert not app.exception
    [made] = [row for row in nation.get(ADMIN, "/api/charging-profiles")["items"] if row["name"] == "Malam"]
    assert (made["name"], made["purpose"], made["periods"][1]) == (
        "Malam", "TxDefaultProfile", {"start_s": 3600, "limit": 10.0, "phases": None})  # fmt: skip
    again = room(ADMIN, "charging_profiles", charger=charger_of(nation)).run()
    assert "2 langkah, antara 10,0 dan 16,0 A." in words(again)
    again.selectbox(key="apply_profile").set_value(made["id"]).run()
    again.button(key="apply").click().run()
    assert "luring" in words(again)


class EarlyMorning(datetime):
    """03.00 WIB and 05.00 WIT of 1 December; in UTC it is November still."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> EarlyMorning:
        return cls(2026, 11, 30, 20, 0, tzinfo=UTC).astimezone(tz)


@pytest.mark.parametrize(("zone", "begins"), [("Asia/Jayapura", "00:00:00+09:00"), ("Asia/Jakarta", "00:00:00+07:00")])
def test_a_limit_begins_at_the_midnight_of_the_stations_day(
    room: Room, nation: Nation, monkeypatch: pytest.MonkeyPatch, zone: str, begins: str
) -> None:
    charger = charger_of(nation)
    station = nation.get(ADMIN, f"/api/chargers/{charger}")["station_id"]
    run_sync(execute(nation.dsn, f"update public.stations set timezone = '{zone}' where id = '{station}'"))  # noqa: S608
    monkeypatch.setattr(profile_editor, "datetime", EarlyMorning)
    app = room(ADMIN, "charging_profiles", charger=charger).run()
    app.text_input(key="profile_name").set_value(f"Daily {zone}").run()
    app.selectbox(key="profile_kind").set_value("Daily").run()
    letters = "WIT" if zone == "Asia/Jayapura" else "WIB"
    assert f"Mulai Sel, 1 Des 2026 00.00 {letters}" in words(app)
    app.button(key="save_profile").click().run()
    assert not app.exception
    assert f"Templat Daily {zone} disimpan" in words(app)
    [made] = [row for row in nation.get(ADMIN, "/api/charging-profiles")["items"] if row["name"] == f"Daily {zone}"]
    assert datetime.fromisoformat(made["starts_at"]) == datetime.fromisoformat(f"2026-12-01T{begins}")


def test_begin_and_zone_of_a_limit_can_be_chosen(room: Room, nation: Nation) -> None:
    app = room(ADMIN, "charging_profiles").run()
    app.text_input(key="profile_name").set_value("Evening").run()
    app.selectbox(key="profile_kind").set_value("Absolute").run()
    app.selectbox(key="profile_zone_None").set_value("Asia/Makassar").run()
    app.datetime_input(key="profile_begin_Asia/Makassar").set_value(datetime(2026, 12, 24, 17, 30)).run()
    assert "Mulai Kam, 24 Des 2026 17.30 WITA" in words(app)
    app.button(key="save_profile").click().run()
    [made] = [row for row in nation.get(ADMIN, "/api/charging-profiles")["items"] if row["name"] == "Evening"]
    assert datetime.fromisoformat(made["starts_at"]) == datetime.fromisoformat("2026-12-24T17:30:00+08:00")


def test_steps_end_where_the_schedule_ends() -> None:
    periods = [{"start_s": 0, "limit": 16.1}, {"start_s": 600, "limit": 6.0}]
    assert steps({"periods": periods, "duration_s": 900}) == ([0, 600, 900], [16.1, 6.0, 6.0])
    assert steps({"periods": periods, "duration_s": None}) == ([0, 600, 4200], [16.1, 6.0, 6.0])
