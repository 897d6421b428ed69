"""What happened to a charger is kept once, in the order it was learnt, over both transports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.database import SYSTEM, Database, Scope
from backend.domain.caller import Caller
from backend.domain.errors import NotFound
from backend.services.commands import Delivery
from backend.services.directory import Directory, build_directory
from backend.services.records import PageRequest
from backend.services.timeline import TimelineEntry, TimelineFilter, TimelineKind
from tests.support.stores import TRANSPORTS, open_store

ADMIN = Caller(Scope("emsv_admin", "00000000-0000-4000-8000-000000000001"), "Admin")
T0 = datetime(2026, 11, 21, 3, tzinfo=UTC)
SOCKETS = [f"11111111-1111-4111-8111-00000000000{n}" for n in range(3)]


@pytest.fixture(params=TRANSPORTS)
async def store(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Database]:
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as opened:
        yield opened


@pytest.fixture
async def services(store: Database) -> Directory:
    """One CPO with the chargers CP-1 and CP-2, two connectors each."""
    services = build_directory(store, "a secret of the tests, long enough")
    cpo = await services.cpos.create(ADMIN, "Nusantara")
    station = await services.stations.create(ADMIN, {"name": "Here"}, cpo.id)
    for identity in ("CP-1", "CP-2"):
        charger = {"id": identity, "current_type": "AC", "rated_power_w": 22_000, "station_id": station.id}
        await services.chargers.create(ADMIN, charger, 2, None)
    return services


def after(seconds: float) -> str:
    return (T0 + timedelta(seconds=seconds)).isoformat()


def status(evse: int, word: str, at: float, *, charger: str = "CP-1", **more: Any) -> dict[str, Any]:
    return {
        "charger_id": charger, "evse_id": evse, "connector_id": min(evse, 1), "status": word, "error_code": "NoError",
        "error_info": None, "vendor_error_code": None, "at": after(at), "received_at": after(at), **more,
    }  # fmt: skip


def socket(number: int, at: float, **more: Any) -> dict[str, Any]:
    return {
        "charger_id": "CP-1", "connection_id": SOCKETS[number], "node": "n", "protocol": "ocpp1.6",
        "remote_address": "192.0.2.7", "at": after(at), **more,
    }  # fmt: skip


async def intake(store: Database, **rows: list[dict[str, Any]]) -> Any:
    return await store.call("intake", {f"p_{kind}": value for kind, value in rows.items()}, scope=SYSTEM)


async def entries(services: Directory, limit: int = 200, **wanted: Any) -> list[TimelineEntry]:
    page = await services.timeline.list(ADMIN.scope, PageRequest(limit), "CP-1", TimelineFilter(**wanted))
    return page.items


def told(found: list[TimelineEntry]) -> list[str]:
    """Oldest first: what reads like a log."""
    return [f"{entry.event} {entry.evse_id or 0}" for entry in reversed(found)]


async def test_a_status_that_is_only_repeated_is_no_event(store: Database, services: Directory) -> None:
    for at in range(3):
        await intake(store, statuses=[status(1, "Available", at), status(0, "Available", at)])
    await intake(store, statuses=[status(1, "Available", 4, error_info="31 °C")])
    await intake(store, statuses=[status(1, "Faulted", 5, error_code="GroundFailure", error_info="leak 31 mA")])
    await intake(store, statuses=[status(1, "Faulted", 6, error_code="GroundFailure", error_info="leak 44 mA")])
    found = await entries(services)
    assert told(found) == ["Available 1", "Available 0", "Faulted 1", "Faulted 1"]
    assert found[0].detail == {"error_code": "GroundFailure", "error_info": "leak 44 mA"}
    assert found[0].kind is TimelineKind.STATUS


async def test_several_statuses_of_one_connector_in_one_batch_are_all_kept_and_the_last_one_stands(
    store: Database, services: Directory
) -> None:
    words = ("Available", "Preparing", "Preparing", "Charging")
    rows = [status(1, word, n) for n, word in enumerate(words)]
    await intake(
        store, statuses=[*rows, status(1, "Faulted", 9, charger="CP-2"), status(1, "Available", 9, charger="?")]
    )
    assert told(await entries(services)) == ["Available 1", "Preparing 1", "Charging 1"]
    live = await store.select(
        "connector_live", scope=SYSTEM, where=[("charger_id", "eq", "CP-1"), ("evse_id", "eq", 1)]
    )
    assert live[0]["status"] == "Charging"


async def test_boots_and_sockets_are_told_once_however_often_they_are_stored(
    store: Database, services: Directory
) -> None:
    boot = {"charger_id": "CP-1", "vendor": "V", "model": "M", "firmware_version": "1.0", "protocol": "ocpp1.6"}
    news: list[dict[str, list[dict[str, Any]]]] = [
        {"connects": [socket(0, 0)]},
        {"boots": [{**boot, "at": after(1)}]},
        {"connects": [socket(1, 2)]},
        {"disconnects": [socket(0, 3)]},  # the old one: nobody's news
        {"disconnects": [socket(1, 4)]},
        {"boots": [{**boot, "at": after(5), "firmware_version": "1.1"}]},
    ]
    for rows in news:
        await intake(store, **rows)
        await intake(store, **rows)  # the transport repeats a call whose answer was lost
    found = await entries(services)
    assert told(found) == ["connected 0", "booted 0", "connected 0", "disconnected 0", "booted 0"]
    assert [entry.detail.get("replaced") for entry in found if entry.event == "connected"] == [True, None]
    newest = next(entry for entry in found if entry.kind is TimelineKind.BOOT)
    assert newest.detail == {"vendor": "V", "model": "M", "firmware_version": "1.1", "firmware_before": "1.0"}


async def test_a_server_that_ended_is_why_its_sockets_ended(store: Database, services: Directory) -> None:
    await intake(store, connects=[socket(0, 0)])
    await store.call("end_node", {"p_node": "n"}, scope=SYSTEM)
    await store.call("end_node", {"p_node": "n"}, scope=SYSTEM)
    found = await entries(services, kind=TimelineKind.CONNECTION)
    assert told(found) == ["connected 0", "disconnected 0"]
    assert found[0].detail == {"server_restarted": True}


async def live_story(store: Database, services: Directory) -> None:
    """A remote start from the order to the end of its session, on EVSE 2."""
    await intake(store, connects=[socket(0, 0)], statuses=[status(0, "Available", 1), status(2, "Available", 1)])
    delivery = Delivery(queue=True)
    await services.commands.remote_start(ADMIN, "CP-1", "CARD", 2, delivery)
    now = datetime.now(UTC)
    begun = {"charger_id": "CP-1", "evse_id": 2, "connector_id": 1, "protocol": "ocpp1.6", "id_token": "CARD",
             "reported_at": "x", "clock_trusted": True, "started_at": now, "meter_start_wh": 1000,
             "received_at": now + timedelta(seconds=1)}  # fmt: skip
    [session] = (await intake(store, starts=[_plain(begun)]))["starts"]
    end = {"charger_id": "CP-1", "transaction_id": session["transaction_id"], "id_token": None, "reported_at": "y",
           "stopped_at": now + timedelta(minutes=9), "received_at": now + timedelta(minutes=10),
           "meter_stop_wh": 4000, "stop_reason": "Local"}  # fmt: skip
    await intake(store, stops=[_plain(end)])


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


async def test_all_kinds_stand_in_one_list_with_who_asked_and_what_came_of_it(
    store: Database, services: Directory
) -> None:
    await live_story(store, services)
    found = await entries(services)
    assert told(found)[-3:] == ["RemoteStartTransaction 2", "begun 2", "ended 2"]
    ended, begun, command = found[:3]
    assert (command.actor, command.detail["status"], command.detail["payload"]) == (
        "Admin",
        "queued",
        {"connectorId": 2},
    )
    assert (begun.actor, begun.session_id) == ("CARD", ended.session_id)
    assert (ended.detail["energy_wh"], ended.detail["stop_reason"], ended.detail["duration_s"]) == (3000, "Local", 540)


async def test_the_filters_keep_a_kind_an_evse_or_what_was_known_then(store: Database, services: Directory) -> None:
    await live_story(store, services)
    await intake(store, statuses=[status(1, "Charging", 2)])
    assert told(await entries(services, kind=TimelineKind.SESSION)) == ["begun 2", "ended 2"]
    assert "Charging 1" not in told(await entries(services, evse_id=2))
    assert "connected 0" in told(await entries(services, evse_id=2))
    assert told(await entries(services, until=T0)) == ["connected 0"]


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_pages_give_every_entry_once_also_when_many_bear_the_same_time(
    store: Database, services: Directory, limit: int
) -> None:
    await live_story(store, services)
    await intake(store, statuses=[status(evse, word, 7) for evse in (1, 2) for word in ("Preparing", "Finishing")])
    whole = await entries(services)
    seen: list[str] = []
    after: list[Any] | None = None
    while True:
        request = PageRequest(limit, after)
        page = await services.timeline.list(ADMIN.scope, request, "CP-1", TimelineFilter())
        seen += [entry.id for entry in page.items]
        after = page.after
        if after is None:
            break
    assert seen == [entry.id for entry in whole]
    assert len(seen) == len(set(seen)) == 10


async def test_a_foreign_charger_has_no_timeline(services: Directory) -> None:
    stranger = Scope("cpo_admin", ADMIN.scope.user_id, "99999999-9999-4999-8999-999999999999")
    with pytest.raises(NotFound):
        await services.timeline.list(stranger, PageRequest(), "CP-1", TimelineFilter())


async def test_a_foreign_tenant_that_asks_the_database_itself_reads_nothing(
    store: Database, services: Directory
) -> None:
    await live_story(store, services)
    arguments = dict.fromkeys(("p_kind", "p_evse_id", "p_until", "p_after_at", "p_after_id"), None)
    stranger = Scope("cpo_admin", ADMIN.scope.user_id, "99999999-9999-4999-8999-999999999999")
    wanted = {"p_charger_id": "CP-1", "p_limit": 50, **arguments}
    assert await store.call("charger_timeline", wanted, scope=stranger) == []
