"""Local lists, limits and authorization over real sockets, a simulated charger among them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.domain.caller import Caller
from backend.domain.errors import Conflict
from backend.domain.scope import Scope
from backend.services.charging_profiles import ChargingProfile
from backend.services.commands import Delivery
from backend.services.directory import Directory, build_directory
from backend.services.local_lists import ListMode, ListWish
from simulator import StepClock
from tests.flows.raw import RawCharger, energy, iso
from tests.flows.running import CHARGER, CPO, Running
from tests.flows.test_commands import answered, connected

OWN = Caller(Scope("cpo_operator", "00000000-0000-4000-8000-000000000001", CPO), "Operator")
NOW = Delivery()


@pytest.fixture
def services(platform: Running) -> Directory:
    """The services of the REST API over the same database."""
    return build_directory(platform.database, "a secret of the tests, long enough")


async def limit(services: Directory, purpose: str = "TxProfile") -> ChargingProfile:
    """A template of 16.1 A."""
    values = {"name": purpose, "purpose": purpose, "stack_level": 1, "kind": "Relative", "rate_unit": "A",
              "periods": [{"start_s": 0, "limit": 16.1, "phases": None}]}  # fmt: skip
    return await services.charging_profiles.create(OWN, values, None)


async def held(platform: Running, condition: str = "removed_at is null") -> list[dict[str, Any]]:
    return await platform.rows(f"select * from public.held_profiles where {condition}")  # noqa: S608


# -- local lists


async def test_a_simulated_charger_takes_the_list_and_its_changes(platform: Running, services: Directory) -> None:
    async with platform.simulated(clock=StepClock(datetime.now(UTC))) as simulated:
        await simulated.boot()
        await connected(platform)
        await services.local_lists.send(OWN, CHARGER, ListWish(ListMode.FULL, None, 1), NOW)
        await platform.until("select 1 from public.local_list_orders where status = 'accepted'")
        await platform.token("TAG-3")
        await services.local_lists.send(OWN, CHARGER, ListWish(ListMode.DIFFERENTIAL), NOW)
        await platform.until("select 1 from public.local_lists where version = 3")
        await platform.ask("GetLocalListVersion", {})
        known = await platform.until("select * from public.local_lists where reported_version = 3")

    assert known["version"] == 3
    entries = await platform.rows("select id_token from public.local_list_entries order by 1")
    assert [row["id_token"] for row in entries] == ["TAG-1", "TAG-2", "TAG-3"]


async def test_a_version_mismatch_over_the_socket_brings_the_full_list_once(
    platform: Running, charger: RawCharger, services: Directory
) -> None:
    await connected(platform)
    await services.local_lists.send(OWN, CHARGER, ListWish(ListMode.FULL), NOW)
    await answered(charger, "SendLocalList", {"status": "Accepted"})
    await platform.until("select 1 from public.local_list_orders where status = 'accepted'")
    await platform.token("TAG-3")
    await services.local_lists.send(OWN, CHARGER, ListWish(ListMode.DIFFERENTIAL), NOW)
    small = await answered(charger, "SendLocalList", {"status": "VersionMismatch"})
    full = await answered(charger, "SendLocalList", {"status": "Accepted"})
    await platform.until(
        "select 1 from public.local_list_orders where status = 'accepted' and reason = 'version_mismatch'"
    )

    assert list(full) == ["listVersion", "localAuthorizationList", "updateType"]
    assert [len(asked["localAuthorizationList"]) for asked in (small, full)] == [1, 3]
    assert (small["updateType"], full["updateType"], full["listVersion"]) == ("Differential", "Full", 3)


# -- limits


async def test_the_limit_of_a_session_dies_with_it(platform: Running, charger: RawCharger, services: Directory) -> None:
    await connected(platform)
    transaction = await charger.start()
    session = await platform.session(transaction)
    profile = await limit(services)
    await services.charging_profiles.apply(OWN, CHARGER, profile.id, 0, str(session["id"]), NOW)
    asked = await answered(charger, "SetChargingProfile", {"status": "Accepted"})
    await platform.until("select 1 from public.held_profiles")
    [kept] = await held(platform)
    await charger.stop(transaction)

    assert (asked["connectorId"], asked["csChargingProfiles"]["transactionId"]) == (1, transaction)
    assert asked["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 16.1}
    ]
    assert (kept["session_id"], kept["template_id"]) == (session["id"], (await platform.row(
        "select id from public.charging_profiles"))["id"])  # fmt: skip
    assert await held(platform) == []
    with pytest.raises(Conflict) as ended:
        await services.charging_profiles.apply(OWN, CHARGER, profile.id, 0, str(session["id"]), NOW)
    assert ended.value.code == "session_ended"


async def test_a_start_out_of_offline_history_gets_no_limit_until_it_is_heard_of(
    platform: Running, charger: RawCharger, services: Directory
) -> None:
    await connected(platform)
    transaction = await charger.start(at=iso(datetime.now(UTC) - timedelta(hours=2)))
    session = await platform.session(transaction)
    profile = await limit(services)
    with pytest.raises(Conflict) as doubtful:
        await services.charging_profiles.apply(OWN, CHARGER, profile.id, 0, str(session["id"]), NOW)
    await charger.meter([energy(iso(datetime.now(UTC)), 1500)], transactionId=transaction)
    command = await services.charging_profiles.apply(OWN, CHARGER, profile.id, 0, str(session["id"]), NOW)

    assert doubtful.value.code == "session_doubtful"
    assert command.payload["csChargingProfiles"]["transactionId"] == transaction


@pytest.mark.parametrize(("answer", "count"), [("Accepted", 1), ("Rejected", 0)])
async def test_the_limit_in_a_remote_start_is_held_by_the_session_that_follows(
    platform: Running, charger: RawCharger, answer: str, count: int
) -> None:
    await connected(platform)
    profile = {"chargingProfileId": 9, "stackLevel": 0, "chargingProfilePurpose": "TxProfile",
               "chargingProfileKind": "Relative", "chargingSchedule": {"chargingRateUnit": "W",
               "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7400.0}]}}  # fmt: skip
    await platform.ask("RemoteStartTransaction", {"idTag": "TAG-1", "connectorId": 1, "chargingProfile": profile})
    await answered(charger, "RemoteStartTransaction", {"status": answer})
    await platform.until(f"select 1 from public.commands where status = '{answer.lower()}'")  # noqa: S608
    transaction = await charger.start()

    assert [row["transaction_id"] for row in await held(platform)] == [transaction] * count


async def test_a_simulated_charger_says_what_it_will_allow(platform: Running, services: Directory) -> None:
    async with platform.simulated(clock=StepClock(datetime.now(UTC))) as simulated:
        await simulated.boot()
        await connected(platform)
        profile = await limit(services, "TxDefaultProfile")
        await services.charging_profiles.apply(OWN, CHARGER, profile.id, 1, None, NOW)
        await platform.until("select 1 from public.held_profiles")
        await platform.ask("GetCompositeSchedule", {"connectorId": 1, "duration": 600, "chargingRateUnit": "A"})
        schedule = await platform.until("select rate_unit, (periods -> 0 ->> 'limit') as most, duration_s "
                                        "from public.composite_schedules")  # fmt: skip

    assert (schedule["rate_unit"], schedule["most"], schedule["duration_s"]) == ("A", "16.1", 600)


# -- who may charge


async def test_a_card_of_the_group_is_told_the_group_at_every_door(platform: Running, charger: RawCharger) -> None:
    await platform.token("CHILD-1", parent_token="FAMILY")
    await platform.token("CHILD-2", parent_token="FAMILY")
    authorized = await charger.result("Authorize", {"idTag": "child-2"})
    started = await charger.start_answer("Child-1")
    stopped = await charger.stop(started["transactionId"], idTag="CHILD-2")

    assert [answer["idTagInfo"] for answer in (authorized, started, stopped)] == [
        {"status": "Accepted", "parentIdTag": "FAMILY"}] * 3  # fmt: skip
    assert (await platform.session(started["transactionId"]))["stop_id_token"] == "CHILD-2"


@pytest.mark.parametrize(("group", "status"), [({"status": "blocked"}, "Blocked"),
                                               ({"expires_at": "2026-01-01T00:00:00Z"}, "Expired")])  # fmt: skip
async def test_what_befalls_the_group_befalls_its_members(
    platform: Running, charger: RawCharger, group: dict[str, Any], status: str
) -> None:
    await platform.token("Family", **group)
    await platform.token("CHILD", parent_token="FAMILY")

    assert (await charger.result("Authorize", {"idTag": "CHILD"}))["idTagInfo"]["status"] == status


async def test_one_card_charges_once_unless_its_cpo_lets_it(platform: Running, charger: RawCharger) -> None:
    await charger.start("TAG-1", connector=1)
    refused = await charger.start_answer("tag-1", connector=2)
    await platform.store_execute("update public.cpos set concurrent_sessions = true")
    allowed = await charger.start_answer("TAG-1", meter=5, connector=3)

    assert [answer["idTagInfo"]["status"] for answer in (refused, allowed)] == ["ConcurrentTx", "Accepted"]
