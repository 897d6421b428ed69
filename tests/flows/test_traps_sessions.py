"""Traps of the field around StartTransaction and StopTransaction (reference/ocpp-behaviour.md §6)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from backend.ocpp_server import build
from tests.flows.raw import RawCharger, energy, iso, plugged, start_payload
from tests.flows.running import CHARGER, Running

NOW = datetime.now(UTC)
AN_HOUR_AGO = iso(NOW - timedelta(hours=1))
HALF_AN_HOUR_AGO = iso(NOW - timedelta(minutes=30))


async def sessions(platform: Running) -> list[int]:
    """Transaction ids of all sessions, oldest first."""
    rows = await platform.rows("select transaction_id from public.sessions order by transaction_id")
    return [row["transaction_id"] for row in rows]


async def orphans(platform: Running) -> list[int]:
    """Transaction ids of the stops without a session."""
    rows = await platform.rows("select transaction_id from public.orphan_stops order by transaction_id")
    return [row["transaction_id"] for row in rows]


# -- StartTransaction retry


async def test_a_retried_start_gets_the_same_id_and_accepted(platform: Running, charger: RawCharger) -> None:
    first = await charger.start_answer(at=AN_HOUR_AGO)
    again = await charger.start_answer(at=AN_HOUR_AGO)

    assert again == first
    assert first["idTagInfo"]["status"] == "Accepted"
    assert await sessions(platform) == [first["transactionId"]]


async def test_a_start_retried_in_other_words_is_the_same_start(platform: Running, charger: RawCharger) -> None:
    first = await charger.start(tag="TAG-1", meter=1000, at=AN_HOUR_AGO)

    assert await charger.start(tag="tag-1", meter=1000.0, at=AN_HOUR_AGO) == first
    assert await charger.start(tag="TAG-1", meter="1000", at=AN_HOUR_AGO) == first
    assert await sessions(platform) == [first]


async def test_a_start_retried_after_a_server_restart_gets_the_same_id(platform: Running) -> None:
    async with platform.plugged() as charger:
        first = await charger.start_answer(at=AN_HOUR_AGO)
    await platform.restart()
    async with platform.plugged() as charger:
        assert await charger.start_answer(at=AN_HOUR_AGO) == first

    assert await sessions(platform) == [first["transactionId"]]


async def test_a_start_sent_at_once_on_two_sockets_is_one_session(platform: Running) -> None:
    payload = start_payload("TAG-1", 1000, AN_HOUR_AGO)
    for meter in range(10):
        async with platform.plugged() as old:
            await old.send([2, "old", "StartTransaction", payload | {"meterStart": meter}])
            async with platform.plugged() as new:
                answer = await new.result("StartTransaction", payload | {"meterStart": meter})
        found = await platform.rows("select transaction_id from public.sessions where meter_start_wh = $1", meter)
        assert found == [{"transaction_id": answer["transactionId"]}]


async def test_a_start_at_once_on_two_servers_is_one_session(platform: Running) -> None:
    other = build(platform.database, platform.settings)
    await other.start("127.0.0.1", 0)
    payload = start_payload("TAG-1", 1000, AN_HOUR_AGO)
    async with platform.plugged() as here, plugged(f"ws://127.0.0.1:{other.port}/{CHARGER}") as there:
        answers = await asyncio.gather(*(one.result("StartTransaction", payload) for one in (here, there)))
    await other.stop()

    assert answers[0] == answers[1]
    assert await sessions(platform) == [answers[0]["transactionId"]]


async def test_a_start_retried_after_its_stop_does_not_begin_again(platform: Running, charger: RawCharger) -> None:
    first = await charger.start(at=AN_HOUR_AGO)
    await charger.stop(first, 2000, HALF_AN_HOUR_AGO)

    assert await charger.start(at=AN_HOUR_AGO) == first
    assert (await platform.session(first))["energy_wh"] == 1000


async def test_a_start_that_differs_is_another_session(charger: RawCharger) -> None:
    same: dict[str, Any] = {"tag": "TAG-1", "meter": 1000, "at": AN_HOUR_AGO, "connector": 1}
    differences: list[dict[str, Any]] = [
        {}, {"tag": "TAG-2"}, {"meter": 1001}, {"at": HALF_AN_HOUR_AGO}, {"connector": 2}]  # fmt: skip

    assert len({await charger.start(**same | difference) for difference in differences}) == len(differences)


async def test_a_charger_whose_clock_stands_still_starts_anew(platform: Running, charger: RawCharger) -> None:
    first = await charger.start(at="1970-01-01T00:00:00Z", meter=0)
    assert await charger.start(at="1970-01-01T00:00:00Z", meter=0) == first
    await charger.stop(first, 500)
    second = await charger.start(at="1970-01-01T00:00:00Z", meter=0)

    assert second != first
    assert await charger.start(at="1970-01-01T00:00:00Z", meter=0) == second
    assert await sessions(platform) == [first, second]


# -- message ids


async def test_the_same_boot_id_twice_is_answered_twice(charger: RawCharger) -> None:
    payload = {"chargePointVendor": "MicroOcpp", "chargePointModel": "One"}

    assert (await charger.result("BootNotification", payload, "1000000"))["status"] == "Accepted"
    assert (await charger.result("BootNotification", payload, "1000000"))["status"] == "Accepted"


async def test_one_message_id_for_different_calls_is_no_repetition(platform: Running, charger: RawCharger) -> None:
    first = await charger.result("StartTransaction", start_payload("TAG-1", 0, AN_HOUR_AGO), "1")
    second = await charger.result("StartTransaction", start_payload("TAG-2", 0, AN_HOUR_AGO, 2), "1")
    assert "currentTime" in await charger.result("Heartbeat", {}, "1")

    assert await sessions(platform) == [first["transactionId"], second["transactionId"]]


async def test_a_message_id_may_be_a_number(charger: RawCharger) -> None:
    assert (await charger.call("Heartbeat", {}, 17))[:2] == [3, 17]


async def test_transaction_ids_are_unique_across_restarts_and_connectors(platform: Running) -> None:
    await platform.register("CP-2")
    seen = []
    for tag in ("TAG-1", "TAG-2"):
        for identity in (CHARGER, "CP-2"):
            async with platform.plugged(identity) as charger:
                seen += [await charger.start(tag, connector=connector) for connector in (1, 2)]
        await platform.restart()

    assert len(set(seen)) == 8
    assert min(seen) > 0


# -- StopTransaction


async def test_a_stop_for_an_unknown_transaction_is_answered_and_kept(platform: Running, charger: RawCharger) -> None:
    for meter, transaction_id in enumerate((0, -1, 999_999, 2**31, 2**63 - 1, -(2**63), 10**30)):
        answer = await charger.stop(transaction_id, meter, idTag="TAG-1")
        assert answer == {"idTagInfo": {"status": "Accepted"}}

    assert await orphans(platform) == [-1, 0, 0, 0, 999_999, 2**31, 2**63 - 1]
    assert await sessions(platform) == []


async def test_an_orphan_stop_sent_twice_is_kept_once(platform: Running, charger: RawCharger) -> None:
    assert await charger.stop(0, 77, AN_HOUR_AGO) == {}
    assert await charger.stop(0, 77, AN_HOUR_AGO) == {}

    assert await orphans(platform) == [0]


async def test_a_stop_for_another_chargers_transaction_ends_nothing(platform: Running, charger: RawCharger) -> None:
    transaction_id = await charger.start()
    await platform.register("CP-2")
    async with platform.plugged("CP-2") as other:
        await other.stop(transaction_id)

    assert (await platform.session(transaction_id))["stopped_at"] is None
    assert await orphans(platform) == [transaction_id]


async def test_a_duplicate_stop_is_answered_and_counts_once(platform: Running, charger: RawCharger) -> None:
    transaction_id = await charger.start(meter=1000, at=AN_HOUR_AGO)
    first = await charger.stop(transaction_id, 3000, HALF_AN_HOUR_AGO, idTag="TAG-1", reason="Remote")
    before = await platform.session(transaction_id)
    again = await charger.stop(transaction_id, 3000, HALF_AN_HOUR_AGO, idTag="TAG-1", reason="Remote")
    other = await charger.stop(transaction_id, 3000, iso(NOW), reason="EmergencyStop")

    assert (first, again, other) == ({"idTagInfo": {"status": "Accepted"}},) * 2 + ({},)
    assert await platform.session(transaction_id) == before
    assert before["energy_wh"] == 2000
    ended = await platform.rows("select 1 from public.outbox where topic = 'session.ended'")
    assert len(ended) == 1


async def test_the_stops_own_meter_data_is_kept(platform: Running, charger: RawCharger) -> None:
    transaction_id = await charger.start(meter=1000, at=AN_HOUR_AGO)
    data = [energy(AN_HOUR_AGO, 1000, context="Transaction.Begin"),
            energy(HALF_AN_HOUR_AGO, 2000, context="Transaction.End")]  # fmt: skip
    for _ in range(2):
        await charger.stop(transaction_id, 2000, HALF_AN_HOUR_AGO, transactionData=data)

    session = await platform.session(transaction_id)
    readings = await platform.rows(
        "select context, energy_wh from public.meter_values where session_id = $1 order by measured_at", session["id"]
    )
    assert [tuple(row.values()) for row in readings] == [("Transaction.Begin", 1000), ("Transaction.End", 2000)]
    assert session["review_reasons"] == []


# -- offline history


async def test_history_arrives_after_the_status_of_today(platform: Running, charger: RawCharger) -> None:
    await charger.status("Available", timestamp=iso(NOW))
    transaction_id = await charger.start(meter=100, at=AN_HOUR_AGO)
    await charger.meter([energy(iso(NOW - timedelta(minutes=45)), 600)], transactionId=transaction_id)
    await charger.stop(transaction_id, 1100, HALF_AN_HOUR_AGO)

    session = await platform.session(transaction_id)
    assert session["started_at"] == NOW - timedelta(hours=1)
    assert session["stopped_at"] == NOW - timedelta(minutes=30)
    assert session["energy_wh"] == 1000
    assert session["review_reasons"] == []
    assert (await platform.row("select status from public.connectors"))["status"] == "Available"


async def test_history_out_of_order_ends_no_newer_session(platform: Running, charger: RawCharger) -> None:
    newer = await charger.start("TAG-1", 5000, HALF_AN_HOUR_AGO)
    older = await charger.start("TAG-2", 1000, AN_HOUR_AGO)
    await charger.stop(older, 4000, iso(NOW - timedelta(minutes=40)))

    assert (await platform.session(newer))["stopped_at"] is None
    assert (await platform.session(older))["energy_wh"] == 3000


async def test_a_late_stop_corrects_a_session_that_was_superseded(platform: Running, charger: RawCharger) -> None:
    first = await charger.start("TAG-1", 1000, AN_HOUR_AGO)
    await charger.meter([energy(iso(NOW - timedelta(minutes=50)), 1500)], transactionId=first)
    second = await charger.start("TAG-2", 3000, HALF_AN_HOUR_AGO)
    superseded = await platform.session(first)
    await charger.stop(first, 2900, iso(NOW - timedelta(minutes=35)), reason="PowerLoss")
    corrected = await platform.session(first)

    assert superseded["review_reasons"] == ["stop_missing"]
    assert (superseded["stopped_at"], superseded["energy_wh"]) == (NOW - timedelta(minutes=50), 500)
    assert corrected["review_reasons"] == []
    assert (corrected["stopped_at"], corrected["energy_wh"]) == (NOW - timedelta(minutes=35), 1900)
    assert corrected["stop_reason"] == "PowerLoss"
    assert (await platform.session(second))["stopped_at"] is None


async def test_history_replayed_by_a_charger_after_a_network_failure(platform: Running) -> None:
    async with platform.simulated() as simulated:
        await simulated.boot()
        await simulated.plug_in()
        assert await simulated.tap(1, "TAG-1") == "Accepted"
        await simulated.pass_time(300)
        simulated.drop_connection()
        await simulated.pass_time(600)
        await simulated.stop()
        await simulated.reconnect()
        await simulated.emptied()
        booked = simulated.books.last

    session = await platform.session(booked.transaction_id or 0)
    assert simulated.books.boots == 1
    assert session["energy_wh"] == booked.energy_wh
    stored = await platform.row("select count(*) as n from public.meter_values where session_id = $1", session["id"])
    assert stored["n"] == booked.readings_sent
    assert session["review_reasons"] == []


# -- id tags


async def test_an_id_tag_is_compared_without_regard_to_case(charger: RawCharger) -> None:
    for tag in ("TAG-1", "tag-1", "Tag-1"):
        assert await charger.result("Authorize", {"idTag": tag}) == {"idTagInfo": {"status": "Accepted"}}


async def test_an_id_tag_longer_than_the_standard_allows_is_unknown(platform: Running, charger: RawCharger) -> None:
    answer = await charger.start_answer(tag="PLUG-AND-CHARGE-" + "X" * 300)

    assert answer["idTagInfo"] == {"status": "Invalid"}
    assert await sessions(platform) == [answer["transactionId"]]


async def test_a_running_session_forbids_a_second_start_but_not_the_card(charger: RawCharger) -> None:
    first = await charger.start("TAG-1", connector=1)
    second = await charger.start_answer("TAG-1", connector=2)
    authorize = await charger.result("Authorize", {"idTag": "TAG-1"})
    stop = await charger.stop(first, idTag="TAG-1")

    assert second["idTagInfo"] == {"status": "ConcurrentTx"}
    assert authorize["idTagInfo"] == {"status": "Accepted"}
    assert stop["idTagInfo"] == {"status": "Accepted"}


async def test_a_refused_tag_still_gets_a_transaction_id(platform: Running, charger: RawCharger) -> None:
    await platform.token("BLOCKED", status="blocked")
    await platform.token("EXPIRED", expires_at="2026-01-01T00:00:00Z", parent_token="FAMILY")
    answers = [await charger.start_answer(tag) for tag in ("NOBODY", "BLOCKED", "EXPIRED")]

    assert [answer["idTagInfo"]["status"] for answer in answers] == ["Invalid", "Blocked", "Expired"]
    assert answers[2]["idTagInfo"] == {
        "status": "Expired", "expiryDate": "2026-01-01T00:00:00Z", "parentIdTag": "FAMILY"}  # fmt: skip
    assert len({answer["transactionId"] for answer in answers}) == 3


async def test_sessions_of_two_connectors_run_side_by_side(platform: Running, charger: RawCharger) -> None:
    one, two = await charger.start("TAG-1", 0, connector=1), await charger.start("TAG-2", 0, connector=2)
    await asyncio.gather(charger.connection.ping())
    await charger.stop(one, 10)

    assert (await platform.session(two))["stopped_at"] is None
