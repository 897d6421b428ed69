"""Sessions that are held for review: the list with its evidence, and what a person decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import Field

from backend.database import Condition, Database
from backend.domain.caller import Caller
from backend.domain.errors import InvalidInput, NotFound
from backend.domain.plausibility import Decision, Reason
from backend.domain.scope import Scope
from backend.services.records import Page, PageRequest, Record, given, own_rows, select_page
from backend.services.sessions import BillingState, Session


class Method(StrEnum):
    """Where a proposed energy comes from."""

    METER = "meter"
    READINGS = "readings"
    CAPPED = "capped"
    NONE = "none"


class RegisterStep(Record):
    """From one register to the next."""

    since: datetime = Field(alias="from", description="Time of the first register (UTC).")
    until: datetime = Field(alias="to", description="Time of the second (UTC).")
    from_wh: float = Field(description="The first register in Wh.")
    to_wh: float = Field(description="The second in Wh.")
    limit_wh: float | None = Field(None, description="The most that the charger could deliver between them, in Wh.")


class Gap(Record):
    """A silence between two readings."""

    since: datetime = Field(alias="from", description="Last sign before it (UTC).")
    until: datetime = Field(alias="to", description="First sign after it (UTC).")
    duration_s: int = Field(description="Its length in seconds.")


class Overlap(Record):
    """Another session of the same connector at the same time."""

    session_id: str = Field(description="The other session (UUID).")
    transaction_id: int = Field(description="The number OCPP 1.6 knows it by.")
    since: datetime = Field(alias="from", description="Its begin (UTC).")
    until: datetime | None = Field(alias="to", description="Its end (UTC); null while it runs.")
    duration_s: int = Field(description="How long both ran, in seconds.")


class OtherStop(Record):
    """A stop that the charger told after the one that counts."""

    at: datetime = Field(description="Its time (UTC).")
    register_wh: float = Field(description="Its register in Wh.")


class Evidence(Record):
    """What speaks against billing the session as it is."""

    rated_power_w: int | None = Field(description="Rated power of the charger in W when it was judged.")
    limit_wh: float = Field(description="The most that the charger could deliver in the time, with a margin, in Wh.")
    meter_energy_wh: float = Field(description="What the meter says: stop less start, in Wh.")
    readings: int = Field(description="How many readings were looked at.")
    closed_by_us: str | None = Field(
        description="Why the platform closed it without a StopTransaction: `silence` or `next_session`; else null."
    )
    other_stops: list[OtherStop] = Field(
        default_factory=list, description="Later stops of the same number with other registers; the first ten."
    )
    stop_claimed_at: datetime = Field(description="End as the charger claims it (UTC); may lie before the begin.")
    start_received_at: datetime = Field(description="When the begin was told (UTC).")
    stop_received_at: datetime = Field(description="When the end was told, or was made up (UTC).")
    clock_lag_s: int | None = Field(
        description="How far the charger's clock is behind, in seconds; 0 if it could not be believed; null if good."
    )
    falls: list[RegisterStep] = Field(description="Where the register went back; the first ten.")
    jumps: list[RegisterStep] = Field(description="Where it rose by more than is possible; the first ten.")
    longest_gap: Gap | None = Field(description="The longest silence; null without readings.")
    overlaps: list[Overlap] = Field(description="Sessions of the same connector at the same time; the first ten.")


class Proposal(Record):
    """A correction to take over or to change."""

    decision: Decision = Field(description="What it amounts to.")
    energy_wh: float = Field(description="Energy in Wh.")
    started_at: datetime = Field(description="Begin (UTC).")
    stopped_at: datetime = Field(description="End (UTC).")
    method: Method = Field(
        description="Source of the energy: `meter` (stop less start), `readings` (rises that can be true), "
        "`capped` (rated power × time), `none`."
    )


class FormerDecision(Record):
    """A decision that later facts have opened again."""

    decision: Decision = Field(description="What was decided.")
    decided_at: datetime = Field(description="When (UTC).")
    decided_by_name: str | None = Field(description="By whom.")
    note: str | None = Field(description="With what reason.")
    billable_energy_wh: float = Field(description="Energy that was to be billed, in Wh.")


class Review(Session):
    """A session that is or was held, with the evidence and a proposed correction."""

    rated_power_w: int | None = Field(description="Rated power of the charger in W, as registered now.")
    held_at: datetime = Field(description="Since when it is held (UTC).")
    evidence: Evidence = Field(description="What speaks against billing it as it is.")
    proposal: Proposal = Field(description="A proposed correction.")
    decision: Decision | None = Field(description="What was decided; null while it is held.")
    decided_at: datetime | None = Field(description="When it was decided (UTC).")
    decided_by_name: str | None = Field(description="Who decided.")
    note: str | None = Field(description="The reason that was given.")
    previous: FormerDecision | None = Field(description="The decision that later facts have opened again.")


@dataclass(frozen=True, slots=True)
class ReviewFilter:
    """What to list; None does not filter."""

    billing_state: BillingState | None = None
    reason: Reason | None = None
    station_id: str | None = None
    charger_id: str | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision with its reason. Energy and times belong to a correction alone; `revision`: what the person saw."""

    decision: Decision
    note: str
    energy_wh: Decimal | None = None
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    revision: int | None = None


class Reviews:
    """Reads and decides in the caller's scope."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, scope: Scope, page: PageRequest, wanted: ReviewFilter, *, count: bool = False) -> Page[Review]:
        """Last held first. `count` adds how many the filter matches."""
        where = [*own_rows(scope), *_conditions(wanted)]
        order = [("held_at", "desc"), ("id", "desc")]
        found = await select_page(
            self._database, "session_review_details", Review, page, scope=scope, where=where, order=order
        )
        return Page(found.items, found.after, await self._count(scope, wanted) if count else None)

    async def get(self, scope: Scope, session_id: str) -> Review:
        """One session's review. Raises NotFound (`review_not_found`), also for a foreign one or one never held."""
        rows = await self._database.select(
            "session_review_details", scope=scope, columns=Review.columns(),
            where=[("id", "eq", session_id), *own_rows(scope)], limit=1,
        )  # fmt: skip
        if not rows:
            raise NotFound("This session is not held for review.", code="review_not_found")
        return Review.model_validate(rows[0])

    async def decide(self, caller: Caller, session_id: str, ruling: Ruling) -> Review:
        """Stores the decision with its audit row. The meter's own values stay; the same decision twice is one.

        Raises NotFound (`session_not_found`), Conflict (`review_conflict`: not held, or changed since it was seen),
        InvalidInput (`invalid_correction`).
        """
        _check(ruling, await self.get(caller.scope, session_id))
        arguments: dict[str, Any] = {
            "p_session_id": session_id,
            "p_revision": ruling.revision,
            "p_decision": ruling.decision,
            "p_energy_wh": None if ruling.energy_wh is None else str(ruling.energy_wh),
            "p_started_at": ruling.started_at and ruling.started_at.isoformat(),
            "p_stopped_at": ruling.stopped_at and ruling.stopped_at.isoformat(),
            "p_note": ruling.note,
            "p_actor_name": caller.name,
            "p_request_id": caller.request_id,
        }
        await self._database.call("decide_session", arguments, scope=caller.scope)
        return await self.get(caller.scope, session_id)

    async def _count(self, scope: Scope, wanted: ReviewFilter) -> int:
        arguments = {
            "p_cpo_id": scope.cpo_id,
            "p_station_id": wanted.station_id,
            "p_charger_id": wanted.charger_id,
            "p_reason": wanted.reason,
            "p_billing_state": wanted.billing_state,
        }
        return int(await self._database.call("count_reviews", arguments, scope=scope))


def _check(ruling: Ruling, review: Review) -> None:
    values = {"energy_wh": ruling.energy_wh, "started_at": ruling.started_at, "stopped_at": ruling.stopped_at}
    if ruling.decision is not Decision.CORRECT:
        if surplus := [name for name, value in values.items() if value is not None]:
            raise _invalid(surplus[0], "belongs to a correction only")
        return
    if ruling.energy_wh is None:
        raise _invalid("energy_wh", "is what a correction is about")
    stopped_at = ruling.stopped_at or review.stopped_at
    if stopped_at is not None and stopped_at < (ruling.started_at or review.started_at):
        raise _invalid("stopped_at", "lies before the begin")


def _invalid(member: str, what: str) -> InvalidInput:
    return InvalidInput(f"`{member}` {what}.", code="invalid_correction", members=[(member, what)])


def _conditions(wanted: ReviewFilter) -> list[Condition]:
    words = f"* {wanted.reason} *" if wanted.reason else None
    return given(
        ("billing_state", "eq", wanted.billing_state),
        ("reason_words", "ilike", words),
        ("station_id", "eq", wanted.station_id),
        ("charger_id", "eq", wanted.charger_id),
    )
