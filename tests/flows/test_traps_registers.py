"""Registers that no meter shows: kept from harming the session, the connector, and everybody else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.database import SYSTEM
from backend.services.outbox import Outbox
from backend.services.reviews import Reviews
from backend.services.upkeep import Upkeep
from tests.flows.raw import RawCharger, energy, iso, start_payload
from tests.flows.running import Running

NOW = datetime.now(UTC)
STARTED, LATER, LATEST = (iso(NOW - timedelta(minutes=minutes)) for minutes in (60, 50, 40))
A_DAY_S = 86_400

# From the lowest to the highest register of as many digits; their difference has one digit more.
ENDS = pytest.mark.parametrize("most", [10**11 - 1, 10**12 - 1])


@ENDS
async def test_a_stop_far_above_a_negative_start_was_refused_for_ever(
    platform: Running, charger: RawCharger, most: int
) -> None:
    transaction_id = await charger.start(meter=-most, at=STARTED)
    await charger.stop(transaction_id, most, LATEST)

    assert (await platform.session(transaction_id))["stopped_at"] is not None


@ENDS
async def test_a_reading_far_above_a_negative_start_locked_the_connector(
    platform: Running, charger: RawCharger, most: int
) -> None:
    first = await charger.start(meter=-most, at=STARTED)
    await charger.meter([energy(LATER, most)], transactionId=first)
    await charger.start(meter=0, at=LATEST)

    assert (await platform.session(first))["billing_state"] == "held"


@ENDS
async def test_a_reading_far_above_a_negative_start_kept_all_silent_sessions_open(
    platform: Running, charger: RawCharger, most: int
) -> None:
    await charger.start(meter=0, at=STARTED, connector=2)
    first = await charger.start(meter=-most, at=STARTED)
    await charger.meter([energy(LATER, most)], transactionId=first)
    await platform.store_execute(
        "update public.sessions set start_received_at = now() - interval '3 days', last_reading_at = null;"
        "update public.meter_values set received_at = now() - interval '3 days'"
    )

    assert await Upkeep(platform.database).close_silent_sessions(A_DAY_S) == 2


async def test_a_broken_meter_kept_its_stations_day_from_being_counted(platform: Running, charger: RawCharger) -> None:
    for _ in range(12):
        transaction_id = await charger.start(meter=0)
        await charger.stop(transaction_id, 10**11 - 1)
    await Outbox(platform.database).relay()

    day = await platform.row("select sum(sessions + held_sessions) as n from public.station_days")
    assert day["n"] == 12


# -- meters that are dead


async def unread(charger: RawCharger, action: str, payload: dict[str, Any], member: str, value: str) -> dict[str, Any]:
    """The answer to a call whose `member` is written as `value`, JSON or not; "-" leaves it out."""
    members = [f"{json.dumps(name)}:{json.dumps(told)}" for name, told in payload.items() if name != member]
    members += [f"{json.dumps(member)}:{value}"] if value != "-" else []
    await charger.send(f'[2,"x","{action}",{{{",".join(members)}}}]')
    answer = await charger.receive()
    assert answer[0] == 3, answer
    assert isinstance(answer[2], dict)
    return answer[2]


DEAD = pytest.mark.parametrize("value", ["NaN", "null", '""', '"n/a"', "", "true", "[]", "{}", "1" * 40, "-"])


@DEAD
async def test_a_stop_of_a_dead_meter_was_refused_until_the_charger_dropped_it(
    platform: Running, charger: RawCharger, value: str
) -> None:
    transaction_id = await charger.start(meter=1000, at=STARTED)
    await charger.meter([energy(LATER, 5000)], transactionId=transaction_id)
    stop = {"transactionId": transaction_id, "timestamp": LATEST, "reason": "PowerLoss", "idTag": "TAG-1"}
    for _ in range(2):
        assert (await unread(charger, "StopTransaction", stop, "meterStop", value))["idTagInfo"]["status"] == "Accepted"

    session = await platform.session(transaction_id)
    review = await Reviews(platform.database).get(SYSTEM, str(session["id"]))
    assert (session["stop_reason"], iso(session["stopped_at"])) == ("PowerLoss", LATEST)
    assert (session["billing_state"], session["review_reasons"]) == ("held", ["register_back"])
    assert (review.proposal.energy_wh, review.proposal.method) == (4000, "readings")


@DEAD
async def test_a_start_of_a_dead_meter_was_refused_while_the_car_charged(
    platform: Running, charger: RawCharger, value: str
) -> None:
    start = start_payload("TAG-1", None, STARTED)
    first = await unread(charger, "StartTransaction", start, "meterStart", value)
    assert await unread(charger, "StartTransaction", start, "meterStart", value) == first
    for at, register in ((LATER, 5000), (iso(NOW - timedelta(minutes=45)), 6000)):
        await charger.meter([energy(at, register)], transactionId=first["transactionId"])
    running = await platform.row("select energy_wh from public.session_details")
    await charger.stop(first["transactionId"], 7000, LATEST)

    session = await platform.session(first["transactionId"])
    review = await Reviews(platform.database).get(SYSTEM, str(session["id"]))
    assert (first["idTagInfo"], running["energy_wh"]) == ({"status": "Accepted"}, 0)
    assert (session["billing_state"], session["review_reasons"]) == ("held", ["register_back"])
    assert (review.proposal.energy_wh, review.proposal.method) == (2000, "readings")


async def test_an_orphan_stop_of_a_dead_meter_is_answered_and_kept(platform: Running, charger: RawCharger) -> None:
    stop = {"transactionId": 999_999, "timestamp": LATEST}
    assert await unread(charger, "StopTransaction", stop, "meterStop", "NaN") == {}

    assert len(await platform.rows("select 1 from public.orphan_stops")) == 1


# -- energy that two sessions tell


async def charged(charger: RawCharger, registers: tuple[int, int], begin: int, tag: str = "TAG-1") -> int:
    """A session without readings that began `begin` minutes ago and lasted for twenty."""
    first, last = registers
    transaction_id = await charger.start(tag, first, iso(NOW - timedelta(minutes=begin)))
    await charger.stop(transaction_id, last, iso(NOW - timedelta(minutes=begin - 20)))
    return transaction_id


async def test_a_start_below_the_last_stop_of_its_connector_billed_energy_twice(
    platform: Running, charger: RawCharger
) -> None:
    first = await charged(charger, (1000, 5000), 100)
    assert (await platform.session(first))["billing_state"] == "ok"
    second = await charged(charger, (1000, 9000), 60)
    third = await charged(charger, (9000, 10_000), 30)

    session = await platform.session(second)
    review = await Reviews(platform.database).get(SYSTEM, str(session["id"]))
    assert (session["billing_state"], session["review_reasons"]) == ("held", ["register_back"])
    assert (review.proposal.energy_wh, review.proposal.decision) == (4000, "correct")
    assert [(fall.from_wh, fall.to_wh) for fall in review.evidence.falls] == [(5000, 1000)]
    for sound in (first, third):
        assert (await platform.session(sound))["billing_state"] == "ok"


async def test_history_that_comes_late_judges_the_session_after_it_again(
    platform: Running, charger: RawCharger
) -> None:
    second = await charged(charger, (1000, 9000), 60)
    assert (await platform.session(second))["billing_state"] == "ok"
    first = await charged(charger, (1000, 5000), 100)

    assert (await platform.session(first))["billing_state"] == "ok"
    assert (await platform.session(second))["review_reasons"] == ["register_back"]


async def test_a_meter_that_begins_anew_with_each_session_fills_no_review(
    platform: Running, charger: RawCharger
) -> None:
    for number, registers in enumerate([(0, 8000), (12, 7000), (0, 900), (3, 8000)]):
        transaction_id = await charged(charger, registers, 200 - 40 * number)
        assert (await platform.session(transaction_id))["billing_state"] == "ok"


async def test_another_connector_or_a_void_session_takes_no_energy_away(platform: Running, charger: RawCharger) -> None:
    void = await charged(charger, (1000, 5000), 100)
    await platform.session(void)
    await platform.store_execute("update public.sessions set verdict = 'void', billable_energy_wh = 0")
    other = await charger.start("TAG-2", 1000, STARTED, connector=2)
    await charger.stop(other, 5000, LATEST)
    again = await charged(charger, (1000, 9000), 60)

    for transaction_id in (other, again):
        assert (await platform.session(transaction_id))["billing_state"] == "ok"
