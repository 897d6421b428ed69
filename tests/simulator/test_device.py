"""The protocol, against an independent central system: sessions, offline history, retries, reboots."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from simulator import (
    QUIRKS,
    ChargerSpec,
    IdentityRefused,
    LinkOptions,
    NotDelivered,
    SimulatedCharger,
    StepClock,
    Unanswered,
    Unreachable,
    Vehicle,
)
from tests.simulator.csms import Csms, State, central_system


async def charging(charger: SimulatedCharger) -> None:
    """Boot, plug in, and begin a session."""
    await charger.boot()
    await charger.plug_in(1)
    assert await charger.tap(1, "TAG-1") == "Accepted"


async def test_a_session_from_boot_to_unplug(csms: Csms, charger: SimulatedCharger) -> None:
    await charging(charger)
    await charger.pass_time(600)
    assert await charger.tap(1, "TAG-1") == "Accepted"
    await charger.unplug(1)

    assert csms.state.statuses() == ["Available", "Preparing", "Charging", "Finishing", "Available"]
    session = charger.books.last
    assert (session.transaction_id, session.cause, session.stop_acknowledged) == (1000, "Local", True)
    assert csms.state.payloads("StartTransaction")[0]["meter_start"] == 1_000 == session.meter_start_wh
    assert csms.state.stops[1000]["meter_stop"] == session.meter_stop_wh == 1_000 + session.energy_wh
    assert session.energy_wh == 3_666 * 600 // 3_600
    assert len(csms.state.payloads("MeterValues")) == 10 == session.readings_acknowledged
    assert all(payload["transaction_id"] == 1000 for payload in csms.state.payloads("MeterValues"))


async def test_the_boot_answer_sets_the_heartbeat(csms: Csms, charger: SimulatedCharger) -> None:
    csms.state.interval_s = 120
    await charger.boot()
    await charger.pass_time(600)
    assert csms.state.actions().count("Heartbeat") == 5
    assert charger.configuration.number("HeartbeatInterval") == 120


async def test_pending_and_rejected_boots_are_repeated_and_nothing_else_is_said(
    csms: Csms, charger: SimulatedCharger
) -> None:
    csms.state.boot_statuses = ["Pending", "Rejected"]
    csms.state.interval_s = 60
    assert await charger.boot() == "Pending"
    await charger.plug_in(1)
    assert csms.state.actions() == ["BootNotification"]
    await charger.pass_time(60)
    assert charger.boot_status == "Rejected"
    await charger.pass_time(60)
    assert charger.boot_status == "Accepted"
    assert csms.state.actions()[:4] == ["BootNotification"] * 3 + ["StatusNotification"]


async def test_a_refused_tag_begins_nothing(csms: Csms, charger: SimulatedCharger) -> None:
    await charger.boot()
    await charger.plug_in(1)
    assert await charger.tap(1, "STRANGER") == "Invalid"
    assert charger.books.sessions_begun == 0
    assert charger.status() == "Preparing"


async def test_tag_first_then_cable(csms: Csms, charger: SimulatedCharger) -> None:
    await charger.boot()
    assert await charger.tap(1, "TAG-1") == "Accepted"
    assert charger.status() == "Preparing"
    await charger.plug_in(1)
    assert charger.status() == "Charging"
    assert csms.state.payloads("StartTransaction")[0]["id_tag"] == "TAG-1"


async def test_tag_first_and_no_cable_times_out(csms: Csms, charger: SimulatedCharger) -> None:
    await charger.boot()
    await charger.tap(1, "TAG-1")
    await charger.pass_time(90)
    assert csms.state.statuses() == ["Available", "Preparing", "Available"]
    assert "StartTransaction" not in csms.state.actions()


async def test_unplugging_ends_the_session(csms: Csms, charger: SimulatedCharger) -> None:
    await charging(charger)
    await charger.unplug(1)
    assert csms.state.stops[1000]["reason"] == "EVDisconnected"


async def test_offline_history_is_told_in_order_after_the_statuses_and_without_a_boot(
    csms: Csms, charger: SimulatedCharger
) -> None:
    await charging(charger)
    charger.drop_connection()
    await charger.pass_time(300)
    await charger.tap(1, "TAG-1")
    await charger.unplug(1)
    await charger.plug_in(1)
    assert await charger.tap(1, "TAG-2") == "Accepted"
    await charger.pass_time(120)
    heard = len(csms.state.heard)
    assert charger.queued == 9
    await charger.reconnect()

    assert charger.queued == 0
    later = csms.state.actions()[heard:]
    assert later == ["MeterValues"] * 5 + ["StopTransaction", "StartTransaction"] + ["MeterValues"] * 2
    first, second = charger.books.sessions
    assert (first.transaction_id, second.transaction_id) == (1000, 1001)
    assert [payload["transaction_id"] for payload in csms.state.payloads("MeterValues")][-2:] == [1001, 1001]
    assert csms.state.actions().count("BootNotification") == 1


async def test_a_status_that_changed_offline_is_told_before_the_queue(csms: Csms, charger: SimulatedCharger) -> None:
    await charging(charger)
    charger.drop_connection()
    await charger.pass_time(60)
    await charger.unplug(1)
    heard = len(csms.state.heard)
    await charger.reconnect()
    assert csms.state.actions()[heard:] == ["StatusNotification", "MeterValues", "StopTransaction"]
    assert csms.state.statuses()[-1] == "Available"


async def test_a_start_whose_answer_was_lost_is_repeated_word_for_word(csms: Csms, charger: SimulatedCharger) -> None:
    csms.state.swallow["StartTransaction"] = 1
    await charging(charger)
    assert charger.books.last.transaction_id is None
    await charger.pass_time(120)
    await charger.reconnect()

    sent = [json.loads(frame.text) for frame in charger.books.frames if '"StartTransaction"' in frame.text]
    assert len(sent) == 2
    assert sent[0][3] == sent[1][3]
    assert charger.books.last.transaction_id == 1000
    assert charger.books.messages["unanswered"] == 1


async def test_a_callerror_is_retried_until_it_is_answered(csms: Csms, charger: SimulatedCharger) -> None:
    csms.state.fail["StartTransaction"] = 2
    await charging(charger)
    await asyncio.wait_for(charger.emptied(), 5)
    assert charger.books.last.transaction_id == 1000
    assert charger.books.messages["errors"] == 2


async def test_a_start_that_is_refused_for_ever_is_given_up_and_its_stop_carries_minus_one(
    csms: Csms, charger: SimulatedCharger
) -> None:
    charger.configuration.set("TransactionMessageAttempts", 3)
    csms.state.fail["StartTransaction"] = 99
    await charging(charger)
    await asyncio.wait_for(charger.emptied(), 5)
    await charger.unplug(1)
    assert charger.books.last.given_up
    assert list(csms.state.stops) == [-1]


async def test_a_start_answered_with_blocked_ends_the_session(csms: Csms, charger: SimulatedCharger) -> None:
    csms.state.start_status = "Blocked"
    await charging(charger)
    await asyncio.wait_for(charger.emptied(), 5)
    assert charger.books.last.cause == "DeAuthorized"
    assert csms.state.stops[1000]["reason"] == "DeAuthorized"


async def test_a_power_failure_ends_the_session_and_is_told_after_the_boot(
    csms: Csms, charger: SimulatedCharger
) -> None:
    await charging(charger)
    await charger.pass_time(60)
    charger.power_off()
    await charger.pass_time(600)
    heard = len(csms.state.heard)
    await charger.power_on()
    assert csms.state.actions()[heard : heard + 1] == ["BootNotification"]
    assert csms.state.actions()[-1] == "StopTransaction"
    assert csms.state.stops[1000]["reason"] == "PowerLoss"
    assert csms.state.stops[1000]["meter_stop"] == charger.books.last.meter_stop_wh


async def test_an_overheated_charger_ends_its_session_by_itself(csms: Csms) -> None:
    spec = ChargerSpec("AC", 22_000, heat_rise_c=300)
    async with SimulatedCharger(csms.url, "HOT", clock=StepClock(), spec=spec) as charger:
        await charger.boot()
        await charger.plug_in(1, Vehicle.at_soc(0, battery_wh=90_000, max_ac_w=22_000))
        await charger.tap(1, "TAG-1")
        await charger.pass_time(3_600)
        assert csms.state.statuses()[-1] == "Faulted"
        assert csms.state.payloads("StatusNotification")[-1]["error_code"] == "HighTemperature"
        assert csms.state.stops[1000]["reason"] == "Other"


async def test_nobody_is_served_at_a_faulted_plug(csms: Csms, charger: SimulatedCharger) -> None:
    await charger.boot()
    await charger.raise_fault(1, "ConnectorLockFailure", "latch", "E-17")
    assert await charger.tap(1, "TAG-1") == "OutOfOrder"
    told = csms.state.payloads("StatusNotification")[-1]
    assert (told["status"], told["error_code"], told["vendor_error_code"]) == (
        "Faulted",
        "ConnectorLockFailure",
        "E-17",
    )
    await charger.clear_fault(1)
    assert csms.state.statuses()[-1] == "Available"


async def test_an_unknown_identity_hears_404_and_a_closed_port_is_unreachable(csms: Csms) -> None:
    csms.state.identities = {"KNOWN"}
    async with SimulatedCharger(csms.url, "STRANGER") as charger:
        with pytest.raises(IdentityRefused) as refused:
            await charger.boot()
        assert refused.value.status == 404
        assert "404" in (charger.problem or "")
    async with SimulatedCharger("ws://127.0.0.1:1", "X") as charger:
        with pytest.raises(Unreachable):
            await charger.connect()


async def test_basic_password_and_percent_encoded_identity(csms: Csms) -> None:
    async with SimulatedCharger(csms.url, "A B/1", password="sesame") as charger:
        await charger.connect()
    assert csms.state.headers[-1]["Authorization"] == "Basic QSBCLzE6c2VzYW1l"
    assert list(csms.state.points) == ["A%20B%2F1"]


async def test_a_silent_server_is_unanswered_not_fatal(csms: Csms) -> None:
    async with central_system(State()) as slow:
        options = LinkOptions(answer_timeout_s=0.2)
        async with SimulatedCharger(slow.url, "T", options=options, clock=StepClock()) as charger:
            await charger.connect()
            point = slow.point("T")
            point._handle_call = lambda _message: point._connection.wait_closed()
            with pytest.raises(Unanswered):
                await charger.boot()
            assert charger.books.messages["unanswered"] == 1


async def test_nothing_can_be_sent_without_a_connection(charger: SimulatedCharger) -> None:
    with pytest.raises(NotDelivered):
        await charger.send_text("[2]")


@pytest.mark.parametrize("quirk", sorted(QUIRKS))
async def test_every_quirk_completes_a_session(csms: Csms, quirk: str) -> None:
    csms.state.tags["tag-1"] = "Accepted"
    async with SimulatedCharger(
        csms.url,
        "Q",
        clock=StepClock(),
        quirks=replace(QUIRKS[quirk]),
        options=LinkOptions(checked=False),
        configuration={"TransactionMessageAttempts": 1},
        registers_wh=(50_000,),
        spec=ChargerSpec("AC", 22_000),
    ) as charger:
        await charger.boot()
        await charger.plug_in(1)
        assert await charger.tap(1, "TAG-1") == "Accepted"
        await charger.pass_time(900)
        await charger.meter()
        await charger.unplug(1)
        session = charger.books.last
        assert session.cause == "EVDisconnected"
        assert session.energy_wh == 11_000 * 900 // 3_600
        assert "StopTransaction" in csms.state.actions()


async def test_an_autonomous_charger_comes_back_by_itself(csms: Csms) -> None:
    async with SimulatedCharger(csms.url, "AUTO", autonomous=True) as charger:
        await csms.until(lambda: charger.boot_status == "Accepted")
        csms.point("AUTO")._connection.transport.abort()
        await csms.until(lambda: charger.books.connections == 2 and charger.connected)
        charger.drop_connection()
        await csms.until(lambda: not charger.connected)
        await charger.reconnect()
        await csms.until(lambda: charger.books.connections == 3 and charger.connected)
    assert csms.state.actions().count("BootNotification") == 1
