"""Refused handshakes: counted, told once, slowed down, bounded."""

from __future__ import annotations

from backend.ocppj.refusals import Refusals, TlsFailures


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


def test_a_flood_of_tls_failures_is_a_few_alarms_a_minute() -> None:
    now = [100.0]
    refusals = Refusals(lambda: now[0])
    failures = TlsFailures(refusals, "n", lambda: now[0])
    for number in range(500):
        failures.note("certificate_untrusted", f"CP-{number}", f"10.0.0.{number}")
    seen = {(one.charger_id, one.remote_address): one.count for one in failures.take()}
    failures.note("tls_version", None, "10.0.1.1")
    again = failures.take()
    now[0] += 60
    failures.note("tls_version", None, "10.0.1.1")

    assert (len(seen), seen[None, None], seen["CP-0", "10.0.0.0"]) == (51, 450, 1)
    assert len(refusals.take()) == 50
    assert [(one.remote_address, one.count) for one in again] == [(None, 1)]
    assert [one.remote_address for one in failures.take()] == ["10.0.1.1"]
    assert (failures.total, failures.take()) == (502, [])


def test_what_is_no_tls_at_all_is_noise_and_raises_no_alarm() -> None:
    failures = TlsFailures(Refusals(lambda: 0.0), "n", lambda: 0.0)
    failures.note("tls_broken", None, "10.0.0.1")

    assert (failures.total, failures.take()) == (1, [])
