"""The timeline of a charger on the screen: what each kind says, and that it is paged and filtered by the address."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboards.cpo.timeline import timeline
from tests.dashboards.conftest import ADMIN, Nation
from tests.dashboards.test_rows import COMMAND, plain
from tests.support.rooms import panels, words

Room = Callable[..., AppTest]
ENTRY: dict[str, Any] = {
    "id": "event-1", "at": "2026-11-21T03:00:00Z", "kind": "status", "event": "Charging", "evse_id": 2,
    "connector_id": 1, "actor": None, "session_id": None, "command_id": None, "reported_at": None, "detail": {},
}  # fmt: skip
ENDED = {"transaction_id": 9, "energy_wh": 3000, "duration_s": 540, "stop_reason": "Local", "review_reasons": []}


def told(**changes: Any) -> str:
    return plain(timeline([{**ENTRY, **changes}], "Asia/Makassar", "id"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "Status Konektor 2 Mengisi"),
        ({"evse_id": None, "event": "Faulted", "detail": {"error_code": "GroundFailure", "error_info": "31 mA"}},
         "Status Seluruh unit Gangguan arus bocor ke tanah (GroundFailure) · 31 mA"),
        ({"event": "Dancing"}, "Konektor 2 Dancing"),
        ({"kind": "boot", "event": "booted", "evse_id": None,
          "detail": {"vendor": "V", "model": "M", "firmware_version": "1.1", "firmware_before": "1.0"}},
         "Boot Unit menyala V M · firmware 1.1 (sebelumnya 1.0)"),
        ({"kind": "connection", "event": "disconnected", "evse_id": None, "detail": {"server_restarted": True}},
         "Sambungan Terputus server OCPP dimulai ulang"),
        ({"kind": "command", "event": "RemoteStartTransaction", "actor": "Sari", "detail": COMMAND},
         "Perintah Mulai sesi · konektor 2 oleh Sari ✓ diantrekan"),
        ({"kind": "session", "event": "begun", "actor": "CARD", "detail": {"transaction_id": 9}},
         "Sesi Konektor 2 Sesi 9 mulai Token CARD"),
        ({"kind": "session", "event": "ended", "detail": ENDED},
         "Sesi Konektor 2 Sesi 9 selesai 3,00 kWh · 9 mnt · dihentikan di tempat"),
        ({"kind": "comet", "event": "seen", "detail": {"tail": "long", "none": None}},
         "comet Konektor 2 seen tail: long"),
    ],
)  # fmt: skip
def test_every_kind_tells_where_what_and_why(changes: dict[str, Any], expected: str) -> None:
    assert expected in told(**changes)


def test_the_time_is_that_of_the_station_with_its_zone_and_age() -> None:
    assert re.match(r"Sab, 21 Nov WITA 11\.00\.00 \d+ \S+ lalu Status", told())


def test_what_was_learnt_late_tells_its_own_time_too() -> None:
    assert "Menurut jam unit: 21 Nov 2026 09.00 WITA" in told(reported_at="2026-11-21T01:00:00Z")
    assert "Menurut jam unit" not in told(reported_at="2026-11-21T02:59:30Z")


def test_days_are_those_of_the_station() -> None:
    evening = {**ENTRY, "at": "2026-11-20T15:59:00Z"}
    text = plain(timeline([ENTRY, {**ENTRY, "at": "2026-11-20T16:01:00Z"}, evening], "Asia/Makassar", "id"))
    assert [day in text for day in ("Sab, 21 Nov", "Jum, 20 Nov")] == [True, True]
    assert text.count("Nov WITA") == 2


def test_a_session_told_with_markup_stays_text() -> None:
    assert "<script>" not in timeline([{**ENTRY, "event": "<script>"}], None, "id")


def test_the_charger_shows_its_timeline_page_by_page(room: Room, nation: Nation) -> None:
    charger = nation.get(ADMIN, "/api/sessions", limit=1)["items"][0]["charger_id"]
    rows = nation.get(ADMIN, f"/api/chargers/{charger}/timeline", limit=40)["items"]
    app = room(ADMIN, "charger", charger=charger).run()
    assert not app.exception
    assert f"session={rows[0]['session_id']}" in "".join(panels(app))
    app.button(key="timeline_older").click().run()
    listed = "".join(panels(app))
    assert f"session={rows[20]['session_id']}" in listed
    assert f"session={rows[0]['session_id']}" not in listed
    app.button(key="timeline_newer").click().run()
    assert f"session={rows[0]['session_id']}" in "".join(panels(app))


def test_the_timeline_is_filtered_by_kind_connector_and_time(room: Room, nation: Nation) -> None:
    charger = nation.get(ADMIN, "/api/sessions", limit=1)["items"][0]["charger_id"]
    assert "Tidak ada kejadian yang cocok" in words(room(ADMIN, "charger", charger=charger, kind="boot").run())
    early = words(room(ADMIN, "charger", charger=charger, evse="1", until="2020-01-01T00:00:00+00:00").run())
    assert "Tidak ada kejadian yang cocok" in early
    app = room(ADMIN, "charger", charger=charger).run()
    app.button(key="timeline_1_1").click().run()
    assert app.query_params["evse"] in ("1", ["1"])


def test_a_session_leads_to_the_timeline_of_its_connector(room: Room, nation: Nation) -> None:
    row = nation.get(ADMIN, "/api/sessions", limit=1, open="false")["items"][0]
    listed = "".join(panels(room(ADMIN, "session", session=row["id"]).run()))
    assert f'href="/charger?charger={row["charger_id"]}&amp;evse={row["evse_id"]}&amp;until=' in listed
