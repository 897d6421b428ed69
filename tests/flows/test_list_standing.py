"""A charger's local list says of every token what Authorize says: whoever decides, the answer is the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from backend.database import SYSTEM
from backend.services.directory import Directory, build_directory
from backend.services.local_lists import ListMode, ListWish
from backend.services.upkeep import Upkeep
from tests.flows.raw import RawCharger
from tests.flows.running import CHARGER, CPO, Running
from tests.flows.test_commands import answered, connected
from tests.flows.test_local_lists_and_limits import NOW, OWN

Row = dict[str, Any]
_NOW = datetime.now(UTC)
# What may stand of a token: open, blocked; for ever, until tomorrow, until yesterday.
STANDINGS: list[Row] = [
    {"status": status, "expires_at": None if days is None else (_NOW + timedelta(days=days)).isoformat()}
    for status, days in product(("active", "blocked"), (None, 1, -1))
]
NUMBERS = range(len(STANDINGS))


@pytest.fixture
def services(platform: Running) -> Directory:
    """The services of the REST API over the same database."""
    return build_directory(platform.database, "a secret of the tests, long enough")


def groups() -> Iterator[tuple[str | None, list[Row]]]:
    """Every group that a token may be in: its name, and the tokens that bear that name at the CPO and at the EMSV."""
    yield from ((None, []), ("MERE-NAME", []), ("LONGER-THAN-OCPP-CARRIES", []))
    for own, emsv in product((None, *NUMBERS), repeat=2):
        name = f"Group-{own}-{emsv}"
        rows = [{"cpo_id": cpo_id, "token": name.upper(), **STANDINGS[number]}
                for cpo_id, number in ((CPO, own), (None, emsv)) if number is not None]  # fmt: skip
        yield name, rows


def every_token() -> list[Row]:
    """Each standing in each group, in itself as a group, and beside a token of the EMSV's of the same name."""
    rows: list[Row] = []
    for place, (group, bearers) in enumerate(groups()):
        rows += bearers
        rows += [{"cpo_id": CPO, "token": f"T-{place}-{number}", "parent_token": group, **STANDINGS[number]}
                 for number in NUMBERS]  # fmt: skip
    for number, other in product(NUMBERS, repeat=2):
        name = f"Self-{number}-{other}"
        rows.append({"cpo_id": CPO, "token": name, "parent_token": name.lower(), **STANDINGS[number]})
        rows.append({"cpo_id": None, "token": name, **STANDINGS[other]})
    return [{"parent_token": None, **row} for row in rows]


async def full_list(platform: Running, charger: RawCharger) -> dict[str, Row]:
    """What a full list says of each token, sent by the platform itself and accepted."""
    await platform.database.call(
        "send_local_list",
        {"p_charger_id": CHARGER, "p_mode": "full", "p_max_entries": None, "p_max_per_message": 10_000,
         "p_idempotency_key": None, "p_queue": False, "p_expires_in_s": 60, "p_requested_by_name": "test"},
        scope=SYSTEM,
    )  # fmt: skip
    told = await answered(charger, "SendLocalList", {"status": "Accepted"})
    await platform.until("select 1 from public.local_lists where version = $1", told["listVersion"])
    return {entry["idTag"]: entry["idTagInfo"] for entry in told["localAuthorizationList"]}


@pytest.mark.parametrize("standing", ["active", "suspended"])
async def test_a_list_said_accepted_where_authorize_says_blocked(
    platform: Running, charger: RawCharger, standing: str
) -> None:
    await connected(platform)
    rows = every_token()
    await platform.database.insert("id_tokens", rows, scope=SYSTEM, columns="")
    await platform.store_execute(f"update public.cpos set status = '{standing}'")  # noqa: S608
    listed = await full_list(platform, charger)
    asked = {}
    for token in listed:
        asked[token] = (await charger.result("Authorize", {"idTag": token}))["idTagInfo"]
        if len(asked[token].get("parentIdTag", "")) > 20:
            del asked[token]["parentIdTag"]  # the list's schema has no room for it

    assert listed.keys() == {row["token"] for row in rows if row["cpo_id"]} | {"TAG-1", "TAG-2"}
    assert {token: (listed[token], info) for token, info in asked.items() if info != listed[token]} == {}
    assert {info["status"] for info in asked.values()} == (
        {"Accepted", "Blocked", "Expired"} if standing == "active" else {"Blocked"})  # fmt: skip


async def test_a_group_that_the_emsv_blocked_did_not_show_as_a_difference(
    platform: Running, charger: RawCharger, services: Directory
) -> None:
    await connected(platform)
    await platform.token("MEMBER", parent_token="Nation")
    group = {"cpo_id": None, "token": "NATION"}
    await platform.database.insert("id_tokens", [group], scope=SYSTEM, columns="")
    await full_list(platform, charger)
    before = await services.local_lists.get(OWN.scope, CHARGER)
    await platform.store_execute("update public.id_tokens set status = 'blocked' where token = 'NATION'")
    after = await services.local_lists.get(OWN.scope, CHARGER)
    await services.local_lists.send(OWN, CHARGER, ListWish(ListMode.DIFFERENTIAL), NOW)
    told = await answered(charger, "SendLocalList", {"status": "Accepted"})

    assert (before.differs_by, after.differs_by) == (0, 1)
    assert told["localAuthorizationList"] == [
        {"idTag": "MEMBER", "idTagInfo": {"status": "Blocked", "parentIdTag": "Nation"}}]  # fmt: skip
    assert (await charger.result("Authorize", {"idTag": "MEMBER"}))["idTagInfo"]["status"] == "Blocked"


async def test_a_suspended_cpos_lists_were_kept_accepted(platform: Running, charger: RawCharger) -> None:
    await connected(platform)
    await full_list(platform, charger)
    await platform.store_execute("update public.cpos set status = 'suspended', local_list_sync = true")
    assert await Upkeep(platform.database).tend_local_lists() == 1
    closed = await answered(charger, "SendLocalList", {"status": "Accepted"})
    await platform.until("select 1 from public.local_lists where version = $1", closed["listVersion"])
    await platform.store_execute("update public.cpos set status = 'active'")
    assert await Upkeep(platform.database).tend_local_lists() == 1
    opened = await answered(charger, "SendLocalList", {"status": "Accepted"})

    for told, word in ((closed, "Blocked"), (opened, "Accepted")):
        assert {entry["idTag"]: entry["idTagInfo"]["status"] for entry in told["localAuthorizationList"]} == {
            "TAG-1": word, "TAG-2": word}  # fmt: skip
