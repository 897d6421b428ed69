"""Access and refresh tokens, with a clock that the test turns."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import jwt
import pytest

from backend.database import SYSTEM, DirectDatabase
from backend.domain.caller import Visitor
from backend.domain.errors import Unauthenticated
from backend.domain.scope import Scope
from backend.services.tokens import (
    ACCESS_LIFETIME,
    CHALLENGE_LIFETIME,
    REFRESH_LIFETIME,
    REUSE_LEEWAY,
    Challenged,
    Tokens,
)

SECRET = "a secret of the tests, long enough for every algorithm that a forger may try"
WHO = Challenged("11111111-1111-4111-8111-111111111111", "password", 1)
VISITOR = Visitor("192.0.2.1", "a browser")


class Clock:
    """A clock that stands until it is turned."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.time

    def turn(self, by: timedelta) -> None:
        self.time += by


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(database: DirectDatabase, clock: Clock) -> Tokens:
    return Tokens(database, SECRET, clock)


@pytest.fixture
async def user_id(database: DirectDatabase) -> str:
    row = {"email": "a@b.test", "name": "A", "role": "noc_analyst", "password_hash": "x"}
    return str((await database.insert("users", [row], scope=SYSTEM, columns="id"))[0]["id"])


def _scope() -> Scope:
    return Scope("noc_analyst", "11111111-1111-4111-8111-111111111111")


def test_an_access_token_gives_its_caller_until_it_expires(tokens: Tokens, clock: Clock) -> None:
    token = tokens.access(_scope(), "Ayu")
    caller = tokens.read(token, "request-1")
    assert (caller.scope, caller.name, caller.request_id) == (_scope(), "Ayu", "request-1")
    clock.turn(ACCESS_LIFETIME)
    with pytest.raises(Unauthenticated) as refused:
        tokens.read(token, None)
    assert refused.value.code == "token_expired"


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "another"},
        {"iss": "another"},
        {"role": "system"},
        {"role": "root"},
        {"exp": None},
        {"name": None},
        {"exp": 1e300},
    ],
)
def test_a_token_with_a_claim_that_does_not_fit_is_refused(
    tokens: Tokens, clock: Clock, change: dict[str, object]
) -> None:
    good = jwt.decode(tokens.access(_scope(), "A"), options={"verify_signature": False})
    claims = {name: value for name, value in {**good, **change}.items() if value is not None}
    with pytest.raises(Unauthenticated) as refused:
        tokens.read(jwt.encode(claims, SECRET, algorithm="HS256"), None)
    assert refused.value.code == "token_invalid"


def test_a_token_signed_otherwise_is_refused(tokens: Tokens) -> None:
    claims = jwt.decode(tokens.access(_scope(), "A"), options={"verify_signature": False})
    forged = [
        jwt.encode(claims, "another secret, also long enough!", algorithm="HS256"),
        jwt.encode(claims, SECRET, algorithm="HS512"),
        jwt.encode(claims, None, algorithm="none"),
    ]
    for token in forged:
        with pytest.raises(Unauthenticated):
            tokens.read(token, None)


def test_a_challenge_is_no_access_token_and_the_other_way_round(tokens: Tokens, clock: Clock) -> None:
    challenge, access = tokens.challenge(WHO), tokens.access(_scope(), "A")
    assert tokens.read_challenge(challenge) == WHO
    with pytest.raises(Unauthenticated):
        tokens.read(challenge, None)
    clock.turn(CHALLENGE_LIFETIME)
    for wrong in (access, challenge, "nonsense"):
        with pytest.raises(Unauthenticated) as refused:
            tokens.read_challenge(wrong)
        assert refused.value.code == "challenge_invalid"


async def _open(tokens: Tokens, user_id: str) -> str:
    return (await tokens.open_login(user_id, "password", VISITOR, second_factor=False))[1]


async def test_a_refresh_token_used_twice_ends_its_login(tokens: Tokens, clock: Clock, user_id: str) -> None:
    first = await _open(tokens, user_id)
    second = (await tokens.use_refresh(first)).successor
    other_login = await _open(tokens, user_id)
    clock.turn(REUSE_LEEWAY + timedelta(seconds=1))
    with pytest.raises(Unauthenticated) as stolen:
        await tokens.use_refresh(first)
    assert stolen.value.code == "refresh_token_reused"
    with pytest.raises(Unauthenticated) as ended:
        await tokens.use_refresh(second)
    assert ended.value.code == "refresh_token_invalid"
    assert (await tokens.use_refresh(other_login)).user_id == user_id


async def test_a_lost_answer_may_be_asked_for_again_at_once_and_voids_what_was_lost(
    tokens: Tokens, clock: Clock, user_id: str
) -> None:
    first = await _open(tokens, user_id)
    lost = (await tokens.use_refresh(first)).successor
    clock.turn(REUSE_LEEWAY / 2)
    assert (await tokens.use_refresh(first)).successor != lost
    with pytest.raises(Unauthenticated) as seen_after_all:
        await tokens.use_refresh(lost)
    assert seen_after_all.value.code == "refresh_token_reused"


async def test_many_uses_at_once_leave_one_good_token(tokens: Tokens, database: DirectDatabase, user_id: str) -> None:
    first = await _open(tokens, user_id)
    await asyncio.gather(*(tokens.use_refresh(first) for _ in range(8)))
    where = [("used_at", "is", None), ("revoked_at", "is", None)]
    assert len(await database.select("refresh_tokens", scope=SYSTEM, where=where)) == 1


async def test_a_refresh_token_expires(tokens: Tokens, clock: Clock, user_id: str) -> None:
    token = await _open(tokens, user_id)
    clock.turn(REFRESH_LIFETIME + timedelta(seconds=1))
    with pytest.raises(Unauthenticated):
        await tokens.use_refresh(token)


async def test_the_database_holds_no_refresh_token(tokens: Tokens, database: DirectDatabase, user_id: str) -> None:
    token = await _open(tokens, user_id)
    rows = await database.select("refresh_tokens", scope=SYSTEM)
    assert len(rows) == 1 and token not in str(rows)


async def test_an_unknown_refresh_token_is_refused_and_may_be_logged_out(tokens: Tokens) -> None:
    await tokens.end_login("nobody's")
    with pytest.raises(Unauthenticated) as refused:
        await tokens.use_refresh("nobody's")
    assert refused.value.code == "refresh_token_invalid"
