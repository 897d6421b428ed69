"""The alarms room and the line on the overview."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from streamlit.testing.v1 import AppTest

from backend.database import DirectDatabase
from backend.services.alarms import Alarms, Sighting
from tests.dashboards.conftest import ADMIN, EMSV, NOC, OTHER_ADMIN, Nation
from tests.support.postgres import run_sync
from tests.support.rooms import panels, words

Room = Callable[..., AppTest]


def raise_alarm(
    nation: Nation, charger_id: str | None, kind: str = "flooding", detail: dict[str, Any] | None = None,
    address: str | None = None,
) -> None:  # fmt: skip
    """A charger floods, unless it is something else, or somebody without a name at an address."""

    async def report() -> None:
        database = await DirectDatabase.open(nation.dsn)
        sighting = Sighting(kind, charger_id, address, 7, datetime.now(UTC), detail or {"node": "n"}, 300)
        await Alarms(database).report([sighting], uuid4())
        await database.close()

    run_sync(report())


def test_an_alarm_is_told_on_the_overview_and_listed(room: Room, nation: Nation) -> None:
    charger = str(nation.get(ADMIN, "/api/chargers", limit=1)["items"][0]["id"])
    raise_alarm(nation, charger)

    assert "alarm terbuka" in words(room(ADMIN).run())
    text = words(room(ADMIN, "alarms").run())
    assert "Mengirim terlalu banyak" in text and charger in text
    assert charger not in "".join(panels(room(OTHER_ADMIN, "alarms").run()))


@pytest.mark.parametrize(("language", "said"), [
    ("id", ("Sertifikatnya akan berakhir", "berlaku sampai 9 Des 2026 07.00 WIB")),
    ("en", ("Its certificate ends", "valid until 9 Dec 2026 07:00 WIB")),
])  # fmt: skip
def test_a_certificate_that_ends_is_told_with_its_end(
    room: Room, nation: Nation, language: str, said: tuple[str, ...]
) -> None:
    charger = str(nation.get(ADMIN, "/api/chargers", limit=1)["items"][0]["id"])
    detail = {"not_after": "2026-12-09T00:00:00+00:00", "within_days": 21, "subject": "CN=X"}
    raise_alarm(nation, charger, "certificate_ends", detail)
    app = room(ADMIN, "alarms", choose_language=language).run()
    app.segmented_control(key="choose_language").set_value(language).run()

    assert all(part in words(app) for part in said), words(app)


def test_a_list_without_alarms_says_so(room: Room) -> None:
    app = room(OTHER_ADMIN, "alarms", state="closed", choose_language="id").run()
    assert not app.exception
    assert "Belum ada alarm yang berakhir" in words(app)


def test_the_centre_sees_alarms_of_all_operators_and_of_strangers(room: Room, nation: Nation) -> None:
    charger = nation.get(ADMIN, "/api/chargers", limit=1)["items"][0]
    operator = next(row["name"] for row in nation.get(EMSV, "/api/cpos")["items"] if row["id"] == charger["cpo_id"])
    raise_alarm(nation, charger["id"])
    raise_alarm(nation, None, "dawdling", address="203.0.113.7")

    assert "alarm terbuka" in words(room(NOC).run())
    app = room(NOC, "alarms").run()
    text = words(app)
    assert not app.exception
    assert charger["id"] in text and operator in text and "203.0.113.7" in text
    assert "203.0.113.7" not in words(room(ADMIN, "alarms").run())
