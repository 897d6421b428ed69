"""What a CPO keeps of its revenue, in its own dashboard: now, to come and past; nobody else's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from streamlit.testing.v1 import AppTest

from tests.dashboards.conftest import ADMIN, EMSV, OTHER_ADMIN, Nation
from tests.support.postgres import execute, run_sync
from tests.support.rooms import words

Room = Callable[..., AppTest]
TODAY = datetime.now(ZoneInfo("Asia/Jakarta")).date()


@pytest.fixture
def agreed(nation: Nation) -> Iterator[Nation]:
    """Nusantara kept 92 percent last year, keeps 87.5 now and will keep 85 in ten days."""
    cpo_id = nation.get(ADMIN, "/api/auth/me")["cpo_id"]
    before = (
        "insert into public.revenue_shares (cpo_id, valid_from, valid_until, cpo_percent, settlement_cycle, "  # noqa: S608
        f"created_by_name) values ('{cpo_id}', '2025-01-01', '2026-01-01', 92, 'monthly', 'Putri')"
    )
    run_sync(execute(nation.dsn, before))
    for days, percent, cycle in ((0, "87.5", "weekly"), (10, "85", "daily")):
        terms = {"cpo_percent": percent, "session_minimum_fee": "250", "settlement_cycle": cycle, "note": "Kontrak 7"}
        share = {"valid_from": (TODAY + timedelta(days)).isoformat(), **terms}
        nation.post(EMSV, f"/api/cpo/{cpo_id}/revenue-shares", share)
    yield nation
    run_sync(execute(nation.dsn, "delete from public.revenue_shares"))


def test_a_cpo_sees_what_it_keeps_now_then_and_before(agreed: Nation, room: Room) -> None:
    app = room(ADMIN, "revenue").run()
    assert not app.exception
    told = {metric.label: metric.value for metric in app.metric}
    assert told == {
        "Bagian Anda": "87,50 %",
        "Bagian EMSV": "12,50 %",
        "Minimum per sesi, Rp": "Rp 250",
        "Minimum per bulan, Rp": "Rp 0",
        "Penyelesaian": "Mingguan",
    }
    shown = words(app)
    for state, percent in (("Akan berlaku", "85,00 %"), ("Berlaku", "87,50 %"), ("Berakhir", "92,00 %")):
        assert state in shown and percent in shown
    assert f"{TODAY + timedelta(10):%d/%m/%Y}" in shown and "01/01/2026" in shown
    assert not [button for button in app.button if "share" in str(button.key)]  # it reads, the EMSV sets


def test_another_cpo_sees_only_that_nothing_particular_is_agreed_with_it(agreed: Nation, room: Room) -> None:
    shown = words(room(OTHER_ADMIN, "revenue", locale="en-GB").run())
    assert "You keep 90 %" in shown
    assert "87.50" not in shown and "Kontrak" not in shown
