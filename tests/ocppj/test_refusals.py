"""Refused handshakes: counted, told once, slowed down, bounded."""

from __future__ import annotations

from backend.ocppj.refusals import Refusals


def test_thirty_within_a_minute_are_enough_until_it_is_over() -> None:
    now = [100.0]
    refusals = Refusals(lambda: now[0])
    for _ in range(30):
        assert not refusals.too_many("CP-1", "a")
        refusals.add("CP-1", "password", "a")

    assert refusals.too_many("CP-1", "a")
    assert not refusals.too_many("CP-1", "b") and not refusals.too_many("CP-2", "a")
    now[0] += 60
    assert not refusals.too_many("CP-1", "a")


def test_what_was_told_is_not_told_again() -> None:
    refusals = Refusals(lambda: 0.0)
    for reason in ("password", "tls", "password"):
        refusals.add("CP-1", reason, "a")
    told = {row["reason"]: row["refused_count"] for row in refusals.take()}

    assert told == {"password": 2, "tls": 1}
    assert refusals.take() == []


def test_a_flood_of_identities_does_not_fill_the_memory() -> None:
    refusals = Refusals(lambda: 0.0)
    for number in range(10_050):
        refusals.add(f"CP-{number}", "password", "a")

    assert len(refusals.take()) == 10_000
