"""New passwords whose answer was lost, or that never arrive; over both transports."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from backend.database import SYSTEM, Database
from backend.domain.errors import Conflict
from backend.services.commands import Delivery
from backend.services.directory import Directory
from backend.services.records import PageRequest
from tests.services.campaigns.acts import ADMIN, again, answer, connect, draft, new_hash, over, results, step

LOST = Delivery(queue=True, expires_in_s=60)


def told(found: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {name: (target.state.value, target.reason) for name, target in found.items()}


async def test_a_lost_answer_was_a_failure_though_the_charger_came_with_the_new_password(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    campaign = await draft(services, cpo_id, canary_size=0, wave_size=6)
    await services.campaigns.start(ADMIN, campaign.id, 6)
    await step(store)
    await answer(store, owner, "failed", "CP-1", use=False)  # an error instead of an answer proves nothing, either
    await answer(store, owner, "timed_out", use=False)
    await step(store, 2)

    waited_for = await again(services, campaign)
    assert (waited_for.state, waited_for.running, waited_for.failed) == ("running", 6, 0)
    assert set(told(await results(services, campaign)).values()) == {("running", "unanswered")}
    for number in range(1, 6):
        await connect(store, f"CP-{number}", password_hash=new_hash(f"CP-{number}"))
    await step(store)
    await over(owner)
    await step(store)

    found = told(await results(services, campaign))
    assert [found.pop(f"CP-{number}") for number in range(1, 6)] == [("succeeded", "proven")] * 5
    assert found == {"CP-6": ("failed", "unproven")}


async def test_a_password_that_never_left_has_failed_at_once(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    campaign = await draft(services, cpo_id, filter={"charger_ids": ["CP-1"]})
    await services.campaigns.start(ADMIN, campaign.id, 1)
    await step(store)
    await owner.execute("update public.commands set status = 'failed', answered_at = now(), error_code = 'NotSent'")
    await step(store)
    assert told(await results(services, campaign)) == {"CP-1": ("failed", "failed: NotSent")}


async def test_chargers_that_show_no_password_were_given_new_ones_in_vain(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    await owner.execute("update public.chargers set security_profile = 3 where id = 'CP-1'")
    await owner.execute("update public.connections set security_profile = 3 where charger_id = 'CP-2'")
    await owner.execute("update public.connections set security_profile = 2 where charger_id = 'CP-3'")
    campaign = await draft(services, cpo_id)
    page = await services.campaigns.candidates(ADMIN.scope, PageRequest(200), campaign.id)
    assert {c.charger_id: c.reason for c in page.items if c.reason} == {"CP-1": "profile_3", "CP-2": "profile_3"}


async def rotate(
    services: Directory, store: Database, owner: asyncpg.Connection[Any], outcome: str = "timed_out"
) -> None:
    await services.security.rotate_password(ADMIN, "CP-1", LOST)
    assert await answer(store, owner, outcome, use=False) == ["CP-1"]


async def pending(services: Directory) -> list[str]:
    return [one.command_id for one in (await services.security.get(ADMIN.scope, "CP-1")).pending_passwords]


async def test_five_new_passwords_that_never_arrived_barred_the_sixth_for_ever(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    for _ in range(6):
        await rotate(services, store, owner)
    assert len(await pending(services)) == 6  # any of them may have arrived
    campaign = await draft(services, cpo_id)
    page = await services.campaigns.candidates(ADMIN.scope, PageRequest(200), campaign.id)
    assert {candidate.reason for candidate in page.items} == {None}


async def test_of_many_new_passwords_the_oldest_that_a_charger_came_without_makes_room(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    await rotate(services, store, owner, "accepted")
    for _ in range(19):
        await rotate(services, store, owner)
    kept = await pending(services)
    with pytest.raises(Conflict) as full:  # it may hold any of them: none may go
        await rotate(services, store, owner)
    assert full.value.code == "password_rotation_busy"
    campaign = await draft(services, cpo_id, filter={"charger_ids": ["CP-1"]})
    page = await services.campaigns.candidates(ADMIN.scope, PageRequest(200), campaign.id)
    assert [candidate.reason for candidate in page.items] == ["passwords_on_their_way"]

    await owner.execute("update public.connections set connected_at = now()")  # it returns with the old one
    await rotate(services, store, owner)
    left = await pending(services)
    assert left[:-1] == [kept[0], *kept[2:]]  # the accepted one is believed longer
    await connect(store, "CP-1", password_hash=new_hash("CP-1"))
    assert await pending(services) == []
    row = {"charger_id": "CP-1"}
    [facts] = (await store.call("intake", {"p_gates": [row]}, scope=SYSTEM))["gates"]
    assert facts["password_hash"] == new_hash("CP-1")
