"""What a charger must prove at the gate: every profile against everything a charger may show."""

from __future__ import annotations

import itertools

import pytest

from backend.domain.charger_password import hash_password
from backend.domain.credentials import Known, NotProven, Proof, Shown, prove, still_holds

OLD, NEW, WRONG = b"0123456789abcdef", bytes(range(20)), b"fedcba9876543210"
OLD_HASH, NEW_HASH = hash_password(OLD), hash_password(NEW)
ID = "CP-1"


def outcome(known: Known, shown: Shown) -> int | str:
    """The proven profile, or the reason of the refusal."""
    try:
        return prove(ID, known, shown).profile
    except NotProven as refused:
        return refused.reason


@pytest.mark.parametrize(("profile", "password", "shown", "wanted"), [
    (0, None, Shown(), 0), (0, None, Shown(password=WRONG), 0), (0, None, Shown(tls=True), 0),
    (0, OLD_HASH, Shown(), "password"), (0, OLD_HASH, Shown(password=OLD), 1), (0, OLD_HASH, Shown(True, OLD), 2),
    (1, OLD_HASH, Shown(password=WRONG), "password"), (1, OLD_HASH, Shown(password=OLD.hex().encode()), 1),
    (2, OLD_HASH, Shown(password=OLD), "tls"), (2, OLD_HASH, Shown(True, OLD), 2),
    (2, OLD_HASH, Shown(True), "password"),
    (3, OLD_HASH, Shown(password=OLD), "tls"), (3, OLD_HASH, Shown(True, OLD), "certificate"),
    (3, None, Shown(True), "certificate"),
])  # fmt: skip
def test_each_profile_asks_for_its_credentials(
    profile: int, password: str | None, shown: Shown, wanted: int | str
) -> None:
    assert outcome(Known(profile, password), shown) == wanted


@pytest.mark.parametrize("profile", range(4))
def test_a_good_certificate_serves_every_profile(profile: int) -> None:
    known = Known(profile, OLD_HASH, certificate_id="c")

    assert prove(ID, known, Shown(True, names=(ID,))) == Proof(3, None, "c")
    assert prove(ID, known, Shown(True, OLD, (ID,))) == Proof(3, OLD_HASH, "c")


@pytest.mark.parametrize(
    "names", [("CP-11",), ("CP",), ("cp-1",), (), (ID, ID), ("CP-1", "CP-2"), ("CP-1 ",), ("CP-1\0x",)]
)
@pytest.mark.parametrize("profile", range(4))
def test_a_name_that_is_not_exactly_the_identity_is_refused(profile: int, names: tuple[str, ...]) -> None:
    assert outcome(Known(profile, OLD_HASH, certificate_id="c"), Shown(True, OLD, names)) == "certificate_other_name"


@pytest.mark.parametrize("profile", range(4))
def test_a_certificate_that_is_not_in_the_books_is_refused(profile: int) -> None:
    assert outcome(Known(profile, OLD_HASH), Shown(True, OLD, (ID,))) == "certificate_unknown"
    assert outcome(Known(profile, OLD_HASH, certificate_revoked=True), Shown(True, OLD, (ID,))) == "certificate_revoked"


def test_the_old_password_and_those_on_their_way_are_good() -> None:
    known = Known(1, OLD_HASH, [NEW_HASH])

    assert prove(ID, known, Shown(password=OLD)).password_hash == OLD_HASH
    assert prove(ID, known, Shown(password=NEW.hex().encode())).password_hash == NEW_HASH
    assert outcome(known, Shown(password=WRONG)) == "password"


def test_a_charger_without_password_may_use_the_one_on_its_way() -> None:
    known = Known(0, None, [NEW_HASH])

    assert prove(ID, known, Shown()) == Proof(0)
    assert prove(ID, known, Shown(password=NEW)) == Proof(1, NEW_HASH)


def test_what_was_proven_holds_as_long_as_the_gate_would_say_so() -> None:
    knowns = [
        Known(profile, password, pending, certificate)
        for profile, password, pending, certificate in itertools.product(
            range(4), (None, OLD_HASH, NEW_HASH), ((), (NEW_HASH,)), (None, "c")
        )
    ]
    shown = [Shown(tls, password, names) for tls, password, names in itertools.product(
        (False, True), (None, OLD), (None, (ID,))) if tls or not names]  # fmt: skip
    answers = {(known, one): outcome(known, one) for known, one in itertools.product(knowns, shown)}
    for before, one in itertools.product(knowns, shown):
        if isinstance(answers[before, one], int):
            proof = prove(ID, before, one)
            held = {known for known in knowns if still_holds(known, proof)}
            # A password that was wrong but not asked for is not remembered: it would have to be shown again.
            assert held <= {known for known in knowns if isinstance(answers[known, one], int)}
            if one.password is None or proof.password_hash is not None:
                assert held == {known for known in knowns if isinstance(answers[known, one], int)}
