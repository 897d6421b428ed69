"""Configuration keys as told, the history of their changes, and templates; over both transports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from backend.database import SYSTEM, Database, Scope
from backend.domain.caller import Caller
from backend.domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from backend.services.configuration import ConfigurationChange
from backend.services.directory import Directory, build_directory
from backend.services.dispatch import Dispatch, Outcome
from backend.services.records import PageRequest
from tests.support.stores import TRANSPORTS, open_store

ADMIN = Caller(Scope("emsv_admin", "00000000-0000-4000-8000-000000000001"), "Sari")
NODE = "n"


@pytest.fixture(params=TRANSPORTS)
async def store(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Database]:
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as opened:
        yield opened


@pytest.fixture
async def services(store: Database) -> Directory:
    """One CPO with the charger CP-1, connected."""
    services = build_directory(store, "a secret of the tests, long enough")
    cpo = await services.cpos.create(ADMIN, "Nusantara")
    station = await services.stations.create(ADMIN, {"name": "Here"}, cpo.id)
    charger = {"id": "CP-1", "current_type": "AC", "rated_power_w": 22_000, "station_id": station.id}
    await services.chargers.create(ADMIN, charger, 1, None)
    await store.call("beat_node", {"p_node": NODE, "p_started": True, "p_stats": {}}, scope=SYSTEM)
    socket = {"charger_id": "CP-1", "connection_id": str(uuid4()), "node": NODE, "protocol": "ocpp1.6",
              "remote_address": None, "at": "2026-11-21T00:00:00Z"}  # fmt: skip
    await store.call("intake", {"p_connects": [socket]}, scope=SYSTEM)
    return services


async def asked(store: Database, action: str, payload: dict[str, Any], response: Any, *, status: str = "accepted",
                caller: Caller = ADMIN) -> None:  # fmt: skip
    """A command, from the question to the stored answer."""
    arguments = {"p_charger_id": "CP-1", "p_action": action, "p_payload": payload, "p_idempotency_key": str(uuid4()),
                 "p_queue": True, "p_expires_in_s": 60, "p_requested_by_name": caller.name}  # fmt: skip
    await store.call("enqueue_command", arguments, scope=caller.scope)
    dispatch = Dispatch(store, NODE)
    [claim] = await dispatch.claim([])
    await dispatch.settle(claim.id, Outcome(status, response))


async def told(store: Database, keys: dict[str, Any], *, only: list[str] | None = None, **more: Any) -> None:
    """GetConfiguration, of all keys or of `only` some, and its answer."""
    entries = [{"key": key, "readonly": key.startswith("Number"), "value": value} for key, value in keys.items()]
    await asked(store, "GetConfiguration", {"key": only} if only else {}, {"configurationKey": entries, **more})


async def changed(store: Database, key: str, value: str, status: str = "Accepted") -> None:
    accepted = status in ("Accepted", "RebootRequired")
    await asked(store, "ChangeConfiguration", {"key": key, "value": value}, {"status": status},
                status="accepted" if accepted else "rejected")  # fmt: skip


async def booted(store: Database) -> None:
    row = {"charger_id": "CP-1", "vendor": "V", "model": "M", "protocol": "ocpp1.6", "at": "2999-01-01T00:00:00Z"}
    await store.call("intake", {"p_boots": [row]}, scope=SYSTEM)


async def values(services: Directory) -> dict[str, str | None]:
    found = await services.configurations.get(ADMIN.scope, "CP-1")
    return {row.key: row.value for row in found.keys}


async def history(services: Directory) -> list[ConfigurationChange]:
    """Oldest first."""
    page = await services.configurations.history(ADMIN.scope, PageRequest(100), "CP-1")
    return page.items[::-1]


async def test_before_the_first_report_nothing_is_known(services: Directory) -> None:
    found = await services.configurations.get(ADMIN.scope, "CP-1")

    assert (found.reported_at, found.unknown_keys, found.keys) == (None, [], [])
    with pytest.raises(NotFound):
        await services.configurations.get(ADMIN.scope, "CP-2")


async def test_the_first_report_is_no_change_and_the_next_shows_what_was_done_at_the_charger(
    store: Database, services: Directory
) -> None:
    await told(store, {"HeartbeatInterval": "300", "NumberOfConnectors": "1", "Gone": "x"}, unknownKey=["Nope"])
    first = await services.configurations.get(ADMIN.scope, "CP-1")
    assert await history(services) == []
    await told(store, {"HeartbeatInterval": "60", "NumberOfConnectors": "1", "New": "y", "Nope": "now"})

    assert first.complete_at == first.reported_at is not None
    assert (first.unknown_keys, [row.readonly for row in first.keys]) == (["Nope"], [False, False, True])
    assert await values(services) == {"HeartbeatInterval": "60", "New": "y", "Nope": "now", "NumberOfConnectors": "1"}
    assert [(c.key, c.old_value, c.new_value, c.source, c.actor) for c in await history(services)] == [
        ("Gone", "x", None, "charger", None), ("HeartbeatInterval", "300", "60", "charger", None),
        ("New", None, "y", "charger", None), ("Nope", None, "now", "charger", None),
    ]  # fmt: skip
    assert (await services.configurations.get(ADMIN.scope, "CP-1")).unknown_keys == []


async def test_a_report_of_some_keys_leaves_the_others(store: Database, services: Directory) -> None:
    await told(store, {"A": "1", "B": "2"})
    await told(store, {"a": "1"}, only=["a", "C"], unknownKey=["C"])

    assert await values(services) == {"a": "1", "B": "2"}
    assert (await services.configurations.get(ADMIN.scope, "CP-1")).unknown_keys == ["C"]
    assert await history(services) == []


async def test_an_accepted_change_is_kept_with_who_made_it(store: Database, services: Directory) -> None:
    await told(store, {"A": "1"})
    await changed(store, "a", "2")
    await changed(store, "a", "2")
    await changed(store, "A", "3", "Rejected")
    await told(store, {"A": "2"})

    assert [(c.old_value, c.new_value, c.source, c.actor) for c in await history(services)] == [
        ("1", "2", "command", "Sari")
    ]
    assert await values(services) == {"A": "2"}


async def test_a_change_that_waits_for_a_reboot_counts_after_it(store: Database, services: Directory) -> None:
    await told(store, {"A": "1", "B": "1"})
    await changed(store, "A", "2", "RebootRequired")
    await changed(store, "B", "2", "RebootRequired")
    await told(store, {"A": "1", "B": "1"})  # still the old ones: nobody changed anything
    waiting = await services.configurations.get(ADMIN.scope, "CP-1")
    await booted(store)
    await told(store, {"A": "2", "B": "1"})

    assert [(row.value, row.pending_value) for row in waiting.keys] == [("1", "2"), ("1", "2")]
    assert await values(services) == {"A": "2", "B": "1"}
    assert [(c.key, c.old_value, c.new_value, c.source, c.reboot_required) for c in await history(services)] == [
        ("A", "1", "2", "command", True), ("B", "1", "2", "command", True), ("B", "2", "1", "charger", False),
    ]  # fmt: skip
    after = await services.configurations.get(ADMIN.scope, "CP-1")
    assert {row.pending_value for row in after.keys} == {None}


async def test_the_same_value_in_other_letters_is_no_change(store: Database, services: Directory) -> None:
    await told(store, {"A": "true", "B": "x, y", "C": "Word"})
    await told(store, {"A": "True", "B": "x,y", "C": "word"})

    assert [c.key for c in await history(services)] == ["C"]


@pytest.mark.parametrize("key", ["AuthorizationKey", "vendorPassword", "x.SECRET"])
async def test_secrets_are_kept_nowhere(store: Database, services: Directory, key: str) -> None:
    await told(store, {"A": "1", key: "hunter2hunter2"})
    await changed(store, key, "hunter2hunter2")
    await told(store, {"A": "1", key: "hunter3hunter3"})

    [_, kept] = sorted((await services.configurations.get(ADMIN.scope, "CP-1")).keys, key=lambda row: row.secret)
    assert (kept.key, kept.value, kept.pending_value) == (key, None, None)
    [change] = await history(services)
    assert (change.key, change.old_value, change.new_value, change.actor) == (key, None, None, "Sari")
    rows = [await store.select(table, scope=SYSTEM) for table in ("charger_configuration", "configuration_changes")]
    assert "hunter" not in str(rows)


@pytest.mark.parametrize("response", [
    None, {}, {"configurationKey": "all"}, {"configurationKey": [1, None, [], {}, {"key": 7}, {"key": ""}]},
    {"configurationKey": [{"key": "A", "value": {"deep": [1]}}, {"key": "A"}, {"key": "k" * 5000, "value": "v"}],
     "unknownKey": [1, {"a": 2}, "A", "u" * 5000]},
    {"configurationKey": [], "unknownKey": {"not": "a list"}},
])  # fmt: skip
async def test_an_odd_answer_is_borne(store: Database, services: Directory, response: Any) -> None:
    await told(store, {"A": "1"})
    await asked(store, "GetConfiguration", {}, response)
    await asked(store, "GetConfiguration", {}, response, status="failed")

    assert "A" in await values(services)


# -- templates


async def template(services: Directory, **settings: str) -> str:
    cpo = (await services.chargers.get(ADMIN.scope, "CP-1")).cpo_id
    made = await services.templates.create(ADMIN, {"name": "Std", "settings": settings, "reboot": True}, cpo)
    return made.id


async def test_drift_is_visible_with_its_reason(store: Database, services: Directory) -> None:
    wanted = await template(services, A="1", B="x,y", NumberX="2", Unknown="3", D="9")
    before = await services.templates.switch(ADMIN, "CP-1", wanted)
    await told(store, {"a": "2", "B": "x, y", "NumberX": "1", "D": "1"})
    await changed(store, "D", "9", "RebootRequired")
    found = await services.templates.of_charger(ADMIN.scope, "CP-1")
    counted = await services.templates.get(ADMIN.scope, wanted)

    assert {row.reason for row in before.drift} == {"not_reported"}
    assert {row.key: row.reason for row in found.drift} == {
        "A": "differs", "D": "reboot_required", "NumberX": "readonly", "Unknown": "unknown_key"}  # fmt: skip
    assert (counted.charger_count, counted.drifting_count) == (1, 1)


async def test_a_template_in_use_stays_and_one_switched_off_is_forgotten(store: Database, services: Directory) -> None:
    wanted = await template(services, A="1")
    await services.templates.switch(ADMIN, "CP-1", wanted)
    with pytest.raises(Conflict) as refused:
        await services.templates.delete(ADMIN, wanted)
    off = await services.templates.switch(ADMIN, "CP-1", None)
    await services.templates.delete(ADMIN, wanted)

    assert refused.value.code == "template_in_use"
    assert (off.template, off.drift) == (None, [])
    assert (await services.templates.list(ADMIN.scope, PageRequest(10))).items == []


async def test_a_template_is_of_one_cpo_and_holds_no_secret(store: Database, services: Directory) -> None:
    other = await services.cpos.create(ADMIN, "Borneo")
    foreign = await services.templates.create(ADMIN, {"name": "F", "settings": {"A": "1"}, "reboot": False}, other.id)
    with pytest.raises(NotFound):
        await services.templates.switch(ADMIN, "CP-1", foreign.id)
    for settings, code in (({"AuthorizationKey": "x"}, "secret_key"), ({"a": "1", "A": "2"}, "repeated_key")):
        with pytest.raises(InvalidInput) as refused:
            await services.templates.update(ADMIN, foreign.id, {"settings": settings})
        assert refused.value.code == code
    operator = Caller(Scope("cpo_operator", ADMIN.scope.user_id, other.id), "Op")
    with pytest.raises((Forbidden, NotFound)):
        await services.templates.create(operator, {"name": "O", "settings": {"A": "1"}, "reboot": False}, None)
    with pytest.raises(Conflict):
        await services.templates.create(ADMIN, {"name": "F", "settings": {"A": "1"}, "reboot": False}, other.id)
