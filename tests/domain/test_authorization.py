"""May this token charge?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.authorization import TokenFacts, decide

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(("facts", "starting", "status"), [
    (TokenFacts(None), True, "Invalid"),
    (TokenFacts("active"), True, "Accepted"),
    (TokenFacts("blocked", expires_at=NOW - timedelta(days=1), open_sessions=1), True, "Blocked"),
    (TokenFacts("active", expires_at=NOW), True, "Expired"),
    (TokenFacts("active", expires_at=NOW - timedelta(days=1), open_sessions=1), True, "Expired"),
    (TokenFacts("active", expires_at=NOW + timedelta(seconds=1)), True, "Accepted"),
    (TokenFacts("active", open_sessions=1), True, "ConcurrentTx"),
    (TokenFacts("active", open_sessions=1), False, "Accepted"),
    (TokenFacts("active", open_sessions=1, concurrent_sessions=True), True, "Accepted"),
    (TokenFacts(None, open_sessions=1), True, "Invalid"),
    (TokenFacts("active", parent_token="FAMILY", parent_status="blocked"), False, "Blocked"),
    (TokenFacts("active", parent_token="FAMILY", parent_status="active", parent_expires_at=NOW), False, "Expired"),
    (TokenFacts(None, parent_status="blocked"), True, "Invalid"),
])  # fmt: skip
def test_a_token_is_judged_by_its_facts(facts: TokenFacts, starting: bool, status: str) -> None:
    assert decide(facts, NOW, starting=starting) == status


def test_facts_are_read_from_what_the_database_tells() -> None:
    row = {"status": "active", "expires_at": "2026-11-21T07:00:00+07:00", "parent_token": "FAMILY",
           "open_sessions": None, "concurrent_sessions": None, "parent_status": "active",
           "parent_expires_at": "2026-11-20T00:00:00+00:00"}  # fmt: skip

    facts = TokenFacts.of(row)

    assert facts == TokenFacts(
        "active", NOW, "FAMILY", parent_status="active", parent_expires_at=NOW - timedelta(days=1)
    )
    assert facts.valid_until == NOW - timedelta(days=1)


MOMENTS = st.none() | st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
STATES = st.sampled_from([None, "active", "blocked"])
FACTS = st.builds(
    TokenFacts, status=STATES, expires_at=MOMENTS, parent_token=st.sampled_from([None, "G"]),
    open_sessions=st.integers(0, 2),
    concurrent_sessions=st.booleans(), parent_status=STATES, parent_expires_at=MOMENTS,
)  # fmt: skip


@given(FACTS, MOMENTS.filter(bool), st.booleans())
def test_a_token_is_accepted_only_if_nothing_speaks_against_it(
    facts: TokenFacts, now: datetime, starting: bool
) -> None:
    until = [moment for moment in (facts.expires_at, facts.parent_expires_at) if moment]
    against = {
        "Invalid": facts.status is None,
        "Blocked": "blocked" in (facts.status, facts.parent_status),
        "Expired": any(moment <= now for moment in until),
        "ConcurrentTx": starting and facts.open_sessions > 0 and not facts.concurrent_sessions,
    }
    answer = decide(facts, now, starting=starting)

    assert answer == next((word for word, true in against.items() if true), "Accepted")
    assert (answer == "Accepted") is not any(against.values())


@given(FACTS, MOMENTS.filter(bool))
def test_what_is_accepted_now_was_accepted_before_and_reading_the_card_is_never_stricter_than_a_start(
    facts: TokenFacts, now: datetime
) -> None:
    if decide(facts, now, starting=True) == "Accepted":
        assert decide(facts, now - timedelta(seconds=1), starting=True) == "Accepted"
        assert decide(facts, now, starting=False) == "Accepted"
    if facts.valid_until and decide(facts, now, starting=False) == "Accepted":
        assert decide(facts, facts.valid_until, starting=False) == "Expired"
