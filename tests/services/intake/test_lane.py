"""Group commit: whoever submits gets their own answers, and rows that cannot be stored fail alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.database import SYSTEM, DirectDatabase
from backend.domain.errors import DatabaseUnavailable, InvalidInput
from backend.services.intake.lane import Lane
from tests.support.relay import Relay

CPO = "11111111-0000-0000-0000-000000000001"
NOW = datetime.now(UTC).isoformat()
TOKENS = 20

# What is submitted: the kind, a number that its answer must come back with, and whether it can be stored.
steps = st.lists(st.tuples(st.sampled_from(["tokens", "gates", "starts", "statuses"]), st.integers(0, TOKENS - 1),
                           st.booleans(), st.integers(0, 3)), min_size=1, max_size=25)  # fmt: skip


@pytest.fixture
async def filled(database: DirectDatabase) -> DirectDatabase:
    """Charger n belongs to the CPO, and token n has parent n."""
    await database.insert("cpos", [{"id": CPO, "name": "Lane"}], scope=SYSTEM, columns="")
    chargers = [{"id": f"C{number}", "cpo_id": CPO, "password_hash": f"hash {number}"} for number in range(TOKENS)]
    await database.insert("chargers", chargers, scope=SYSTEM, columns="")
    tokens = [{"cpo_id": CPO, "token": f"T{number}", "parent_token": f"P{number}"} for number in range(TOKENS)]
    await database.insert("id_tokens", tokens, scope=SYSTEM, columns="")
    return database


@pytest.fixture
async def lane(filled: DirectDatabase) -> AsyncIterator[Lane]:
    """A lane with small batches, so that they are cut."""
    made = Lane(filled, max_rows=5)
    yield made
    await made.drain()


def row(kind: str, number: int, good: bool) -> dict[str, Any]:
    """A row of a kind that is about charger and token `number`; a bad one cannot be stored."""
    where = {"charger_id": f"C{number}", "evse_id": 1, "connector_id": 1, "received_at": NOW}
    if kind == "starts":
        return where | {
            "charger_id": f"C{number}" if good else "nobody's",
            "protocol": "ocpp1.6",
            "clock_trusted": True,
            "id_token": f"T{number}",
            "reported_at": NOW,
            "started_at": NOW,
            "meter_start_wh": number,
        }
    if kind == "statuses":
        return where | {"status": f"S{number}", "error_code": "NoError", "at": NOW if good else "no time"}
    return {"charger_id": f"C{number}", "id_token": f"T{number}"}


async def submitted(lane: Lane, kind: str, number: int, good: bool, pauses: int) -> None:
    """Submits two rows and checks that the answers are theirs."""
    for _ in range(pauses):
        await asyncio.sleep(0)
    other = (number + 7) % TOKENS
    rows = [row(kind, number, True), row(kind, other, good)]
    if not good and kind in ("starts", "statuses"):
        with pytest.raises(InvalidInput):
            await lane.submit(kind, rows)
        return
    answers = await lane.submit(kind, rows)
    assert len(answers) == 2
    for answer, expected in zip(answers, (number, other), strict=True):
        if kind == "gates":
            assert answer["password_hash"] == f"hash {expected}"
        elif kind != "statuses":
            facts = answer["token"] if kind == "starts" else answer
            assert facts["parent_token"] == f"P{expected}"


@settings(max_examples=40)
@given(steps)
async def test_any_interleaving_gives_each_caller_their_own_answers(
    lane: Lane, said: list[tuple[str, int, bool, int]]
) -> None:
    await asyncio.gather(*(submitted(lane, *step) for step in said))


async def test_rows_that_cannot_be_stored_fail_alone(lane: Lane, filled: DirectDatabase) -> None:
    lane._max_rows = 1000
    works = [lane.submit("statuses", [row("statuses", number % TOKENS, number != 13)]) for number in range(40)]
    outcomes = await asyncio.gather(*works, return_exceptions=True)

    assert [index for index, one in enumerate(outcomes) if isinstance(one, BaseException)] == [13]
    stored = await filled.select("connectors", scope=SYSTEM, columns="charger_id")
    assert len(stored) == TOKENS
    assert lane.batches < 10  # found by halving, not one by one


async def test_what_is_submitted_together_is_one_batch(lane: Lane) -> None:
    lane._max_rows = 1000
    await asyncio.gather(*(lane.submit("tokens", [row("tokens", number, True)]) for number in range(TOKENS)))

    assert (lane.batches, lane.rows) == (1, TOKENS)


async def test_a_caller_that_gives_up_disturbs_no_other(lane: Lane) -> None:
    works = [asyncio.create_task(submitted(lane, "tokens", number, True, 0)) for number in range(10)]
    await asyncio.sleep(0)
    works[3].cancel()
    outcomes = await asyncio.gather(*works, return_exceptions=True)

    assert [index for index, one in enumerate(outcomes) if one is not None] == [3]


async def test_an_unreachable_database_is_waited_for_and_then_told(dsn: str, filled: DirectDatabase) -> None:
    async with Relay.to(dsn) as relay:
        database = await DirectDatabase.open(relay.dsn)
        lane = Lane(database, patience_s=0.2)
        await submitted(lane, "tokens", 1, True, 0)
        await database.close()
        with pytest.raises(DatabaseUnavailable):
            await lane.submit("tokens", [row("tokens", 1, True)])
        await lane.drain()
    assert lane.batches == 1


async def test_an_unforeseen_failure_reaches_the_caller(lane: Lane) -> None:
    with pytest.raises(Exception, match="no_such_kind"):
        await lane.submit("no_such_kind", [{"a": 1}])
    await submitted(lane, "tokens", 1, True, 0)
