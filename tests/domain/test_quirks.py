"""Deviations bear the right name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backend.domain.quirks import Quirk, clock_quirk, is_transaction_id, payload_quirk

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "quirk"),
    [
        (None, None),
        (NOW.isoformat(), None),
        ((NOW - timedelta(days=3)).isoformat(), None),
        ((NOW + timedelta(minutes=4)).isoformat(), None),
        ("yesterday", Quirk.CLOCK_UNREADABLE),
        (12, Quirk.CLOCK_UNREADABLE),
        ("1970-01-01T00:00:04Z", Quirk.CLOCK_UNSET),
        ((NOW + timedelta(hours=7)).isoformat(), Quirk.CLOCK_LOCAL_TIME),
        ((NOW + timedelta(hours=8, seconds=-70)).isoformat(), Quirk.CLOCK_LOCAL_TIME),
        ((NOW + timedelta(minutes=22)).isoformat(), Quirk.CLOCK_AHEAD),
        ((NOW + timedelta(days=400)).isoformat(), Quirk.CLOCK_AHEAD),
    ],
)
def test_a_clock_that_is_not_believed_is_wrong_in_a_certain_way(text: object, quirk: Quirk | None) -> None:
    assert clock_quirk(text, NOW) == quirk


def test_payloads_deviate_by_keyword_member_and_value() -> None:
    assert payload_quirk("enum", "errorCode", "Error") == Quirk.ODD_ERROR_CODE
    assert payload_quirk("enum", "unit", "kwh") == Quirk.ODD_ENUM
    assert payload_quirk("type", "info", None) == Quirk.NULL_MEMBER
    assert payload_quirk("type", "meterStart", "5") == Quirk.WRONG_TYPE
    assert payload_quirk("dependencies", None, {}) == Quirk.REFUSED_PAYLOAD


def test_transaction_ids_are_positive_and_of_32_bits() -> None:
    assert [is_transaction_id(number) for number in (-1, 0, 1, 2**31 - 1, 2**31)] == [False, False, True, True, False]
