"""The rooms of campaigns and of quirks: from the wizard to the results, and which firmware lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from streamlit.testing.v1 import AppTest

from backend.database import SYSTEM, DirectDatabase
from backend.services.campaigns import CampaignClock
from dashboards.common import door
from dashboards.common.sessions import session_key
from tests.dashboards.conftest import ADMIN, OPERATOR, OTHER_ADMIN, Nation
from tests.support.postgres import execute, run_sync
from tests.support.rooms import panels, sign_in, words

Room = Callable[..., AppTest]


def act(nation: Nation, function: str, arguments: dict[str, Any]) -> Any:
    """Something that the platform itself does."""

    async def call() -> Any:
        database = await DirectDatabase.open(nation.dsn)
        try:
            return await database.call(function, arguments, scope=SYSTEM)
        finally:
            await database.close()

    return run_sync(call())


def step(nation: Nation) -> None:
    async def advance() -> None:
        database = await DirectDatabase.open(nation.dsn)
        try:
            await CampaignClock(database, "http://files.test").advance()
        finally:
            await database.close()

    run_sync(advance())


@pytest.fixture
def template(nation: Nation) -> str:
    name = f"Template {uuid4()}"
    body = {"name": name, "settings": {"HeartbeatInterval": "123"}, "reboot": False}
    return str(nation.post(ADMIN, "/api/configuration-templates", body)["id"])


@pytest.fixture
def identities(nation: Nation) -> list[str]:
    return [row["id"] for row in nation.get(ADMIN, "/api/chargers", limit=3)["items"]]


@pytest.fixture
def draft(nation: Nation, template: str, identities: list[str]) -> dict[str, Any]:
    body = {
        "name": "Heartbeats", "kind": "configuration_template", "parameters": {"template_id": template},
        "filter": {"charger_ids": identities}, "wave_size": 2,
    }  # fmt: skip
    made: dict[str, Any] = nation.post(ADMIN, "/api/campaigns", body)
    return made


def test_the_wizard_ends_with_a_draft_and_its_dry_run(room: Room, nation: Nation, template: str) -> None:
    app = room(ADMIN, "campaigns", new="1").run()
    assert not app.exception
    assert app.button(key="save").disabled
    app.text_input(key="campaign_name").set_value("Dari wizard").run()
    app.selectbox(key="template").set_value(template).run()
    app.text_input(key="vendor").set_value("no such vendor*").run()
    app.button(key="save").click().run()
    assert not app.exception
    newest = nation.get(ADMIN, "/api/campaigns", limit=1)["items"][0]
    assert (newest["name"], newest["state"], newest["wave_size"]) == ("Dari wizard", "draft", 10)
    assert newest["filter"]["vendor"] == "no such vendor*"
    assert "Akan disentuh 0" in words(app)


def test_a_draft_that_touches_nobody_says_so_and_asks_for_no_number(
    room: Room, nation: Nation, template: str, identities: list[str]
) -> None:
    told = {"Tidak ada pengisi daya yang cocok dengan saringan ini": {"vendor": "no such vendor*"},
            "Tidak ada pengisi daya yang akan diubah": {"charger_ids": identities}}  # fmt: skip
    body = {"name": "Nobody", "kind": "password_rotation", "parameters": {}, "wave_size": 2}
    run_sync(execute(nation.dsn, "update public.chargers set password_hash = null where not discovered"))
    for expected, filter_ in told.items():
        made = nation.post(ADMIN, "/api/campaigns", {**body, "filter": filter_})
        app = room(ADMIN, "campaigns", campaign=made["id"]).run()
        assert expected in words(app)
        assert "Ketik angka itu" not in words(app)
        assert not [field for field in app.text_input if field.key == "typed_count"]
        assert not [button for button in app.button if button.key == "start"]
        assert (identities[0] in words(app)) is ("charger_ids" in filter_)


def test_a_draft_is_deleted_after_a_question_and_the_list_says_so(
    room: Room, nation: Nation, draft: dict[str, Any]
) -> None:
    app = room(ADMIN, "campaigns", campaign=draft["id"]).run()
    app.button(key="deed_delete_campaign_draft").click().run()
    assert "Draf dan pratinjaunya dihapus" in words(app)
    assert nation.get(ADMIN, f"/api/campaigns/{draft['id']}")["state"] == "draft"
    login = sign_in(nation.api_url, ADMIN)
    dialog = AppTest.from_function(_delete_dialog, default_timeout=20)
    dialog.user = {"id": login["user"]["id"], "session": session_key(door.store(door.CPO).create(login, None))}
    dialog.query_params["campaign"] = draft["id"]
    dialog.run().button(key="deed_confirm").click().run()
    assert not dialog.exception
    assert draft["id"] not in [row["id"] for row in nation.get(ADMIN, "/api/campaigns", limit=200)["items"]]
    assert "campaign" not in dialog.query_params  # back to the list, which says
    assert "Sudah: Hapus draf (Heartbeats)" in words(dialog.run())


def _delete_dialog() -> None:
    import streamlit as st

    from dashboards.common import outcomes
    from dashboards.cpo.deeds import Deed, dialog

    outcomes.show("deed")
    if campaign := st.query_params.get("campaign"):
        dialog(Deed("delete_campaign", "Heartbeats", "DELETE", f"/api/campaigns/{campaign}", ends="campaign"))


def test_older_campaigns_follow_and_all_of_them_are_in_the_file(room: Room, nation: Nation, template: str) -> None:
    body = {"kind": "configuration_template", "parameters": {"template_id": template}, "filter": {}, "wave_size": 2}
    for n in range(51):
        nation.post(ADMIN, "/api/campaigns", {**body, "name": f"One of many {n:02}"})
    app = room(ADMIN, "campaigns").run()
    assert "One of many 50" in words(app) and "One of many 00" not in words(app)
    assert app.button(key="make_campaigns").label == "Ekspor sebagai CSV"
    app.button(key="campaigns_older").click().run()
    assert "One of many 00" in words(app)


def test_a_draft_shows_whom_it_touches_and_starts_only_with_the_right_number(
    room: Room, nation: Nation, draft: dict[str, Any], identities: list[str]
) -> None:
    app = room(ADMIN, "campaigns", campaign=draft["id"]).run()
    assert not app.exception
    text = words(app)
    assert "Akan disentuh 3" in text
    assert "Luring 3" in text
    assert all(identity in text for identity in identities)
    assert "HeartbeatInterval" in text
    assert app.button(key="start").disabled
    app.text_input(key="typed_count").set_value("2").run()
    assert app.button(key="start").disabled
    app.text_input(key="typed_count").set_value("3").run()
    app.button(key="start").click().run()
    assert not app.exception
    assert nation.get(ADMIN, f"/api/campaigns/{draft['id']}")["state"] == "running"
    step(nation)
    text = words(room(ADMIN, "campaigns", campaign=draft["id"]).run())
    assert "Menunggu 3" in text
    nation.post(ADMIN, f"/api/campaigns/{draft['id']}/abort", None)


def test_a_campaign_whose_canaries_proved_nothing_says_what_resuming_does(
    room: Room, nation: Nation, draft: dict[str, Any]
) -> None:
    nation.post(ADMIN, f"/api/campaigns/{draft['id']}/start", {"expected": 3})
    late = "update public.campaigns set wave_began_at = wave_began_at - interval '1 day' where state = 'running'"
    run_sync(execute(nation.dsn, late))
    step(nation)
    text = words(room(ADMIN, "campaigns", campaign=draft["id"]).run())
    assert "Dijeda" in text
    assert "Belum ada kenari yang berhasil" in text
    assert "Lanjutkan tetap memulai gelombang berikutnya" in text
    nation.post(ADMIN, f"/api/campaigns/{draft['id']}/abort", None)


def test_a_running_campaign_is_paused_and_aborted_only_by_who_is_sure(
    room: Room, nation: Nation, draft: dict[str, Any]
) -> None:
    nation.post(ADMIN, f"/api/campaigns/{draft['id']}/start", {"expected": 3})
    app = room(ADMIN, "campaigns", campaign=draft["id"]).run()
    assert app.button(key="abort").disabled
    app.button(key="pause").click().run()
    assert "Heartbeats dijeda" in words(app)
    assert nation.get(ADMIN, f"/api/campaigns/{draft['id']}")["state"] == "paused"
    assert any("Oleh petugas" in str(warning.value) for warning in app.warning)
    app.text_input(key="typed_abort").set_value("2").run()
    assert app.button(key="abort").disabled
    app.text_input(key="typed_abort").set_value("3").run()
    app.button(key="abort").click().run()
    assert nation.get(ADMIN, f"/api/campaigns/{draft['id']}")["state"] == "aborted"
    assert "Dibatalkan 3" in words(app)


def test_an_operator_looks_on_and_another_cpo_sees_nothing(room: Room, draft: dict[str, Any]) -> None:
    app = room(OPERATOR, "campaigns", campaign=draft["id"]).run()
    assert "Akan disentuh" in words(app)
    offered = [button.key for button in app.button if not button.disabled]
    assert not {"start", "deed_delete_campaign_draft"} & set(offered)
    assert "Kampanye baru" not in words(room(OPERATOR, "campaigns").run())
    assert "Kampanye ini tidak ada" in words(room(OTHER_ADMIN, "campaigns", campaign=draft["id"]).run())
    assert "Heartbeats" not in words(room(OTHER_ADMIN, "campaigns").run())


@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize("page", ["campaigns", "quirks"])
def test_the_rooms_open_in_both_languages(room: Room, page: str, language: str) -> None:
    app = room(ADMIN, page).run()
    app.segmented_control(key="choose_language").set_value(language).run()
    assert not app.exception


def test_the_scorecard_names_the_firmware_that_lies(room: Room, nation: Nation, identities: list[str]) -> None:
    at = "2026-11-21T03:00:00Z"
    row = {"charger_id": identities[0], "quirk": "readings_thousandth", "occurrences": 41, "first_at": at,
           "last_at": at, "example": "start 1000000 Wh, readings up to 1001 Wh", "transaction_id": None}  # fmt: skip
    act(nation, "count_quirks", {"p_id": str(uuid4()), "p_rows": [row]})
    app = room(ADMIN, "quirks").run()
    assert not app.exception
    text = words(app)
    assert "kWh berlabel Wh" in text
    assert "41" in text
    assert "readings up to 1001 Wh" in "".join(panels(app))
    text = words(room(ADMIN, "quirks", charger=identities[0]).run())
    assert "kWh berlabel Wh" in text
    assert "tidak menyimpang" in words(room(ADMIN, "quirks", charger=identities[1]).run())
    assert "kWh berlabel Wh" not in words(room(OTHER_ADMIN, "quirks").run())
