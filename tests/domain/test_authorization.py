"""May this token charge?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

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
])  # fmt: skip
def test_a_token_is_judged_by_its_facts(facts: TokenFacts, starting: bool, status: str) -> None:
    assert decide(facts, NOW, starting=starting) == status


def test_facts_are_read_from_what_the_database_tells() -> None:
    row = {"status": "active", "expires_at": "2026-11-21T07:00:00+07:00", "parent_token": "FAMILY",
           "open_sessions": None, "concurrent_sessions": None}  # fmt: skip

    assert TokenFacts.of(row) == TokenFacts("active", NOW, "FAMILY")
