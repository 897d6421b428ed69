"""Commands from the queue to the charger and back: answer, effect, and everything that may come between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.database.hosted import SupabaseDatabase
from backend.domain.errors import ChargerOffline
from backend.ocppj.delivery import Delivery, judge
from backend.ocppj.registry import Registry
from backend.services.dispatch import Claim, Dispatch, Outcome
from backend.services.upkeep import Upkeep
from backend.settings import Settings
from simulator import StepClock
from tests.flows.raw import RawCharger, iso
from tests.flows.running import CHARGER, Running, running
from tests.support.postgrest import PROJECT_URL, PostgREST

START = {"connectorId": 1, "idTag": "TAG-1"}


async def connected(platform: Running, charger_id: str = CHARGER) -> None:
    """Returns when the socket is known to the database, so that commands may be asked."""
    await platform.until(
        "select 1 from public.connections where charger_id = $1 and disconnected_at is null", charger_id
    )


async def answered(charger: RawCharger, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Waits for the platform's call, answers it, returns what was asked."""
    message_id, asked = await charger.asked(action)
    await charger.reply(message_id, payload)
    return asked


# -- the life of a remote start


async def test_a_remote_start_is_followed_to_its_session(platform: Running) -> None:
    async with platform.simulated(clock=StepClock(datetime.now(UTC))) as simulated:
        await simulated.boot()
        await simulated.plug_in()
        await connected(platform)
        start = await platform.ask("RemoteStartTransaction", START)
        started = await platform.command(start, "effect = 'observed' and answered_at is not null")
        session = await platform.row("select * from public.sessions")
        stop = await platform.ask("RemoteStopTransaction", {"transactionId": session["transaction_id"]})
        stopped = await platform.command(stop, "effect = 'observed' and answered_at is not null")
        ended = await platform.session(session["transaction_id"])

    assert (started["status"], started["effect_session_id"]) == ("accepted", session["id"])
    assert session["command_id"] == started["id"]
    assert started["response"] == '{"status": "Accepted"}'
    assert started["created_at"] <= started["sent_at"] <= started["answered_at"]
    assert (stopped["status"], stopped["effect_session_id"]) == ("accepted", session["id"])
    assert (ended["stop_reason"], ended["stopped_at"] is not None) == ("Remote", True)


async def test_an_effect_that_comes_before_the_answer_is_observed(platform: Running, charger: RawCharger) -> None:
    await connected(platform)
    command = await platform.ask("RemoteStartTransaction", START)
    message_id, _ = await charger.asked("RemoteStartTransaction")
    transaction_id = await charger.start()
    await charger.reply(message_id, {"status": "Accepted"})

    done = await platform.command(command, "status = 'accepted'")
    assert done["effect"] == "observed"
    assert done["effect_session_id"] == (await platform.session(transaction_id))["id"]


async def test_a_start_under_a_slow_clock_is_the_effect_but_history_is_not(platform: Running) -> None:
    async with platform.plugged() as charger:
        await connected(platform)
        command = await platform.ask("RemoteStartTransaction", START)
        await answered(charger, "RemoteStartTransaction", {"status": "Accepted"})
        await charger.start(at=iso(datetime.now(UTC) - timedelta(minutes=25)))
        assert (await platform.command(command, "status = 'accepted'"))["effect"] == "pending"
        await platform.store_execute("update public.connections set connected_at = now() - interval '1 hour'")
        await charger.start(at=iso(datetime.now(UTC) - timedelta(minutes=24)))

        assert (await platform.command(command))["effect"] == "observed"


async def test_a_start_by_another_card_or_plug_is_not_the_effect(platform: Running, charger: RawCharger) -> None:
    await connected(platform)
    command = await platform.ask("RemoteStartTransaction", START)
    await answered(charger, "RemoteStartTransaction", {"status": "Accepted"})
    await platform.command(command, "status = 'accepted'")
    await charger.start("TAG-2", connector=1)
    await charger.start("TAG-1", connector=2)
    assert (await platform.command(command))["effect"] == "pending"
    await charger.start("tag-1", connector=1)

    assert (await platform.command(command))["effect"] == "observed"


async def test_an_effect_that_does_not_come_is_told(platform: Running, charger: RawCharger) -> None:
    await connected(platform)
    command = await platform.ask("RemoteStartTransaction", START)
    await answered(charger, "RemoteStartTransaction", {"status": "Accepted"})
    await platform.command(command, "effect = 'pending'")
    assert await Upkeep(platform.database).expire_commands() == 0
    await platform.store_execute("update public.commands set answered_at = now() - interval '4 minutes'")

    assert await Upkeep(platform.database).expire_commands() == 1
    assert (await platform.command(command))["effect"] == "no_effect"


# -- answers


@pytest.mark.parametrize(("action", "answer", "status", "effect"), [
    ("RemoteStartTransaction", {"status": "Rejected"}, "rejected", "none"),
    ("RemoteStopTransaction", {"status": "Rejected"}, "rejected", "none"),
    ("Reset", {"status": "Accepted"}, "accepted", "pending"),
    ("Reset", {"status": "Rejected"}, "rejected", "none"),
    ("UnlockConnector", {"status": "Unlocked"}, "accepted", "none"),
    ("UnlockConnector", {"status": "UnlockFailed"}, "rejected", "none"),
    ("UnlockConnector", {"status": "NotSupported"}, "rejected", "none"),
    ("ChangeAvailability", {"status": "Scheduled"}, "accepted", "pending"),
    ("ChangeConfiguration", {"status": "RebootRequired"}, "accepted", "none"),
    ("ChangeConfiguration", {"status": "NotSupported"}, "rejected", "none"),
    ("ClearCache", {"status": "Accepted"}, "accepted", "none"),
    ("DataTransfer", {"status": "UnknownMessageId"}, "rejected", "none"),
    ("GetConfiguration", {"configurationKey": [], "unknownKey": ["x"]}, "accepted", "none"),
    ("Reset", {"status": ["Accepted"]}, "rejected", "none"),
    ("Reset", {"status": "zero\0"}, "rejected", "none"),
])  # fmt: skip
def test_an_answer_is_judged_by_its_action(action: str, answer: dict[str, Any], status: str, effect: str) -> None:
    outcome = judge(action, answer)

    assert (outcome.status, outcome.expects_effect) == (status, effect == "pending")


async def test_answers_of_every_kind_are_stored(platform: Running, charger: RawCharger) -> None:
    await connected(platform)
    answers: list[Any] = [
        [3, {"status": "Rejected"}], [4, "NotSupported", "No such thing", {}], [4, "zero\0", "\0", {}],
        [4, "GenericError"], [3, {"status": "a\0b"}], [3, {"status": {"deep": [1]}}], [3, None],
        [3, {"data": "x" * 50_000}],
    ]  # fmt: skip
    expected = [("rejected", None), ("failed", "NotSupported"), ("failed", "zero\ufffd"), ("failed", "GenericError"),
                ("rejected", None), ("rejected", None), ("accepted", None), ("accepted", None)]  # fmt: skip
    commands = [await platform.ask("DataTransfer", {"vendorId": "v"}) for _ in answers]
    for kind, *rest in answers:
        message_id, _ = await charger.asked("DataTransfer")
        await charger.send([kind, message_id, *rest])
    stored = [await platform.command(one, "answered_at is not null") for one in commands]

    assert [(row["status"], row["error_code"]) for row in stored] == expected
    assert stored[1]["error_description"] == "No such thing"
    assert stored[4]["response"] == '{"status": "a\ufffdb"}'


async def test_a_command_without_answer_times_out_and_the_next_one_goes(platform: Running, charger: RawCharger) -> None:
    await connected(platform)
    platform.server._delivery._call_timeout_s = 0.3
    first = await platform.ask("ClearCache", {})
    second = await platform.ask("GetConfiguration", {})
    late_id, _ = await charger.asked("ClearCache")
    message_id, _ = await charger.asked("GetConfiguration")
    await charger.reply(late_id, {"status": "Accepted"})  # late: belongs to nobody
    await charger.reply("of another server", {"status": "Accepted"})
    await charger.reply(message_id, {"configurationKey": [{"key": "A", "readonly": True}]})

    assert (await platform.command(first))["status"] == "timed_out"
    done = await platform.command(second, "status = 'accepted'")
    assert done["response"] == '{"configurationKey": [{"key": "A", "readonly": true}]}'


async def test_a_connection_lost_before_the_answer_leaves_the_command_unanswered(platform: Running) -> None:
    async with platform.plugged() as charger:
        await connected(platform)
        command = await platform.ask("Reset", {"type": "Soft"})
        await charger.asked("Reset")
        charger.connection.transport.abort()
        lost = await platform.command(command, "answered_at is not null")

    assert (lost["status"], lost["error_code"]) == ("timed_out", "ConnectionLost")


async def test_only_one_call_is_out_at_a_time(platform: Running, charger: RawCharger) -> None:
    await connected(platform)
    commands = [await platform.ask("GetConfiguration", {"key": [str(number)]}) for number in range(5)]
    for number in range(5):
        message_id, asked = await charger.asked("GetConfiguration")
        assert asked == {"key": [str(number)]}
        assert "currentTime" in await charger.result("Heartbeat", {})  # answered, and no second call came before
        await charger.reply(message_id, {})

    assert [(await platform.command(one, "answered_at is not null"))["status"] for one in commands] == ["accepted"] * 5


# -- effects of the others


async def test_a_reset_has_its_effect_at_the_boot(platform: Running) -> None:
    async with platform.simulated() as simulated:
        await simulated.boot()
        await connected(platform)
        command = await platform.ask("Reset", {"type": "Hard"})
        done = await platform.command(command, "effect = 'observed' and answered_at is not null")

    assert done["status"] == "accepted"
    assert simulated.books.by_action["BootNotification"] == 2


async def test_an_unlock_tells_whether_the_plug_is_free(platform: Running) -> None:
    async with platform.simulated() as simulated:
        await simulated.boot()
        await connected(platform)
        free = await platform.command(
            await platform.ask("UnlockConnector", {"connectorId": 1}), "answered_at is not null"
        )
        simulated.jam_lock()
        stuck = await platform.command(
            await platform.ask("UnlockConnector", {"connectorId": 1}), "answered_at is not null"
        )

    assert (free["status"], stuck["status"]) == ("accepted", "rejected")


async def test_availability_changes_when_the_running_session_ends(platform: Running) -> None:
    async with platform.simulated() as simulated:
        await simulated.boot()
        await simulated.plug_in()
        assert await simulated.tap(1, "TAG-1") == "Accepted"
        command = await platform.ask("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
        scheduled = await platform.command(command, "status = 'accepted'")
        await simulated.unplug()
        done = await platform.command(command, "effect = 'observed' and answered_at is not null")

    assert scheduled["response"] == '{"status": "Scheduled"}'
    assert scheduled["effect"] == "pending"
    assert done["effect_at"] is not None
    connector = await platform.row("select status from public.connectors where evse_id = 1")
    assert connector["status"] == "Unavailable"


# -- chargers that are away


async def test_a_command_for_an_absent_charger_is_refused_unless_queued(platform: Running) -> None:
    with pytest.raises(ChargerOffline):
        await platform.ask("ClearCache", {})
    command = await platform.ask("ClearCache", {}, queue=True)
    async with platform.plugged() as charger:
        await answered(charger, "ClearCache", {"status": "Accepted"})
        await platform.command(command, "status = 'accepted'")
    assert (await platform.row("select count(*) as n from public.commands"))["n"] == 1


async def test_a_queued_command_that_expired_is_never_sent(platform: Running) -> None:
    expired = await platform.ask("ClearCache", {}, queue=True)
    await platform.store_execute("update public.commands set expires_at = now()")
    live = await platform.ask("GetConfiguration", {}, queue=True)
    async with platform.plugged() as charger:
        await answered(charger, "GetConfiguration", {})
        await platform.command(live, "status = 'accepted'")
    assert await Upkeep(platform.database).expire_commands() == 1
    assert (await platform.command(expired))["status"] == "expired"


async def test_a_command_whose_server_died_is_timed_out_by_the_clock(platform: Running) -> None:
    command = await platform.ask("ClearCache", {}, queue=True)
    await platform.store_execute("update public.commands set status = 'sent', sent_at = now() - interval '2 minutes'")

    assert await Upkeep(platform.database).expire_commands() == 1
    assert (await platform.command(command))["status"] == "timed_out"

    # It lived, but could not store the charger's answer for so long.
    dispatch = Dispatch(platform.database, "far")
    await dispatch.settle(command, Outcome("rejected", {"status": "Rejected"}))
    await dispatch.settle(command, Outcome("accepted"))
    assert (await platform.command(command))["status"] == "rejected"


async def test_a_command_is_claimed_by_one_of_many_and_settled_once(platform: Running) -> None:
    for number in range(20):
        await platform.register(f"FAR-{number}")
    await platform.store_execute(
        "insert into public.connections (charger_id, connection_id, node, protocol, connected_at, last_seen_at) "
        "select id, gen_random_uuid(), 'far', 'ocpp1.6', now(), now() from public.chargers where id like 'FAR-%'"
    )
    asked = [await platform.ask("ClearCache", {}, charger_id=f"FAR-{turn % 20}", queue=True) for turn in range(40)]
    dispatches = [Dispatch(platform.database, "far") for _ in range(5)]
    claimed = [one.id for claims in await asyncio.gather(*(one.claim([]) for one in dispatches)) for one in claims]
    assert len(set(claimed)) == len(claimed)
    assert set(asked[:20]) <= set(claimed)
    await dispatches[0].settle(asked[0], Outcome("accepted"))
    await dispatches[1].settle(asked[0], Outcome("failed"))

    assert (await platform.command(asked[0]))["status"] == "accepted"


async def test_a_busy_charger_gets_no_second_command(platform: Running) -> None:
    await platform.register("FAR-0")
    await platform.store_execute(
        "insert into public.connections (charger_id, connection_id, node, protocol, connected_at, last_seen_at) "
        "values ('FAR-0', gen_random_uuid(), 'far', 'ocpp1.6', now(), now())"
    )
    first, second = [await platform.ask("ClearCache", {}, charger_id="FAR-0", queue=True) for _ in range(2)]
    dispatch = Dispatch(platform.database, "far")

    assert [one.id for one in await dispatch.claim([])] == [first]
    assert await dispatch.claim(["FAR-0"]) == []
    assert await Dispatch(platform.database, "elsewhere").claim([]) == []
    assert [one.id for one in await dispatch.claim([])] == [second]


# -- how fast


async def test_a_command_reaches_the_wire_without_polling(platform: Running, charger: RawCharger) -> None:
    await connected(platform)
    took = []
    for _ in range(5):
        began = time.monotonic()
        await platform.ask("ClearCache", {})
        await answered(charger, "ClearCache", {"status": "Accepted"})
        took.append(time.monotonic() - began)

    assert platform.server._delivery._dispatch.listens
    assert min(took) < 0.5  # polling on this transport happens every 5 s
    assert max(took) < 4


async def test_a_command_finds_its_way_while_its_charger_floods(platform: Running, charger: RawCharger) -> None:
    await connected(platform)
    for number in range(200):
        await charger.send([2, f"h{number}", "Heartbeat", {}])
    await platform.ask("ClearCache", {})
    frames = [await charger.receive() for _ in range(201)]

    assert [frame[2] for frame in frames if frame[0] == 2] == ["ClearCache"]


# -- the other transport


@pytest.fixture
async def hosted(settings: Settings, dsn: str, postgrest: PostgREST) -> AsyncIterator[Running]:
    """The OCPP server over supabase-py and the real PostgREST."""
    store = await SupabaseDatabase.open(PROJECT_URL, postgrest.key(), transport=postgrest.transport())
    async with running(store, settings, dsn) as started:
        yield started
    await store.close()


async def test_over_the_hosted_transport_sessions_and_commands_work_the_same(hosted: Running) -> None:
    async with hosted.simulated(clock=StepClock(datetime.now(UTC) - timedelta(minutes=6))) as simulated:
        await simulated.boot()
        await simulated.plug_in()
        await connected(hosted)
        assert not hosted.server._delivery._dispatch.listens
        command = await hosted.ask("RemoteStartTransaction", START)
        await hosted.command(command, "effect = 'observed' and answered_at is not null")
        await simulated.pass_time(300)
        await simulated.unplug()
        booked = simulated.books.last

    session = await hosted.session(booked.transaction_id or 0)
    assert session["energy_wh"] == booked.energy_wh > 0
    stored = await hosted.row("select count(*) as n from public.meter_values where session_id = $1", session["id"])
    assert stored["n"] == booked.readings_sent > 0
    await hosted.until(
        "select 1 from public.ocpp_messages where action = 'RemoteStartTransaction' "
        "and (kind = 'result' or answer is not null)"
    )


# -- defects that were


async def test_an_outcome_that_cannot_be_stored_did_block_the_charger(platform: Running, charger: RawCharger) -> None:
    await connected(platform)
    command = await platform.ask("ClearCache", {})
    await charger.asked("ClearCache")

    class Odd(Delivery):
        async def _ask(self, claim: Claim) -> Outcome:
            return Outcome("no such status")

    delivery = Odd(Dispatch(platform.database, "node"), Registry())
    await asyncio.wait_for(delivery._deliver(Claim(command, CHARGER, "ClearCache", {})), 10)

    done = await platform.command(command)
    assert (done["status"], done["error_code"]) == ("failed", "BadAnswer")
