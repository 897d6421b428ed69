"""Reservations over real sockets: from ReserveNow to the session that uses it, and every other end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.database import SYSTEM
from backend.services.dispatch import Dispatch, Outcome
from backend.services.upkeep import Upkeep
from simulator import StepClock
from tests.flows.raw import RawCharger, iso, start_payload
from tests.flows.running import CHARGER, CPO, Running
from tests.flows.test_commands import answered, connected

LATER = datetime.now(UTC) + timedelta(hours=1)


async def reserve(platform: Running, connector: int = 1, token: str = "TAG-1", parent: str | None = None) -> str:
    """Asks for a reservation as the API does; returns its id."""
    made = await platform.database.call(
        "reserve_connector",
        {"p_charger_id": CHARGER, "p_connector_id": connector, "p_id_token": token, "p_parent_token": parent,
         "p_expires_at": LATER.isoformat(), "p_idempotency_key": None, "p_queue": False, "p_expires_in_s": 60,
         "p_requested_by_name": "test"},
        scope=SYSTEM,
    )  # fmt: skip
    return str(made)


async def reservation(platform: Running, identifier: str, condition: str = "true") -> dict[str, Any]:
    """A reservation, once an SQL condition on it holds."""
    return await platform.until(f"select * from public.reservations where id = $1 and {condition}", identifier)  # noqa: S608


async def active(platform: Running, charger: RawCharger, **wish: Any) -> dict[str, Any]:
    """A reservation that the charger accepted."""
    await connected(platform)
    made = await reserve(platform, **wish)
    await answered(charger, "ReserveNow", {"status": "Accepted"})
    return await reservation(platform, made, "status = 'active'")


async def test_a_reservation_is_used_by_the_session_that_names_it(platform: Running, charger: RawCharger) -> None:
    await connected(platform)
    made = await reserve(platform, parent="FAMILY")
    assert (await reservation(platform, made))["status"] == "requested"
    asked = await answered(charger, "ReserveNow", {"status": "Accepted"})
    kept = await reservation(platform, made, "status = 'active'")
    payload = start_payload("TAG-1", 0, None) | {"reservationId": kept["reservation_id"]}
    first = await charger.result("StartTransaction", payload)
    again = await charger.result("StartTransaction", payload)

    assert list(asked) == ["connectorId", "expiryDate", "idTag", "parentIdTag", "reservationId"]
    assert asked["expiryDate"] == LATER.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert kept["reservation_id"] > 0
    session = await platform.session(first["transactionId"])
    used = await reservation(platform, made)
    assert first == again
    assert (used["status"], used["session_id"]) == ("used", session["id"])
    assert session["reservation_id"] == kept["reservation_id"]


@pytest.mark.parametrize("word", ["Faulted", "Occupied", "Unavailable", "Rejected"])
async def test_a_refused_reservation_bears_the_chargers_word(platform: Running, charger: RawCharger, word: str) -> None:
    await connected(platform)
    made = await reserve(platform, connector=0)
    asked = await answered(charger, "ReserveNow", {"status": word})

    refused = await reservation(platform, made, "status = 'rejected'")
    assert (asked["connectorId"], refused["reason"]) == (0, word)
    assert refused["ended_at"] is not None


async def test_a_call_error_refuses_and_silence_leaves_it_open(platform: Running, charger: RawCharger) -> None:
    await connected(platform)
    made = await reserve(platform)
    message_id, _ = await charger.asked("ReserveNow")
    await charger.send([4, message_id, "NotSupported", "", {}])
    assert (await reservation(platform, made, "status = 'rejected'"))["reason"] == "NotSupported"

    silent = await reserve(platform)
    await charger.asked("ReserveNow")
    command = (await reservation(platform, silent))["command_id"]
    await Dispatch(platform.database, "test").settle(str(command), Outcome("timed_out", None, "Timeout"))
    kept = await reservation(platform, silent)
    assert (kept["status"], kept["reason"]) == ("requested", "no_answer")


async def test_a_reservation_is_cancelled_when_the_charger_says_yes(platform: Running, charger: RawCharger) -> None:
    kept = await active(platform, charger)
    await platform.ask("CancelReservation", {"reservationId": kept["reservation_id"]})
    await answered(charger, "CancelReservation", {"status": "Rejected"})
    unmoved = await reservation(platform, kept["id"], "cancel_answer is not null")
    await platform.ask("CancelReservation", {"reservationId": kept["reservation_id"]})
    await answered(charger, "CancelReservation", {"status": "Accepted"})
    ended = await reservation(platform, kept["id"], "status = 'cancelled'")

    assert (unmoved["status"], unmoved["cancel_answer"]) == ("active", "Rejected")
    assert (ended["cancel_answer"], ended["ended_at"] is not None) == ("Accepted", True)


async def test_the_generic_command_makes_and_replaces_reservations(platform: Running, charger: RawCharger) -> None:
    await connected(platform)
    wish = {"connectorId": 99, "expiryDate": iso(LATER), "idTag": "NOBODY", "reservationId": -7}
    for token in ("NOBODY", "TAG-1"):
        await platform.ask("ReserveNow", {**wish, "idTag": token})
        await answered(charger, "ReserveNow", {"status": "Accepted"})
    newer = await platform.until("select * from public.reservations where id_token = 'TAG-1' and status = 'active'")
    older = await platform.row("select * from public.reservations where id_token = 'NOBODY'")
    await platform.ask("CancelReservation", {"reservationId": 123456})
    await answered(charger, "CancelReservation", {"status": "Rejected"})

    assert (older["status"], older["reason"]) == ("cancelled", "replaced")
    assert (newer["connector_id"], newer["reservation_id"]) == (99, -7)
    assert len(await platform.rows("select 1 from public.reservations")) == 2


async def test_a_refused_replacement_leaves_the_reservation(platform: Running, charger: RawCharger) -> None:
    kept = await active(platform, charger)
    number = kept["reservation_id"]
    await platform.ask("ReserveNow", {"connectorId": 2, "expiryDate": iso(LATER), "idTag": "TAG-2",
                                      "reservationId": number})  # fmt: skip
    await answered(charger, "ReserveNow", {"status": "Occupied"})
    await platform.until("select 1 from public.reservations where id_token = 'TAG-2' and status = 'rejected'")

    assert (await reservation(platform, kept["id"]))["status"] == "active"


async def test_an_odd_payload_is_the_chargers_business_and_makes_no_row(platform: Running, charger: RawCharger) -> None:
    await connected(platform)
    odd = {"connectorId": "one", "expiryDate": "tomorrow", "idTag": None, "reservationId": 1.5}
    for payload in ({}, odd, {**odd, "connectorId": 1, "reservationId": 10**12, "idTag": "TAG-1"}):
        command = await platform.ask("ReserveNow", payload)
        await answered(charger, "ReserveNow", {"status": "Rejected"})
        await platform.command(command, "status = 'rejected'")

    assert await platform.rows("select 1 from public.reservations") == []


async def test_time_ends_a_reservation_and_what_was_never_sent(platform: Running, charger: RawCharger) -> None:
    kept = await active(platform, charger)
    upkeep = Upkeep(platform.database)
    assert await upkeep.expire_reservations() == 0
    await platform.store_execute("update public.reservations set expires_at = now() - interval '1 minute'")
    await platform.store_execute(
        f"insert into public.commands (cpo_id, charger_id, action, payload, status, expires_at) values ('{CPO}', "  # noqa: S608
        f'\'{CHARGER}\', \'ReserveNow\', \'{{"connectorId": 1, "reservationId": 5, "idTag": "X", '
        f'"expiryDate": "{iso(LATER)}"}}\', \'expired\', now())'
    )

    assert await upkeep.expire_reservations() == 2
    assert (await reservation(platform, kept["id"]))["status"] == "expired"
    assert (await platform.row("select reason from public.reservations where id_token = 'X'"))["reason"] == "not_sent"
    assert await upkeep.expire_reservations() == 0


async def test_a_start_out_of_offline_history_uses_the_reservation_that_seemed_over(
    platform: Running, charger: RawCharger
) -> None:
    kept = await active(platform, charger)
    await platform.store_execute("update public.reservations set created_at = now() - interval '3 hours', "
                                 "expires_at = now() - interval '1 hour'")  # fmt: skip
    await Upkeep(platform.database).expire_reservations()
    await platform.ask("ReserveNow", {"connectorId": 1, "expiryDate": iso(LATER), "idTag": "TAG-2",
                                      "reservationId": kept["reservation_id"]})  # fmt: skip
    await answered(charger, "ReserveNow", {"status": "Accepted"})
    begun = iso(datetime.now(UTC) - timedelta(hours=2))
    payload = start_payload("TAG-1", 0, begun) | {"reservationId": kept["reservation_id"]}
    started = await charger.result("StartTransaction", payload)

    session = await platform.session(started["transactionId"])
    assert (await reservation(platform, kept["id"]))["session_id"] == session["id"]
    assert (await platform.until("select 1 as ok from public.reservations where id_token = 'TAG-2' "
                                 "and status = 'active'"))["ok"] == 1  # fmt: skip


async def test_the_reserved_token_needs_no_number_and_another_is_noted(platform: Running, charger: RawCharger) -> None:
    kept = await active(platform, charger)
    stranger = await charger.start_answer("TAG-2")
    assert stranger["idTagInfo"]["status"] == "Accepted"  # the charger decides who charges
    noted = await reservation(platform, kept["id"], "other_session_id is not null")
    await charger.start("tag-1")

    assert noted["status"] == "active"
    assert (await reservation(platform, kept["id"]))["status"] == "used"


async def test_the_group_uses_the_reservation_of_its_member(platform: Running, charger: RawCharger) -> None:
    await platform.token("CHILD", parent_token="Family")
    kept = await active(platform, charger, parent="FAMILY")
    transaction = await charger.start("child")

    session = await platform.session(transaction)
    assert session["parent_token"] == "Family"
    assert (await reservation(platform, kept["id"]))["session_id"] == session["id"]


@pytest.mark.parametrize(("connector", "status", "ended"), [(1, "Faulted", True), (0, "Unavailable", True),
                                                            (2, "Faulted", False), (1, "Reserved", False)])  # fmt: skip
async def test_a_fault_ends_the_reservation_of_its_connector(
    platform: Running, charger: RawCharger, connector: int, status: str, ended: bool
) -> None:
    for number in (0, 1, 2):
        await charger.status("Available", connector=number)
    kept = await active(platform, charger)
    await charger.status(status, connector=connector)

    found = await reservation(platform, kept["id"])
    assert (found["status"], found["reason"]) == (("cancelled", status) if ended else ("active", None))


async def test_a_simulated_charger_keeps_the_connector_for_its_driver(platform: Running) -> None:
    async with platform.simulated(clock=StepClock(datetime.now(UTC))) as simulated:
        await simulated.boot()
        await connected(platform)
        made = await reserve(platform)
        await reservation(platform, made, "status = 'active'")
        await simulated.plug_in()
        await simulated.tap(1, "TAG-1")
        used = await reservation(platform, made, "status = 'used'")

    session = await platform.row("select * from public.sessions")
    assert used["session_id"] == session["id"]
    assert session["reservation_id"] == used["reservation_id"]
