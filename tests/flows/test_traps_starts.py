"""Starts that are told again, or late: answered as if they had been told as they happened, for the charger ends its own
session at any other word than Accepted (reference/ocpp-behaviour.md §6, MicroOcpp#237, SteVe#1294)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.flows.raw import RawCharger, iso, start_payload
from tests.flows.running import Running

NOW = datetime.now(UTC)


def ago(**span: float) -> str:
    """A time as chargers write it."""
    return iso(NOW - timedelta(**span))


@pytest.mark.parametrize("change", [
    "expires_at = now() - interval '1 second'", "status = 'blocked'", "parent_token = 'OTHER'",
])  # fmt: skip
async def test_a_retried_start_was_judged_anew_and_its_charger_ended_its_own_session(
    platform: Running, charger: RawCharger, change: str
) -> None:
    await platform.token("CARD", expires_at=iso(NOW + timedelta(hours=1)), parent_token="FAMILY")
    at = ago(seconds=20)
    first = await charger.start_answer("CARD", at=at)
    await platform.store_execute(f"update public.id_tokens set {change} where token = 'CARD'")  # noqa: S608
    again = await charger.start_answer("CARD", at=at)

    assert first["idTagInfo"]["status"] == "Accepted"
    assert again == first


async def test_a_start_told_late_was_judged_by_the_time_of_its_receipt(platform: Running, charger: RawCharger) -> None:
    await platform.token("CARD", expires_at=ago(hours=1))
    for begun, status in ((ago(minutes=61), "Accepted"), (ago(minutes=59), "Expired")):
        assert (await charger.start_answer("CARD", at=begun))["idTagInfo"]["status"] == status


async def test_an_unset_clock_makes_no_card_valid_that_has_expired(platform: Running, charger: RawCharger) -> None:
    await platform.token("CARD", expires_at="2024-01-01T00:00:00Z")

    assert (await charger.start_answer("CARD", at="2021-01-01T00:00:40Z"))["idTagInfo"]["status"] == "Expired"


async def test_a_retried_start_was_hindered_by_a_later_one_that_was_refused(charger: RawCharger) -> None:
    first = await charger.start_answer("TAG-1", at=ago(seconds=20), connector=1)
    second = await charger.start_answer("TAG-1", at=ago(seconds=10), connector=2)
    again = await charger.start_answer("TAG-1", at=ago(seconds=20), connector=1)

    assert (first["idTagInfo"]["status"], second["idTagInfo"]["status"]) == ("Accepted", "ConcurrentTx")
    assert again == first
    assert await charger.start_answer("TAG-1", at=ago(seconds=10), connector=2) == second


async def test_a_start_told_late_was_hindered_by_a_session_that_began_after_it(
    platform: Running, charger: RawCharger
) -> None:
    await platform.register("CP-2")
    async with platform.plugged("CP-2") as other:
        assert (await other.start_answer("TAG-1", at=ago(minutes=10)))["idTagInfo"]["status"] == "Accepted"
        assert (await charger.start_answer("TAG-1", at=ago(minutes=20)))["idTagInfo"]["status"] == "Accepted"
        assert (await other.start_answer("TAG-1", at=ago(minutes=5), connector=2))["idTagInfo"][
            "status"
        ] == "ConcurrentTx"
        unset = await charger.start_answer("TAG-1", at="2021-01-01T00:00:40Z", connector=2)
        assert unset["idTagInfo"]["status"] == "ConcurrentTx"


async def test_starts_from_before_answers_were_kept_are_answered_from_what_is_known(
    platform: Running, charger: RawCharger
) -> None:
    first = await charger.start_answer(at=ago(seconds=20))
    await platform.store_execute("update public.sessions set token_at_start = null")

    assert await charger.result("StartTransaction", start_payload("TAG-1", 1000, ago(seconds=20))) == first
