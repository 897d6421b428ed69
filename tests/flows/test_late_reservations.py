"""Reservations that wait for their charger: not sent after their end, taken back unsent, freed when late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.database import SYSTEM
from backend.domain.caller import Caller
from backend.domain.scope import Scope
from backend.services.commands import Delivery
from backend.services.directory import Directory, build_directory
from backend.services.reservations import Reservation, Wish
from backend.services.upkeep import Upkeep
from tests.flows.raw import RawCharger, iso
from tests.flows.running import CHARGER, CPO, Running
from tests.flows.test_commands import answered, connected
from tests.flows.test_reservations import reservation

OWN = Caller(Scope("cpo_operator", "00000000-0000-4000-8000-000000000001", CPO), "Operator")
QUEUED = Delivery(queue=True)


@pytest.fixture
def services(platform: Running) -> Directory:
    """The services of the REST API over the same database."""
    return build_directory(platform.database, "a secret of the tests, long enough")


async def wanted(services: Directory, minutes: float, delivery: Delivery = QUEUED) -> Reservation:
    """A reservation from now on for so many minutes, asked as the API asks."""
    until = datetime.now(UTC) + timedelta(minutes=minutes)
    return await services.reservations.create(OWN, Wish(CHARGER, 1, "TAG-1", None, until), delivery)


async def past_end(platform: Running) -> None:
    """The reservation's time is over, and the clock has seen it."""
    await platform.store_execute("update public.reservations set expires_at = now() - interval '1 second'")
    await Upkeep(platform.database).expire_reservations()


async def test_a_queued_reservation_was_sent_after_its_own_end(platform: Running, services: Directory) -> None:
    ends = []
    for minutes in (10, 60):
        made = await wanted(services, minutes)
        command = await platform.command(str(made.command_id))
        ends.append((command["expires_at"] - command["created_at"], made.expires_at.replace(microsecond=0)))
        assert command["expires_at"] <= made.expires_at
    by_hand = await platform.ask("ReserveNow", {"connectorId": 1, "expiryDate": iso(ends[0][1]), "idTag": "TAG-1",
                                                "reservationId": 7}, queue=True, expires_in_s=900)  # fmt: skip
    assert (await platform.command(by_hand))["expires_at"] <= ends[0][1]
    assert ends[0][0] < timedelta(minutes=10)  # of the reservation
    assert ends[1][0] == timedelta(minutes=15)  # of any queued command


async def test_a_reservation_that_waited_till_its_end_was_never_sent(platform: Running, services: Directory) -> None:
    made = await wanted(services, 10)
    await platform.store_execute(
        "update public.commands set expires_at = now() - interval '1 second';"
        "update public.reservations set expires_at = now() - interval '1 second'"
    )
    upkeep = Upkeep(platform.database)
    await upkeep.expire_reservations()
    await upkeep.expire_commands()

    over = await reservation(platform, made.id)
    assert (over["status"], over["reason"]) == ("rejected", "not_sent")


async def test_a_reservation_could_not_be_taken_back_before_it_was_sent(platform: Running, services: Directory) -> None:
    made = await wanted(services, 30)
    told = [await services.reservations.cancel(OWN, made.id, Delivery()) for _ in range(2)]
    ended = await reservation(platform, made.id)
    await platform.ask("ClearCache", {}, queue=True)
    async with platform.plugged() as charger:
        await answered(charger, "ClearCache", {"status": "Accepted"})  # the first that it is asked
    rows = await platform.rows("select action from public.commands where status <> 'expired'")

    assert [(one.id, one.action, one.status) for one in told] == [(made.command_id, "ReserveNow", "expired")] * 2
    assert (ended["status"], ended["reason"]) == ("cancelled", "withdrawn")
    assert [row["action"] for row in rows] == ["ClearCache"]


async def test_one_that_was_sent_is_cancelled_by_the_charger(
    platform: Running, charger: RawCharger, services: Directory
) -> None:
    await connected(platform)
    made = await wanted(services, 30, Delivery())
    await answered(charger, "ReserveNow", {"status": "Accepted"})
    await reservation(platform, made.id, "status = 'active'")
    await services.reservations.cancel(OWN, made.id, Delivery())
    asked = await answered(charger, "CancelReservation", {"status": "Accepted"})

    assert asked == {"reservationId": made.reservation_id}
    assert (await reservation(platform, made.id, "status = 'cancelled'"))["reason"] is None


@pytest.mark.parametrize("seen", [True, False])
async def test_a_late_yes_kept_a_connector_for_nobody(
    platform: Running, charger: RawCharger, services: Directory, seen: bool
) -> None:
    await connected(platform)
    made = await wanted(services, 30, Delivery())
    message_id, _ = await charger.asked("ReserveNow")
    if seen:
        await past_end(platform)
    else:
        await platform.store_execute("update public.reservations set expires_at = now() - interval '1 second'")
    await charger.reply(message_id, {"status": "Accepted"})
    asked = await answered(charger, "CancelReservation", {"status": "Accepted"})
    freed = await reservation(platform, made.id, "cancel_answer is not null")

    assert asked == {"reservationId": made.reservation_id}
    assert (freed["status"], freed["cancel_answer"], freed["ended_at"]) == ("expired", "Accepted", freed["expires_at"])


async def test_a_late_yes_takes_nothing_from_another_reservation_of_the_number(
    platform: Running, charger: RawCharger
) -> None:
    await connected(platform)
    until = datetime.now(UTC) + timedelta(hours=1)
    wish: dict[str, Any] = {"connectorId": 1, "expiryDate": iso(until), "idTag": "TAG-1", "reservationId": 7}
    await platform.ask("ReserveNow", wish)
    message_id, _ = await charger.asked("ReserveNow")
    await past_end(platform)
    await platform.ask("ReserveNow", {**wish, "idTag": "TAG-2"})
    await charger.reply(message_id, {"status": "Accepted"})
    await answered(charger, "ReserveNow", {"status": "Accepted"})
    await platform.until("select 1 from public.reservations where id_token = 'TAG-2' and status = 'active'")

    assert await platform.rows("select 1 from public.commands where action = 'CancelReservation'") == []


async def test_a_reservation_whose_end_is_past_when_asked_is_passed_as_given(
    platform: Running, charger: RawCharger, services: Directory
) -> None:
    await connected(platform)
    made = await wanted(services, -5, Delivery())
    asked = await answered(charger, "ReserveNow", {"status": "Rejected"})

    assert asked["expiryDate"] == made.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_only_whoever_may_reserve_takes_a_reservation_back(platform: Running, services: Directory) -> None:
    made = await wanted(services, 30)
    stranger = "00000000-0000-4000-8000-000000000009"
    for scope in (Scope("cpo_finance", OWN.scope.user_id, CPO), Scope("cpo_operator", OWN.scope.user_id, stranger),
                  Scope("noc_analyst", OWN.scope.user_id), SYSTEM):  # fmt: skip
        arguments = {"p_reservation_id": made.id}
        assert await platform.database.call("withdraw_reservation", arguments, scope=scope) is False
    assert (await reservation(platform, made.id))["status"] == "requested"
