"""What a list must never get wrong about a charger, shown from rows as the API gives them."""

import re
from typing import Any

from markupsafe import Markup

from dashboards.common.status import COLOURS, STATES, counts, display, svg
from dashboards.cpo.messages import frame, log, pairs
from dashboards.cpo.receipts import progress
from dashboards.cpo.rows import charger_table, plug_number
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


def message(number: int, direction: str, kind: str, payload: str, pair: str = "p1") -> dict[str, Any]:
    at = f"2026-11-21T03:00:0{number}Z"
    latency = 12.0 if kind != "call" else None
    return {"id": number, "at": at, "direction": direction, "kind": kind, "action": "Heartbeat", "pair_id": pair,
            "latency_ms": latency, "payload": payload}  # fmt: skip


def test_the_log_pairs_a_call_with_the_answer_of_the_other_side() -> None:
    call = message(1, "in", "call", '[2,"p1","Heartbeat",{}]')
    answer = message(2, "out", "result", '[3,"p1",{"status":"Accepted"}]')
    ours = message(3, "out", "call", '[2,"p1","Reset",{}]')  # the same id, used by the other side
    assert pairs([ours, answer, call]) == [(ours, None), (call, answer)]
    text = plain(log([answer, call], "Asia/Makassar", "id"))
    assert "11.00.01 → masuk Heartbeat Accepted 12 ms" in text


def test_a_broken_frame_stays_in_the_log_as_it_came() -> None:
    bad = message(1, "in", "bad", "{not json", "")
    assert frame(bad) == "{not json"
    assert "{not json" in plain(log([bad], None, "id"))


def test_an_error_answer_shows_its_code() -> None:
    call = message(1, "out", "call", '[2,"p1","Reset",{"type":"Soft"}]')
    error = message(2, "in", "error", '[4,"p1","NotSupported","no reset",{}]')
    assert "NotSupported · no reset" in plain(log([error, call], None, "id"))


def place(number: str, at: tuple[float, float] | None, connectors: dict[str, int], power_w: float) -> dict[str, Any]:
    latitude, longitude = at or (None, None)
    return {"id": number, "name": number.upper(), "city": None, "latitude": latitude, "longitude": longitude,
            "connectors": connectors, "power_w": power_w}  # fmt: skip


STATIONS = [
    place("a", (-3.7, 128.2), {"faulted": 1, "available": 3}, 0),
    place("b", (-6.2, 106.8), {"charging": 2}, 90_000),
    place("c", None, {}, 0),
]


def test_the_map_draws_the_worst_station_last_and_skips_places_without_coordinates() -> None:
    assert [(point["i"], point["s"], point["p"]) for point in figures.points(STATIONS)] == [
        ("b", "charging", [106.8, -6.2]),
        ("a", "faulted", [128.2, -3.7]),
    ]


def test_the_map_version_changes_with_the_look_and_not_with_the_power() -> None:
    before = figures.version(figures.points(STATIONS))
    busier = [{**row, "power_w": 1} for row in STATIONS]
    assert figures.version(figures.points(busier)) == before
    mended = [{**STATIONS[0], "connectors": {"available": 4}}, *STATIONS[1:]]
    assert figures.version(figures.points(mended)) != before


def test_the_figures_of_a_cpo_are_the_sums_over_its_stations() -> None:
    cpos = [{"id": "x", "name": "X"}, {"id": "y", "name": "Y"}]
    owners = [{"id": "a", "cpo_id": "x"}, {"id": "b", "cpo_id": "x"}, {"id": "c", "cpo_id": "y"}]
    first, second = figures.per_cpo(cpos, owners, STATIONS)
    assert (first["stations"], first["power_w"]) == (2, 90_000)
    assert first["connectors"] == {"faulted": 1, "available": 3, "charging": 2}
    assert (second["stations"], second["power_w"], second["connectors"]) == (1, 0, {})
