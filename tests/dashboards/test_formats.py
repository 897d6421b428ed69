"""Numbers, times and ages as they are written in Indonesia, and in English."""

from datetime import UTC, datetime

import pytest

from dashboards.common import formats as f
from dashboards.common.widgets import csv_bytes


def test_numbers_use_the_indonesian_comma_and_point() -> None:
    assert f.number(1234.5, "id", 1) == "1.234,5"
    assert f.number(1234.5, "en", 1) == "1,234.5"
    assert f.number(None, "id") == "–"


@pytest.mark.parametrize(
    ("wh", "text"),
    [(None, "–"), (0, "0,00 kWh"), (8_760, "8,76 kWh"), (710_200, "710,2 kWh"), (31_880_000, "31,88 MWh")],
)
def test_energy_chooses_its_unit(wh: float | None, text: str) -> None:
    assert f.energy(wh, "id") == text


def test_a_meter_register_stays_in_kwh_as_on_the_meter() -> None:
    assert f.register(116_718_977, "id") == "116.718,98 kWh"


def test_power_is_written_in_kw_and_mw() -> None:
    assert f.power(81_300, "id") == "81,3 kW"
    assert f.power(12_345_678, "en") == "12.35 MW"


@pytest.mark.parametrize(
    ("zone", "indonesian", "english"),
    [
        ("Asia/Jakarta", "21 Nov 2026 10.05 WIB", "21 Nov 2026 10:05 WIB"),
        ("Asia/Makassar", "21 Nov 2026 11.05 WITA", "21 Nov 2026 11:05 WITA"),
        ("Asia/Jayapura", "21 Nov 2026 12.05 WIT", "21 Nov 2026 12:05 WIT"),
    ],
)
def test_times_are_station_time_with_its_zone(zone: str, indonesian: str, english: str) -> None:
    assert f.when("2026-11-21T03:05:00Z", zone, "id") == indonesian
    assert f.when("2026-11-21T03:05:00Z", zone, "en") == english


def test_an_unknown_zone_falls_back_to_jakarta() -> None:
    assert f.zone("Nowhere/Land").key == "Asia/Jakarta"
    assert f.zone_letters(None) == "WIB"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 dtk lalu"), (59.9, "59 dtk lalu"), (180, "3 mnt lalu"), (7300, "2 jam lalu"), (400_000, "4 hari lalu")],
)
def test_an_age_has_one_unit(seconds: float, text: str) -> None:
    assert f.age(seconds, "id") == text


def test_a_clock_ahead_of_ours_is_not_a_negative_age() -> None:
    assert f.since("2026-11-21T03:05:09Z", datetime(2026, 11, 21, 3, 5, tzinfo=UTC), "en") == "0 s ago"


def test_durations() -> None:
    assert [f.duration(s, "id") for s in (40, 720, 3900, None)] == ["40 dtk", "12 mnt", "1 jam 05 mnt", "–"]


def test_an_export_defuses_formulas_and_leaves_empty_cells_empty() -> None:
    """An apostrophe stood in every empty cell."""
    cells = csv_bytes([{"a": "", "b": "=1+1", "c": "plain", "d": None}], ("a", "b", "c", "d")).decode("utf-8-sig")
    assert cells.splitlines()[1] == ",'=1+1,plain,"


def test_a_rated_power_stays_on_one_line_with_the_comma_of_its_language() -> None:
    assert (f.rated(7_400, "id"), f.rated(7_400, "en")) == ("7,4\u00a0kW", "7.4\u00a0kW")
    assert (f.rated(60_000, "id"), f.rated(None, "id")) == ("60\u00a0kW", None)
