"""The room of drivers: the limited view, against the real API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.dashboards.conftest import ADMIN, OPERATOR, OTHER_ADMIN, Nation
from tests.support.rooms import panels, words

Room = Callable[..., AppTest]


def everything(app: AppTest) -> str:
    return words(app) + "".join(panels(app))


def driver_of(nation: Nation, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Somebody whom the administrator registers, with a token that has charged already, and that session."""
    session = nation.get(ADMIN, "/api/sessions", limit=1, open=False)["items"][0]
    found = nation.get(ADMIN, "/api/id-tokens", token=session["id_token"])["items"]
    token = found[0] if found else nation.post(ADMIN, "/api/id-tokens", {"token": session["id_token"]})
    values = {"name": name, "contact": "+62 811 000 111", "car": "Wuling Air ev", "battery_wh": 26_700}
    driver = nation.post(ADMIN, "/api/drivers", values)
    since = (datetime.now(UTC) - timedelta(days=300)).isoformat()
    nation.post(ADMIN, f"/api/drivers/{driver['id']}/id-tokens", {"id_token_id": token["id"], "since": since})
    return driver, session


@pytest.mark.parametrize("language", ["id", "en"])
def test_the_room_opens_in_both_languages(room: Room, language: str) -> None:
    app = room(ADMIN, "drivers").run()
    app.segmented_control(key="choose_language").set_value(language).run()
    assert not app.exception


def test_the_limited_view_and_the_history_at_ones_own_stations(room: Room, nation: Nation) -> None:
    driver, session = driver_of(nation, "Sari Dewi")
    listed = everything(room(OPERATOR, "drivers", q="sari").run())
    assert "Sari Dewi" in listed and "Wuling Air ev" in listed and "tidak dibagikan" in listed
    shown = everything(room(OPERATOR, "drivers", driver=driver["id"]).run())
    assert session["charger_id"] in shown and "26,70 kWh" in shown
    assert "+62 811" not in listed + shown  # no consent
    said = {"purpose": "contact_sharing", "text_version": "1", "given": True, "method": "paper"}
    nation.post(ADMIN, f"/api/drivers/{driver['id']}/consents", said)
    # Somebody else asks: what the operator was shown is kept for two seconds.
    assert "+62 811 000 111" in everything(room(ADMIN, "drivers", driver=driver["id"]).run())


def test_another_cpo_learns_nothing_of_the_driver(room: Room, nation: Nation) -> None:
    driver, _ = driver_of(nation, "Budi Santoso")
    assert "Budi" not in everything(room(OTHER_ADMIN, "drivers").run())
    foreign = everything(room(OTHER_ADMIN, "drivers", driver=driver["id"]).run())
    assert "Budi" not in foreign and "Pengemudi tidak ada" in foreign
