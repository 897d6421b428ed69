"""The message log: everything is kept, and under pressure what is dropped is counted, by number and by size."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from backend.database import SYSTEM, DirectDatabase
from backend.services.message_log import Message, MessageLog
from tests.support.waiting import eventually_found


def message(payload: str = "[]", pair_id: str | None = "1") -> Message:
    """A frame of CP-1."""
    return Message(datetime.now(UTC), "CP-1", "in", "call", "Heartbeat", pair_id, None, payload)


async def written(log: MessageLog) -> None:
    """Runs the log until it is told to end: what waits is written then."""
    running = asyncio.create_task(log.run())
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def payloads(database: DirectDatabase) -> list[str]:
    """What is kept, oldest first."""
    rows = await database.select("ocpp_messages", scope=SYSTEM, columns="payload", order=[("id", "asc")], limit=1000)
    return [row["payload"] for row in rows]


async def test_what_waits_is_written_in_order_and_at_the_end(database: DirectDatabase) -> None:
    log = MessageLog(database, max_batch=3)
    for number in range(10):
        log.add(message(f"[{number}]"))
    await written(log)

    assert await payloads(database) == [f"[{number}]" for number in range(10)]
    assert log.dropped == 0


async def test_frames_are_written_while_it_runs(database: DirectDatabase) -> None:
    log = MessageLog(database, every_s=0.01)
    running = asyncio.create_task(log.run())
    log.add(message())

    assert await eventually_found(lambda: payloads(database), "the frame is kept") == ["[]"]
    running.cancel()


async def test_more_frames_than_may_wait_are_dropped_and_counted(database: DirectDatabase) -> None:
    log = MessageLog(database, max_waiting=5)
    for _ in range(8):
        log.add(message())
    await written(log)

    assert (len(await payloads(database)), log.dropped) == (5, 3)


async def test_huge_frames_did_fill_the_memory(database: DirectDatabase) -> None:
    log = MessageLog(database, max_characters=1000)
    for _ in range(5):
        log.add(message("x" * 400))
    log.add(message("small"))
    await written(log)
    log.add(message("x" * 1000))
    await written(log)

    assert await payloads(database) == ["x" * 400, "x" * 400, "small", "x" * 1000]
    assert log.dropped == 3


async def test_the_character_zero_in_an_id_did_cost_the_whole_batch(database: DirectDatabase) -> None:
    log = MessageLog(database)
    log.add(message("[1]"))
    log.add(message("[2]", pair_id="zero\0"))
    await written(log)

    assert await payloads(database) == ["[1]", "[2]"]
    assert log.dropped == 0


async def test_an_unreachable_database_costs_frames_that_are_counted(dsn: str) -> None:
    closed = await DirectDatabase.open(dsn)
    await closed.close()
    log = MessageLog(closed, max_batch=2)
    for _ in range(3):
        log.add(message())
    await written(log)

    assert log.dropped == 2  # a batch at a time; the rest still waits


async def test_an_answer_stands_with_its_call_while_that_waits(database: DirectDatabase) -> None:
    log = MessageLog(database)
    first, second = log.add(message("call 1")), log.add(message("call 2"))

    assert log.answer(second, datetime.now(UTC), "answer 2")
    assert not log.answer(second, datetime.now(UTC), "answer 2 again")
    await written(log)
    assert not log.answer(first, datetime.now(UTC), "too late")
    third = log.add(message("call 3"))
    assert log.answer(third, datetime.now(UTC), "answer 3")
    await written(log)

    rows = await database.select("ocpp_messages", scope=SYSTEM, columns="payload,answer", order=[("id", "asc")])
    assert [(row["payload"], row["answer"]) for row in rows] == [
        ("call 1", None), ("call 2", "answer 2"), ("call 3", "answer 3"),
    ]  # fmt: skip


async def test_a_dropped_call_takes_no_answer(database: DirectDatabase) -> None:
    log = MessageLog(database, max_waiting=1)
    log.add(message("kept"))

    assert not log.answer(log.add(message("dropped")), datetime.now(UTC), "answer")
    assert log.dropped == 1
