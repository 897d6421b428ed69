"""What the charger answers to the platform's commands, and what it then does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from ocpp.exceptions import NotImplementedError as ActionUnknown
from ocpp.exceptions import NotSupportedError as ActionUnsupported
from ocpp.v16 import call

from simulator import ChargerSpec, SimulatedCharger, StepClock
from tests.simulator.csms import Csms


@pytest.fixture
async def charger(csms: Csms) -> AsyncIterator[SimulatedCharger]:
    """A booted charger with two plugs."""
    spec = ChargerSpec("AC", 22_000, 2)
    async with SimulatedCharger(csms.url, "SIM-1", clock=StepClock(), spec=spec) as made:
        await made.boot()
        yield made


async def ask(csms: Csms, payload: Any) -> Any:
    """Send a command and return the answer; CALLERRORs are raised."""
    return await csms.point("SIM-1").call(payload, suppress=False)


async def begin(charger: SimulatedCharger, connector_id: int = 1) -> None:
    """A session on a plug."""
    await charger.plug_in(connector_id)
    assert await charger.tap(connector_id, "TAG-1") == "Accepted"


async def test_remote_start_waits_for_the_cable_and_remote_stop_ends_it(csms: Csms, charger: SimulatedCharger) -> None:
    answer = await ask(csms, call.RemoteStartTransaction(id_tag="TAG-2", connector_id=2))
    assert answer.status == "Accepted"
    await csms.until(lambda: csms.state.statuses(2)[-1] == "Preparing")
    await charger.plug_in(2)
    await csms.until(lambda: csms.state.statuses(2)[-1] == "Charging")
    transaction_id = charger.books.last.transaction_id
    assert transaction_id is not None
    assert (await ask(csms, call.RemoteStopTransaction(transaction_id))).status == "Accepted"
    await csms.until(lambda: transaction_id in csms.state.stops)
    assert csms.state.stops[transaction_id]["reason"] == "Remote"


async def test_remote_start_prefers_the_plug_with_a_car_and_may_ask_first(
    csms: Csms, charger: SimulatedCharger
) -> None:
    await ask(csms, call.ChangeConfiguration("AuthorizeRemoteTxRequests", "true"))
    await charger.plug_in(2)
    await ask(csms, call.RemoteStartTransaction(id_tag="TAG-2"))
    await csms.until(lambda: charger.has_session(2))
    assert csms.state.payloads("Authorize") == [{"id_tag": "TAG-2"}]


@pytest.mark.parametrize("obstacle", ["session", "fault", "out of service", "unknown connector", "expecting"])
async def test_remote_start_is_rejected_where_it_cannot_be(
    csms: Csms, charger: SimulatedCharger, obstacle: str
) -> None:
    obstacles: dict[str, Callable[[], Any]] = {
        "session": lambda: begin(charger, 2),
        "fault": lambda: charger.raise_fault(2),
        "out of service": lambda: charger.set_availability(2, False),
        "unknown connector": charger.settle,
        "expecting": lambda: charger.tap(2, "TAG-1"),
    }
    await obstacles[obstacle]()
    wanted = 9 if obstacle == "unknown connector" else 2
    answer = await ask(csms, call.RemoteStartTransaction(id_tag="TAG-2", connector_id=wanted))
    assert answer.status == "Rejected"


async def test_remote_stop_of_a_foreign_transaction_is_rejected(csms: Csms, charger: SimulatedCharger) -> None:
    await begin(charger)
    assert (await ask(csms, call.RemoteStopTransaction(4_711))).status == "Rejected"
    assert charger.has_session(1)


async def test_availability_now_later_and_for_all(csms: Csms, charger: SimulatedCharger) -> None:
    await begin(charger)
    answer = await ask(csms, call.ChangeAvailability(0, "Inoperative"))
    assert answer.status == "Scheduled"
    await csms.until(lambda: csms.state.statuses(2)[-1] == "Unavailable")
    assert charger.status(1) == "Charging"
    await charger.unplug(1)
    assert csms.state.statuses(1)[-1] == "Unavailable"
    await csms.until(lambda: csms.state.statuses(0)[-1] == "Unavailable")
    assert await charger.tap(1, "TAG-1") == "OutOfOrder"
    assert (await ask(csms, call.ChangeAvailability(1, "Operative"))).status == "Accepted"
    await csms.until(lambda: csms.state.statuses(1)[-1] == "Available")
    assert (await ask(csms, call.ChangeAvailability(7, "Operative"))).status == "Rejected"


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("MeterValueSampleInterval", "30", "Accepted"),
        ("MeterValueSampleInterval", "-1", "Rejected"),
        ("MeterValueSampleInterval", "often", "Rejected"),
        ("AuthorizeRemoteTxRequests", "TRUE", "Accepted"),
        ("AuthorizeRemoteTxRequests", "1", "Rejected"),
        ("MeterValuesSampledData", "Voltage,SoC", "Accepted"),
        ("MeterValuesSampledData", "Charm", "Rejected"),
        ("NumberOfConnectors", "3", "Rejected"),
        ("WebSocketPingInterval", "30", "RebootRequired"),
        ("Colour", "red", "NotSupported"),
    ],
)
async def test_change_configuration_follows_the_rules_of_the_key(
    csms: Csms, charger: SimulatedCharger, key: str, value: str, status: str
) -> None:
    assert (await ask(csms, call.ChangeConfiguration(key, value))).status == status
    shown = await ask(csms, call.GetConfiguration([key]))
    if status in {"Accepted", "RebootRequired"}:
        assert shown.configuration_key[0]["value"] == value
    elif status == "NotSupported":
        assert shown.unknown_key == [key]
    else:
        assert shown.configuration_key[0]["value"] != value


async def test_get_configuration_shows_all_keys_but_no_secret(csms: Csms, charger: SimulatedCharger) -> None:
    await ask(csms, call.ChangeConfiguration("AuthorizationKey", "00112233445566778899aabbccddeeff"))
    shown = (await ask(csms, call.GetConfiguration())).configuration_key
    rows = {row["key"]: row for row in shown}
    assert rows["NumberOfConnectors"] == {"key": "NumberOfConnectors", "readonly": True, "value": "2"}
    assert "value" not in rows["AuthorizationKey"]
    charger.drop_connection()
    await charger.reconnect()
    assert csms.state.headers[-1]["Authorization"].startswith("Basic ")


async def test_a_changed_sample_interval_takes_effect(csms: Csms, charger: SimulatedCharger) -> None:
    await ask(csms, call.ChangeConfiguration("MeterValueSampleInterval", "15"))
    await begin(charger)
    await charger.pass_time(60)
    assert csms.state.actions().count("MeterValues") == 4


async def test_clear_cache_forgets_tags(csms: Csms, charger: SimulatedCharger) -> None:
    charger.configuration.set("AllowOfflineTxForUnknownId", "false")
    await begin(charger)
    await charger.unplug(1)
    assert (await ask(csms, call.ClearCache())).status == "Accepted"
    charger.drop_connection()
    await charger.plug_in(1)
    assert await charger.tap(1, "TAG-1") == "Invalid"


async def test_a_known_tag_is_served_offline(charger: SimulatedCharger) -> None:
    charger.configuration.set("AllowOfflineTxForUnknownId", "false")
    await begin(charger)
    await charger.unplug(1)
    charger.drop_connection()
    await charger.plug_in(1)
    assert await charger.tap(1, "TAG-1") == "Accepted"
    assert await charger.tap(2, "TAG-2") == "Invalid"


@pytest.mark.parametrize(
    ("vendor_id", "message_id", "status"),
    [
        ("id.uniev.simulator", "echo", "Accepted"),
        ("id.uniev.simulator", "sing", "UnknownMessageId"),
        ("com.example", None, "UnknownVendorId"),
    ],
)
async def test_data_transfer(
    csms: Csms, charger: SimulatedCharger, vendor_id: str, message_id: str | None, status: str
) -> None:
    answer = await ask(csms, call.DataTransfer(vendor_id, message_id, "hello"))
    assert answer.status == status
    assert answer.data == ("hello" if status == "Accepted" else None)


async def test_soft_reset_stops_the_session_then_boots(csms: Csms, charger: SimulatedCharger) -> None:
    await begin(charger)
    assert (await ask(csms, call.Reset("Soft"))).status == "Accepted"
    await csms.until(lambda: csms.state.actions().count("BootNotification") == 2)
    await csms.until(lambda: csms.state.statuses(1)[-1] == "Finishing" and csms.state.sockets == 2)
    actions = csms.state.actions()
    assert actions.index("StopTransaction") < len(actions) - 1 - actions[::-1].index("BootNotification")
    assert csms.state.stops[1000]["reason"] == "SoftReset"


async def test_hard_reset_boots_then_tells_what_it_interrupted(csms: Csms, charger: SimulatedCharger) -> None:
    await begin(charger)
    assert (await ask(csms, call.Reset("Hard"))).status == "Accepted"
    await csms.until(lambda: 1000 in csms.state.stops)
    actions = csms.state.actions()
    assert actions.index("StopTransaction") > len(actions) - 1 - actions[::-1].index("BootNotification")
    assert csms.state.stops[1000]["reason"] == "HardReset"


async def test_unlock_ends_the_session_and_a_jammed_lock_fails(csms: Csms, charger: SimulatedCharger) -> None:
    await begin(charger)
    charger.jam_lock(1)
    assert (await ask(csms, call.UnlockConnector(1))).status == "UnlockFailed"
    assert charger.has_session(1)
    charger.jam_lock(1, False)
    assert (await ask(csms, call.UnlockConnector(1))).status == "Unlocked"
    await csms.until(lambda: 1000 in csms.state.stops)
    assert csms.state.stops[1000]["reason"] == "UnlockCommand"
    assert (await ask(csms, call.UnlockConnector(9))).status == "NotSupported"


@pytest.mark.parametrize("message", ["BootNotification", "Heartbeat", "MeterValues", "StatusNotification"])
async def test_trigger_message_sends_what_was_asked(csms: Csms, charger: SimulatedCharger, message: str) -> None:
    before = csms.state.actions().count(message)
    assert (await ask(csms, call.TriggerMessage(message))).status == "Accepted"
    await csms.until(lambda: csms.state.actions().count(message) > before)


async def test_other_actions_get_the_error_the_standard_names(csms: Csms, charger: SimulatedCharger) -> None:
    charger.configuration.set("SupportedFeatureProfiles", "Core,RemoteTrigger")
    assert (await ask(csms, call.TriggerMessage("FirmwareStatusNotification"))).status == "NotImplemented"
    with pytest.raises(ActionUnsupported):
        await ask(csms, call.GetLocalListVersion())
    await csms.point("SIM-1")._connection.send('[2,"x1","Dance",{}]')
    await csms.until(lambda: [row for row in charger.books.frames if '"x1"' in row.text and row.direction == "out"])
    assert ActionUnknown.code in charger.books.frames[-1].text
    assert charger.books.commands["TriggerMessage"] == 1


async def test_nonsense_from_the_platform_does_not_silence_the_charger(csms: Csms, charger: SimulatedCharger) -> None:
    socket = csms.point("SIM-1")._connection
    for text in ("{", "[]", "[9]", '[2,"a",{},{}]', "[" * 3_000, '[3,"nobody asked",{}]', "null"):
        await socket.send(text)
    assert (await ask(csms, call.ClearCache())).status == "Accepted"
    await charger.pass_time(300)
    assert csms.state.actions()[-1] == "Heartbeat"
