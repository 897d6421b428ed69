"""Traps of the field around meter values and clocks (reference/ocpp-behaviour.md §6)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator import QUIRKS, BookedSession
from tests.flows.raw import RawCharger, energy, iso
from tests.flows.running import CHARGER, Running

NOW = datetime.now(UTC)
STARTED = iso(NOW - timedelta(hours=1))
LATER = iso(NOW - timedelta(minutes=50))
LATEST = iso(NOW - timedelta(minutes=40))
ENERGY, POWER = "Energy.Active.Import.Register", "Power.Active.Import"


async def readings(platform: Running) -> list[dict[str, Any]]:
    """What was stored of meter values, oldest first."""
    return await platform.rows(
        "select m.*, s.transaction_id from public.meter_values m left join public.sessions s on s.id = m.session_id "
        "order by m.measured_at, m.digest"
    )


async def only_reading(platform: Running, connector: int = 1) -> dict[str, Any]:
    """The one reading that is stored of a connector."""
    [reading] = [row for row in await readings(platform) if row["evse_id"] == connector]
    return reading


def energy_at(at: str, register_wh: object) -> list[dict[str, Any]]:
    """`meterValue` with one register."""
    return [energy(at, register_wh)]


def sampled(*samples: dict[str, Any], at: str = LATER) -> list[dict[str, Any]]:
    """`meterValue` with these samples."""
    return [{"timestamp": at, "sampledValue": list(samples)}]


# -- transaction ids of readings


async def test_a_reading_without_usable_transaction_belongs_to_the_session_that_runs_there(
    platform: Running, charger: RawCharger
) -> None:
    await charger.start(meter=0, at=STARTED, connector=99)
    said: list[dict[str, Any]] = [{}] + [{"transactionId": one} for one in (0, -1, 2**63 - 1, 10**25, None, "0")]
    for connector, members in enumerate(said, 1):
        transaction_id = await charger.start(meter=1000, at=STARTED, connector=connector)
        await charger.meter(energy_at(LATER, 1500), connector=connector, **members)

        assert (await only_reading(platform, connector))["transaction_id"] == transaction_id
        assert (await platform.session(transaction_id))["last_register_wh"] == 1500


async def test_a_reading_with_a_foreign_transaction_stays_with_its_own_charger(
    platform: Running, charger: RawCharger
) -> None:
    await platform.register("CP-2")
    async with platform.plugged("CP-2") as other:
        foreign = await other.start(meter=0, at=STARTED)
    await charger.meter(energy_at(LATER, 1500), transactionId=foreign)

    reading = await only_reading(platform)
    assert (reading["charger_id"], reading["transaction_id"]) == (CHARGER, None)
    assert (await platform.session(foreign))["last_register_wh"] == 0


async def test_a_reading_between_sessions_belongs_to_none(platform: Running, charger: RawCharger) -> None:
    transaction_id = await charger.start(meter=1000, at=STARTED)
    await charger.stop(transaction_id, 2000, LATER)
    await charger.meter(energy_at(LATEST, 2000))

    assert (await only_reading(platform))["session_id"] is None


async def test_a_reading_sent_twice_is_stored_once(platform: Running, charger: RawCharger) -> None:
    transaction_id = await charger.start(meter=1000, at=STARTED)
    for at in (LATER, "1970-01-01T00:00:00Z", None):
        for _ in range(2):
            await charger.meter([energy(at or "", 1500)], transactionId=transaction_id)

    assert len(await readings(platform)) == 3


async def test_a_message_without_any_value_is_answered(platform: Running, charger: RawCharger) -> None:
    await charger.meter([])
    await charger.meter([{"timestamp": LATER}])
    await charger.meter([{"timestamp": LATER, "sampledValue": None}, {"sampledValue": []}])

    assert all(reading["energy_wh"] is None for reading in await readings(platform))


# -- connector 0


async def test_connector_0_is_the_main_meter_and_no_connector(platform: Running, charger: RawCharger) -> None:
    transaction_id = await charger.start(meter=1000, at=STARTED)
    await charger.meter(energy_at(LATER, 999_999), connector=0)
    await charger.status("Unavailable", connector=0, timestamp=LATER)

    reading = await only_reading(platform, 0)
    assert (reading["connector_id"], reading["session_id"]) == (0, None)
    assert (await platform.session(transaction_id))["last_register_wh"] == 1000
    assert await platform.rows("select 1 from public.connectors where evse_id = 0") == []
    assert (await platform.row("select status from public.chargers"))["status"] == "Unavailable"


# -- SampledValue: defaults, texts, units, phases


async def test_a_bare_value_is_a_register_in_wh(platform: Running, charger: RawCharger) -> None:
    await charger.meter(sampled({"value": "1234"}))

    reading = await only_reading(platform)
    assert (reading["energy_wh"], reading["samples"]) == (1234, None)


SPELLINGS: dict[Any, float] = {
    "1.5": 1.5, "1.5E3": 1500, "15e2": 1500, " 1500 ": 1500, "1500.000": 1500, 1500: 1500, 1500.25: 1500.25, "+7": 7,
    "1234567.891": 1234567.891, "-0": 0,
}  # fmt: skip


async def test_a_value_is_read_in_every_spelling(platform: Running, charger: RawCharger) -> None:
    for connector, value in enumerate(SPELLINGS, 1):
        await charger.meter(sampled({"value": value}), connector)

    stored = {row["evse_id"]: float(row["energy_wh"]) for row in await readings(platform)}
    assert stored == dict(enumerate(SPELLINGS.values(), 1))


GARBAGE: list[dict[str, Any]] = [
    {"value": "NaN"}, {"value": "Infinity"}, {"value": ""}, {"value": "abc"}, {"value": "1,5"}, {"value": "1_5"},
    {"value": "9e999999"}, {"value": "9e999999", "unit": "kWh"}, {"value": "1" * 5000}, {"value": None}, {},
    {"value": True}, {"value": {"deep": []}}, {"value": "OCMF|{}|{}", "format": "SignedData"}, {"value": "\x00"},
    {"value": "1e400", "unit": "Fahrenheit", "measurand": "Temperature"},
]  # fmt: skip


async def test_a_value_that_cannot_be_read_costs_no_other(platform: Running, charger: RawCharger) -> None:
    good = [{"value": "7000", "measurand": POWER, "unit": "W"}, {"value": "42", "measurand": "SoC"}]
    for connector, garbage in enumerate(GARBAGE, 1):
        await charger.meter(sampled(garbage, *good) + energy_at(LATEST, 1500), connector)

    stored = await readings(platform)
    early, late = stored[: len(GARBAGE)], stored[len(GARBAGE) :]
    assert {(row["energy_wh"], row["power_w"], row["soc_percent"]) for row in early} == {(None, 7000, 42)}
    assert all(row["samples"] is not None for row in early)
    assert [row["energy_wh"] for row in late] == [1500] * len(GARBAGE)


async def test_numbers_that_json_does_not_know_cost_no_other(platform: Running, charger: RawCharger) -> None:
    await charger.send(
        f'[2,"x","MeterValues",{{"connectorId":1,"meterValue":[{{"timestamp":"{LATER}","sampledValue":['
        '{"value":NaN,"measurand":"SoC"},{"value":-Infinity,"measurand":"Voltage"},{"value":"7"}]}]}]'
    )
    assert await charger.receive() == [3, "x", {}]

    reading = await only_reading(platform)
    assert (reading["energy_wh"], reading["soc_percent"]) == (7, None)


UNITS: list[tuple[dict[str, str], str, float]] = [
    ({"value": "1.5", "unit": "kWh"}, "energy_wh", 1500),
    ({"value": "7.4", "unit": "kW", "measurand": POWER}, "power_w", 7400),
    ({"value": "21.5", "unit": "Celcius", "measurand": "Temperature"}, "temperature_c", 21.5),
    ({"value": "21.5", "unit": "Celsius", "measurand": "Temperature"}, "temperature_c", 21.5),
    ({"value": "70.7", "unit": "Fahrenheit", "measurand": "Temperature"}, "temperature_c", 21.5),
    ({"value": "294.65", "unit": "K", "measurand": "Temperature"}, "temperature_c", 21.5),
    ({"value": "55", "unit": "Percent", "measurand": "SoC"}, "soc_percent", 55),
    ({"value": "16.2", "unit": "A", "measurand": "Current.Import"}, "current_a", 16.2),
    ({"value": "229.8", "unit": "V", "measurand": "Voltage"}, "voltage_v", 229.8),
]


async def test_a_unit_is_converted(platform: Running, charger: RawCharger) -> None:
    for connector, (sample, _, _) in enumerate(UNITS, 1):
        await charger.meter(sampled(sample), connector)

    stored = sorted(await readings(platform), key=lambda row: int(row["evse_id"]))
    assert [float(row[column]) for row, (_, column, _) in zip(stored, UNITS, strict=True)] == [u[2] for u in UNITS]
    assert all(row["samples"] is None for row in stored)


async def test_unknown_measurands_units_and_contexts_are_kept_beside(platform: Running, charger: RawCharger) -> None:
    strange = {"value": "5", "measurand": "Vendor.Magic", "unit": "Furlong", "context": "Full.Moon", "extra": {"a": 1}}
    await charger.meter(sampled(strange, {"value": "1500", "context": "Full.Moon"}))

    reading = await only_reading(platform)
    assert (reading["energy_wh"], reading["context"]) == (1500, "Full.Moon")
    assert '["Vendor.Magic",null,null,"Full.Moon","Furlong","5"]' in reading["samples"]


async def test_kwh_labelled_wh_is_held(platform: Running, charger: RawCharger) -> None:
    transaction_id = await charger.start(meter=1_234_000, at=STARTED)
    await charger.meter(energy_at(LATER, 1235.5), transactionId=transaction_id)
    await charger.stop(transaction_id, 1_237_000, LATEST)

    session = await platform.session(transaction_id)
    assert set(session["review_reasons"]) == {"register_back", "unit_suspect"}


def phased(measurand: str, *values: tuple[str | None, str]) -> list[dict[str, Any]]:
    """`meterValue` of one measurand over phases; None: the total."""
    return sampled(*({"value": value, "measurand": measurand, **({"phase": phase} if phase else {})}
                     for phase, value in values))  # fmt: skip


PHASES: list[tuple[tuple[tuple[str | None, str], ...], int]] = [
    ((("L1", "100"), ("L2", "200"), ("L3", "300")), 600),
    ((("L1", "600"),), 600),
    ((("L1", "600"), ("L2", "0"), ("L3", "0")), 600),
    (((None, "600"), ("L1", "200"), ("L2", "200"), ("L3", "200")), 600),
    ((("L1", "200"), ("L2", "200"), ("L3", "200"), (None, "601")), 601),
    ((("L1-N", "200"), ("L2-N", "200"), ("L3-N", "200"), ("N", "5")), 600),
]


async def test_phases_are_summed_only_where_there_is_no_total(platform: Running, charger: RawCharger) -> None:
    for connector, (values, _) in enumerate(PHASES, 1):
        await charger.meter(phased(ENERGY, *values), connector)

    stored = {row["evse_id"]: row["energy_wh"] for row in await readings(platform)}
    assert stored == {connector: total for connector, (_, total) in enumerate(PHASES, 1)}


async def test_voltages_of_phases_are_not_summed(platform: Running, charger: RawCharger) -> None:
    await charger.meter(phased("Voltage", ("L1-N", "229.5"), ("L2-N", "231"), ("L3-N", "230"), ("L1-L2", "400")))

    assert (await only_reading(platform))["voltage_v"] == 231


# -- registers


async def test_a_register_that_goes_back_is_held_and_never_negative(platform: Running, charger: RawCharger) -> None:
    transaction_id = await charger.start(meter=5000, at=STARTED)
    for at, register in ((LATER, 6000), (LATEST, 5500)):
        await charger.meter(energy_at(at, register), transactionId=transaction_id)
    await charger.stop(transaction_id, 4000)

    session = await platform.session(transaction_id)
    assert session["energy_wh"] == 0
    assert session["review_reasons"] == ["register_back"]


async def test_a_session_relative_meter_is_held(platform: Running, charger: RawCharger) -> None:
    transaction_id = await charger.start(meter=123_456, at=STARTED)
    await charger.meter(energy_at(LATER, 500), transactionId=transaction_id)
    await charger.stop(transaction_id, 1000, LATEST)

    session = await platform.session(transaction_id)
    assert session["energy_wh"] == 0
    assert "register_back" in session["review_reasons"]


async def test_an_odometer_taken_as_zero_at_the_start_is_held(platform: Running, charger: RawCharger) -> None:
    transaction_id = await charger.start(meter=0, at=STARTED)
    await charger.stop(transaction_id, 1_234_567, LATEST)

    session = await platform.session(transaction_id)
    assert set(session["review_reasons"]) == {"odometer_jump", "energy_above_rated"}


async def test_a_register_that_no_meter_has_is_held(platform: Running, charger: RawCharger) -> None:
    odd: tuple[Any, ...] = (10**15, -(10**15), 10**25, "1e20")
    ends = [(5000, register) for register in odd] + [(register, 5000) for register in odd]
    ends += [(0, odd[0]), (odd[0], 0), (odd[0], odd[0]), (odd[1], odd[0]), (odd[1], odd[1])]
    for connector, (start, stop) in enumerate(ends, 1):
        transaction_id = await charger.start(meter=start, at=STARTED, connector=connector)
        await charger.stop(transaction_id, stop, LATEST)

        session = await platform.session(transaction_id)
        assert (session["energy_wh"], session["review_reasons"]) == (0, ["register_back"])


async def test_registers_may_be_decimals_and_texts(platform: Running, charger: RawCharger) -> None:
    pairs: list[tuple[Any, Any]] = [(100.25, 350.75), ("100.25", "350.75"), (100, "350.5"), ("1e2", 350.5)]
    for connector, (start, stop) in enumerate(pairs, 1):
        transaction_id = await charger.start(meter=start, at=STARTED, connector=connector)
        await charger.stop(transaction_id, stop, LATEST)

        session = await platform.session(transaction_id)
        assert (float(session["energy_wh"]), session["review_reasons"]) == (250.5, [])


# -- clocks


TIMES = [
    "{0:%Y-%m-%dT%H:%M:%S}Z", "{0:%Y-%m-%dT%H:%M:%S}", "{0:%Y-%m-%d %H:%M:%S}", "{0:%Y-%m-%dT%H:%M:%S}.1234567Z",
    "{0:%Y-%m-%dT%H:%M:%S}.123456789Z", "{0:%Y-%m-%dT%H:%M:%S},5Z", "{0:%Y-%m-%dT%H:%M:%S}+00:00",
    "{1:%Y-%m-%dT%H:%M:%S}+07:00", "{1:%Y-%m-%dT%H:%M:%S}+0700", "{1:%Y-%m-%dT%H:%M:%S}.5+07:00",
    "{0:%Y-%m-%dT%H:%M:%S}z", " {0:%Y-%m-%dT%H:%M:%S}Z ", "{0:%Y%m%dT%H%M%S}Z",
]  # fmt: skip


async def test_a_time_is_read_in_every_spelling(platform: Running, charger: RawCharger) -> None:
    moment = (NOW - timedelta(minutes=30)).replace(microsecond=0)
    for connector, spelling in enumerate(TIMES, 1):
        at = spelling.format(moment, moment + timedelta(hours=7))
        session = await platform.session(await charger.start(at=at, connector=connector))
        assert session["started_at"].replace(microsecond=0) == moment, at


UNBELIEVABLE: list[Any] = [
    "1970-01-01T00:00:00Z", "2099-12-31T23:59:59Z", iso(NOW + timedelta(hours=7)), "garbage", "",
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+00:00", "2026-13-45T99:99:99Z", 1_700_000_000, None,
    "٢٠٢٦-٠١-٠١T٠٠:٠٠:٠٠Z", "\x00",
]  # fmt: skip


async def test_a_clock_that_cannot_be_right_gives_way_to_ours(platform: Running, charger: RawCharger) -> None:
    for connector, time in enumerate(UNBELIEVABLE, 1):
        payload = {"connectorId": connector, "idTag": "TAG-1", "meterStart": 5, "timestamp": time}
        transaction_id = (await charger.result("StartTransaction", payload))["transactionId"]
        await charger.meter(sampled({"value": "15"}, at=time), connector)
        await charger.status("Charging", connector, timestamp=time)
        stop = {"transactionId": transaction_id, "meterStop": 15, "timestamp": time}
        await charger.result("StopTransaction", stop)

        session = await platform.session(transaction_id)
        status = await platform.row("select status_at from public.connectors where evse_id = $1", connector)
        moments = [session["started_at"], session["stopped_at"], status["status_at"],
                   (await only_reading(platform, connector))["measured_at"]]  # fmt: skip
        assert all(abs(moment - datetime.now(UTC)) < timedelta(minutes=2) for moment in moments), time
        assert session["started_at"] == session["start_received_at"]
        assert session["energy_wh"] == 10


async def test_the_time_of_receipt_is_kept_beside_an_old_clock(platform: Running, charger: RawCharger) -> None:
    transaction_id = await charger.start(at="2024-06-01T00:00:00Z")

    session = await platform.session(transaction_id)
    assert session["started_at"] == datetime(2024, 6, 1, tzinfo=UTC)
    assert session["start_received_at"] > NOW - timedelta(minutes=5)


async def test_a_stop_before_its_start_is_held(platform: Running, charger: RawCharger) -> None:
    transaction_id = await charger.start(meter=0, at=LATER)
    await charger.stop(transaction_id, 100, STARTED)

    session = await platform.session(transaction_id)
    assert session["stopped_at"] == session["started_at"]
    assert session["review_reasons"] == ["negative_duration"]


HARMLESS = [
    "kwh",
    "decimal",
    "exponent",
    "phases-only",
    "phases-and-total",
    "first-phase-only",
    "bare-samples",
    "celcius",
    "offset-clock",
    "no-zone",
    "slow-clock",
    "readings-without-transaction",
    "readings-transaction-huge",
    "main-meter",
    "stop-data",
    "duplicate-stop",
    "lower-case-tags",
    "message-id-reuse",
    "no-boot",
]


async def test_the_books_of_quirky_chargers_agree_with_ours(platform: Running) -> None:
    async def live(quirk: str) -> BookedSession:
        await platform.register(quirk)
        await platform.token(tag := f"T-{HARMLESS.index(quirk)}")
        async with platform.simulated(quirk, quirks=QUIRKS[quirk], registers_wh=(5000,)) as simulated:
            await simulated.boot()
            await simulated.plug_in()
            assert await simulated.tap(1, tag) == "Accepted"
            await simulated.pass_time(600)
            await simulated.unplug()
            return simulated.books.last

    booked = {one.charger_id: one for one in await asyncio.gather(*map(live, HARMLESS))}
    sessions = {row["charger_id"]: row for row in await platform.rows("select * from public.sessions")}
    assert {name: row["energy_wh"] for name, row in sessions.items()} == {
        name: one.energy_wh for name, one in booked.items()}  # fmt: skip
    assert {name: row["review_reasons"] for name, row in sessions.items() if row["review_reasons"]} == {}
    assert all(row["last_register_wh"] == booked[name].meter_stop_wh for name, row in sessions.items())
    assert all(one.energy_wh > 0 for one in booked.values())
