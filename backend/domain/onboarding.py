"""How a company becomes a CPO and ceases to be one: states, steps, who takes them, and what each step needs.

Numbers: NIB (OSS, 13 digits), NPWP (16 digits since PMK 112/2022, 15 before), SPKLU identity number (Permen ESDM
1/2023).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from backend.domain.errors import Conflict, Forbidden, InvalidInput


class State(StrEnum):
    """Where an applicant, and later the CPO, stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    QUESTIONED = "questioned"
    REFUSED = "refused"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Step(StrEnum):
    """What changes the state."""

    SUBMIT = "submit"
    ANSWER = "answer"
    ASK = "ask"
    APPROVE = "approve"
    REFUSE = "refuse"
    SUSPEND = "suspend"
    REINSTATE = "reinstate"
    CLOSE = "close"


class Party(StrEnum):
    """Who may take a step."""

    APPLICANT = "applicant"
    EMSV = "emsv"


class DocumentKind(StrEnum):
    """What an applicant proves with files."""

    NIB = "nib"
    NPWP = "npwp"
    BANK_ACCOUNT = "bank_account"
    SPKLU = "spklu"


class Check(StrEnum):
    """What the EMSV must have looked at before it approves."""

    NIB = "nib"
    NPWP = "npwp"
    BANK_ACCOUNT = "bank_account"
    SPKLU = "spklu"
    IDENTITY = "identity"


NEXT: Final = MappingProxyType(
    {
        (State.DRAFT, Step.SUBMIT): State.SUBMITTED,
        (State.SUBMITTED, Step.ASK): State.QUESTIONED,
        (State.QUESTIONED, Step.ANSWER): State.SUBMITTED,
        (State.SUBMITTED, Step.APPROVE): State.ACTIVE,
        (State.SUBMITTED, Step.REFUSE): State.REFUSED,
        (State.QUESTIONED, Step.REFUSE): State.REFUSED,
        (State.ACTIVE, Step.SUSPEND): State.SUSPENDED,
        (State.SUSPENDED, Step.REINSTATE): State.ACTIVE,
        (State.ACTIVE, Step.CLOSE): State.CLOSED,
        (State.SUSPENDED, Step.CLOSE): State.CLOSED,
    }
)
"""The state that a step leads to; what is not here cannot be done."""

TAKEN_BY: Final = MappingProxyType(
    {step: Party.APPLICANT if step in (Step.SUBMIT, Step.ANSWER) else Party.EMSV for step in Step}
)
SAYS_WHY: Final = frozenset({Step.ASK, Step.ANSWER, Step.REFUSE, Step.SUSPEND, Step.REINSTATE, Step.CLOSE})
"""Steps that need words: a question, an answer, a reason."""

WITH_APPLICANT: Final = frozenset({State.DRAFT, State.QUESTIONED})
"""The applicant may change what is stated and upload files."""

NEEDED: Final = (
    "company",
    "nib",
    "npwp",
    "address",
    "phone",
    "bank_name",
    "bank_account",
    "bank_holder",
    "spklu_numbers",
)
"""What must be stated before an application is submitted."""

_FORMS: Final = MappingProxyType(
    {
        "nib": (re.compile(r"\d{13}"), "A NIB has 13 digits."),
        "npwp": (re.compile(r"\d{15,16}"), "An NPWP has 16 digits (15 in its older form)."),
        "bank_account": (re.compile(r"\d{6,20}"), "A bank account number has 6 to 20 digits."),
        "phone": (re.compile(r"\+62\d{8,12}"), "A telephone number begins with +62 or 0 and has 9 to 13 digits more."),
    }
)
_SPKLU: Final = re.compile(r"[A-Z0-9][A-Z0-9./-]{3,29}")
_SEPARATORS: Final = re.compile(r"[\s.\-/()]")
MOST_SPKLU_NUMBERS: Final = 200


@dataclass(frozen=True, slots=True)
class Dossier:
    """What is known of an application when a step is wanted."""

    state: State
    stated: Mapping[str, object]
    documents: Collection[DocumentKind]


def next_state(state: State, step: Step, party: Party) -> State:
    """Where `step` leads. Raises Forbidden (`step_forbidden`) for the wrong party, Conflict (`step_conflict`)."""
    if TAKEN_BY[step] is not party:
        raise Forbidden(f"This step is not the {party}'s.", code="step_forbidden")
    try:
        return NEXT[state, step]
    except KeyError as error:
        raise Conflict(f"An application that is {state} cannot take the step {step}.", code="step_conflict") from error


def check_step(dossier: Dossier, step: Step, party: Party, words: str, checked: Collection[Check] = ()) -> State:
    """Where `step` leads, if everything that it needs is there.

    Raises Forbidden and Conflict as `next_state` does, InvalidInput (`reason_required`; `application_incomplete` with
    the missing members; `checklist_incomplete`).
    """
    state = next_state(dossier.state, step, party)
    if step in SAYS_WHY and not words.strip():
        raise _lacks("reason_required", "Say why.", ["message"])
    if step in (Step.SUBMIT, Step.ANSWER, Step.APPROVE) and (missing := lacking(dossier)):
        raise _lacks("application_incomplete", f"Still missing: {', '.join(missing)}.", missing)
    if step is Step.APPROVE and (open_checks := [check.value for check in Check if check not in checked]):
        raise _lacks("checklist_incomplete", f"Not checked yet: {', '.join(open_checks)}.", open_checks)
    return state


def lacking(dossier: Dossier) -> list[str]:
    """Members that are not stated and kinds of documents that are not there (`documents.<kind>`)."""
    unstated = [name for name in NEEDED if not dossier.stated.get(name)]
    return unstated + [f"documents.{kind}" for kind in DocumentKind if kind not in dossier.documents]


def normal_number(member: str, text: str) -> str:
    """A number without the dots and dashes that people write. Raises InvalidInput (`number_invalid`)."""
    plain = _SEPARATORS.sub("", text)
    if member == "phone" and plain.startswith("0"):
        plain = f"+62{plain[1:]}"
    form, sentence = _FORMS[member]
    if not plain.isascii() or not form.fullmatch(plain):
        raise InvalidInput(sentence, code="number_invalid", members=[(member, sentence)])
    return plain


def normal_spklu_numbers(texts: Collection[str]) -> list[str]:
    """SPKLU identity numbers in capitals, each once. Raises InvalidInput (`number_invalid`)."""
    plain = list(dict.fromkeys(text.strip().upper() for text in texts if text.strip()))
    wrong = [text for text in plain if not _SPKLU.fullmatch(text)]
    if wrong or len(plain) > MOST_SPKLU_NUMBERS:
        sentence = (
            f"An SPKLU identity number has 4 to 30 letters and digits, and at most {MOST_SPKLU_NUMBERS} are stated."
        )
        raise InvalidInput(sentence, code="number_invalid", members=[("spklu_numbers", sentence)])
    return plain


def _lacks(code: str, detail: str, members: Collection[str]) -> InvalidInput:
    return InvalidInput(detail, code=code, members=[(member, detail) for member in members])
