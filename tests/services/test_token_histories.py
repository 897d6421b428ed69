"""Refresh tokens over drawn histories: logins, uses of any token ever given, revocations, and a clock that goes on.

A model in a few lines says what each step must give. The theft that it is about: whatever a thief and an owner do with
copies of the same token, at most one token of a login is good at any time, and who comes second ends it for both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend.database import SYSTEM, DirectDatabase
from backend.domain.caller import Visitor
from backend.domain.errors import Unauthenticated
from backend.services.tokens import REFRESH_LIFETIME, REUSE_LEEWAY, Tokens
from tests.services.test_tokens import SECRET, Clock

STEPS = st.one_of(
    st.tuples(st.just("login"), st.just(0)),
    st.tuples(st.just("use"), st.integers(0, 30)),
    st.tuples(st.just("use"), st.integers(0, 30)),
    st.tuples(st.just("revoke"), st.integers(0, 3)),
    st.tuples(st.just("clock"), st.sampled_from([1, 9, 11, 900, 31 * 86_400])),
)

_REMEMBERED_S = 90 * 86_400


@dataclass
class Token:
    """One token as the model knows it; seconds of the model's clock."""

    text: str
    login: str
    given_at: int
    used_at: int | None = None
    void: bool = False
    children: list[Token] = field(default_factory=list)


@dataclass
class Model:
    """What must be true of every token that was ever given."""

    now: int = 0
    ended: set[str] = field(default_factory=set)
    tokens: list[Token] = field(default_factory=list)

    def opened(self, token: Token) -> None:
        """A login began; the user's logins that were not seen for ninety days are forgotten with that."""
        seen_at = {one.login: one.given_at for one in self.tokens}  # the newest of each login comes last
        self.ended |= {login for login, at in seen_at.items() if self.now - at > _REMEMBERED_S}
        self.tokens.append(token)

    def outcome(self, token: Token) -> str:
        """ok, invalid or reused."""
        lifetime, leeway = int(REFRESH_LIFETIME.total_seconds()), int(REUSE_LEEWAY.total_seconds())
        if token.login in self.ended or self.now - token.given_at >= lifetime:
            return "invalid"
        late = token.used_at is not None and self.now - token.used_at > leeway
        if token.void or late or any(child.used_at is not None for child in token.children):
            return "reused"
        return "ok"

    def used(self, token: Token, successor: str) -> None:
        """The token was accepted."""
        for child in token.children:
            child.void = True
        token.used_at = self.now if token.used_at is None else token.used_at
        token.children.append(Token(successor, token.login, self.now))
        self.tokens.append(token.children[-1])


async def _use(tokens: Tokens, model: Model, token: Token) -> None:
    expected = model.outcome(token)
    if expected == "ok":
        use = await tokens.use_refresh(token.text)
        assert use.login_id == token.login
        return model.used(token, use.successor)
    with pytest.raises(Unauthenticated) as refused:
        await tokens.use_refresh(token.text)
    assert refused.value.code == f"refresh_token_{expected}"
    if expected == "reused":
        model.ended.add(token.login)


async def _at_most_one_is_good(database: DirectDatabase, model: Model) -> None:
    where = [("used_at", "is", None), ("revoked_at", "is", None)]
    rows = await database.select("refresh_tokens", scope=SYSTEM, columns="family", where=where)
    families = [row["family"] for row in rows if row["family"] not in model.ended]
    assert len(families) == len(set(families))


@settings(max_examples=40)
@example(steps=[*3 * [("clock", 31 * 86_400)], ("login", 0), ("revoke", 0)])
@given(steps=st.lists(STEPS, min_size=3, max_size=30))
async def test_whatever_happens_at_most_one_token_is_good_and_a_copy_ends_the_login(
    database: DirectDatabase, steps: list[tuple[str, int]]
) -> None:
    await database.delete("users", scope=SYSTEM, where=[("email", "eq", "a@b.test")])
    row = {"email": "a@b.test", "name": "A", "role": "noc_analyst"}
    user_id = str((await database.insert("users", [row], scope=SYSTEM, columns="id"))[0]["id"])
    clock, model = Clock(), Model()
    tokens = Tokens(database, SECRET, clock)
    for name, number in [("login", 0), *steps]:
        if name == "login":
            login, text = await tokens.open_login(user_id, "password", Visitor(), second_factor=False)
            model.opened(Token(text, login, model.now))
        elif name == "use":
            await _use(tokens, model, model.tokens[number % len(model.tokens)])
        elif name == "revoke":
            logins = list(dict.fromkeys(token.login for token in model.tokens))
            login = logins[number % len(logins)]
            arguments = {"p_user_id": user_id, "p_id": login, "p_except": None, "p_reason": "revoked"}
            ended = await database.call("end_logins", arguments, scope=SYSTEM)
            assert ended == (login not in model.ended)
            model.ended.add(login)
        else:
            clock.turn(timedelta(seconds=number))
            model.now += number
        await _at_most_one_is_good(database, model)
