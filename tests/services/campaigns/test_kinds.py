"""What campaigns do at a charger: templates and firmware; over both transports."""

from __future__ import annotations

from typing import Any

import asyncpg

from backend.database import SYSTEM, Database
from backend.services.campaigns import CampaignState
from backend.services.directory import Directory
from backend.services.records import PageRequest
from tests.services.campaigns.acts import ADMIN, again, answer, asked, connect, draft, new_hash, results, states, step

# -- configuration templates


async def template(services: Directory, cpo_id: str, **settings: str) -> dict[str, Any]:
    made = await services.templates.create(ADMIN, {"name": "Standard", "settings": settings, "reboot": False}, cpo_id)
    return {"kind": "configuration_template", "parameters": {"template_id": made.id}, "canary_size": 0, "wave_size": 6}


async def told(
    owner: asyncpg.Connection[Any], charger_id: str, key: str, value: str, *, readonly: bool = False
) -> None:
    await owner.execute(
        "insert into public.charger_configuration (charger_id, key, value, readonly, known_at) "
        "values ($1, $2, $3, $4, now())",
        charger_id, key, value, readonly,
    )  # fmt: skip
    await owner.execute("insert into public.configuration_reports (charger_id, reported_at, complete_at) "
                        "values ($1, now(), now()) on conflict do nothing", charger_id)  # fmt: skip


async def test_a_template_reaches_those_that_differ_from_it(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    await told(owner, "CP-1", "HeartbeatInterval", "300")
    await told(owner, "CP-2", "HeartbeatInterval", "60")
    await told(owner, "CP-3", "HeartbeatInterval", "60", readonly=True)
    campaign = await draft(services, cpo_id, **await template(services, cpo_id, HeartbeatInterval="300"))
    page = await services.campaigns.candidates(ADMIN.scope, PageRequest(200), campaign.id)
    seen = {c.charger_id: (c.reason, c.changes) for c in page.items}
    assert seen["CP-1"][0] == "nothing_to_change"
    assert seen["CP-2"] == (None, [{"key": "HeartbeatInterval", "from": "60", "to": "300"}])
    assert seen["CP-3"][0] == "readonly"
    assert seen["CP-4"] == (None, [{"key": "HeartbeatInterval", "from": None, "to": "300"}])
    await services.campaigns.start(ADMIN, campaign.id, 4)
    await step(store)
    assert await asked(owner) == ["CP-2", "CP-4", "CP-5", "CP-6"]
    actions = await owner.fetch("select distinct action from public.commands where status = 'queued'")
    assert [row["action"] for row in actions] == ["GetConfiguration"]
    await owner.execute("update public.charger_templates set state = case charger_id when 'CP-6' then 'failed' "
                        "else 'done' end, state_at = now()")  # fmt: skip
    await step(store, 2)
    assert await states(services, campaign) == ["failed", "skipped", "skipped", "succeeded", "succeeded", "succeeded"]


async def test_a_template_of_another_cpo_is_none(services: Directory, cpo_id: str) -> None:
    other = await services.cpos.create(ADMIN, "Other")
    campaign = await draft(services, cpo_id, **await template(services, other.id, HeartbeatInterval="300"))
    page = await services.campaigns.candidates(ADMIN.scope, PageRequest(200), campaign.id)
    assert {candidate.reason for candidate in page.items} == {"template_missing"}


# -- firmware


async def firmware_file(owner: asyncpg.Connection[Any], cpo_id: str) -> str:
    return str(await owner.fetchval(
        "insert into public.firmware_files (cpo_id, name, vendor, model, version, size_bytes, sha256, content_name) "
        "values ($1, 'fw 2.bin', 'Volta', null, '2.0', 9, 'x', 'y') returning id", cpo_id,
    ))  # fmt: skip


async def test_firmware_of_ours_goes_out_under_a_link_for_each_charger(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    await owner.execute("update public.chargers set vendor = 'volta', firmware_version = "
                        "case id when 'CP-1' then '2.0' else '1.0' end where id <> 'CP-2'")  # fmt: skip
    await owner.execute("update public.chargers set vendor = 'Other' where id = 'CP-2'")
    file_id = await firmware_file(owner, cpo_id)
    campaign = await draft(
        services, cpo_id, kind="firmware_update", parameters={"firmware_file_id": file_id}, canary_size=0, wave_size=6,
        max_failures=None,
    )  # fmt: skip
    page = await services.campaigns.candidates(ADMIN.scope, PageRequest(200), campaign.id)
    assert {c.charger_id: c.reason for c in page.items if c.reason} == {
        "CP-1": "nothing_to_change",
        "CP-2": "other_model",
    }
    assert page.items[0].changes == [{"key": "firmware_version", "from": "1.0", "to": "2.0"}]
    await services.campaigns.start(ADMIN, campaign.id, 4)
    await step(store, 2)
    links = [row["location"] for row in await owner.fetch(
        "select payload ->> 'location' as location from public.commands order by charger_id")]  # fmt: skip
    assert len(set(links)) == 4
    assert all(link.startswith("http://files.test/files/firmware/") and link.endswith("/fw_2.bin") for link in links)
    token = links[0].split("/")[5]
    hashed = await owner.fetchval("select encode(sha256(convert_to($1, 'UTF8')), 'hex')", token)
    opened = await store.call("open_download", {"p_token_hash": hashed}, scope=SYSTEM)
    assert opened["content_name"] == "y"
    await answer(store, owner, "rejected", "CP-6")
    await answer(store, owner)
    await owner.execute("update public.firmware_jobs set status = 'failed', reported = 'DownloadFailed' "
                        "where charger_id = 'CP-5'")  # fmt: skip
    for identity, version in (("CP-3", "2.0"), ("CP-4", "1.9")):
        await owner.execute("update public.chargers set firmware_version = $2, last_boot_at = now() where id = $1",
                            identity, version)  # fmt: skip
    await step(store, 2)
    found = await results(services, campaign)
    assert {name: (t.state.value, t.reason) for name, t in found.items() if t.wave} == {
        "CP-3": ("succeeded", None),
        "CP-4": ("failed", "other_version: 1.9"),
        "CP-5": ("failed", "failed: DownloadFailed"),
        "CP-6": ("failed", "rejected: Rejected"),
    }


async def test_firmware_from_elsewhere_is_done_when_the_version_is_told(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    wanted = {"location": "ftp://vendor.test/fw", "version": "9"}
    campaign = await draft(
        services, cpo_id, kind="firmware_update", parameters=wanted, filter={"charger_ids": ["CP-1"]}
    )
    await services.campaigns.start(ADMIN, campaign.id, 1)
    await step(store)
    await answer(store, owner)
    await owner.execute("update public.firmware_jobs set status = 'installed', reported = 'Installed'")
    await step(store)
    assert (await again(services, campaign)).running == 1
    await owner.execute("update public.chargers set firmware_version = '9', last_boot_at = now() where id = 'CP-1'")
    await step(store, 2)
    assert (await again(services, campaign)).state is CampaignState.FINISHED


async def test_an_update_whose_answer_was_lost_did_count_as_failed_before_the_charger_booted_with_it(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    wanted = {"location": "ftp://vendor.test/fw", "version": "9"}
    campaign = await draft(services, cpo_id, kind="firmware_update", parameters=wanted, canary_size=0, wave_size=6)
    await services.campaigns.start(ADMIN, campaign.id, 6)
    await step(store)
    await answer(store, owner, "timed_out")
    await step(store)
    on_the_way = await states(services, campaign)
    await owner.execute("update public.chargers set firmware_version = '9', last_boot_at = now() where id = 'CP-1'")
    await owner.execute(
        "update public.firmware_jobs set deadline_at = now() - interval '1 second' where charger_id = 'CP-2'"
    )
    await store.call("expire_jobs", {}, scope=SYSTEM)
    await step(store)

    found = await results(services, campaign)
    assert on_the_way == ["running"] * 6
    assert [found[f"CP-{n}"].state.value for n in (1, 2, 3)] == ["succeeded", "failed", "running"]


# -- passwords


async def test_a_new_password_counts_when_the_charger_has_come_with_it(
    services: Directory, store: Database, cpo_id: str, owner: asyncpg.Connection[Any]
) -> None:
    campaign = await draft(services, cpo_id, canary_size=0, wave_size=6, max_failures=2)
    await services.campaigns.start(ADMIN, campaign.id, 6)
    await step(store)
    await answer(store, owner, "rejected", "CP-1")
    await answer(store, owner, use=False)
    await connect(store, "CP-2", password_hash=new_hash("CP-2"))
    await services.security.set_password(ADMIN, "CP-3", "set by hand meanwhile!")
    await step(store, 2)

    def told(found: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
        return {name: (target.state.value, target.reason) for name, target in found.items()}

    assert told(await results(services, campaign)) == {
        "CP-1": ("failed", "rejected: Rejected"), "CP-2": ("succeeded", "proven"),
        "CP-3": ("failed", "another_password"), **{f"CP-{n}": ("running", "accepted") for n in (4, 5, 6)},
    }  # fmt: skip
    await connect(store, "CP-4", password_hash=new_hash("CP-4"))
    await owner.execute("update public.campaign_targets set begun_at = begun_at - interval '601 seconds'")
    await step(store, 2)

    found = told(await results(services, campaign))
    assert (found["CP-4"], found["CP-5"], found["CP-6"]) == (("succeeded", "proven"), *[("failed", "unproven")] * 2)
    paused = await again(services, campaign)
    assert (paused.state, paused.state_reason) == ("paused", "budget: 4 of 6 failed")
    effects = await owner.fetch("select charger_id from public.commands where effect = 'observed' order by 1")
    assert [row["charger_id"] for row in effects] == ["CP-2", "CP-4"]
