"""Clocks of chargers: whatever they send, what we believe can be true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.timestamps import AHEAD, EARLIEST, believe, read_timestamp

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=offsets)
words = st.text(max_size=40) | st.from_regex(r"[0-9]{1,5}-[0-9]{1,3}-[0-9]{1,3}[Tt ][0-9:.,+Zz-]{0,20}", fullmatch=True)


@given(words | st.none() | st.integers() | st.floats() | st.lists(st.text(max_size=3), max_size=2))
def test_what_is_believed_is_never_outside_the_bounds(said: object) -> None:
    moment = believe(said, NOW)

    assert EARLIEST <= moment.at <= NOW + AHEAD
    assert moment.at.utcoffset() == timedelta(0)
    assert moment.trusted or moment.at == NOW


@given(moments)
def test_a_time_is_read_in_every_zone(moment: datetime) -> None:
    assert read_timestamp(moment.isoformat()) == moment
    assert read_timestamp(moment.isoformat(" ")) == moment


@given(moments)
def test_a_time_is_trusted_exactly_within_the_bounds(moment: datetime) -> None:
    believed = believe(moment.isoformat(), NOW)

    assert believed.trusted == (EARLIEST <= moment <= NOW + AHEAD)
    assert believed.at == (moment if believed.trusted else NOW)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2026, 11, 21)))
def test_a_time_without_zone_is_utc(moment: datetime) -> None:
    assert read_timestamp(moment.isoformat()) == moment.replace(tzinfo=UTC)
    assert read_timestamp(f"{moment.isoformat()}Z") == read_timestamp(f" {moment.isoformat()}z ")


@pytest.mark.parametrize("digits", range(1, 12))
def test_fractions_have_any_length(digits: int) -> None:
    read = read_timestamp(f"2026-01-01T00:00:00.{'5' * digits}Z")

    assert read is not None
    assert timedelta(milliseconds=499) < read - datetime(2026, 1, 1, tzinfo=UTC) < timedelta(milliseconds=556)


def test_bounds_move_with_the_time_of_receipt() -> None:
    told = "2026-11-21T12:05:00Z"

    assert believe(told, NOW).trusted
    assert not believe(told, NOW - timedelta(seconds=1)).trusted
