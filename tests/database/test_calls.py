"""The sixth verb, and who asks: the same assertions over both transports."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from backend.database import SYSTEM, Database, Scope
from backend.domain.errors import Forbidden, UnknownFunction
from tests.database.rows import ranked

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
    assert found == await store.select("things", scope=SYSTEM, where=[("rank", "gte", 2)], order=[("rank", "asc")])


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
async def test_unknown_functions_and_arguments_say_so(store: Database, function: str, args: dict[str, Any]) -> None:
    with pytest.raises(UnknownFunction):
        await store.call(function, args, scope=SYSTEM)


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
