"""What goes wrong has one class and one code, whatever the transport."""

from typing import Any

import pytest

from backend.database import SYSTEM, Database, Scope
from backend.domain.errors import (
    ChargerOffline,
    Conflict,
    DatabaseTimeout,
    DatabaseUnavailable,
    DomainError,
    Forbidden,
    InvalidInput,
    NotFound,
)
from tests.database.rows import ranked
from tests.support.tenancy import PERSON


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


@pytest.mark.parametrize("scope", [SYSTEM, Scope("noc_analyst", user_id=PERSON)])
async def test_every_statement_has_a_time_limit_whoever_asks(store: Database, scope: Scope) -> None:
    """Over HTTP it is that of the roles, which PostgREST applies; `set role` alone would bring none."""
    assert await store.call("scratch_time_limit", scope=scope) == "8s"


async def test_after_an_error_the_next_call_works(store: Database) -> None:
    for _ in range(6):
        with pytest.raises(NotFound):
            await store.call("scratch_refuse", {"p_message": "x", "p_code": "not_found"}, scope=SYSTEM)
    assert await store.call("scratch_add", {"p_a": 1}, scope=SYSTEM) == 6


@pytest.mark.parametrize(
    ("sqlstate", "code"),
    [
        ("40P01", "database_busy"),
        ("55P03", "database_busy"),
        ("53100", "database_full"),
        ("53300", "database_full"),
        ("57P03", "database_unavailable"),
    ],
)
async def test_what_may_pass_is_unavailable_and_not_a_defect(store: Database, sqlstate: str, code: str) -> None:
    with pytest.raises(DatabaseUnavailable) as refused:
        await store.call("scratch_fail", {"p_sqlstate": sqlstate}, scope=SYSTEM)
    assert refused.value.code == code
