"""The contract of the six verbs, the same assertions over both transports."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from backend.database import MAX_ROWS, SYSTEM, Database, Scope
from backend.domain.errors import (
    ChargerOffline,
    Conflict,
    DatabaseTimeout,
    DomainError,
    Forbidden,
    InvalidInput,
    NotFound,
    UnknownFunction,
)
from tests.support.postgres import execute
from tests.support.stores import SCRATCH, TRANSPORTS, open_store


@pytest.fixture(params=TRANSPORTS)
async def store(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Database]:
    """Both transports, over a database that also holds the scratch objects."""
    await execute(dsn, SCRATCH)
    postgrest = request.getfixturevalue("postgrest") if request.param == "supabase" else None
    async with open_store(request.param, dsn, postgrest) as opened:
        yield opened


def ranked(*ranks: int, **more: Any) -> list[dict[str, Any]]:
    return [{"rank": rank, "name": f"thing {rank}", **more} for rank in ranks]


async def ranks(store: Database, **query: Any) -> list[int]:
    rows = await store.select("things", scope=SYSTEM, columns="rank", **query)
    return [row["rank"] for row in rows]


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
    [row] = await store.insert(
        "things", ranked(1, at="2026-11-21T07:00:00+07:00"), scope=SYSTEM, columns="at"
    )
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
    rows = [
        {**row, "name": f'n"{row["rank"] // 3}', "at": "2026-01-01T00:00:00.123456Z"}
        for row in ranked(*range(10))
    ]
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


# -- functions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "args", "answer"),
    [
        ("scratch_add", {"p_a": 1}, 6),
        ("scratch_add", {"p_b": 1, "p_a": 2}, 3),
        ("scratch_nothing", None, None),
        ("scratch_null", None, None),
        ("scratch_none", None, []),
        ("scratch_numbers", {}, [1, 2, 3]),
        ("scratch_table", None, [{"n": 1, "word": "one"}, {"n": 2, "word": "two"}]),
        ("scratch_things", {"p_least": 0}, []),
    ],
)
async def test_call_gives_the_same_shape_on_both_transports(
    store: Database, function: str, args: dict[str, Any] | None, answer: Any
) -> None:
    assert await store.call(function, args, scope=SYSTEM) == answer


async def test_call_returns_rows_of_a_table(store: Database) -> None:
    await store.insert("things", ranked(1, 2, 3), scope=SYSTEM)
    found = await store.call("scratch_things", {"p_least": 2}, scope=SYSTEM)
    assert found == await store.select(
        "things", scope=SYSTEM, where=[("rank", "gte", 2)], order=[("rank", "asc")]
    )


@pytest.mark.parametrize("rows", [[{"a": 1.5}], b'[{"a":1.5}]', msgspec.Raw(b'[{"a":1.5}]')])
async def test_call_takes_values_and_encoded_json_alike(store: Database, rows: Any) -> None:
    args = {"p_rows": rows, "p_at": datetime(2026, 1, 1, tzinfo=UTC), "p_tags": ["x", 'y,"z"']}
    assert await store.call("scratch_echo", args, scope=SYSTEM) == {
        "rows": [{"a": 1.5}],
        "at": "2026-01-01T00:00:00+00:00",
        "tags": ["x", 'y,"z"'],
    }


@pytest.mark.parametrize(
    ("function", "args"),
    [("scratch_absent", {}), ("scratch_add", {"p_a": 1, "p_c": 1}), ("scratch_add", {})],
)
async def test_unknown_functions_and_arguments_say_so(
    store: Database, function: str, args: dict[str, Any]
) -> None:
    with pytest.raises(UnknownFunction):
        await store.call(function, args, scope=SYSTEM)


# -- errors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "kind", "code"),
    [
        (ranked(1), Conflict, "already_exists"),
        ([{"rank": None}], InvalidInput, "missing_value"),
        (ranked(2, parent_rank=99), InvalidInput, "unknown_reference"),
        ([{"rank": 2, "name": "x" * 300}], InvalidInput, "rule_violated"),
        ([{"rank": "many"}], InvalidInput, "invalid_value"),
        ([{"rank": 2, "at": "yesterday-ish"}], InvalidInput, "invalid_value"),
        ([{"rank": 2, "nmae": "x"}], InvalidInput, "unknown_column"),
    ],
)
async def test_what_the_database_refuses_has_one_class_and_code(
    store: Database, rows: list[dict[str, Any]], kind: type[DomainError], code: str
) -> None:
    await store.insert("things", ranked(1), scope=SYSTEM)
    with pytest.raises(kind) as refused:
        await store.insert("things", rows, scope=SYSTEM)
    assert refused.value.code == code
    assert refused.value.detail


async def test_a_conflict_names_the_key(store: Database) -> None:
    await store.insert("things", ranked(7), scope=SYSTEM)
    with pytest.raises(Conflict) as refused:
        await store.insert("things", ranked(7), scope=SYSTEM)
    assert refused.value.detail == "Key (rank)=(7) already exists."


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ([("rank", "eq", "many")], "invalid_value"),
        ([("rank", "like", 1)], "invalid_filter"),
        ([("rank", "eq", None)], "invalid_filter"),
        ([("rank", "is", 5)], "invalid_filter"),
        ([("ranc", "eq", 5)], "unknown_column"),
    ],
)
async def test_filters_that_make_no_sense_are_refused(
    store: Database, where: list[tuple[str, str, Any]], code: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await store.select("things", scope=SYSTEM, where=where)
    assert refused.value.code == code


async def test_an_unknown_table_says_so(store: Database) -> None:
    with pytest.raises(InvalidInput) as refused:
        await store.select("thingies", scope=SYSTEM)
    assert refused.value.code == "unknown_table"


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        ("charger_offline", ChargerOffline, 409),
        ("not_found", NotFound, 404),
        ("idempotency_conflict", Conflict, 409),
        ("forbidden", Forbidden, 403),
        ("meter_implausible", InvalidInput, 422),
    ],
)
async def test_business_errors_of_functions_keep_code_and_words(
    store: Database, code: str, kind: type[DomainError], status: int
) -> None:
    with pytest.raises(kind) as refused:
        await store.call("scratch_refuse", {"p_message": "CP1 is asleep.", "p_code": code}, scope=SYSTEM)
    assert (refused.value.code, refused.value.detail, refused.value.status) == (
        code,
        "CP1 is asleep.",
        status,
    )


async def test_a_statement_that_takes_too_long_is_cut_short(store: Database) -> None:
    with pytest.raises(DatabaseTimeout):
        await store.call("scratch_sleep", {"p_seconds": 20}, scope=SYSTEM)


async def test_after_an_error_the_next_call_works(store: Database) -> None:
    for _ in range(6):
        with pytest.raises(NotFound):
            await store.call("scratch_refuse", {"p_message": "x", "p_code": "not_found"}, scope=SYSTEM)
    assert await store.call("scratch_add", {"p_a": 1}, scope=SYSTEM) == 6


# -- who asks ------------------------------------------------------------------------------------------------

CPO, USER = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


async def test_a_person_steps_down_to_their_own_claims(store: Database) -> None:
    who = await store.call("scratch_who", scope=Scope("cpo_admin", user_id=USER, cpo_id=CPO))
    assert who == {
        "role": "authenticated",
        "claims": {
            "role": "authenticated",
            "sub": USER,
            "app_metadata": {"cpo_id": CPO, "role": "cpo_admin"},
        },
    }


async def test_the_platform_stays_the_service_role(store: Database) -> None:
    await store.call("scratch_who", scope=Scope("noc_analyst", user_id=USER))
    who = await store.call("scratch_who", scope=SYSTEM)
    assert (who["role"], who["claims"]["role"]) == ("service_role", "service_role")


async def test_a_person_may_not_call_what_is_the_platforms(store: Database) -> None:
    with pytest.raises(Forbidden):
        await store.call("scratch_platform_only", scope=Scope("emsv_admin", user_id=USER))
    assert await store.call("scratch_platform_only", scope=SYSTEM) == 1


async def test_a_person_sees_and_writes_their_own_rows(store: Database) -> None:
    scope = Scope("cpo_admin", user_id=USER, cpo_id=CPO)
    assert await store.insert("things", ranked(1, cpo_id=CPO), scope=scope, columns="rank") == [{"rank": 1}]
    await store.insert("things", ranked(2, cpo_id=USER), scope=SYSTEM)
    assert [row["rank"] for row in await store.select("things", scope=scope)] == [1]
    with pytest.raises(Forbidden):
        await store.insert("things", ranked(3, cpo_id=USER), scope=scope)
