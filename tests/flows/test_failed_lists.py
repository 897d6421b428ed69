"""Local lists that a charger could not take: nobody believes that it holds what it held before."""

from __future__ import annotations

from typing import Any

import pytest

from backend.services.directory import Directory, build_directory
from backend.services.local_lists import ListMode, ListWish
from backend.services.upkeep import Upkeep
from tests.flows.raw import RawCharger
from tests.flows.running import CHARGER, Running
from tests.flows.test_commands import answered, connected
from tests.flows.test_local_lists_and_limits import NOW, OWN

FAILED = {"status": "Failed"}


@pytest.fixture
def services(platform: Running) -> Directory:
    """The services of the REST API over the same database."""
    return build_directory(platform.database, "a secret of the tests, long enough")


async def ended(platform: Running, count: int) -> list[dict[str, Any]]:
    """The orders, newest first, once so many of them have ended."""
    await platform.until(f"select 1 as ok from public.local_list_orders having count(ended_at) = {count}")  # noqa: S608
    return await platform.rows(
        "select mode, reason, status, answer from public.local_list_orders order by created_at desc, last_version desc"
    )


async def taken(platform: Running, charger: RawCharger, services: Directory) -> None:
    """The charger holds a list, which is kept in step from now on."""
    await connected(platform)
    await services.local_lists.send(OWN, CHARGER, ListWish(ListMode.FULL), NOW)
    await answered(charger, "SendLocalList", {"status": "Accepted"})
    await ended(platform, 1)
    await platform.store_execute("update public.cpos set local_list_sync = true")


async def older(platform: Running, hours: float) -> None:
    """So much time passes for every order."""
    await platform.store_execute(
        f"update public.local_list_orders set created_at = created_at - interval '{hours} hours'"  # noqa: S608
    )


async def test_a_blocked_card_stayed_open_after_a_change_that_failed(
    platform: Running, charger: RawCharger, services: Directory
) -> None:
    await taken(platform, charger, services)
    await platform.store_execute("update public.id_tokens set status = 'blocked' where token = 'TAG-1'")
    assert await Upkeep(platform.database).tend_local_lists() == 1
    change = await answered(charger, "SendLocalList", FAILED)
    whole = await answered(charger, "SendLocalList", {"status": "Accepted"})
    orders = await ended(platform, 3)

    assert (change["updateType"], whole["updateType"]) == ("Differential", "Full")
    assert {entry["idTag"]: entry["idTagInfo"]["status"] for entry in whole["localAuthorizationList"]} == {
        "TAG-1": "Blocked", "TAG-2": "Accepted"}  # fmt: skip
    assert [(one["mode"], one["reason"], one["status"]) for one in orders[:2]] == [
        ("full", "failed", "accepted"), ("differential", "automatic", "rejected")]  # fmt: skip
    known = await services.local_lists.get(OWN.scope, CHARGER)
    assert (known.version, known.differs_by) == (whole["listVersion"], 0)


async def test_a_charger_that_takes_no_list_is_asked_less_and_less_often(
    platform: Running, charger: RawCharger, services: Directory
) -> None:
    await taken(platform, charger, services)
    await platform.token("TAG-3")
    upkeep = Upkeep(platform.database)
    assert await upkeep.tend_local_lists() == 1
    for _ in range(2):  # the change, and the full list in its place
        await answered(charger, "SendLocalList", FAILED)
    await ended(platform, 3)
    assert (await services.local_lists.get(OWN.scope, CHARGER)).version is None
    for count, rest in enumerate((2, 4, 8, 16, 24, 24), start=4):
        await older(platform, rest - 0.1)
        assert await upkeep.tend_local_lists() == 0
        await older(platform, 0.2)
        assert await upkeep.tend_local_lists() == 1
        assert (await answered(charger, "SendLocalList", FAILED))["updateType"] == "Full"
        await ended(platform, count)
    assert await upkeep.tend_local_lists() == 0


@pytest.mark.parametrize("answer", [{"status": "VersionMismatch"}, FAILED])
async def test_an_answer_was_lost_where_the_full_list_in_its_place_is_too_long(
    platform: Running, charger: RawCharger, services: Directory, answer: dict[str, str]
) -> None:
    await taken(platform, charger, services)
    await platform.token("TAG-3")
    order = await services.local_lists.send(OWN, CHARGER, ListWish(ListMode.DIFFERENTIAL), NOW)
    message_id, _ = await charger.asked("SendLocalList")
    await platform.store_execute("update public.local_lists set max_entries = 2")
    await charger.reply(message_id, answer)
    command = await platform.command(str(order.command_id), "answered_at is not null")
    orders = await ended(platform, 3)

    assert (command["status"], command["error_code"]) == ("rejected", None)
    assert (await services.local_lists.get(OWN.scope, CHARGER)).version is None
    told = {(one["mode"], one["reason"]): (one["status"], one["answer"]) for one in orders}
    reason = "version_mismatch" if answer["status"] == "VersionMismatch" else "failed"
    assert told[("full", reason)] == ("rejected", "local_list_too_long")
    assert told[("differential", "asked")] == ("rejected", answer["status"])


@pytest.mark.parametrize(("code", "believed"), [("NotImplemented", True), ("InternalError", False)])
async def test_a_list_stays_believed_only_where_the_charger_certainly_did_nothing(
    platform: Running, charger: RawCharger, services: Directory, code: str, believed: bool
) -> None:
    await taken(platform, charger, services)
    await platform.token("TAG-3")
    await services.local_lists.send(OWN, CHARGER, ListWish(ListMode.DIFFERENTIAL), NOW)
    message_id, _ = await charger.asked("SendLocalList")
    await charger.send([4, message_id, code, "", {}])
    await ended(platform, 2)

    assert ((await services.local_lists.get(OWN.scope, CHARGER)).version is not None) is believed
