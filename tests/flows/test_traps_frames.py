"""Traps of the field in the frames themselves (reference/ocpp-behaviour.md §1 and §6)."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import UTC, datetime
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

import backend.ocppj.socket
from tests.flows.raw import RawCharger, iso
from tests.flows.running import Running
from tests.support.waiting import eventually

NOW = iso(datetime.now(UTC))


async def assert_serves(charger: RawCharger) -> None:
    """The socket still answers, in order, and nothing else was said meanwhile."""
    assert "currentTime" in await charger.result("Heartbeat", {}, "still-there")


async def frame_error(charger: RawCharger, text: str) -> list[Any]:
    """The CALLERROR that answers a frame: [message id, code]."""
    await charger.send(text)
    answer = await charger.receive()
    assert answer[0] == 4, answer
    assert len(answer) == 5
    return [answer[1], answer[2]]


async def test_a_missing_value_is_read_as_none(platform: Running, charger: RawCharger) -> None:
    await charger.send(
        f'[2,"m","MeterValues",{{"connectorId":1,"transactionId":,"meterValue":[{{"timestamp":"{NOW}",'
        '"sampledValue":[{"value":"7","context":}]}]}]'
    )

    assert await charger.receive() == [3, "m", {}]
    assert (await platform.row("select energy_wh from public.meter_values"))["energy_wh"] == 7


async def test_a_required_value_that_is_missing_is_named(charger: RawCharger) -> None:
    error = await frame_error(
        charger, f'[2,"m","StopTransaction",{{"transactionId":,"meterStop":5,"timestamp":"{NOW}"}}]'
    )

    assert error == ["m", "OccurenceConstraintViolation"]
    await assert_serves(charger)


async def test_unknown_words_are_stored_as_they_are(platform: Running, charger: RawCharger) -> None:
    await charger.status("Sleeping", errorCode="Error", vendorErrorCode="E" * 300, info=None, surplus={"a": [1]})

    row = await platform.row("select status, error_code, length(vendor_error_code) as length from public.connectors")
    assert tuple(row.values()) == ("Sleeping", "Error", 255)


async def test_a_status_without_error_code_or_with_nulls_is_stored(platform: Running, charger: RawCharger) -> None:
    payload = {"connectorId": "1", "status": "Charging", "errorCode": None, "info": None, "timestamp": None}
    assert await charger.result("StatusNotification", payload) == {}
    assert await charger.result("StatusNotification", {"connectorId": 2, "status": "Available"}) == {}

    rows = await platform.rows("select status, error_code from public.connectors order by evse_id")
    assert [tuple(row.values()) for row in rows] == [("Charging", "NoError"), ("Available", "NoError")]


async def test_numbers_may_be_texts_and_texts_numbers(platform: Running, charger: RawCharger) -> None:
    await platform.token("1234")
    start = {"connectorId": "1", "idTag": 1234, "meterStart": "500", "timestamp": NOW}
    started = await charger.result("StartTransaction", start)
    stop = {"transactionId": str(started["transactionId"]), "meterStop": "700", "timestamp": NOW, "idTag": 1234.0}
    await charger.result("StopTransaction", stop)

    session = await platform.session(started["transactionId"])
    assert started["idTagInfo"] == {"status": "Accepted"}
    assert (session["id_token"], session["energy_wh"]) == ("1234", 200)


@pytest.mark.parametrize("connector", [True, 1.5, "one", [], {}, "9" * 5000])
async def test_a_number_that_is_none_is_a_type_error(charger: RawCharger, connector: object) -> None:
    payload = {"connectorId": connector, "status": "Available", "errorCode": "NoError"}

    assert await charger.error("StatusNotification", payload) == "TypeConstraintViolation"
    await assert_serves(charger)


async def test_a_connector_that_cannot_exist_is_a_property_error(charger: RawCharger) -> None:
    for connector in (-1, 10_001, 2**31, 10**30, 1e30):
        payload = {"connectorId": connector, "status": "Available", "errorCode": "NoError"}
        assert await charger.error("StatusNotification", payload) == "PropertyConstraintViolation"


async def test_a_missing_member_is_an_occurence_error(charger: RawCharger) -> None:
    for action in ("Authorize", "BootNotification", "MeterValues", "StartTransaction", "StatusNotification",
                   "StopTransaction", "DataTransfer"):  # fmt: skip
        assert await charger.error(action, {}) == "OccurenceConstraintViolation"
        assert await charger.error(action, None) == "OccurenceConstraintViolation"


async def test_an_unknown_action_is_not_implemented_and_an_unserved_one_not_supported(charger: RawCharger) -> None:
    assert await charger.error("CustomOperation", {}) == "NotImplemented"
    assert await charger.error("heartbeat", {}) == "NotImplemented"
    assert await charger.error("A" * 100_000, {}) == "NotImplemented"
    for action in ("RemoteStartTransaction", "SendLocalList", "CertificateSigned"):  # ours to ask, not a charger's
        assert await charger.error(action, {"idTag": "TAG-1"}) == "NotSupported"


async def test_a_data_transfer_of_any_vendor_is_answered(charger: RawCharger) -> None:
    answer = await charger.result("DataTransfer", {"vendorId": "com.example", "messageId": "x", "data": "{}"})

    assert answer == {"status": "UnknownVendorId"}


async def test_an_empty_payload_may_be_null_or_left_out(charger: RawCharger) -> None:
    assert "currentTime" in await charger.result("Heartbeat", None)
    await charger.send([2, "three", "Heartbeat"])
    assert (await charger.receive())[:2] == [3, "three"]
    await charger.send([2, "five", "Heartbeat", {}, "surplus"])
    assert (await charger.receive())[:2] == [3, "five"]


async def test_broken_frames_get_a_call_error_with_their_id(charger: RawCharger) -> None:
    for text in ('[2,"m","Heartbeat",{"a":]', '[2,"m","Heartbeat",{}', '[2,"m",17,{}]', '[2,"m",null,{}]',
                 '[2,"m",{},{}]', '[2,"m","Heartbeat",[]]', '[2,"m","Heartbeat","text"]', '[2,"m","Heartbeat",7]',
                 '[2,"m"]', '[2,"m","Heartbeat",{}]]', '[2,"m","Heartbeat",{"a":"\\ud800"}]'):  # fmt: skip
        assert await frame_error(charger, text) == ["m", "FormationViolation"], text
    await assert_serves(charger)


async def test_frames_that_nobody_could_answer_are_ignored(charger: RawCharger) -> None:
    for text in ("", "hello", "[]", "{}", "null", "17", '"text"', "[7]", '["2","m","Heartbeat",{}]', "[2]", "[2,null]",
                 '[2,true,"Heartbeat",{}]', '[2,["m"],"Heartbeat",{}]', '[2,{},"Heartbeat",{}]', "[5,1,2,3,4]",
                 '[2,"' + "m" * 256 + '","Heartbeat",{}]', "[2," + "9" * 5000 + ',"Heartbeat",{}]', "[6,1,2]",
                 "[" * 3000, "[" * 3000 + "]" * 3000, '[2,"m' + "[" * 100_000, "\x00", "\ufeff[]"):  # fmt: skip
        await charger.send(text)
    await charger.send(b"\xff\xfe\x00")
    await assert_serves(charger)


async def test_three_thousand_nested_brackets_are_a_broken_frame(charger: RawCharger) -> None:
    for text in (
        '[2,"deep","Heartbeat",' + "[" * 3000,
        '[2,"deep","DataTransfer",' + '{"a":' * 3000 + "1" + "}" * 3001,
    ):
        assert await frame_error(charger, text) == ["deep", "FormationViolation"]
    await assert_serves(charger)


async def test_answers_nobody_asked_for_are_ignored(charger: RawCharger) -> None:
    for frame in ([3, "ghost", {}], [3, "ghost", None], [3, 17, {}], [4, "ghost", "GenericError", "", {}], [4, "ghost"],
                  [4, "ghost", None], [4, 1, {"a": 1}, [2], 3], [3, "ghost"], [3, "ghost", []]):  # fmt: skip
        await charger.send(frame)
    await assert_serves(charger)


async def test_text_in_another_encoding_costs_accents_only(platform: Running, charger: RawCharger) -> None:
    payload = '[2,"m","BootNotification",{"chargePointVendor":"S\xe9curit\xe9","chargePointModel":"One"}]'
    await charger.send(payload.encode("latin-1"))

    assert (await charger.receive())[:2] == [3, "m"]
    assert (await platform.row("select vendor from public.chargers"))["vendor"] == "S\ufffdcurit\ufffd"


async def test_the_character_zero_is_stored_as_another_and_spoils_no_batch(platform: Running) -> None:
    await platform.register("CP-2")
    await platform.token("zero\ufffd")
    async with platform.plugged() as nul, platform.plugged("CP-2") as good:
        for number in range(5):
            boot = {"chargePointVendor": "\0", "chargePointModel": "\\u0000"}
            frames = ([2, f"\0{number}", "BootNotification", boot],
                      [2, f"a\0{number}", "DataTransfer\0", {"vendorId": "\0"}],
                      [2, f"b\0{number}", "Authorize", {"idTag": "zero\0"}])  # fmt: skip
            for frame in frames:
                await nul.send(frame)
            await good.result("Heartbeat", {})
            answers = [await nul.receive() for _ in frames]
            assert [answer[:2] for answer in answers] == [[3, f"\0{number}"], [4, f"a\0{number}"], [3, f"b\0{number}"]]
            assert answers[2][2]["idTagInfo"]["status"] == "Accepted"
        stored = await platform.until(
            "select c.vendor, c.model from public.chargers c where id = 'CP-1' and (select count(*) + count(answer) "
            "from public.ocpp_messages where charger_id = 'CP-2') = 10 and (select count(*) + count(answer) "
            "from public.ocpp_messages where charger_id = 'CP-1') = 30"
        )
    assert stored == {"vendor": "\ufffd", "model": "\\u0000"}
    assert platform.server.stats()["log_dropped"] == 0


async def test_pipelined_calls_are_answered_in_order(platform: Running, charger: RawCharger) -> None:
    calls: list[tuple[str, Any]] = [
        ("BootNotification", {"chargePointVendor": "VCP", "chargePointModel": "One"}),
        ("StatusNotification", {"connectorId": 1, "status": "Available", "errorCode": "NoError"}),
        ("Heartbeat", {}), ("Unknown", {}), ("Authorize", {"idTag": "TAG-1"}),
        ("StartTransaction", {"connectorId": 1, "idTag": "TAG-1", "meterStart": 0, "timestamp": NOW}),
        ("MeterValues", {"connectorId": 1, "meterValue": [{"timestamp": NOW, "sampledValue": [{"value": "5"}]}]}),
    ]  # fmt: skip
    frames = [[2, f"{turn}-{number}", *one] for turn in range(10) for number, one in enumerate(calls)]
    await asyncio.gather(*(charger.send(frame) for frame in frames))
    answers = [await charger.receive() for _ in frames]

    assert [answer[1] for answer in answers] == [frame[1] for frame in frames]
    assert [answer[0] for answer in answers] == [3, 3, 3, 4, 3, 3, 3] * 10
    assert (await platform.row("select last_register_wh from public.sessions"))["last_register_wh"] == 5


async def test_a_huge_frame_is_closed_with_1009_and_others_go_on(platform: Running, charger: RawCharger) -> None:
    await platform.register("CP-2")
    async with platform.plugged("CP-2", max_size=None) as other:
        await charger.send('[2,"m","DataTransfer",{"vendorId":"v","data":"' + "x" * (1 << 20) + '"}]')
        with pytest.raises(ConnectionClosed):
            await charger.receive()
        assert charger.connection.close_code == 1009
        await assert_serves(other)


async def test_a_huge_frame_in_small_pieces_or_compressed_is_closed_too(platform: Running) -> None:
    for compression in ("deflate", None):
        async with platform.plugged(compression=compression) as charger:
            with pytest.raises(ConnectionClosed):
                await charger.connection.send("x" * 20_000 for _ in range(100))
                await charger.connection.recv()  # so much data takes its time: it is more than a charger's share
            assert charger.connection.close_code == 1009


async def test_a_large_frame_within_the_limit_is_served(platform: Running, charger: RawCharger) -> None:
    values = [{"timestamp": NOW, "sampledValue": [{"value": str(number)}]} for number in range(9_000)]
    await charger.meter(values)

    assert len(json.dumps(values)) > 500_000
    assert (await platform.row("select count(*) as n from public.meter_values"))["n"] == 9_000


async def test_a_flood_is_held_back_and_others_are_served(platform: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that sends without reading gets no more memory than the buffers; it is dropped in the end."""
    monkeypatch.setattr(backend.ocppj.socket, "_UNSENT_LIMIT", 1 << 14)  # a larger one lasts for minutes at its share
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)
    deaf.connect(("127.0.0.1", platform.server.port))
    deaf.setblocking(False)
    await platform.register("CP-2")
    async with platform.plugged(sock=deaf, compression=None) as flood, platform.plugged("CP-2") as good:
        flood.connection.transport.pause_reading()
        frame = b'[2,"' + "\u20ac".encode() * 250 + b'","Heartbeat",{}]'

        async def pour() -> None:
            while True:
                await flood.connection.send(frame, text=True)

        pouring = asyncio.create_task(pour())
        for _ in range(50):
            await assert_serves(good)
        await eventually(pouring.done, "the flood is dropped", 60)
        assert isinstance(pouring.exception(), ConnectionClosed)
        await assert_serves(good)


async def test_who_did_not_wait_for_answers_was_let_go_on_ahead_of_its_share(charger: RawCharger) -> None:
    """500 frames it may be ahead; then it is not read for two seconds and a half at least, however fast the answers."""
    loop, count = asyncio.get_running_loop(), 1200
    began = loop.time()
    for number in range(count):
        await charger.send([2, f"h{number}", "Heartbeat", {}])
    for _ in range(count):
        await charger.receive()

    assert loop.time() - began > 2.5


GOOD_SAMPLE = {"timestamp": NOW, "sampledValue": [{"value": "7"}]}
UNREADABLE: list[tuple[Any, int]] = [  # what a list of meter values may be, and how many of its samples can be read
    ([], 0), ([None], 0), ([GOOD_SAMPLE, None], 1), ([GOOD_SAMPLE, []], 1), ([{"timestamp": []}, GOOD_SAMPLE], 1),
    ([{"timestamp": NOW, "sampledValue": {"value": "1"}}, GOOD_SAMPLE], 1),
    ([{"timestamp": NOW, "sampledValue": [{"value": "7"}, None, {"value": "8", "phase": {}, "unit": []}, 9]}], 1),
    ([{"timestamp": {}, "sampledValue": [{"value": "8", "phase": {}}]}, GOOD_SAMPLE], 1),
]  # fmt: skip


@pytest.mark.parametrize(("values", "readable"), [*UNREADABLE, ({}, 0), ("", 0)])
async def test_a_stop_was_refused_for_meter_data_that_nobody_can_read(
    platform: Running, charger: RawCharger, values: Any, readable: int
) -> None:
    transaction_id = await charger.start(meter=0)
    await charger.stop(transaction_id, 7, transactionData=values)

    assert (await platform.session(transaction_id))["energy_wh"] == 7
    stored = await platform.rows("select 1 from public.meter_values where energy_wh = 7")
    assert len(stored) == readable


@pytest.mark.parametrize(("values", "readable"), UNREADABLE)
async def test_a_meter_value_that_nobody_can_read_did_cost_the_others(
    platform: Running, charger: RawCharger, values: Any, readable: int
) -> None:
    await charger.meter(values)

    assert len(await platform.rows("select 1 from public.meter_values where energy_wh = 7")) == readable


async def test_an_orphan_stop_with_a_long_text_for_a_time_was_refused(platform: Running, charger: RawCharger) -> None:
    await charger.stop(4711, 1, "".join(map(chr, range(0x4E00, 0x4E00 + 5000))))

    assert (await platform.row("select length(reported_at) as n from public.orphan_stops"))["n"] == 64
