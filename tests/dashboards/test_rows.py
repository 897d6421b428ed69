"""What a list must never get wrong about a charger, shown from rows as the API gives them."""

import re
from typing import Any

import pytest
from markupsafe import Markup

from dashboards.common.status import COLOURS, STATES, counts, display, svg
from dashboards.cpo.messages import frame, log
from dashboards.cpo.receipts import progress
from dashboards.cpo.rows import charger_table, plug_number, whole_charger
from dashboards.emsv import figures

CHARGER: dict[str, Any] = {
    "id": "ID-1", "name": "Unit A", "vendor": "V", "model": "M", "current_type": "DC", "rated_power_w": 60_000,
    "connected": True, "last_seen_at": "2026-11-21T03:00:00Z", "disconnected_at": None, "status": "Available",
    "error_code": "NoError", "status_at": "2026-11-21T03:00:00Z",
}  # fmt: skip
PLUG: dict[str, Any] = {
    "charger_id": "ID-1", "evse_id": 1, "connector_id": 1, "state": "available", "status": "Available",
    "error_code": "NoError", "error_info": None, "vendor_error_code": None, "status_at": "2026-11-21T03:00:00Z",
    "session_id": None, "power_w": None, "energy_wh": None, "soc_percent": None,
}  # fmt: skip
COMMAND: dict[str, Any] = {
    "id": "c1", "action": "RemoteStartTransaction", "payload": {"connectorId": 2, "idTag": "T"}, "status": "queued",
    "effect": "none", "effect_session_id": None, "response": None, "error_code": None, "error_description": None,
    "requested_by_name": "Sari", "created_at": "2026-11-21T03:00:00Z", "sent_at": None, "answered_at": None,
    "effect_at": None,
}  # fmt: skip
SENT = {"sent_at": "2026-11-21T03:00:01Z"}
ANSWERED = {**SENT, "status": "accepted", "answered_at": "2026-11-21T03:00:02Z"}


def plain(markup: Markup) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", markup)).strip()


def table(charger: dict[str, Any], *plugs: dict[str, Any]) -> str:
    return plain(charger_table([{**CHARGER, **charger}], {"ID-1": [{**PLUG, **plug} for plug in plugs]}, "id"))


def test_offline_overrides_the_last_status_and_both_are_shown() -> None:
    text = table({"connected": False}, {"state": "offline", "status": "Charging"})
    assert "Luring terakhir: Mengisi" in text


def test_a_fault_of_the_whole_charger_hides_no_connector() -> None:
    text = table({"status": "Faulted", "error_code": "GroundFailure"}, {}, {"evse_id": 2, "state": "charging"})
    assert "1 Tersedia 2 Mengisi" in text
    assert "Seluruh unit: arus bocor ke tanah (GroundFailure)" in text


@pytest.mark.parametrize(("status", "word"), [("Faulted", "Gangguan"), ("Unavailable", "Tidak beroperasi")])
def test_what_the_whole_charger_says_stands_beside_the_connectors_own_state(status: str, word: str) -> None:
    whole = {"charger_status": status, "charger_error_code": "GroundFailure"}
    text = table({"status": status}, whole, {**whole, "evse_id": 2, "state": "charging"})
    said = f"Seluruh unit: {word} · arus bocor ke tanah (GroundFailure)"
    assert f"1 Tersedia {said} 2 Mengisi {said}" in text
    assert "Seluruh unit" not in plain(whole_charger({**PLUG, "charger_status": "Available"}))


def test_each_connector_tells_its_own_error() -> None:
    text = table({}, {}, {"evse_id": 2, "state": "faulted", "error_code": "OverVoltage", "vendor_error_code": "E7"})
    assert "Konektor 2 tegangan lebih (OverVoltage) · E7" in text


def test_an_error_code_that_nobody_knows_is_shown_as_it_came() -> None:
    assert "Konektor 1 SelfInvented" in table({}, {"error_code": "SelfInvented"})


def test_what_a_charger_says_of_itself_cannot_become_html() -> None:
    html = charger_table([{**CHARGER, "name": "<img src=x onerror=alert(1)>"}], {}, "id")
    assert "<img" not in html
    assert "&lt;img" in html


def test_a_running_session_shows_power_energy_and_battery() -> None:
    running = {"state": "charging", "session_id": "s", "power_w": 48_200, "energy_wh": 12_340, "soc_percent": 61}
    assert "Mengisi 48,2 kW · 12,34 kWh · 61 %" in table({}, running)


def test_connectors_bear_the_number_that_stands_on_the_charger() -> None:
    assert [plug_number({"evse_id": e, "connector_id": c}) for e, c in ((1, 1), (2, 1), (2, 2), (1, 2))] == [
        "1",
        "2",
        "2",
        "1.2",
    ]


def test_every_state_has_shape_colour_and_its_own_drawing() -> None:
    assert set(COLOURS) == set(STATES)
    assert len({svg(state) for state in STATES}) == len(STATES)
    assert display("something new") == "unknown"


def test_counts_come_worst_first_with_words_for_readers() -> None:
    assert plain(counts({"available": 14, "faulted": 1, "charging": 0})) == "1 Gangguan 14 Tersedia"


def test_a_receipt_goes_step_by_step_to_the_observed_effect() -> None:
    def steps(**changes: Any) -> str:
        return plain(progress({**COMMAND, **changes}, "Asia/Jakarta", "id"))

    assert "diantrekan 10.00.00 … menunggu sambungan" in steps()
    assert "dikirim 10.00.01 … menunggu jawaban" in steps(**SENT, status="sent")
    assert "diterima 10.00.02 … menunggu hasil" in steps(**ANSWERED, effect="pending")
    seen = steps(**ANSWERED, effect="observed", effect_at="2026-11-21T03:00:06Z", effect_session_id="s1")
    assert "✓ hasil terlihat 10.00.06 Buka sesinya" in seen
    assert "✕ tanpa hasil" in steps(**ANSWERED, effect="no_effect", effect_at="2026-11-21T03:02:00Z")


def test_a_receipt_tells_every_bad_end_from_the_others() -> None:
    def steps(**changes: Any) -> str:
        return plain(progress({**COMMAND, **SENT, **changes}, "Asia/Jakarta", "id"))

    rejected = steps(status="rejected", answered_at="2026-11-21T03:00:02Z", response={"status": "Rejected"})
    assert "✕ ditolak 10.00.02 Jawaban pengisi daya: Rejected" in rejected
    assert "✕ gagal" in steps(status="failed", error_code="NotSupported", error_description="no")
    assert "NotSupported no" in steps(status="failed", error_code="NotSupported", error_description="no")
    assert "✕ tidak dijawab" in steps(status="timed_out")
    assert "✕ kedaluwarsa" in steps(status="expired")
    late = steps(status="timed_out", effect="observed", effect_at="2026-11-21T03:00:30Z")
    assert "tidak dijawab ✓ hasil terlihat 10.00.30" in late


def exchange(**members: Any) -> dict[str, Any]:
    return {"at": "2026-11-21T03:00:01Z", "direction": "in", "action": "Heartbeat", "pair_id": "p1",
            "outcome": "answered", "error_code": None, "latency_ms": 12.0, "request": '[2,"p1","Heartbeat",{}]',
            "response": '[3,"p1",{"status":"Accepted"}]', "answered_at": None, **members}  # fmt: skip


def test_a_call_stands_in_one_line_with_its_answer_and_latency() -> None:
    assert "11.00.01 → masuk Heartbeat Accepted 12 ms" in plain(log([exchange()], "Asia/Makassar", "id"))


def test_a_call_without_an_answer_says_whether_one_may_still_come() -> None:
    alone = exchange(response=None, latency_ms=None, direction="out", action="Reset")
    assert "← keluar Reset menunggu jawaban –" in plain(log([{**alone, "outcome": "waiting"}], None, "id"))
    assert "tidak dijawab" in plain(log([{**alone, "outcome": "unanswered"}], None, "id"))


def test_a_broken_frame_stays_in_the_log_as_it_came() -> None:
    bad = exchange(outcome="bad", action=None, request="{not json", response=None, error_code="FormationViolation")
    assert frame("{not json") == "{not json"
    assert "bingkai rusak FormationViolation" in plain(log([bad], None, "id"))
    assert "{not json" in plain(log([bad], None, "id"))


def test_an_error_answer_shows_its_code() -> None:
    refused = exchange(outcome="error", response='[4,"p1","NotSupported","no reset",{}]', error_code="NotSupported")
    assert "NotSupported · no reset" in plain(log([refused], None, "id"))


STATIONS = [
    {"id": "a", "name": "A", "city": "Ambon", "latitude": -3.7, "longitude": 128.2, "state": "faulted"},
    {"id": "b", "name": "B", "city": None, "latitude": -6.2, "longitude": 106.8, "state": "charging"},
    {"id": "c", "name": "C", "city": None, "latitude": -6.3, "longitude": 106.9, "state": None},
]


def test_the_worst_station_is_drawn_last_so_that_it_lies_on_top() -> None:
    assert [(point["i"], point["s"], point["p"]) for point in figures.points(STATIONS)] == [
        ("c", "none", [106.9, -6.3]),
        ("b", "charging", [106.8, -6.2]),
        ("a", "faulted", [128.2, -3.7]),
    ]


def test_the_map_version_changes_with_the_look_alone() -> None:
    before = figures.version(figures.points(STATIONS))
    assert figures.version(figures.points([dict(row) for row in STATIONS])) == before
    mended = [{**STATIONS[0], "state": "available"}, *STATIONS[1:]]
    assert figures.version(figures.points(mended)) != before


def test_a_cpo_without_figures_runs_nothing() -> None:
    counted = {"cpo_id": "x", "stations": 2, "connectors": {"faulted": 1}, "power_w": 90_000}
    first, second = figures.per_cpo([{"id": "x", "name": "X"}, {"id": "y", "name": "Y"}], [counted])
    assert (first["cpo"]["name"], first["stations"], first["power_w"]) == ("X", 2, 90_000)
    assert (second["cpo"]["name"], second["stations"], second["connectors"]) == ("Y", 0, {})
