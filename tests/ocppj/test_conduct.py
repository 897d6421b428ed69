"""Offences become alarms when they are more than an accident, and count on without counting twice."""

from __future__ import annotations

from backend.ocppj.conduct import ALARMING, RESTLESS, WINDOW_S, Conduct


class Clock:
    """Time that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_few_bad_frames_alarm_nobody() -> None:
    conduct = Conduct("node")
    for _ in range(ALARMING["malformed"] - 1):
        conduct.note("malformed", "CP-1")
    assert conduct.take() == []
    conduct.note("malformed", "CP-1")
    [seen] = conduct.take()
    assert (seen.kind, seen.charger_id, seen.count, seen.detail) == ("malformed", "CP-1", 10, {"node": "node"})


def test_what_was_told_is_not_told_again() -> None:
    conduct = Conduct("node")
    conduct.note("oversized", "CP-1")
    assert [seen.count for seen in conduct.take()] == [1]
    assert conduct.take() == []
    conduct.note("oversized", "CP-1")
    conduct.note("oversized", "CP-1")
    assert [seen.count for seen in conduct.take()] == [2]


def test_an_offender_without_identity_is_named_by_its_address() -> None:
    conduct = Conduct("node")
    for _ in range(ALARMING["dawdling"]):
        conduct.note("dawdling", remote_address="192.0.2.1")
    assert [(seen.charger_id, seen.remote_address) for seen in conduct.take()] == [(None, "192.0.2.1")]


def test_each_minute_begins_anew() -> None:
    clock = Clock()
    conduct = Conduct("node", clock)
    for _ in range(RESTLESS):
        conduct.note("reconnecting", "CP-1")
    assert conduct.restless("CP-1") and not conduct.restless("CP-2")
    clock.now = WINDOW_S + 1
    assert len(conduct.take()) == 1
    assert not conduct.restless("CP-1")


def test_a_crowd_of_strangers_does_not_fill_the_memory() -> None:
    conduct = Conduct("node")
    for number in range(20_000):
        conduct.note("oversized", f"CP-{number}")
    assert len(conduct.take()) == 10_000
