"""Canaries: the rest of the fleet follows when one of them has done it; over both transports."""

from __future__ import annotations

from typing import Any

import asyncpg

from backend.database import Database
from backend.services.campaigns import Campaign, CampaignState
from backend.services.directory import Directory
from tests.services.campaigns.acts import (
    ADMIN,
    CHARGERS,
    again,
    answer,
    asked,
    busy,
    draft,
    leave,
    over,
    results,
    step,
)


async def begun(services: Directory, cpo_id: str, **members: Any) -> Campaign:
    return await services.campaigns.start(ADMIN, (await draft(services, cpo_id, **members)).id, 6)


async def test_a_canary_was_chosen_that_charged_while_others_stood_idle(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    await busy(owner, *CHARGERS[:3], *CHARGERS[4:])
    campaign = await begun(services, cpo_id)
    await step(store)
    assert await asked(owner) == ["CP-4"]
    assert (await results(services, campaign))["CP-4"].wave == 1


async def test_a_canary_that_stayed_busy_released_the_whole_fleet(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    campaign = await begun(services, cpo_id, wave_size=5)
    [canary] = [name for name, target in (await results(services, campaign)).items() if target.wave == 1]
    await busy(owner, canary)
    await step(store)
    await over(owner)
    await step(store, 2)
    assert len(await asked(owner)) == 1  # one more canary, and no more than one
    assert (await results(services, campaign))[canary].reason == "stayed_busy"
    assert (await again(services, campaign)).wave == 1
    await answer(store, owner)
    await step(store, 3)
    assert len(await answer(store, owner)) == 4
    await step(store)
    done = await again(services, campaign)
    assert (done.state, done.succeeded, done.skipped, done.wave_count) == ("finished", 5, 1, 2)


async def test_canaries_that_left_pause_the_campaign_until_somebody_says_that_it_goes_on(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    await leave(owner, *CHARGERS)
    campaign = await begun(services, cpo_id, canary_size=2)
    await step(store)
    await over(owner)
    await step(store, 3)
    paused = await again(services, campaign)
    assert (paused.state, paused.state_reason, paused.skipped) == ("paused", "canary_unproven", 2)
    await services.campaigns.move(ADMIN, campaign.id, CampaignState.RUNNING)
    await owner.execute("update public.connections set disconnected_at = null")
    await step(store, 3)
    assert len(await asked(owner)) == 3
    assert (await again(services, campaign)).wave == 2


async def test_canaries_that_failed_within_the_budget_released_the_fleet(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    campaign = await begun(services, cpo_id, max_failures=5, canary_size=2)
    await step(store)
    await services.campaigns.move(ADMIN, campaign.id, CampaignState.PAUSED)
    await answer(store, owner, "rejected")
    await step(store)
    await services.campaigns.move(ADMIN, campaign.id, CampaignState.RUNNING)  # nobody has seen that they failed
    await step(store, 3)
    paused = await again(services, campaign)
    assert (paused.state, paused.state_reason, paused.failed) == ("paused", "canary_unproven", 2)
    assert await asked(owner) == []
    await services.campaigns.move(ADMIN, campaign.id, CampaignState.RUNNING)
    await step(store, 3)
    assert len(await asked(owner)) == 3


async def test_one_canary_that_did_it_is_enough(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    campaign = await begun(services, cpo_id, max_failures=5, canary_size=2)
    await step(store)
    first, _second = await asked(owner)
    await answer(store, owner, "rejected", first)
    await answer(store, owner)
    await step(store, 3)
    assert (await again(services, campaign)).wave == 2
    assert len(await asked(owner)) == 3
