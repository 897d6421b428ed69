"""The rooms of campaigns and of quirks: from the wizard to the results, and which firmware lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from streamlit.testing.v1 import AppTest

from backend.database import SYSTEM, DirectDatabase
from backend.services.campaigns import CampaignClock
from tests.dashboards.conftest import ADMIN, OPERATOR, OTHER_ADMIN, Nation
from tests.support.postgres import execute, run_sync
from tests.support.rooms import panels, words

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
    assert nation.get(ADMIN, f"/api/campaigns/{draft['id']}")["state"] == "paused"
    assert any("Oleh petugas" in str(warning.value) for warning in app.warning)
    app.checkbox(key="sure").check().run()
    app.button(key="abort").click().run()
    assert nation.get(ADMIN, f"/api/campaigns/{draft['id']}")["state"] == "aborted"
    assert "Dibatalkan 3" in words(app)


def test_an_operator_looks_on_and_another_cpo_sees_nothing(room: Room, draft: dict[str, Any]) -> None:
    app = room(OPERATOR, "campaigns", campaign=draft["id"]).run()
    assert "Akan disentuh" in words(app)
    assert not [button for button in app.button if button.key in ("start", "delete")]
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
