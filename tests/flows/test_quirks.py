"""A firmware that lies is counted by name, its messages are treated by rule, and the log keeps what it said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from backend.domain.quirks import Quirk
from backend.services.judging import Judge
from backend.services.outbox import Outbox
from tests.flows.raw import RawCharger, energy, iso
from tests.flows.running import Running


async def counted(platform: Running) -> dict[str, int]:
    """Name of a deviation → how often it was seen, once the server has told."""
    await platform.server._quirks.deliver()
    rows = await platform.rows("select quirk, sum(occurrences)::integer as n from public.charger_quirks group by 1")
    return {row["quirk"]: row["n"] for row in rows}


async def test_a_good_charger_has_no_quirks(platform: Running, charger: RawCharger) -> None:
    await charger.boot(firmwareVersion="1.0")
    await charger.status()
    session = await charger.start()
    now = iso(datetime.now(UTC))
    await charger.meter([energy(now, 1500)], transactionId=session)
    await charger.stop(session, transactionData=[energy(now, 2000)])
    assert await counted(platform) == {}


async def test_every_lie_is_counted_by_its_name(platform: Running, charger: RawCharger) -> None:
    await charger.boot(firmwareVersion="1.0", chargePointSerialNumber="x" * 40)
    await charger.status(errorCode="Error")
    await charger.status("Dreaming", timestamp="1970-01-01T00:00:00Z")
    await charger.status(info=None, surplus=1)
    ahead = iso(datetime.now(UTC) + timedelta(hours=7))
    session = await charger.start(at=ahead, meter="1000")
    await charger.start(at=ahead, meter="1000")
    await charger.meter([energy(iso(datetime.now(UTC)), 1500)], transactionId=session + 77)
    await charger.stop(-1)
    await charger.stop(session + 77)
    assert await charger.error("Custom", {}) == "NotImplemented"
    await charger.send('[2,"a","Heartbeat",{"x":}]')
    await charger.receive()
    await charger.result("Heartbeat", {}, "same")
    await charger.result("Heartbeat", {}, "same")
    await charger.send([3, "nobody asked", {}])
    await charger.send("no frame")
    await charger.result("Heartbeat", {})

    found = await counted(platform)
    assert {name: found.get(name) for name in EXPECTED} == EXPECTED
    assert set(found) <= set(EXPECTED)
    assert set(found) <= set(Quirk)


EXPECTED: dict[str, int] = {
    "too_long": 1, "odd_error_code": 1, "odd_enum": 1, "clock_unset": 1, "null_member": 1, "surplus_member": 2,
    "clock_local_time": 2, "wrong_type": 2, "repeated_start": 1, "readings_unknown": 1, "bad_transaction_id": 1,
    "stop_unknown": 1, "unknown_action": 1, "broken_json": 1, "message_id_reused": 1, "stray_answer": 1, "bad_frame": 1,
}  # fmt: skip


async def test_calls_that_do_not_wait_and_calls_before_the_boot_are_seen(platform: Running) -> None:
    await platform.register("CP-9", registration="pending")
    async with platform.plugged("CP-9") as hasty:
        assert await hasty.error("Heartbeat", {}) == "SecurityError"
    async with platform.plugged() as hasty:
        for number in range(4):
            await hasty.send([2, str(number), "Heartbeat", {}])
        for _ in range(4):
            await hasty.receive()
    found = await counted(platform)
    assert found["call_before_boot"] == 1
    assert found["pipelined_calls"] >= 1


async def test_a_rule_mends_what_the_firmware_says_and_the_log_keeps_its_words(platform: Running) -> None:
    await add_rule(platform, "energy_factor", '{"factor": "1000", "members": "readings"}')
    await add_rule(platform, "token_prefix", '{"prefix": "X-"}')
    await platform.restart()
    async with platform.plugged() as charger:
        await charger.boot(chargePointVendor="Liar", firmwareVersion="9")
        session = await charger.start("X-TAG-1", meter=1_000_000)
        await charger.meter([energy(iso(datetime.now(UTC)), "1000.5", unit="Wh")], transactionId=session)
    await platform.restart()
    async with platform.plugged() as charger:  # comes back without a boot
        await charger.meter([energy(iso(datetime.now(UTC)), "1001.5", unit="Wh")], transactionId=session)
        await charger.stop(session, 1_002_000)

    stored = await platform.session(session)
    assert (stored["id_token"], stored["energy_wh"]) == ("TAG-1", 2000)
    readings = await platform.rows("select energy_wh from public.meter_values order by measured_at")
    assert [row["energy_wh"] for row in readings] == [1_000_500, 1_001_500]
    words = await platform.until(
        "select string_agg(payload, ' ') as all from public.ocpp_messages where action = 'MeterValues' "
        "and kind = 'call' having count(*) = 2"
    )
    assert "1000.5" in words["all"]
    assert "1001.5" in words["all"]


async def add_rule(platform: Running, treatment: str, parameters: str) -> None:
    assert platform.store is not None
    await platform.store.execute(
        "insert into public.normalising_rules (name, vendor_pattern, quirk, treatment, parameters) "
        "values ('R', 'liar', 'readings_thousandth', $1, $2)", treatment, parameters,
    )  # fmt: skip


async def test_a_session_of_a_lying_meter_is_counted_when_it_is_judged(platform: Running, charger: RawCharger) -> None:
    await charger.boot(firmwareVersion="1.0")
    session = await charger.start(meter=1_000_000)
    await charger.meter([energy(iso(datetime.now(UTC)), 1000.5)], transactionId=session)
    await charger.stop(session, 1_001_000)
    await Judge(platform.database, 7200).judge()
    await Outbox(platform.database).relay()
    found: dict[str, Any] = await counted(platform)
    assert found["readings_thousandth"] == 1
    assert found["register_back"] == 1
