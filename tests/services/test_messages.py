"""The message log: calls stand with their answers, errors are found, new frames can be followed; both transports."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from backend.database import Database, Scope
from backend.domain.caller import Caller
from backend.domain.errors import NotFound
from backend.services.directory import Directory, build_directory
from backend.services.messages import Direction, Exchange, MessageFilter, MessageKind
from backend.services.records import PageRequest
from backend.services.upkeep import Upkeep
from tests.support.frames import keep_frames
from tests.support.stores import TRANSPORTS, open_store

ADMIN = Caller(Scope("emsv_admin", "00000000-0000-4000-8000-000000000001"), "Admin")
T0 = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
ALL = MessageFilter()


@pytest.fixture(params=TRANSPORTS)
async def store(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Database]:
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as opened:
        yield opened


@pytest.fixture
async def services(store: Database) -> Directory:
    """One CPO with the charger CP-1."""
    services = build_directory(store, "a secret of the tests, long enough")
    cpo = await services.cpos.create(ADMIN, "Nusantara")
    station = await services.stations.create(ADMIN, {"name": "Here"}, cpo.id)
    charger = {"id": "CP-1", "current_type": "AC", "rated_power_w": 22_000, "station_id": station.id}
    await services.chargers.create(ADMIN, charger, 1, None)
    return services


def frame(second: float, direction: str, kind: str, action: str | None, pair_id: str | None, **more: Any) -> Any:
    latency = None if kind in ("call", "bad") else 12.5
    return {"at": (T0 + timedelta(seconds=second)).isoformat(), "charger_id": "CP-1", "direction": direction,
            "kind": kind, "action": action, "pair_id": pair_id, "latency_ms": latency, "error_code": None,
            "payload": f"{kind} {action} {pair_id}", **more}  # fmt: skip


async def keep(store: Database, *rows: Any) -> None:
    await keep_frames(store, *rows)


async def hour(store: Database) -> None:
    """A call with its answer, a refused one, one without answer, ours, a broken frame, an answer to nothing."""
    await keep(
        store,
        frame(0, "in", "call", "Heartbeat", "1"),
        frame(1, "out", "result", "Heartbeat", "1"),
        frame(2, "in", "call", "Heartbeat", "1"),  # the id again
        frame(2.5, "out", "error", "Heartbeat", "1", error_code="InternalError"),
        frame(3, "out", "call", "Reset", "1"),  # the same id, the other way
        frame(4, "in", "result", "Reset", "1"),
        frame(5, "in", "call", "Authorize", "2"),
        frame(6, "in", "bad", None, "x", error_code="FormationViolation"),
        frame(6.1, "out", "error", None, "x", error_code="FormationViolation"),
        frame(7, "in", "result", None, "9", latency_ms=None),
    )


async def told(services: Directory, limit: int = 200, **wanted: Any) -> list[tuple[Any, ...]]:
    page = await services.messages.exchanges(ADMIN.scope, PageRequest(limit), "CP-1", MessageFilter(**wanted))
    return [(e.direction, e.action, e.outcome, e.error_code, e.latency_ms) for e in reversed(page.items)]


async def test_every_call_stands_once_with_its_own_answer(store: Database, services: Directory) -> None:
    await hour(store)
    assert await told(services) == [
        ("in", "Heartbeat", "answered", None, 12.5),
        ("in", "Heartbeat", "error", "InternalError", 12.5),
        ("out", "Reset", "answered", None, 12.5),
        ("in", "Authorize", "unanswered", None, None),
        ("in", None, "bad", "FormationViolation", 12.5),
        ("in", None, "stray", None, None),
    ]


async def test_what_was_just_asked_is_waiting_and_not_yet_unanswered(store: Database, services: Directory) -> None:
    now = datetime.now(UTC).isoformat()
    await keep(store, frame(0, "in", "call", "Heartbeat", "1", at=now))
    assert await told(services) == [("in", "Heartbeat", "waiting", None, None)]


async def test_filters_by_action_direction_error_and_time(store: Database, services: Directory) -> None:
    await hour(store)
    assert [e[1] for e in await told(services, action="Reset")] == ["Reset"]
    assert [e[2] for e in await told(services, action="Heartbeat")] == ["answered", "error"]
    assert [e[1] for e in await told(services, direction="out")] == ["Reset"]
    assert await told(services, errors=True) == [
        ("in", "Heartbeat", "error", "InternalError", 12.5),
        ("in", None, "bad", "FormationViolation", 12.5),
        ("in", None, "error", "FormationViolation", 12.5),
    ]
    assert await told(services, error_code="InternalError", direction="in") == [
        ("in", "Heartbeat", "error", "InternalError", 12.5)
    ]
    assert await told(services, errors=True, direction="out") == []
    assert [e[1] for e in await told(services, since=T0 + timedelta(seconds=3), until=T0 + timedelta(seconds=5))] == [
        "Reset"
    ]


async def test_an_error_shows_the_call_it_answers(store: Database, services: Directory) -> None:
    await hour(store)
    page = await services.messages.exchanges(
        ADMIN.scope, PageRequest(), "CP-1", MessageFilter(error_code="InternalError")
    )
    [refused] = page.items
    assert (refused.request, refused.response) == ("call Heartbeat 1", "error Heartbeat 1")
    assert (refused.at, refused.answered_at) == (T0 + timedelta(seconds=2), T0 + timedelta(seconds=2.5))


@pytest.mark.parametrize("limit", [1, 2, 4])
async def test_pages_give_every_exchange_once(store: Database, services: Directory, limit: int) -> None:
    await hour(store)
    whole = (await services.messages.exchanges(ADMIN.scope, PageRequest(), "CP-1", ALL)).items
    seen: list[Exchange] = []
    after: list[Any] | None = None
    while True:
        page = await services.messages.exchanges(ADMIN.scope, PageRequest(limit, after), "CP-1", ALL)
        seen += page.items
        if (after := page.after) is None:
            break
    assert seen == whole
    assert len(seen) == 6


async def test_a_follower_gets_every_frame_once_in_order(store: Database, services: Directory) -> None:
    follow = services.messages.follow
    await keep(store, *(frame(second, "in", "call", "Heartbeat", str(second)) for second in range(5)))
    page = await follow(ADMIN.scope, PageRequest(3), "CP-1", ALL)
    assert [message.pair_id for message in page.items] == ["2", "3", "4"]
    page = await follow(ADMIN.scope, PageRequest(3, page.after), "CP-1", ALL)
    assert page.items == []
    await keep(store, *(frame(second, "in", "call", "Heartbeat", str(second)) for second in range(5, 9)))
    seen = []
    for _ in range(3):
        page = await follow(ADMIN.scope, PageRequest(3, page.after), "CP-1", ALL)
        seen += [message.pair_id for message in page.items]
    assert seen == ["5", "6", "7", "8"]


async def test_a_follower_of_an_empty_log_waits_for_the_first_frame(store: Database, services: Directory) -> None:
    page = await services.messages.follow(ADMIN.scope, PageRequest(), "CP-1", ALL)
    await keep(store, frame(0, "in", "call", "Heartbeat", "1"))
    page = await services.messages.follow(ADMIN.scope, PageRequest(50, page.after), "CP-1", ALL)
    assert [message.pair_id for message in page.items] == ["1"]


async def test_a_foreign_charger_has_no_log(store: Database, services: Directory) -> None:
    await hour(store)
    stranger = Scope("cpo_admin", ADMIN.scope.user_id, "99999999-9999-4999-8999-999999999999")
    for look in (services.messages.exchanges, services.messages.follow, services.messages.list):
        with pytest.raises(NotFound):
            await look(stranger, PageRequest(), "CP-1", ALL)
    with pytest.raises(NotFound):
        await services.messages.export(stranger, "CP-1", ALL)
    arguments = dict.fromkeys(
        ("p_action", "p_direction", "p_error_code", "p_from", "p_to", "p_after_at", "p_after_id"), None
    )
    wanted = {"p_charger_id": "CP-1", "p_errors": False, "p_limit": 50, **arguments}
    assert await store.call("message_exchanges", wanted, scope=stranger) == []


async def test_a_text_that_looks_like_sql_is_a_text(store: Database, services: Directory) -> None:
    await hour(store)
    assert await told(services, action="x' or true --", error_code="%s %L %%") == []


async def test_the_days_that_messages_are_kept_are_a_setting(dsn: str, store: Database, services: Directory) -> None:
    await keep(store, *(frame(-86_400 * days, "in", "call", "Heartbeat", str(days)) for days in (1, 9, 11, 29, 31)))
    await Upkeep(store, messages_kept_days=10).maintain_partitions()
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("select pair_id from public.ocpp_messages order by at desc")
    await connection.close()
    assert [row["pair_id"] for row in rows] == ["1", "9"]


async def test_rare_actions_and_errors_are_found_by_index_among_many_readings(dsn: str, services: Directory) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(
        "insert into public.ocpp_messages (at, charger_id, direction, kind, action, pair_id, latency_ms, payload, "
        "error_code)"
        " select now() - n * interval '1 second', 'CP-1', 'in', 'call', case when n % 5000 = 0 then 'Authorize' else "
        "'MeterValues' end, n, null, '', null from generate_series(1, 20000) n;"
        "insert into public.ocpp_messages (at, charger_id, direction, kind, action, pair_id, latency_ms, payload, "
        "error_code)"
        " select now() - interval '9 hours', 'CP-1', 'out', 'error', 'Authorize', 1, 1, '', 'InternalError';"
        "analyze public.ocpp_messages"
    )
    for condition, index in (
        ("kind = 'call' and action = 'Authorize'", "action_at_id_idx"),
        ("error_code is not null", "charger_id_at_id_idx"),
        ("error_code = 'InternalError'", "charger_id_at_id_idx"),
        ("error_code <> ''", "charger_id_at_id_idx"),
    ):
        plan = await connection.fetch(
            f"explain (analyze, buffers off, timing off) select * from public.ocpp_messages where charger_id = 'CP-1' "  # noqa: S608
            f"and {condition} order by at desc, id desc limit 50"
        )
        text = "\n".join(row[0] for row in plan)
        assert index in text, text
        assert not re.search(r"Removed by Filter: \d{3}", text), text
    await connection.close()


def joined(rows: list[Any], charger_id: str) -> list[Any]:
    """The same frames with each result in the row of the call before it, as a call is written that was answered."""
    found: list[Any] = []
    for row in rows:
        if row["kind"] == "result" and found and found[-1]["pair_id"] == row["pair_id"]:
            found[-1] |= {"answered_at": row["at"], "answer": row["payload"]}
        else:
            found.append({**row, "charger_id": charger_id})
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_frames_read_alike_whether_they_share_a_row_or_not(
    store: Database, services: Directory, limit: int
) -> None:
    station = (await services.stations.list(ADMIN.scope, PageRequest(1))).items[0]
    twin = {"id": "CP-2", "current_type": "AC", "rated_power_w": 22_000, "station_id": station.id}
    await services.chargers.create(ADMIN, twin, 1, None)
    rows = [
        frame(0, "in", "call", "Heartbeat", "1"), frame(1, "out", "result", "Heartbeat", "1", latency_ms=1000),
        frame(2, "out", "call", "Reset", "2"), frame(3, "in", "result", "Reset", "2", latency_ms=1000),
        frame(3, "in", "call", "Authorize", "3"), frame(4, "out", "error", "Authorize", "3", error_code="GenericError"),
        frame(5, "in", "bad", None, "x", error_code="FormationViolation"), frame(6, "in", "call", "Heartbeat", "4"),
        frame(6, "out", "result", "Heartbeat", "4", latency_ms=0),
    ]  # fmt: skip
    await keep(store, *rows)
    await keep(store, *joined(rows, "CP-2"))

    for wanted, kind in [
        (wanted, kind)
        for wanted in (
            MessageFilter(), MessageFilter(direction=Direction.IN), MessageFilter(direction=Direction.OUT),
            MessageFilter(action="Heartbeat"), MessageFilter(errors=True), MessageFilter(error_code="GenericError"),
            MessageFilter(since=T0 + timedelta(seconds=2), until=T0 + timedelta(seconds=6)),
        )
        for kind in (None, *MessageKind)
    ]:  # fmt: skip
        apart, together = [await walked(services, charger, wanted, kind, limit) for charger in ("CP-1", "CP-2")]
        assert together == apart
    assert len(await walked(services, "CP-2", MessageFilter(), None, limit)) == len(rows)
    assert await entries(services, "CP-2", limit) == await entries(services, "CP-1", limit)


async def walked(
    services: Directory, charger_id: str, wanted: MessageFilter, kind: MessageKind | None, limit: int
) -> list[Any]:
    """Every frame, page by page, but for its number and the charger."""
    found: list[Any] = []
    after = None
    while True:
        page = await services.messages.list(ADMIN.scope, PageRequest(limit, after), charger_id, wanted, kind)
        found += [message.model_dump(exclude={"id"}) for message in page.items]
        if (after := page.after) is None:
            return found


async def entries(services: Directory, charger_id: str, limit: int) -> list[Any]:
    """Every exchange, page by page."""
    found: list[Any] = []
    after = None
    while True:
        page = await services.messages.exchanges(ADMIN.scope, PageRequest(limit, after), charger_id, MessageFilter())
        found += [entry.model_dump() for entry in page.items]
        if (after := page.after) is None:
            return found
