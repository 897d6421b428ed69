"""Sessions that never end, readings that come with the stop, and orders whose effect is there already."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from backend.database import SYSTEM
from backend.services.reviews import Reviews
from backend.services.upkeep import Upkeep
from tests.flows.raw import RawCharger, energy, iso
from tests.flows.running import CHARGER, Running

NOW = datetime.now(UTC)
A_DAY_S = 86_400


def ago(**span: float) -> str:
    """A time as chargers write it."""
    return iso(NOW - timedelta(**span))


async def forgotten(platform: Running, charger: RawCharger, *, connector: int = 1) -> int:
    """A session with one reading, of which nothing was heard for more than a day."""
    transaction_id = await charger.start(meter=1000, at=ago(hours=26), connector=connector)
    await charger.meter([energy(ago(hours=25), 9000)], connector, transactionId=transaction_id)
    await platform.store_execute("update public.sessions set start_received_at = started_at + interval '1 second'")
    await platform.store_execute("update public.meter_values set received_at = measured_at + interval '1 second'")
    return transaction_id


async def test_a_session_that_fell_silent_is_closed_with_its_last_register_and_held(
    platform: Running, charger: RawCharger
) -> None:
    transaction_id = await forgotten(platform, charger)
    assert await Upkeep(platform.database).close_silent_sessions(A_DAY_S) == 1
    assert await Upkeep(platform.database).close_silent_sessions(A_DAY_S) == 0

    session = await platform.session(transaction_id)
    assert (session["stop_reason"], session["meter_stop_wh"], session["energy_wh"]) == ("Other", 9000, 8000)
    assert session["stopped_at"] == NOW - timedelta(hours=25)
    assert (session["billing_state"], session["review_reasons"]) == ("held", ["stop_missing"])
    review = await Reviews(platform.database).get(SYSTEM, str(session["id"]))
    assert review.evidence.closed_by_us == "silence"


async def test_the_stop_that_comes_after_all_corrects_it(platform: Running, charger: RawCharger) -> None:
    transaction_id = await forgotten(platform, charger)
    await Upkeep(platform.database).close_silent_sessions(A_DAY_S)
    await platform.session(transaction_id)
    await charger.stop(transaction_id, 12_000, ago(hours=24.5), reason="PowerLoss")

    session = await platform.session(transaction_id)
    assert (session["billing_state"], session["billable_energy_wh"]) == ("ok", 11_000)
    assert (session["stop_reason"], session["abandoned"], session["review_reasons"]) == ("PowerLoss", False, [])
    assert await platform.rows("select 1 from public.session_reviews") == []


async def test_a_charger_that_says_it_charges_is_believed_without_readings(
    platform: Running, charger: RawCharger
) -> None:
    transaction_id = await forgotten(platform, charger)
    await charger.status("Charging")
    assert await Upkeep(platform.database).close_silent_sessions(A_DAY_S) == 0
    await charger.status("Available")
    assert await Upkeep(platform.database).close_silent_sessions(A_DAY_S) == 1
    assert (await platform.session(transaction_id))["abandoned"] is True


async def test_readings_under_a_slow_clock_are_signs_of_life(platform: Running, charger: RawCharger) -> None:
    await forgotten(platform, charger)
    await charger.meter([energy(ago(hours=24.9), 9100)])

    assert await Upkeep(platform.database).close_silent_sessions(A_DAY_S) == 0


# -- drivers are not locked out


@pytest.mark.parametrize("status", ["Available", "Finishing", "Faulted", "Unavailable"])
async def test_a_card_is_free_again_when_the_connector_says_that_nothing_charges(
    charger: RawCharger, status: str
) -> None:
    await charger.start(connector=1)
    await charger.status("Charging", 1)
    assert (await charger.start_answer(connector=2))["idTagInfo"]["status"] == "ConcurrentTx"
    await charger.status(status, 1)
    await charger.status("Available", 2)

    assert (await charger.start_answer(connector=3))["idTagInfo"]["status"] == "Accepted"


async def test_a_card_is_free_again_when_its_charger_is_gone(platform: Running, charger: RawCharger) -> None:
    await platform.register("CP-2")
    async with platform.plugged("CP-2") as other:
        await other.start()
        assert (await charger.start_answer(connector=1))["idTagInfo"]["status"] == "ConcurrentTx"
    await charger.stop((await platform.row("select max(transaction_id) as n from public.sessions"))["n"])
    await platform.until("select 1 from public.connections where charger_id = 'CP-2' and disconnected_at is not null")
    await platform.store_execute("update public.connections set disconnected_at = now() - interval '16 minutes' "
                                 "where charger_id = 'CP-2'")  # fmt: skip

    assert (await charger.start_answer(connector=2))["idTagInfo"]["status"] == "Accepted"


# -- readings that come with the stop


async def test_the_readings_of_a_stop_stand_at_the_connector_of_its_session(
    platform: Running, charger: RawCharger
) -> None:
    transaction_id = await charger.start(meter=1000, at=ago(hours=1), connector=2)
    data = [energy(ago(minutes=50), 2000)]
    for _ in range(2):
        await charger.stop(transaction_id, 3000, ago(minutes=40), transactionData=data)
    await charger.stop(0, 3000, ago(minutes=40), transactionData=data)

    stored = await platform.rows("select evse_id, connector_id, session_id is not null as known "
                                 "from public.meter_values order by evse_id")  # fmt: skip
    assert [tuple(row.values()) for row in stored] == [(0, 0, False), (2, 1, True)]


# -- orders whose effect is there already


@pytest.mark.parametrize(
    ("connector", "kind", "status"),
    [(0, "Inoperative", "Unavailable"), (1, "Operative", "Available"), (2, "Operative", "Charging")],
)
async def test_an_availability_that_is_there_already_is_observed_with_the_answer(
    platform: Running, charger: RawCharger, connector: int, kind: str, status: str
) -> None:
    for number in (1, 2):
        await charger.status(status, number)
    command = await platform.ask("ChangeAvailability", {"connectorId": connector, "type": kind})
    number, _ = await charger.asked("ChangeAvailability")
    await charger.reply(number, {"status": "Accepted"})

    assert (await platform.command(command, "status = 'accepted'"))["effect"] == "observed"


async def test_an_availability_that_is_not_there_yet_waits_for_the_charger(
    platform: Running, charger: RawCharger
) -> None:
    await charger.status("Unavailable", 1)
    await charger.status("Charging", 2)
    command = await platform.ask("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"})
    number, _ = await charger.asked("ChangeAvailability")
    await charger.reply(number, {"status": "Scheduled"})
    assert (await platform.command(command, "status = 'accepted'"))["effect"] == "pending"
    await charger.status("Unavailable", 2)

    assert (await platform.command(command, "effect = 'observed'"))["charger_id"] == CHARGER
