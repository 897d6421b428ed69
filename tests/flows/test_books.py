"""What is counted and held: each session on one day, no driver locked out by a session that never ended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from backend.database import SYSTEM
from backend.services.outbox import Outbox
from tests.flows.raw import RawCharger, iso
from tests.flows.running import CHARGER, CPO, Running

NOW = datetime.now(UTC)


async def test_a_late_stop_of_a_superseded_session_moves_it_to_its_true_day(
    platform: Running, charger: RawCharger
) -> None:
    first = await charger.start(meter=1000, at=iso(NOW - timedelta(days=3)))
    await charger.meter([{"timestamp": iso(NOW - timedelta(days=3, minutes=-50)), "sampledValue": [{"value": "9000"}]}],
                        transactionId=first)  # fmt: skip
    await charger.start(meter=9000, at=iso(NOW - timedelta(days=1)))
    assert (await platform.session(first))["billing_state"] == "held"
    await Outbox(platform.database).relay()
    held = await platform.row("select held_sessions, held_energy_wh from public.station_days where held_sessions > 0")
    await charger.stop(first, meter=11_000, at=iso(NOW - timedelta(days=3, minutes=-100)))
    assert (await platform.session(first))["billing_state"] == "ok"
    await Outbox(platform.database).relay()

    assert tuple(held.values()) == (1, 8_000)
    days = await platform.rows("select sessions, energy_wh, held_sessions from public.station_days where sessions > 0")
    assert [tuple(day.values()) for day in days] == [(1, 10_000, 0)]
    assert await platform.rows("select 1 from public.station_days where held_sessions > 0") == []


async def test_a_session_that_gave_no_sign_for_a_day_does_not_lock_its_card_out(
    platform: Running, charger: RawCharger
) -> None:
    await charger.start(connector=1)
    assert (await charger.start_answer(connector=2))["idTagInfo"]["status"] == "ConcurrentTx"
    await platform.store_execute("update public.sessions set start_received_at = now() - interval '2 days', "
                                 "last_reading_at = now() - interval '25 hours'")  # fmt: skip

    assert (await charger.start_answer(connector=3, meter=7))["idTagInfo"]["status"] == "Accepted"


async def test_an_odometer_is_held_also_when_the_rated_power_is_unknown(platform: Running, charger: RawCharger) -> None:
    await platform.store_execute("update public.chargers set rated_power_w = null")
    absurd = await charger.start(meter=0, at=iso(NOW - timedelta(minutes=20)))
    await charger.stop(absurd, meter=910_000, at=iso(NOW - timedelta(minutes=5)))
    sound = await charger.start(meter=0, at=iso(NOW - timedelta(minutes=4)))
    await charger.stop(sound, meter=3_000, at=iso(NOW - timedelta(minutes=1)))

    assert set((await platform.session(absurd))["review_reasons"]) == {"energy_above_rated", "odometer_jump"}
    assert (await platform.session(sound))["review_reasons"] == []


async def test_the_newest_of_two_remote_starts_is_the_one_that_worked(platform: Running, charger: RawCharger) -> None:
    lost = await platform.ask("RemoteStartTransaction", {"idTag": "TAG-1"}, queue=True)
    await charger.asked("RemoteStartTransaction")
    await platform.store_execute("update public.commands set status = 'timed_out'")
    retried = {"cpo_id": CPO, "charger_id": CHARGER, "action": "RemoteStartTransaction", "payload": {"idTag": "TAG-1"},
               "status": "accepted", "effect": "pending", "sent_at": NOW, "expires_at": NOW}  # fmt: skip
    await platform.database.insert("commands", [retried], scope=SYSTEM, columns="id")
    await charger.send([2, "s", "StartTransaction", {"connectorId": 1, "idTag": "TAG-1", "meterStart": 1,
                                                     "timestamp": iso(NOW)}])  # fmt: skip
    await charger.receive()

    observed = await platform.row("select id from public.commands where effect = 'observed'")
    assert str(observed["id"]) != lost
