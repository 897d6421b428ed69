"""The room of OCPP messages: what a charger said, to whom it is masked, held still or live, and its export."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from backend.database import DirectDatabase
from dashboards.common import formats as f
from tests.dashboards.conftest import ADMIN, OPERATOR, Nation
from tests.support.frames import keep_frames
from tests.support.postgres import run_sync
from tests.support.rooms import panels, words

Room = Callable[..., AppTest]


def log(nation: Nation, *frames: dict[str, Any]) -> None:
    async def write() -> None:
        database = await DirectDatabase.open(nation.dsn)
        try:
            await keep_frames(database, *frames)
        finally:
            await database.close()

    run_sync(write())


@pytest.fixture(scope="module")
def charger(nation: Nation) -> str:
    """A charger that began a session, asked for something unknown, and was asked to reset."""
    identity = str(nation.get(ADMIN, "/api/chargers", limit=1)["items"][0]["id"])
    now = datetime.now(UTC)

    def frame(second: int, way: str, kind: str, action: str, pair: str, payload: list[Any]) -> dict[str, Any]:
        return {"at": (now + timedelta(seconds=second - 90)).isoformat(), "charger_id": identity, "direction": way,
                "kind": kind, "action": action, "pair_id": pair, "payload": json.dumps(payload),
                "latency_ms": None if kind == "call" else 31.0,
                "error_code": "NotImplemented" if kind == "error" else None}  # fmt: skip

    log(
        nation,
        frame(0, "in", "call", "Authorize", "1", [2, "1", "Authorize", {"idTag": "RAHASIA-1"}]),
        frame(1, "out", "result", "Authorize", "1", [3, "1", {"idTagInfo": {"status": "Accepted"}}]),
        frame(2, "in", "call", "Custom", "2", [2, "2", "Custom", {}]),
        frame(3, "out", "error", "Custom", "2", [4, "2", "NotImplemented", "Custom is not served here.", {}]),
        frame(4, "out", "call", "Reset", "3", [2, "3", "Reset", {"type": "Soft"}]),
    )
    return identity


def test_calls_stand_with_their_answers(room: Room, charger: str) -> None:
    app = room(ADMIN, "message_log", charger=charger).run()
    assert not app.exception
    text = words(app)
    assert "masuk Authorize Accepted 31 ms" in text
    assert "NotImplemented · Custom is not served here." in text
    assert "keluar Reset tidak dijawab" in text
    assert "RAHASIA-1" in "".join(panels(app))


def test_messages_of_many_days_stand_under_their_dates(room: Room, nation: Nation, charger: str) -> None:
    zone = nation.get(ADMIN, f"/api/chargers/{charger}")["station_timezone"]
    now = datetime.now(UTC)
    log(nation, {"at": (now - timedelta(days=5)).isoformat(), "charger_id": charger, "direction": "in", "kind": "call",
                 "action": "Heartbeat", "pair_id": "old", "payload": '[2, "old", "Heartbeat", {}]',
                 "latency_ms": None, "error_code": None})  # fmt: skip
    text = words(room(ADMIN, "message_log", charger=charger).run())
    for at in (now - timedelta(seconds=90), now - timedelta(days=5)):
        assert f"{f.day(f.local_day(at.isoformat(), zone), 'id')} {f.zone_letters(zone)}" in text
    assert text.index("Reset") < text.index(f.day(f.local_day((now - timedelta(days=5)).isoformat(), zone), "id"))


def test_an_operator_reads_masks_and_is_told_so(room: Room, charger: str) -> None:
    app = room(OPERATOR, "message_log", charger=charger).run()
    assert "RAHASIA-1" not in "".join(panels(app))
    assert "disamarkan" in words(app)
    assert "***" in "".join(panels(app))


def test_the_filters_stand_in_the_address(room: Room, charger: str) -> None:
    text = words(room(ADMIN, "message_log", charger=charger, only="errors").run())
    assert "Custom" in text
    assert "Authorize" not in text
    text = words(room(ADMIN, "message_log", charger=charger, direction="out").run())
    assert "keluar Reset" in text
    assert "masuk" not in text
    assert "Tidak ada pesan jenis ini" in words(room(ADMIN, "message_log", charger=charger, action="GetLog").run())


def test_the_list_can_be_held_still(room: Room, charger: str, nation: Nation) -> None:
    app = room(ADMIN, "message_log", charger=charger).run()
    assert app.toggle(key="log_live").value is True
    app.toggle(key="log_live").set_value(False).run()
    assert not app.exception
    assert "masuk Authorize" in words(app)


def test_without_a_charger_the_room_asks_for_one(room: Room) -> None:
    assert "Belum ada pengisi daya yang dipilih" in words(room(ADMIN, "message_log").run())
    assert "Pengisi daya ini tidak ada" in words(room(ADMIN, "message_log", charger="NOPE").run())


@pytest.mark.parametrize("language", ["id", "en"])
def test_the_room_opens_in_both_languages(room: Room, charger: str, language: str) -> None:
    app = room(ADMIN, "message_log", charger=charger).run()
    app.segmented_control(key="choose_language").set_value(language).run()
    assert not app.exception
    assert ("Pesan OCPP" if language == "id" else "OCPP messages") in words(app)
