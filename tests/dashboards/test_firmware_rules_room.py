"""The EMSV's room of firmware and rules, against the real API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.dashboards.conftest import EMSV, NOC, Nation
from tests.support.postgres import execute, run_sync
from tests.support.rooms import words

Room = Callable[..., AppTest]
SHIPPED = "OpenEVSE 4.2.2 tells kWh under the label Wh"


@pytest.fixture(autouse=True)
def lie(nation: Nation) -> None:
    """One model of the nation deviates."""
    statement = """insert into public.charger_quirks
        (charger_id, cpo_id, vendor, model, firmware_version, quirk, occurrences, first_at, last_at, example)
        select id, cpo_id, 'Lab', 'Bayu 22', '1.0', 'register_back', 3, now(), now(), 'start 9, stop 8'
        from public.chargers where id = 'ID-BTN02-2' on conflict do nothing"""
    run_sync(execute(nation.dsn, statement))


def rules(nation: Nation) -> dict[str, Any]:
    return {row["name"]: row for row in nation.get(EMSV, "/api/normalising-rules", limit=200)["items"]}


def press(app: AppTest, key: str) -> AppTest:
    return app.button(key=key).click().run()


def test_the_room_tells_what_a_rule_does_and_to_whom(room: Room) -> None:
    for locale, does, whom in (
        ("id-ID", "Energi × 1000 (bacaan)", "Merek OpenEVSE*"),
        ("en-GB", "Energy × 1000 (readings)", "Vendor OpenEVSE*"),
    ):  # fmt: skip
        app = room(EMSV, "firmware_rules", locale=locale).run()
        assert not app.exception
        seen = words(app)
        assert SHIPPED in seen
        assert does in seen
        assert whom in seen
        assert "register_back" in seen  # of the demo nation's scorecard


def test_an_analyst_reads_and_changes_nothing(room: Room) -> None:
    app = room(NOC, "firmware_rules").run()
    assert not app.exception
    assert SHIPPED in words(app)
    assert all(app.button(key=f"rule_{name}").disabled for name in ("on", "delete", "new"))
    assert app.button(key="rule_new").help == "Peran Anda hanya boleh melihat."
    draft = room(NOC, "firmware_rules", new="1").run()
    assert not [button for button in draft.button if button.key == "rule_add"]


def test_what_came_with_the_platform_cannot_be_deleted_and_says_so(room: Room, nation: Nation) -> None:
    app = room(EMSV, "firmware_rules").run()
    assert app.button(key="rule_on").help == "Pilih aturannya dahulu."
    app.selectbox(key="rule").select(rules(nation)[SHIPPED]["id"]).run()
    assert app.button(key="rule_delete").disabled
    assert not app.button(key="rule_on").disabled
    press(app, "rule_on")
    said = words(app)
    assert "Pengisi daya yang cocok sekarang: 0" in said
    assert "mengubah energi atau waktu" in said
    assert not rules(nation)[SHIPPED]["enabled"]  # asked, not done


def test_a_draft_shows_its_effect_before_it_is_stored(room: Room, nation: Nation) -> None:
    app = room(EMSV, "firmware_rules", new="1").run()
    assert not app.exception
    assert '▸ "value": "361500"' in words(app).replace("  ", " ")
    assert app.button(key="rule_add").disabled
    app.text_input(key="draft_factor").set_value("a lot").run()
    assert "factor" in words(app)
    assert app.button(key="rule_add").disabled
    app.text_input(key="draft_factor").set_value("0.001").run()
    app.text_input(key="draft_name").set_value("Bayu 22 tells mWh").run()
    assert app.button(key="rule_add").help == "Pilih penyimpangan yang diperbaiki dahulu."
    app.selectbox(key="draft_quirk").select("register_back").run()
    app.text_input(key="draft_model").set_value("Bayu*22").run()
    assert "Bayu 22 tells mWh" not in rules(nation)
    press(app, "rule_add")
    made = rules(nation)["Bayu 22 tells mWh"]
    assert (made["enabled"], made["model_pattern"], made["parameters"]) == (
        False, "Bayu*22", {"factor": "0.001", "members": "readings"},
    )  # fmt: skip
    seen = words(room(EMSV, "firmware_rules").run())
    assert "Bayu 22 tells mWh (mati)" in seen  # named beside the deviation it is meant for


def test_a_message_that_a_rule_does_not_concern_is_said_to_stay(room: Room) -> None:
    app = room(EMSV, "firmware_rules", new="1").run()
    app.selectbox(key="draft_action_energy_factor").select("Authorize").run()
    assert "Aturan ini membiarkan Authorize apa adanya" in words(app)
    app.text_area(key="draft_sample_Authorize").set_value("{no").run()
    assert "bukan objek JSON" in words(app)
