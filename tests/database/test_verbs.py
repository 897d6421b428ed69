"""The five verbs on tables: the same assertions over both transports."""

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from backend.database import MAX_ROWS, SYSTEM, Database
from backend.domain.errors import Conflict, InvalidInput
from tests.database.rows import ranked, ranks

# -- values --------------------------------------------------------------------------------------------------


async def test_values_come_back_as_json_would_give_them(store: Database) -> None:
    [row] = await store.insert(
        "things",
        [
            {
                "rank": 1,
                "name": 'O\'Neil "x" \\ é',
                "amount": Decimal("123456789012.345"),
                "at": datetime(2026, 11, 21, 4, 5, 6, 789000, tzinfo=UTC),
                "day": date(2026, 11, 21),
                "active": False,
                "tags": ["a,b", "c"],
                "document": {"k": [1, None, {"z": 1.5}]},
            }
        ],
        scope=SYSTEM,
    )
    assert uuid.UUID(row.pop("id"))
    assert row == {
        "cpo_id": None,
        "rank": 1,
        "name": 'O\'Neil "x" \\ é',
        "amount": 123456789012.345,
        "at": "2026-11-21T04:05:06.789+00:00",
        "day": "2026-11-21",
        "active": False,
        "tags": ["a,b", "c"],
        "document": {"k": [1, None, {"z": 1.5}]},
        "parent_rank": None,
    }


async def test_times_in_any_zone_come_back_in_utc(store: Database) -> None:
    [row] = await store.insert("things", ranked(1, at="2026-11-21T07:00:00+07:00"), scope=SYSTEM, columns="at")
    assert row == {"at": "2026-11-21T00:00:00+00:00"}


async def test_money_of_fifteen_digits_survives(store: Database) -> None:
    amounts = ["999999999999.999", "0.001", "-1.100"]
    rows = [{**row, "amount": amount} for row, amount in zip(ranked(1, 2, 3), amounts, strict=True)]
    stored = await store.insert("things", rows, scope=SYSTEM, columns="amount")
    assert [Decimal(str(row["amount"])) for row in stored] == [Decimal(amount) for amount in amounts]


# -- select --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (("rank", "eq", 2), [2]),
        (("rank", "neq", 2), [1, 3, 4]),
        (("rank", "gt", 2), [3, 4]),
        (("rank", "gte", 2), [2, 3, 4]),
        (("rank", "lt", 2), [1]),
        (("rank", "lte", 2), [1, 2]),
        (("rank", "in", [1, 4, 9]), [1, 4]),
        (("rank", "in", []), []),
        (("name", "in", ['comma, "quote" (x)', ""]), [3]),
        (("name", "eq", 'comma, "quote" (x)'), [3]),
        (("name", "ilike", "THING%"), [1, 2]),
        (("name", "ilike", "*INg 2"), [2]),
        (("name", "is", None), [4]),
        (("active", "is", True), [1, 2, 3]),
        (("active", "eq", False), [4]),
        (("at", "gte", datetime(2026, 1, 2, tzinfo=UTC)), [2, 3, 4]),
        (("id", "eq", "00000000-0000-0000-0000-000000000001"), []),
    ],
)
async def test_select_filters(store: Database, condition: tuple[str, str, Any], expected: list[int]) -> None:
    rows = ranked(1, 2, 3, 4)
    rows[2]["name"], rows[3]["name"] = 'comma, "quote" (x)', None
    for day, row in enumerate(rows, start=1):
        row |= {"active": day != 4, "at": f"2026-01-0{day}T00:00:00Z"}
    await store.insert("things", rows, scope=SYSTEM, columns="")
    assert await ranks(store, where=[condition], order=[("rank", "asc")]) == expected


async def test_select_meets_all_conditions_also_two_on_one_column(store: Database) -> None:
    await store.insert("things", ranked(1, 2, 3, 4), scope=SYSTEM)
    assert await ranks(store, where=[("rank", "gt", 1), ("rank", "lt", 4), ("name", "neq", "thing 2")]) == [3]


async def test_select_gives_the_named_columns_only(store: Database) -> None:
    await store.insert("things", ranked(1), scope=SYSTEM)
    assert await store.select("things", scope=SYSTEM, columns="rank, active") == [{"rank": 1, "active": True}]


@pytest.mark.parametrize("direction", ["asc", "desc"])
async def test_keyset_pages_meet_every_row_once(store: Database, direction: str) -> None:
    """Many rows share their first order column, as sessions that began in the same second do."""
    rows = [{**row, "name": f'n"{row["rank"] // 3}', "at": "2026-01-01T00:00:00.123456Z"} for row in ranked(*range(10))]
    await store.insert("things", rows, scope=SYSTEM)
    order = [("at", direction), ("name", direction), ("rank", direction)]
    seen: list[int] = []
    after = None
    while page := await store.select("things", scope=SYSTEM, order=order, after=after, limit=4):
        seen += [row["rank"] for row in page]
        after = [page[-1][column] for column, _ in order]
    assert seen == sorted(range(10), reverse=direction == "desc")


@pytest.mark.parametrize("limit", [0, -1, MAX_ROWS + 1])
async def test_a_limit_outside_one_to_a_thousand_is_refused(store: Database, limit: int) -> None:
    with pytest.raises(InvalidInput):
        await store.select("things", scope=SYSTEM, limit=limit)


async def test_a_page_may_hold_a_thousand_rows(store: Database) -> None:
    await store.insert("things", ranked(*range(MAX_ROWS + 5)), scope=SYSTEM, columns="")
    assert len(await store.select("things", scope=SYSTEM, columns="rank", limit=MAX_ROWS)) == MAX_ROWS


@pytest.mark.parametrize("after", [[1], [1, 2, 3]])
async def test_a_cursor_of_another_list_is_refused(store: Database, after: list[int]) -> None:
    with pytest.raises(InvalidInput) as refused:
        await store.select("things", scope=SYSTEM, order=[("rank", "asc"), ("id", "asc")], after=after)
    assert refused.value.code == "invalid_cursor"


# -- writing -------------------------------------------------------------------------------------------------


async def test_insert_returns_rows_in_order_or_nothing_when_asked(store: Database) -> None:
    assert await store.insert("things", ranked(3, 1, 2), scope=SYSTEM, columns="rank") == [
        {"rank": 3}, {"rank": 1}, {"rank": 2},
    ]  # fmt: skip
    assert await store.insert("things", ranked(4), scope=SYSTEM, columns="") == []
    assert await ranks(store, order=[("rank", "asc")]) == [1, 2, 3, 4]


async def test_insert_is_all_or_nothing(store: Database) -> None:
    with pytest.raises(Conflict):
        await store.insert("things", ranked(1, 2, 1), scope=SYSTEM)
    assert await ranks(store) == []


async def test_rows_with_different_members_are_refused(store: Database) -> None:
    with pytest.raises(InvalidInput):
        await store.insert("things", [{"rank": 1}, {"rank": 2, "name": "x"}], scope=SYSTEM)


async def test_upsert_changes_what_was_sent_and_leaves_the_rest(store: Database) -> None:
    await store.insert("things", ranked(1, active=False), scope=SYSTEM)
    changed = await store.upsert(
        "things", [{"rank": 1, "name": "new"}, {"rank": 2, "name": "two"}], scope=SYSTEM, on=["rank"],
        columns="rank,name,active",
    )  # fmt: skip
    assert sorted(changed, key=lambda row: row["rank"]) == [
        {"rank": 1, "name": "new", "active": False},
        {"rank": 2, "name": "two", "active": True},
    ]


async def test_upsert_of_a_key_alone_keeps_the_row(store: Database) -> None:
    await store.insert("things", ranked(1), scope=SYSTEM)
    assert await store.upsert("things", [{"rank": 1}], scope=SYSTEM, on=["rank"], columns="name") == [
        {"name": "thing 1"}
    ]


async def test_upsert_of_the_same_key_twice_is_refused(store: Database) -> None:
    with pytest.raises(InvalidInput) as refused:
        await store.upsert("things", ranked(1, 1), scope=SYSTEM, on=["rank"])
    assert refused.value.code == "duplicate_rows"


async def test_update_changes_the_rows_that_meet_the_filter(store: Database) -> None:
    await store.insert("things", ranked(1, 2, 3), scope=SYSTEM)
    changed = await store.update(
        "things", {"name": None, "document": {"a": 1}}, scope=SYSTEM, where=[("rank", "gte", 2)],
        columns="rank,name,document",
    )  # fmt: skip
    assert sorted(changed, key=lambda row: row["rank"]) == [
        {"rank": 2, "name": None, "document": {"a": 1}},
        {"rank": 3, "name": None, "document": {"a": 1}},
    ]
    assert await ranks(store, where=[("name", "is", None)], order=[("rank", "asc")]) == [2, 3]


async def test_update_of_nothing_gives_nothing(store: Database) -> None:
    assert await store.update("things", {"name": "x"}, scope=SYSTEM, where=[("rank", "eq", 1)]) == []


async def test_delete_returns_the_rows_as_they_were(store: Database) -> None:
    await store.insert("things", ranked(1, 2), scope=SYSTEM)
    gone = await store.delete("things", scope=SYSTEM, where=[("rank", "eq", 1)], columns="name")
    assert gone == [{"name": "thing 1"}]
    assert await ranks(store) == [2]


async def test_update_and_delete_without_filter_are_refused(store: Database) -> None:
    await store.insert("things", ranked(1), scope=SYSTEM)
    with pytest.raises(InvalidInput):
        await store.update("things", {"name": "x"}, scope=SYSTEM, where=[])
    with pytest.raises(InvalidInput):
        await store.delete("things", scope=SYSTEM, where=[])
    assert await ranks(store, where=[("name", "eq", "thing 1")]) == [1]
