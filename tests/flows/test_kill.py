"""`kill -9` of every process in the middle of 200 running sessions: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from backend.database import SYSTEM, Database
from simulator import BookedSession, ChargerSpec, LinkOptions, RunningClock, SimulatedCharger
from tests.flows.processes import Processes, processes
from tests.flows.running import CPO, STATION
from tests.support.waiting import eventually, eventually_found

SESSIONS = 200
AT_ONCE = 8
SPEED = 10.0
SAMPLE_EVERY_S = 30  # simulated, so every three seconds
PHASE_WITHIN_S = 60.0
TEST_WITHIN_S = 120.0


async def fill(database: Database) -> None:
    """A CPO, its station, and a charger and a token for each session."""
    await database.insert("cpos", [{"id": CPO, "name": "Flows"}], scope=SYSTEM, columns="id")
    await database.insert("stations", [{"id": STATION, "cpo_id": CPO, "name": "Here"}], scope=SYSTEM, columns="id")
    chargers = [{"id": f"K-{number}", "cpo_id": CPO, "station_id": STATION, "rated_power_w": 22_000}
                for number in range(SESSIONS)]  # fmt: skip
    await database.insert("chargers", chargers, scope=SYSTEM, columns="id")
    tokens = [{"cpo_id": CPO, "token": f"T-{number}"} for number in range(SESSIONS)]
    await database.insert("id_tokens", tokens, scope=SYSTEM, columns="id")


class Fleet:
    """200 chargers that live by themselves, retry for ever, and keep their own books."""

    def __init__(self, url: str) -> None:
        clock = RunningClock(SPEED, datetime.now(UTC) - timedelta(hours=1))
        settings: dict[str, str | int] = {"MeterValueSampleInterval": SAMPLE_EVERY_S,
                                          "TransactionMessageAttempts": 1000,
                                          "TransactionMessageRetryInterval": 1}  # fmt: skip
        options = LinkOptions(checked=False, compression=False, keep_frames=False)
        self.chargers = [
            SimulatedCharger(url, f"K-{number}", clock=clock, spec=ChargerSpec("AC", 22_000, 1), options=options,
                             configuration=settings, registers_wh=(number * 1000,), autonomous=True)
            for number in range(SESSIONS)
        ]  # fmt: skip

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        """Connects them; they reconnect as long as the block lasts."""
        async with AsyncExitStack() as stack:
            for charger in self.chargers:
                await stack.enter_async_context(charger)
            yield

    async def present(self) -> None:
        """Waits until every charger is connected and accepted: then each message is answered on its own."""
        await eventually(
            lambda: all(one.presence.ready for one in self.chargers), "every charger is there", PHASE_WITHIN_S
        )

    async def begin(self) -> None:
        """A car and a card at every charger, a few at a time."""
        few = asyncio.Semaphore(AT_ONCE)

        async def one(number: int, charger: SimulatedCharger) -> None:
            async with few:
                await charger.plug_in()
                assert await charger.tap(1, f"T-{number}") == "Accepted"

        await asyncio.gather(*(one(number, charger) for number, charger in enumerate(self.chargers)))

    async def end(self) -> None:
        """The cars leave, a few at a time; returns when every message of every charger was acknowledged."""
        few = asyncio.Semaphore(AT_ONCE)

        async def one(charger: SimulatedCharger) -> None:
            async with few:
                await charger.unplug()

        await asyncio.gather(*(one(charger) for charger in self.chargers))
        await asyncio.gather(*(charger.emptied() for charger in self.chargers))

    @property
    def sessions(self) -> list[BookedSession]:
        """The books."""
        return [session for charger in self.chargers for session in charger.books.sessions]

    def acknowledged(self, what: str) -> int:
        """How many starts, readings or stops the platform has acknowledged."""
        count: dict[str, Callable[[BookedSession], int]] = {
            "starts": lambda one: one.start_acknowledged, "stops": lambda one: one.stop_acknowledged,
            "readings": lambda one: one.readings_acknowledged}  # fmt: skip
        return sum(map(count[what], self.sessions))

    async def progress(self, group: Processes, what: str, more: int) -> None:
        """Waits until so many more starts, readings or stops are acknowledged, and we are still in mid-run."""
        goal = self.acknowledged(what) + more
        await eventually(
            lambda: self.acknowledged(what) >= goal or bool(group.ended()), f"{more} more {what}", PHASE_WITHIN_S
        )
        assert group.ended() == [], group.words()
        assert self.acknowledged("stops") < SESSIONS


async def test_kill_9_of_every_process_loses_and_doubles_nothing() -> None:
    async with processes(fill) as group:
        group.start("ocpp", "api", "worker")
        await group.ready()
        fleet = Fleet(group.url)
        async with fleet.living(), asyncio.timeout(TEST_WITHIN_S):
            await fleet.present()
            beginning = asyncio.create_task(fleet.begin())
            await fleet.progress(group, "starts", SESSIONS // 2)
            assert fleet.acknowledged("starts") < SESSIONS
            group.kill("ocpp")
            group.start("ocpp")
            await beginning
            await fleet.progress(group, "starts", SESSIONS - fleet.acknowledged("starts"))
            await fleet.progress(group, "readings", SESSIONS)
            for victim in ("api", "worker", "postgres", "ocpp"):
                group.kill(victim)
                if victim != "postgres":  # whose survivors revive it
                    group.start(victim)
                await fleet.progress(group, "readings", SESSIONS)
            await fleet.present()
            ending = asyncio.create_task(fleet.end())
            await fleet.progress(group, "stops", SESSIONS // 4)
            group.kill("ocpp")
            group.start("ocpp")
            await fleet.progress(group, "stops", SESSIONS // 4)
            group.kill("postgres")
            await asyncio.wait_for(ending, PHASE_WITHIN_S)
        await group.ready()
        async with group.database() as database:
            await assert_books_agree(database, fleet)
            await assert_events_relayed(database, fleet)
    assert group.postgres.postmaster() is None


async def every(database: Database, table: str, order: str, columns: str) -> list[dict[str, Any]]:
    """All rows of a table, page by page; `order` is unique."""
    found: list[dict[str, Any]] = []
    while True:
        after = [found[-1][order]] if found else None
        page = await database.select(
            table, scope=SYSTEM, columns=columns, order=[(order, "asc")], after=after, limit=1000
        )
        if not page:
            return found
        found += page


async def assert_books_agree(database: Database, fleet: Fleet) -> None:
    """Every session and reading of the chargers' books stands in ours exactly once, and nothing else does."""
    sessions = await every(database, "sessions", "transaction_id", "*")
    ours = {row["transaction_id"]: row for row in sessions}
    booked = {one.transaction_id: one for one in fleet.sessions}
    assert len(sessions) == len(booked) == SESSIONS
    assert ours.keys() == booked.keys()
    assert all(one.stop_acknowledged and not one.given_up for one in booked.values())
    for number, session in booked.items():
        row = ours[number]
        assert (row["charger_id"], row["meter_start_wh"], row["meter_stop_wh"], row["energy_wh"]) == (
            session.charger_id, session.meter_start_wh, session.meter_stop_wh, session.energy_wh)  # fmt: skip
        assert (row["review_reasons"], row["superseded"]) == ([], False)
    assert sum(row["energy_wh"] for row in sessions) == sum(one.energy_wh for one in fleet.sessions) > 0
    assert await database.select("orphan_stops", scope=SYSTEM) == []
    stored = await stored_readings(database, {row["id"]: number for number, row in ours.items()})
    sent = Counter((number, reading.energy_wh) for number, one in booked.items() for reading in one.readings)
    assert all(reading.acknowledged for one in booked.values() for reading in one.readings)
    assert stored == sent


async def stored_readings(database: Database, numbers: dict[str, int]) -> Counter[tuple[int | None, int]]:
    """How often each (transaction id, register) is stored."""
    found: Counter[tuple[int | None, int]] = Counter()
    for session_id, number in numbers.items():
        rows = await database.select("meter_values", scope=SYSTEM, columns="energy_wh",
                                     where=[("session_id", "eq", session_id)], limit=1000)  # fmt: skip
        found.update((number, int(row["energy_wh"])) for row in rows)
    return found


async def assert_events_relayed(database: Database, fleet: Fleet) -> None:
    """The worker judged each session, published start, end and judgement, and the day's sum is that of the sessions."""

    async def waiting() -> bool:
        rows: Iterable[Any] = await database.select("outbox", scope=SYSTEM, where=[("published_at", "is", None)])
        pending = await database.select("sessions", scope=SYSTEM, where=[("billing_state", "eq", "pending")])
        return not rows and not pending

    await eventually_found(waiting, "every session is judged and every event published", PHASE_WITHIN_S)
    events = await every(database, "outbox", "id", "id,topic,payload")
    said = Counter((event["topic"], event["payload"]["session_id"]) for event in events)
    assert set(said.values()) == {1}
    assert len(said) == 3 * SESSIONS
    days = await database.select("station_days", scope=SYSTEM)
    assert sum(day["sessions"] for day in days) == SESSIONS
    assert sum(day["energy_wh"] for day in days) == sum(one.energy_wh for one in fleet.sessions)
