"""Campaigns step by step: waves, budget, patience, and a result for each charger; over both transports."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from backend.database import Database, Scope
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from backend.services.campaigns import CampaignState
from backend.services.directory import Directory
from backend.services.records import PageRequest
from tests.services.campaigns.acts import ADMIN, CHARGERS, STRANGER, again, answer, asked, draft, results, states, step


async def test_the_dry_run_tells_who_when_and_what_and_asks_nothing(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    await owner.execute("update public.chargers set password_hash = null where id = 'CP-2'")
    await owner.execute("update public.chargers set registration = 'rejected' where id = 'CP-3'")
    await owner.execute("update public.connections set disconnected_at = now() where charger_id in ('CP-1', 'CP-4')")
    campaign = await draft(services, cpo_id, wave_size=2)
    found = await services.campaigns.dry_run(ADMIN.scope, campaign.id)
    assert found.model_dump() == {"touched": 4, "skipped": 2, "waves": 3, "offline": 2, "busy": 0}
    first = await services.campaigns.candidates(ADMIN.scope, PageRequest(4), campaign.id)
    rest = await services.campaigns.candidates(ADMIN.scope, PageRequest(4, first.after), campaign.id)
    assert rest.after is None
    listed = [*first.items, *rest.items]
    assert [candidate.wave for candidate in listed] == [1, 2, 2, 3, 0, 0]
    assert [candidate.connected for candidate in listed[:4]] == [True, True, False, False]
    assert {candidate.charger_id: candidate.reason for candidate in listed[4:]} == {
        "CP-2": "no_password",
        "CP-3": "not_accepted",
    }
    assert listed[0].changes == [{"key": "AuthorizationKey"}]
    assert await asked(owner) == []


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, CHARGERS),
        ({"charger_ids": ["CP-1", "CP-6", "NOPE"]}, ["CP-1", "CP-6"]),
        ({"vendor": "volt*"}, ["CP-1", "CP-2"]),
        ({"vendor": "volt*", "firmware_version": "1.*"}, ["CP-1"]),
        ({"model": "M_1"}, []),
        ({"tag": "Toll"}, ["CP-5"]),
        ({"station_ids": ["00000000-0000-4000-8000-000000000000"]}, []),
    ],
)
async def test_the_filter_finds_those_for_whom_all_of_it_holds(
    services: Directory, cpo_id: str, owner: asyncpg.Connection[Any], wanted: dict[str, Any], expected: list[str]
) -> None:
    await owner.execute("update public.chargers set vendor = 'Volta', model = 'MX1', firmware_version = "
                        "case id when 'CP-1' then '1.4' else '2.0' end where id in ('CP-1', 'CP-2')")  # fmt: skip
    assert (await services.tags.put(ADMIN, "CP-5", ["TOLL ", "toll", "East"])).tags == ["east", "toll"]
    campaign = await draft(services, cpo_id, filter=wanted)
    page = await services.campaigns.candidates(ADMIN.scope, PageRequest(200), campaign.id)
    assert sorted(candidate.charger_id for candidate in page.items) == expected


async def test_waves_follow_each_other_to_the_end(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    campaign = await draft(services, cpo_id)
    await services.campaigns.start(ADMIN, campaign.id, 6)
    sizes = []
    for _ in range(12):
        await step(store)
        if waiting := await answer(store, owner):
            sizes.append(len(waiting))
    assert sizes == [1, 3, 2]
    done = await again(services, campaign)
    assert (done.state, done.succeeded, done.wave, done.wave_count) == ("finished", 6, 3, 3)
    assert done.ended_at is not None
    secret = await owner.fetch("select payload from public.commands")
    assert all(row["payload"] == '{"key": "AuthorizationKey", "value": "***"}' for row in secret)


async def test_a_share_makes_waves_too_and_a_pause_holds_the_next_one(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    campaign = await draft(services, cpo_id, canary_size=0, wave_size=None, wave_share=0.5, wave_pause_s=3600)
    await services.campaigns.start(ADMIN, campaign.id, None)
    await step(store)
    assert len(await answer(store, owner)) == 3
    await step(store, 3)
    assert await asked(owner) == []
    await owner.execute("update public.campaigns set wave_ended_at = now() - interval '61 minutes'")
    await step(store, 2)
    assert len(await answer(store, owner)) == 3
    await step(store)
    assert (await again(services, campaign)).state is CampaignState.FINISHED


async def test_a_failure_beyond_the_budget_pauses_it_with_the_reason_and_resuming_grants_the_budget_anew(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    campaign = await draft(services, cpo_id, max_failures=1, canary_size=2)
    await services.campaigns.start(ADMIN, campaign.id, 6)
    await step(store)
    assert len(await answer(store, owner, "rejected")) == 2
    await step(store, 3)
    paused = await again(services, campaign)
    assert (paused.state, paused.state_reason, paused.failed) == ("paused", "budget: 2 of 6 failed", 2)
    assert await asked(owner) == []
    assert {t.reason for t in (await results(services, campaign)).values() if t.state == "failed"} == {
        "rejected: Rejected"
    }
    await services.campaigns.move(ADMIN, campaign.id, CampaignState.RUNNING)
    await step(store, 3)
    assert len(await answer(store, owner)) == 3
    await step(store, 3)
    await answer(store, owner)
    await step(store)
    done = await again(services, campaign)
    assert (done.state, done.state_reason, done.succeeded, done.failed) == ("finished", None, 4, 2)


async def test_a_share_of_failures_is_a_budget_too(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    campaign = await draft(services, cpo_id, max_failures=None, max_failed_share=0.2, canary_size=0, wave_size=6)
    await services.campaigns.start(ADMIN, campaign.id, 6)
    await step(store)
    await answer(store, owner, "rejected", "CP-1")
    await step(store)
    assert (await again(services, campaign)).state is CampaignState.RUNNING
    await answer(store, owner, "rejected", "CP-2")
    await step(store)
    assert (await again(services, campaign)).state_reason == "budget: 2 of 6 failed"


async def test_busy_and_offline_chargers_are_waited_for_and_then_left_out(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    await owner.execute(
        "insert into public.sessions (charger_id, evse_id, connector_id, protocol, id_token, start_key, started_at, "
        "start_received_at, meter_start_wh) values ('CP-1', 1, 1, 'ocpp1.6', 'T', 'k', now(), now(), 0)"
    )
    await owner.execute("update public.connections set disconnected_at = now() where charger_id in ('CP-2', 'CP-3')")
    campaign = await draft(services, cpo_id, canary_size=0, wave_size=6)
    await services.campaigns.start(ADMIN, campaign.id, 6)
    await step(store)
    assert await answer(store, owner) == ["CP-4", "CP-5", "CP-6"]
    await owner.execute("update public.connections set disconnected_at = null where charger_id = 'CP-3'")
    await step(store)
    assert await answer(store, owner) == ["CP-3"]
    await owner.execute("update public.campaigns set wave_began_at = now() - interval '11 minutes'")
    await step(store, 2)
    found = await results(services, campaign)
    assert (found["CP-1"].state, found["CP-1"].reason) == ("skipped", "stayed_busy")
    assert (found["CP-2"].state, found["CP-2"].reason) == ("skipped", "stayed_offline")
    assert (await again(services, campaign)).state is CampaignState.FINISHED


async def test_what_does_not_end_in_time_has_failed(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    campaign = await draft(services, cpo_id, canary_size=0, wave_size=6, max_failures=None)
    await services.campaigns.start(ADMIN, campaign.id, 6)
    await step(store)
    await answer(store, owner, "accepted", "CP-1")
    await owner.execute("update public.campaign_targets set begun_at = now() - interval '11 minutes'")
    await step(store, 2)
    found = await results(services, campaign)
    assert (found["CP-1"].state, found["CP-2"].state, found["CP-2"].reason) == ("succeeded", "failed", "timed_out")


async def test_a_campaign_is_paused_resumed_and_aborted_by_hand(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    campaigns = services.campaigns
    campaign = await draft(services, cpo_id, canary_size=2)
    with pytest.raises(Conflict):
        await campaigns.move(ADMIN, campaign.id, CampaignState.PAUSED)
    await campaigns.start(ADMIN, campaign.id, 6)
    await campaigns.start(ADMIN, campaign.id, 6)
    await step(store)
    await campaigns.move(ADMIN, campaign.id, CampaignState.PAUSED)
    await answer(store, owner, "accepted", "CP-1", "CP-2", "CP-3", "CP-4", "CP-5", "CP-6")
    await step(store, 2)
    assert (await again(services, campaign)).succeeded == 2  # what had begun tells its result
    assert await asked(owner) == []
    await campaigns.move(ADMIN, campaign.id, CampaignState.RUNNING)
    await step(store, 3)
    assert len(await asked(owner)) == 3
    aborted = await campaigns.move(ADMIN, campaign.id, CampaignState.ABORTED)
    assert (aborted.state, aborted.state_reason) == ("aborted", "by_hand")
    assert await asked(owner) == []
    await step(store, 2)
    assert await states(services, campaign) == ["aborted", "failed", "failed", "failed", "succeeded", "succeeded"]
    assert (await again(services, campaign)).ended_at is not None
    with pytest.raises(Conflict):
        await campaigns.move(ADMIN, campaign.id, CampaignState.RUNNING)
    with pytest.raises(Conflict):
        await campaigns.delete(ADMIN, campaign.id)
    log = await owner.fetch("select action from public.audit_log where object_type = 'campaign' order by id")
    assert [row["action"] for row in log] == [
        "campaign.create", "campaign.running", "campaign.paused", "campaign.running", "campaign.aborted",
    ]  # fmt: skip


async def test_nothing_is_started_that_was_not_looked_at(services: Directory, cpo_id: str) -> None:
    campaign = await draft(services, cpo_id)
    with pytest.raises(Conflict) as changed:
        await services.campaigns.start(ADMIN, campaign.id, 5)
    assert changed.value.code == "campaign_changed_conflict"
    assert (await again(services, campaign)).state is CampaignState.DRAFT
    nobody = await draft(services, cpo_id, filter={"tag": "none"})
    with pytest.raises(Conflict):
        await services.campaigns.start(ADMIN, nobody.id, None)
    await services.campaigns.delete(ADMIN, nobody.id)
    with pytest.raises(InvalidInput):
        await draft(services, cpo_id, kind="firmware_update", parameters={"location": "http://x"})


async def test_one_charger_is_in_one_campaign_at_a_time(services: Directory, store: Database, cpo_id: str) -> None:
    first = await draft(services, cpo_id, filter={"charger_ids": ["CP-1"]})
    second = await draft(services, cpo_id)
    await services.campaigns.start(ADMIN, first.id, 1)
    page = await services.campaigns.candidates(ADMIN.scope, PageRequest(200), second.id)
    assert {c.charger_id: c.reason for c in page.items if c.reason} == {"CP-1": "in_another_campaign"}


async def test_another_cpo_sees_and_moves_nothing(services: Directory, store: Database, cpo_id: str) -> None:
    campaign = await draft(services, cpo_id)
    foreign = Caller(STRANGER, "Stranger")
    for attempt in (
        services.campaigns.get(STRANGER, campaign.id),
        services.campaigns.dry_run(STRANGER, campaign.id),
        services.campaigns.candidates(STRANGER, PageRequest(), campaign.id),
        services.campaigns.targets(STRANGER, PageRequest(), campaign.id),
        services.campaigns.start(foreign, campaign.id, None),
        services.campaigns.move(foreign, campaign.id, CampaignState.ABORTED),
        services.campaigns.delete(foreign, campaign.id),
        services.tags.put(foreign, "CP-1", ["mine"]),
    ):
        with pytest.raises(NotFound):
            await attempt
    for function, arguments in (
        ("start_campaign", {"p_campaign_id": campaign.id, "p_expected": None}),
        ("move_campaign", {"p_campaign_id": campaign.id, "p_state": "running"}),
        ("advance_campaigns", {"p_files_url": "http://evil.test"}),
        ("preview_campaign", {"p_campaign_id": campaign.id, "p_after_wave": None, "p_after_place": None, "p_limit": 9}),
    ):
        with pytest.raises(Forbidden):
            await store.call(function, arguments, scope=STRANGER)


async def test_a_cpo_cannot_move_its_own_campaign_past_the_functions(
    services: Directory, store: Database, cpo_id: str
) -> None:
    own = Scope("cpo_admin", ADMIN.scope.user_id, cpo_id)
    campaign = await draft(services, cpo_id)
    with pytest.raises(Forbidden):
        await store.update("campaigns", {"state": "running"}, scope=own, where=[("id", "eq", campaign.id)])
    row = {"cpo_id": cpo_id, "name": "N", "kind": "password_rotation", "wave_size": 1, "state": "running"}
    with pytest.raises(Forbidden):
        await store.insert("campaigns", [row], scope=own)


async def test_a_worker_that_dies_in_mid_step_has_done_nothing_of_it_and_the_next_one_repeats_nothing(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    campaign = await draft(services, cpo_id, canary_size=0, wave_size=6)
    await services.campaigns.start(ADMIN, campaign.id, 6)
    dying = owner.transaction()
    await dying.start()
    await owner.execute("select public.advance_campaigns('http://files.test')")
    assert len(await asked(owner)) == 6
    await step(store)  # another worker meanwhile: the campaign is in other hands
    await dying.rollback()
    assert await asked(owner) == []
    await step(store, 3)
    rows = await owner.fetch("select charger_id from public.commands")
    assert sorted(row["charger_id"] for row in rows) == CHARGERS
