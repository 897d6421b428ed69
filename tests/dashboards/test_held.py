"""The room of held sessions against the real API: evidence, proposal, decision with its consequence, next one."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.common import door
from dashboards.common.sessions import session_key
from dashboards.common.widgets import csv_bytes
from dashboards.cpo import evidence
from tests.dashboards.conftest import ADMIN, OPERATOR, OTHER_ADMIN, Nation
from tests.support.odd_sessions import odd_session
from tests.support.rooms import panels, sign_in, words

Room = Callable[..., AppTest]


@pytest.fixture
async def odd(nation: Nation) -> str:
    """A session whose charger took the odometer as zero, with readings that know better; its id."""
    return await odd_session(nation.dsn, ADMIN)


def listed(nation: Nation, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = nation.get(ADMIN, "/api/sessions/reviews", limit=200, **params)["items"]
    return found


@pytest.mark.parametrize("language", ["id", "en"])
def test_the_room_opens_in_both_languages(room: Room, odd: str, language: str) -> None:
    app = room(ADMIN, "held", session=odd).run()
    app.segmented_control(key="choose_language").set_value(language).run()
    assert not app.exception
    assert ("Sesi ditahan" if language == "id" else "Held sessions") in words(app)


def test_evidence_and_proposal_stand_beside_the_register(room: Room, nation: Nation, odd: str) -> None:
    app = room(ADMIN, "held", session=odd).run()
    text = words(app)
    assert not app.exception
    assert "Energi menurut meter 912,00 kWh" in text
    assert re.search(r"Angka meter melonjak 0,00 kWh → 910,00 kWh \(\d+ \w+ 20\d\d \d\d\.\d\d WI", text)
    assert "Ditahan: meter awal nol" in text
    assert app.get("plotly_chart")
    assert any(re.fullmatch(r"= [\d.]+,\d{3} kWh", caption.value) for caption in app.caption)
    [kwh] = [widget for widget in app.number_input if str(widget.key).startswith("kwh_")]
    assert kwh.value == 2.0
    assert all(f"session={row['id']}" in "".join(panels(app)) for row in listed(nation, billing_state="held"))


def test_the_filter_by_reason_leaves_the_others_out(room: Room, nation: Nation, odd: str) -> None:
    app = room(ADMIN, "held", reason="odometer_jump").run()
    shown = "".join(panels(app))
    assert odd in shown
    others = [row["id"] for row in listed(nation, reason="register_back", billing_state="held")]
    assert others and not any(other in shown for other in others)
    assert "Tidak ada sesi yang cocok" in words(room(ADMIN, "held", reason="overlap").run())


def test_nothing_is_decided_without_a_reason_or_by_an_operator(room: Room, odd: str) -> None:
    app = room(ADMIN, "held", session=odd).run()
    assert all(app.button(key=f"{decision}_held").disabled for decision in ("approve", "correct", "void"))
    asked = room(OPERATOR, "held", session=odd).run()
    note(asked).set_value("seen").run()
    assert asked.button(key="void_held").disabled
    assert "hanya" in str(asked.button(key="void_held").help).lower()


def test_a_decision_names_its_consequence_before_it_is_made(room: Room, nation: Nation, odd: str) -> None:
    app = room(ADMIN, "held", session=odd).run()
    note(app).set_value("meter awal keliru").run()
    app.button(key="correct_held").click().run()
    assert "2,000 kWh ditagih sebagai ganti 912,00 kWh" in words(app)
    assert nation.get(ADMIN, f"/api/sessions/{odd}/review")["billing_state"] == "held"


def test_a_confirmed_correction_is_stored_and_the_next_session_opens(room: Room, nation: Nation, odd: str) -> None:
    app = dialog_of(room, nation, odd)
    number = nation.get(ADMIN, f"/api/sessions/{odd}/review")["transaction_id"]
    app.button(key="confirm").click().run()
    assert not app.exception
    assert [said.value for said in app.success] == [f"Sudah: Koreksi sesi (Sesi {number})."]
    decided = nation.get(ADMIN, f"/api/sessions/{odd}/review")
    assert (decided["billing_state"], decided["billable_energy_wh"]) == ("corrected", 1999.5)
    assert (decided["note"], decided["decision"]) == ("meter awal keliru", "correct")
    assert (decided["meter_start_wh"], decided["meter_stop_wh"], decided["energy_wh"]) == (0, 912_000, 912_000)
    assert app.query_params["session"] == "the-next-one"
    assert "Dikoreksi oleh" in words(room(ADMIN, "held", session=odd, state="corrected").run())
    assert "Dikoreksi" in words(room(ADMIN, "session", session=odd).run())


def test_a_decision_upon_older_facts_is_refused_in_words(room: Room, nation: Nation, odd: str) -> None:
    app = dialog_of(room, nation, odd)
    nation.post(ADMIN, f"/api/sessions/{odd}/review", {"decision": "void", "reason": "somebody else was faster"})
    app.button(key="confirm").click().run()
    assert "berubah sejak" in words(app)
    assert nation.get(ADMIN, f"/api/sessions/{odd}/review")["billing_state"] == "void"


def dialog_of(room: Room, nation: Nation, session_id: str) -> AppTest:
    """The open dialog of a correction."""
    room(ADMIN)  # points this process at the API
    app = AppTest.from_function(_dialog, default_timeout=20)
    login = sign_in(nation.api_url, ADMIN)
    app.user = {"id": login["user"]["id"], "session": session_key(door.store(door.CPO).create(login, None))}
    app.context = {"locale": "id-ID"}
    app.session_state["row"] = nation.get(ADMIN, f"/api/sessions/{session_id}/review")
    return app.run()


def _dialog() -> None:
    from decimal import Decimal

    import streamlit as st

    from dashboards.common import outcomes
    from dashboards.cpo.rulings import Ruling, dialog

    outcomes.show("ruling")
    dialog(Ruling("correct", st.session_state["row"], "meter awal keliru", Decimal("1999.5"), {}, "the-next-one"))


def test_keys_lead_to_the_next_and_the_previous_session(room: Room, nation: Nation, odd: str) -> None:
    waiting = [row["id"] for row in listed(nation, billing_state="held")]
    app = room(ADMIN, "held", session=waiting[0]).run()
    assert (
        app.button(key="next_held").proto.shortcut.lower(),
        app.button(key="previous_held").proto.shortcut.lower(),
    ) == ("n", "p")
    app.button(key="next_held").click().run()
    assert app.query_params["session"] == waiting[1]
    app.button(key="previous_held").click().run()
    app.button(key="previous_held").click().run()
    assert app.query_params["session"] == waiting[-1]


def test_what_another_cpo_holds_is_not_shown(room: Room, odd: str) -> None:
    assert odd not in "".join(panels(room(OTHER_ADMIN, "held", session=odd).run()))


def test_the_export_holds_meter_proposal_and_decision(nation: Nation, odd: str) -> None:
    text = csv_bytes([evidence.flat(row) for row in listed(nation)], evidence.CSV_COLUMNS).decode("utf-8-sig")
    [line] = [row for row in csv.DictReader(text.splitlines()) if row["id"] == odd]
    figures = (line["energy_wh"], line["proposed_energy_wh"], line["proposed_method"])
    assert figures == ("912000.0", "2000.0", "readings")


def note(app: AppTest) -> Any:
    """The field for the reason."""
    [field] = [widget for widget in app.text_input if str(widget.key).startswith("note_")]
    return field
