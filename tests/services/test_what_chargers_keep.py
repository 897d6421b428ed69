"""Reservations, local lists and limits over both transports: asked once, followed to the charger's answer, fenced."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.database import SYSTEM, Database, Scope
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from backend.services.charging_profiles import Selection
from backend.services.commands import Delivery
from backend.services.directory import Directory, build_directory
from backend.services.dispatch import Dispatch, Outcome
from backend.services.local_lists import ListMode, ListWish
from backend.services.records import PageRequest
from backend.services.reservations import Wish
from backend.services.upkeep import Upkeep
from tests.support.stores import TRANSPORTS, open_store

EMSV = Caller(Scope("emsv_admin", "00000000-0000-4000-8000-000000000001"), "Admin")
QUEUED = Delivery(queue=True)
SOON = datetime.now(UTC) + timedelta(hours=1)
PROFILE = {"name": "Night", "purpose": "TxDefaultProfile", "stack_level": 1, "kind": "Relative", "rate_unit": "A",
           "periods": [{"start_s": 0, "limit": 16.1, "phases": 3},
                       {"start_s": 3600, "limit": 6.0, "phases": None}]}  # fmt: skip


@dataclass
class Desk:
    """The services over one transport, and people of two CPOs; the charger CP-1 belongs to the first."""

    store: Database
    services: Directory
    own: Caller
    foreign: Caller

    async def tokens(self, *tokens: str, **columns: Any) -> None:
        rows = [{"cpo_id": self.own.scope.cpo_id, "token": token, **columns} for token in tokens]
        await self.store.insert("id_tokens", rows, scope=SYSTEM, columns="")

    async def answer(
        self, command_id: str | None, word: str, status: str = "accepted", **members: Any
    ) -> dict[str, Any]:
        """The command goes out and the charger answers; returns what it was asked."""
        where = [("id", "eq", command_id)]
        [row] = await self.store.update("commands", {"status": "sent"}, scope=SYSTEM, where=where, columns="payload")
        outcome = Outcome(status, {"status": word, **members})
        await Dispatch(self.store, "node").settle(str(command_id), outcome)
        payload: dict[str, Any] = row["payload"]
        return payload

    async def next_part(self, word: str, status: str = "accepted") -> dict[str, Any]:
        """The charger answers the newest part of the newest list."""
        order = (await self.services.local_lists.get(self.own.scope, "CP-1")).orders[0]
        return await self.answer(order.command_id, word, status)


@pytest.fixture(params=TRANSPORTS)
async def desk(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Desk]:
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as store:
        services = build_directory(store, "a secret of the tests, long enough")
        callers = []
        for name, charger in (("Own", "CP-1"), ("Foreign", "CP-2")):
            cpo = await services.cpos.create(EMSV, name)
            station = await services.stations.create(EMSV, {"name": "Here"}, cpo.id)
            values = {"id": charger, "station_id": station.id, "current_type": "AC", "rated_power_w": 22_000}
            await services.chargers.create(EMSV, values, 2, None)
            person = f"00000000-0000-4000-8000-00000000000{charger[-1]}"
            callers.append(Caller(Scope("cpo_operator", person, cpo.id), name))
        yield Desk(store, services, *callers)


# -- reservations


async def test_a_reservation_lives_and_is_nobody_elses(desk: Desk) -> None:
    wish = Wish("CP-1", 1, "TAG", None, SOON)
    delivery = Delivery(queue=True, idempotency_key="k")
    made = await desk.services.reservations.create(desk.own, wish, delivery)
    again = await desk.services.reservations.create(desk.own, wish, delivery)
    await desk.answer(made.command_id, "Accepted")
    active = await desk.services.reservations.get(desk.own.scope, made.id)
    command = await desk.services.reservations.cancel(desk.own, made.id, QUEUED)
    await desk.answer(command.id, "Accepted")
    ended = await desk.services.reservations.get(desk.own.scope, made.id)

    assert made == again
    assert (active.status, ended.status, ended.cancel_answer) == ("active", "cancelled", "Accepted")
    for attempt in (
        desk.services.reservations.get(desk.foreign.scope, made.id),
        desk.services.reservations.cancel(desk.foreign, made.id, QUEUED),
        desk.services.reservations.create(desk.foreign, wish, QUEUED),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_a_reservation_that_was_not_sent_is_taken_back(desk: Desk) -> None:
    made = await desk.services.reservations.create(desk.own, Wish("CP-1", 1, "TAG", None, SOON), QUEUED)
    told = await desk.services.reservations.cancel(desk.own, made.id, Delivery())
    ended = await desk.services.reservations.get(desk.own.scope, made.id)

    assert (told.id, told.status, told.error_description) == (
        made.command_id, "expired", "Withdrawn before it was sent.")  # fmt: skip
    assert (ended.status, ended.reason) == ("cancelled", "withdrawn")


# -- local lists


async def test_a_full_list_goes_out_in_parts_and_is_believed_when_accepted(desk: Desk) -> None:
    await desk.tokens("A", "b", "C")
    await desk.tokens("D", status="blocked", parent_token="GROUP")
    await desk.tokens("TOO-LONG-FOR-OCPP-16-CARDS")
    order = await desk.services.local_lists.send(desk.own, "CP-1", ListWish(ListMode.FULL, None, 3), QUEUED)
    first = await desk.next_part("Accepted")
    between = await desk.services.local_lists.get(desk.own.scope, "CP-1")
    second = await desk.next_part("Accepted")
    after = await desk.services.local_lists.get(desk.own.scope, "CP-1")

    assert (order.status, order.entry_count, len(order.parts)) == ("sending", 4, 2)
    assert (first["listVersion"], first["updateType"], len(first["localAuthorizationList"])) == (1, "Full", 3)
    assert (second["listVersion"], second["updateType"]) == (2, "Differential")
    assert second["localAuthorizationList"] == [
        {"idTag": "D", "idTagInfo": {"status": "Blocked", "parentIdTag": "GROUP"}}]  # fmt: skip
    assert (between.version, between.entry_count, between.differs_by) == (1, 3, 1)
    assert (after.version, after.differs_by, after.orders[0].status) == (2, 0, "accepted")
    assert [entry.id_token for entry in after.entries] == ["A", "b", "C", "D"]


async def test_blocking_deleting_and_expiring_show_and_are_sent_as_differences(desk: Desk) -> None:
    await desk.tokens("A", "B", "C", "D")
    await desk.services.local_lists.send(desk.own, "CP-1", ListWish(ListMode.FULL), QUEUED)
    await desk.next_part("Accepted")
    for token, change in (("A", {"status": "blocked"}), ("B", {"expires_at": "2026-01-01T00:00:00Z"})):
        await desk.store.update("id_tokens", change, scope=SYSTEM, where=[("token", "eq", token)], columns="id")
    await desk.store.delete("id_tokens", scope=SYSTEM, where=[("token", "eq", "C")], columns="id")
    stale = await desk.services.local_lists.list(desk.own.scope, PageRequest())
    await desk.services.local_lists.send(desk.own, "CP-1", ListWish(ListMode.DIFFERENTIAL), QUEUED)
    sent = await desk.next_part("Accepted")
    same = await desk.services.local_lists.send(desk.own, "CP-1", ListWish(ListMode.DIFFERENTIAL), QUEUED)

    assert [(row.charger_id, row.differs_by) for row in stale.items] == [("CP-1", 3)]
    assert sent["localAuthorizationList"] == [
        {"idTag": "A", "idTagInfo": {"status": "Blocked"}},
        {"idTag": "B", "idTagInfo": {"status": "Expired", "expiryDate": "2026-01-01T00:00:00Z"}},
        {"idTag": "C"},
    ]
    assert (same.status, same.parts) == ("unchanged", [])
    assert (await desk.services.local_lists.list(desk.foreign.scope, PageRequest())).items == []


@pytest.mark.parametrize(("word", "reason"), [("VersionMismatch", "version_mismatch"), ("Failed", "failed")])
async def test_a_change_that_was_not_taken_is_mended_once(desk: Desk, word: str, reason: str) -> None:
    await desk.tokens("A")
    await desk.services.local_lists.send(desk.own, "CP-1", ListWish(ListMode.FULL), QUEUED)
    await desk.next_part("Accepted")
    await desk.tokens("B")
    await desk.services.local_lists.send(desk.own, "CP-1", ListWish(ListMode.DIFFERENTIAL), QUEUED)
    await desk.next_part(word, "rejected")
    mending = await desk.services.local_lists.get(desk.own.scope, "CP-1")
    await desk.next_part(word, "rejected")
    ended = await desk.services.local_lists.get(desk.own.scope, "CP-1")

    assert [(o.mode, o.reason, o.status) for o in mending.orders[:2]] == [
        ("full", reason, "sending"), ("differential", "asked", "rejected")]  # fmt: skip
    assert (mending.version, mending.differs_by) == (None, None)
    assert mending.orders[0].last_version == 3
    assert [o.status for o in ended.orders] == ["rejected", "rejected", "accepted"]
    with pytest.raises(Conflict) as unknown:
        await desk.services.local_lists.send(desk.own, "CP-1", ListWish(ListMode.DIFFERENTIAL), QUEUED)
    assert unknown.value.code == "local_list_version_mismatch"


async def test_the_chargers_maximum_counts(desk: Desk) -> None:
    await desk.tokens("A", "B", "C")
    await desk.tokens("X", status="blocked")
    rows = [{"charger_id": "CP-1", "cpo_id": desk.own.scope.cpo_id, "key": key, "value": value, "known_at": "now"}
            for key, value in (("LocalAuthListMaxLength", "3"), ("SendLocalListMaxLength", "2"))]  # fmt: skip
    await desk.store.insert("charger_configuration", rows, scope=SYSTEM, columns="")
    order = await desk.services.local_lists.send(desk.own, "CP-1", ListWish(ListMode.FULL), QUEUED)
    with pytest.raises(Conflict) as busy:
        await desk.services.local_lists.send(desk.own, "CP-1", ListWish(ListMode.FULL), QUEUED)
    await desk.next_part("Failed", "rejected")
    with pytest.raises(InvalidInput) as too_long:
        await desk.services.local_lists.send(desk.own, "CP-1", ListWish(ListMode.FULL, 2), QUEUED)

    assert [len(part["localAuthorizationList"]) for part in order.parts] == [2, 1]  # what is blocked stays out first
    assert (busy.value.code, too_long.value.code) == ("local_list_busy", "local_list_too_long")


async def test_the_generic_command_and_the_reported_version_are_followed(desk: Desk) -> None:
    both = [{"idTag": "tag", "idTagInfo": {"status": "Blocked"}}, {"idTag": "TAG", "idTagInfo": {"status": "Accepted"}}]
    payload = {"listVersion": 7, "localAuthorizationList": both, "updateType": "Full"}
    sent = await desk.services.commands.enqueue(desk.own, "CP-1", "SendLocalList", payload, QUEUED)
    await desk.answer(sent.id, "Accepted")
    held = await desk.services.local_lists.get(desk.own.scope, "CP-1")
    back = {"listVersion": 3, "localAuthorizationList": [{"idTag": "Tag"}], "updateType": "Differential"}
    refused = await desk.services.commands.enqueue(desk.own, "CP-1", "SendLocalList", back, QUEUED)
    asked = await desk.answer(refused.id, "VersionMismatch", "rejected")
    versions = []
    for told in (7, -1):
        question = await desk.services.commands.enqueue(desk.own, "CP-1", "GetLocalListVersion", {}, QUEUED)
        await desk.answer(question.id, "", listVersion=told)
        known = await desk.services.local_lists.get(desk.own.scope, "CP-1")
        versions.append((known.reported_version, known.entry_count))

    assert [(entry.id_token, entry.status) for entry in held.entries] == [("TAG", "Accepted")]
    assert (held.version, asked["listVersion"]) == (7, 3)
    assert versions == [(7, 1), (-1, 0)]
    assert (await desk.services.local_lists.get(desk.own.scope, "CP-1")).orders == []  # what others sent is not mended
    with pytest.raises(Conflict) as unsupported:
        await desk.services.local_lists.send(desk.own, "CP-1", ListWish(ListMode.FULL), QUEUED)
    assert unsupported.value.code == "local_list_unsupported"


async def test_lists_are_kept_in_step_only_where_that_is_switched_on(desk: Desk) -> None:
    upkeep = Upkeep(desk.store)
    await desk.tokens("A")
    await desk.services.local_lists.send(desk.own, "CP-1", ListWish(ListMode.FULL), QUEUED)
    await desk.next_part("Accepted")
    await desk.tokens("B")
    await desk.store.call("beat_node", {"p_node": "node", "p_started": False, "p_stats": {}}, scope=SYSTEM)
    socket = {"charger_id": "CP-1", "connection_id": "11111111-1111-4111-8111-111111111111", "node": "node",
              "protocol": "ocpp1.6", "remote_address": None, "at": datetime.now(UTC).isoformat()}  # fmt: skip
    await desk.store.call("intake", {"p_connects": [socket]}, scope=SYSTEM)
    assert await upkeep.tend_local_lists() == 0
    administrator = Caller(Scope("cpo_admin", desk.own.scope.user_id, desk.own.scope.cpo_id), "Admin")
    settings = {"local_list_sync": True}
    cpo = await desk.services.cpos.change_settings(administrator, str(desk.own.scope.cpo_id), settings)
    off = await desk.services.local_lists.change(desk.own, "CP-1", {"sync": False})
    assert await upkeep.tend_local_lists() == 0
    on = await desk.services.local_lists.change(desk.own, "CP-1", {"sync": None})
    assert [await upkeep.tend_local_lists() for _ in range(2)] == [1, 0]
    sent = await desk.next_part("Accepted")

    assert (cpo.local_list_sync, cpo.concurrent_sessions, off.sync_on, on.sync_on) == (True, False, False, True)
    assert sent["localAuthorizationList"] == [{"idTag": "B", "idTagInfo": {"status": "Accepted"}}]
    assert (await desk.services.local_lists.get(desk.own.scope, "CP-1")).orders[0].reason == "automatic"
    with pytest.raises(Forbidden):
        await desk.services.cpos.change_settings(desk.own, str(desk.own.scope.cpo_id), settings)
    with pytest.raises(NotFound):
        await desk.services.cpos.change_settings(administrator, str(desk.foreign.scope.cpo_id), settings)


# -- charging profiles


async def test_a_limit_is_exact_on_the_wire_and_replaced_by_its_number_or_place(desk: Desk) -> None:
    services = desk.services.charging_profiles
    night = await services.create(desk.own, PROFILE, None)
    day = await services.create(desk.own, {**PROFILE, "name": "Day"}, None)
    with pytest.raises(Conflict) as taken:
        await services.create(desk.own, PROFILE, None)
    sent = []
    for profile, connector in ((night, 1), (night, 2), (day, 2)):
        command = await services.apply(desk.own, "CP-1", profile.id, connector, None, QUEUED)
        sent.append(await desk.answer(command.id, "Accepted"))
    held = (await services.held(desk.own.scope, PageRequest(), charger_id="CP-1")).items

    assert (night.wire_id, day.wire_id, taken.value.code) == (1, 2, "charging_profile_exists")
    assert sent[0]["csChargingProfiles"]["chargingSchedule"] == {
        "chargingRateUnit": "A", "chargingSchedulePeriod": [
            {"startPeriod": 0, "limit": 16.1, "numberPhases": 3}, {"startPeriod": 3600, "limit": 6.0}]}  # fmt: skip
    assert [(row.template_name, row.connector_id, row.removed_because) for row in held] == [
        ("Day", 2, None), ("Night", 2, "replaced"), ("Night", 1, "replaced")]  # fmt: skip
    assert [row.charger_id for row in (await services.held(desk.own.scope, PageRequest(), template_id=day.id)).items]
    for attempt in (services.get(desk.foreign.scope, night.id), services.delete(desk.foreign, night.id),
                    services.apply(desk.foreign, "CP-1", night.id, 1, None, QUEUED),
                    services.apply(desk.foreign, "CP-2", night.id, 1, None, QUEUED)):  # fmt: skip
        with pytest.raises(NotFound):
            await attempt


@pytest.mark.parametrize(("wish", "word", "left"), [
    ({}, "Accepted", []), ({"id": 2}, "Accepted", [1, 3]), ({"id": 2, "connectorId": 0}, "Accepted", [1, 3]),
    ({"connectorId": 0}, "Accepted", [2, 3]), ({"chargingProfilePurpose": "TxDefaultProfile"}, "Accepted", [1]),
    ({"stackLevel": 1, "connectorId": 2}, "Accepted", [1, 2]), ({"stackLevel": 9}, "Accepted", [1, 2, 3]),
    ({"id": 3}, "Unknown", [1, 2]), ({"id": 3}, "Rejected", [1, 2, 3]),
])  # fmt: skip
async def test_what_is_cleared_matches_as_the_standard_says(
    desk: Desk, wish: dict[str, Any], word: str, left: list[int]
) -> None:
    for number, connector, purpose in ((1, 0, "ChargePointMaxProfile"), (2, 1, "TxDefaultProfile"),
                                       (3, 2, "TxDefaultProfile")):  # fmt: skip
        profile = {"chargingProfileId": number, "stackLevel": 1, "chargingProfilePurpose": purpose,
                   "chargingProfileKind": "Relative", "chargingSchedule": {}}  # fmt: skip
        payload = {"connectorId": connector, "csChargingProfiles": profile}
        command = await desk.services.commands.enqueue(desk.own, "CP-1", "SetChargingProfile", payload, QUEUED)
        await desk.answer(command.id, "Accepted")
    clear = await desk.services.commands.enqueue(desk.own, "CP-1", "ClearChargingProfile", wish, QUEUED)
    await desk.answer(clear.id, word, "accepted" if word == "Accepted" else "rejected")

    held = await desk.services.charging_profiles.held(desk.own.scope, PageRequest(), charger_id="CP-1", held=True)
    assert sorted(row.wire_id for row in held.items) == left


async def test_a_selection_travels_as_given(desk: Desk) -> None:
    clear = desk.services.charging_profiles.clear
    everything = await clear(desk.own, "CP-1", Selection(), QUEUED)
    some = await clear(desk.own, "CP-1", Selection(connector_id=0, stack_level=0), QUEUED)
    assert (everything.payload, some.payload) == ({}, {"connectorId": 0, "stackLevel": 0})


async def test_composite_schedules_are_kept_and_odd_answers_are_not(desk: Desk) -> None:
    asked = {"connectorId": 1, "duration": 600}
    good = {"connectorId": 1, "scheduleStart": "2026-11-21T00:00:00Z", "chargingSchedule": {
        "duration": 600, "chargingRateUnit": "W", "chargingSchedulePeriod": [
            {"startPeriod": 0, "limit": 11000.0}, {"startPeriod": 300, "limit": 0.1, "numberPhases": 1}]}}  # fmt: skip
    odd: list[dict[str, Any]] = [{}, {"chargingSchedule": {"chargingSchedulePeriod": "none"}},
                                 {"chargingSchedule": {"chargingSchedulePeriod": [{"limit": "much"}]}}]  # fmt: skip
    for answer in (good, *odd):
        command = await desk.services.commands.enqueue(desk.own, "CP-1", "GetCompositeSchedule", asked, QUEUED)
        await desk.answer(command.id, "Accepted", **answer)
    [kept] = (await desk.services.charging_profiles.schedules(desk.own.scope, PageRequest(), "CP-1")).items

    assert (kept.duration_s, kept.rate_unit, kept.starts_at.isoformat()) == (600, "W", "2026-11-21T00:00:00+00:00")
    assert [(step.start_s, step.limit, step.phases) for step in kept.periods] == [(0, 11000.0, None), (300, 0.1, 1)]
    with pytest.raises(NotFound):
        await desk.services.charging_profiles.schedules(desk.foreign.scope, PageRequest(), "CP-1")
