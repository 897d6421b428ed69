"""How a company becomes a CPO: which steps there are, who takes them, and what each needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.domain.errors import Conflict, DomainError, Forbidden, InvalidInput
from backend.domain.onboarding import (
    NEEDED,
    NEXT,
    TAKEN_BY,
    Check,
    DocumentKind,
    Dossier,
    Party,
    State,
    Step,
    check_step,
    lacking,
    next_state,
    normal_number,
    normal_spklu_numbers,
)

STATED = dict.fromkeys(NEEDED, "x")
WHOLE = Dossier(State.DRAFT, STATED, list(DocumentKind))
steps = st.tuples(st.sampled_from(Step), st.sampled_from(Party))


def standing(state: State) -> Dossier:
    return Dossier(state, STATED, list(DocumentKind))


def taken(state: State, step: Step, party: Party) -> State:
    """Where a step leads with everything that it could need; the same state if it is refused."""
    try:
        return check_step(standing(state), step, party, "because", list(Check))
    except DomainError:
        return state


@given(st.lists(steps, max_size=30))
def test_nobody_works_who_was_not_approved_by_the_emsv_after_handing_in(walk: list[tuple[Step, Party]]) -> None:
    state, done = State.DRAFT, []
    for step, party in walk:
        reached = taken(state, step, party)
        if reached is not state:
            done.append((step, party))
        state = reached
    if state in (State.ACTIVE, State.SUSPENDED, State.CLOSED):
        assert (Step.SUBMIT, Party.APPLICANT) in done and (Step.APPROVE, Party.EMSV) in done
        assert done.index((Step.SUBMIT, Party.APPLICANT)) < done.index((Step.APPROVE, Party.EMSV))
        assert done.count((Step.APPROVE, Party.EMSV)) == 1


@given(st.sampled_from(State), st.lists(steps, max_size=10))
def test_what_is_refused_or_closed_stays_so(state: State, walk: list[tuple[Step, Party]]) -> None:
    for step, party in walk:
        before = state
        state = taken(state, step, party)
        assert before not in (State.REFUSED, State.CLOSED) or state is before


@given(st.sampled_from(State), steps)
def test_a_step_leads_where_the_table_says_or_is_refused(state: State, wanted: tuple[Step, Party]) -> None:
    step, party = wanted
    if TAKEN_BY[step] is not party:
        with pytest.raises(Forbidden):
            next_state(state, step, party)
    elif (state, step) not in NEXT:
        with pytest.raises(Conflict):
            next_state(state, step, party)
    else:
        assert next_state(state, step, party) is NEXT[state, step]


def test_every_state_is_reached_and_every_step_is_used() -> None:
    assert {*NEXT.values(), State.DRAFT} == set(State)
    assert {step for _, step in NEXT} == set(Step)


@given(st.sets(st.sampled_from(NEEDED)), st.sets(st.sampled_from(DocumentKind)))
def test_what_is_missing_is_named_and_nothing_is_handed_in_without_it(
    stated: set[str], documents: set[DocumentKind]
) -> None:
    dossier = Dossier(State.DRAFT, dict.fromkeys(stated, "x"), documents)
    missing = {name for name in NEEDED if name not in stated}
    missing |= {f"documents.{kind}" for kind in DocumentKind if kind not in documents}

    assert set(lacking(dossier)) == missing
    if missing:
        with pytest.raises(InvalidInput) as refused:
            check_step(dossier, Step.SUBMIT, Party.APPLICANT, "")
        assert refused.value.code == "application_incomplete"
        assert {member for member, _ in refused.value.members} == missing
    else:
        assert check_step(dossier, Step.SUBMIT, Party.APPLICANT, "") is State.SUBMITTED


@given(st.sets(st.sampled_from(Check)))
def test_approval_needs_the_whole_checklist(checked: set[Check]) -> None:
    if checked == set(Check):
        assert check_step(standing(State.SUBMITTED), Step.APPROVE, Party.EMSV, "", checked) is State.ACTIVE
    else:
        with pytest.raises(InvalidInput) as refused:
            check_step(standing(State.SUBMITTED), Step.APPROVE, Party.EMSV, "", checked)
        assert {member for member, _ in refused.value.members} == {c.value for c in set(Check) - checked}


@pytest.mark.parametrize("step", [Step.ASK, Step.REFUSE])
def test_a_question_and_a_refusal_need_words(step: Step) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_step(standing(State.SUBMITTED), step, Party.EMSV, "  \n")
    assert refused.value.code == "reason_required"


@pytest.mark.parametrize(
    ("member", "written", "kept"),
    [
        ("nib", "9120 0012 3456 7", "9120001234567"),
        ("npwp", "09.254.294.3-407.000", "092542943407000"),
        ("npwp", "3174 0925 4294 0007", "3174092542940007"),
        ("bank_account", "123-456-7890", "1234567890"),
        ("phone", "0812 3456 7890", "+6281234567890"),
        ("phone", "+62 (21) 555-1234", "+62215551234"),
    ],
)
def test_numbers_are_kept_without_what_people_put_between(member: str, written: str, kept: str) -> None:
    assert normal_number(member, written) == kept == normal_number(member, kept)


@pytest.mark.parametrize(
    ("member", "written"),
    [("nib", "123"), ("nib", "91200012345678"), ("npwp", "12345678901234"), ("bank_account", "12a456"),
     ("phone", "+1 555 123 4567"), ("nib", "٩١٢٠٠٠١٢٣٤٥٦٧")],
)  # fmt: skip
def test_numbers_that_cannot_be_are_refused(member: str, written: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        normal_number(member, written)
    assert (refused.value.code, refused.value.members[0][0]) == ("number_invalid", member)


def test_spklu_numbers_are_in_capitals_and_each_stands_once() -> None:
    assert normal_spklu_numbers([" spklu/2024-01 ", "SPKLU/2024-01", "", "B.1234"]) == ["SPKLU/2024-01", "B.1234"]
    for wrong in (["a b c d"], ["x"], [f"SPKLU-{n}" for n in range(201)]):
        with pytest.raises(InvalidInput):
            normal_spklu_numbers(wrong)
