"""One charging profile (1.6 §3.13, §7.8): which limit it sets at which time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from simulator.tags import read_time

RECURRENCE = {"Daily": timedelta(days=1), "Weekly": timedelta(days=7)}


@dataclass(frozen=True, slots=True)
class Period:
    """From `start_s` seconds into the schedule on: `limit` in the schedule's unit; `phases` None: all."""

    start_s: int
    limit: float
    phases: int | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """`connector_id` where it was installed; `unit` "A" or "W"; `starts_at` and `duration_s` None: open."""

    connector_id: int
    profile_id: int
    stack_level: int
    purpose: str
    kind: str
    unit: str
    periods: tuple[Period, ...]
    recurrence: timedelta | None = None
    transaction_id: int | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    starts_at: datetime | None = None
    duration_s: int | None = None

    @classmethod
    def read(cls, connector_id: int, wire: dict[str, Any]) -> Profile:
        """From `csChargingProfiles` (snake case). ValueError for times or periods that are none."""
        schedule = wire["charging_schedule"]
        periods = tuple(
            Period(int(row["start_period"]), float(row["limit"]), row.get("number_phases"))
            for row in schedule["charging_schedule_period"]
        )
        if not periods or periods[0].start_s != 0 or list(periods) != sorted(periods, key=lambda row: row.start_s):
            raise ValueError("periods begin at 0 and ascend")
        return cls(
            connector_id,
            int(wire["charging_profile_id"]),
            int(wire["stack_level"]),
            str(wire["charging_profile_purpose"]),
            str(wire["charging_profile_kind"]),
            str(schedule["charging_rate_unit"]),
            periods,
            RECURRENCE.get(wire.get("recurrency_kind", "")),
            wire.get("transaction_id"),
            _time(wire.get("valid_from")),
            _time(wire.get("valid_to")),
            _time(schedule.get("start_schedule")),
            schedule.get("duration"),
        )

    def began(self, at: datetime, first: datetime) -> datetime | None:
        """When the run of the schedule that holds at `at` began; None if none holds. `first`: see `first_run`."""
        if (self.valid_from and at < self.valid_from) or (self.valid_to and at >= self.valid_to):
            return None
        start = first
        if at < start:
            return None
        if self.kind == "Recurring" and self.recurrence:
            start += (at - start) // self.recurrence * self.recurrence
        over = self.duration_s is not None and at >= start + timedelta(seconds=self.duration_s)
        return None if over else start

    def at(self, moment: datetime, began: datetime) -> Period:
        """The period of a run that holds at `moment`."""
        seconds = (moment - began).total_seconds()
        return [row for row in self.periods if row.start_s <= seconds][-1]

    def first_run(self, session_began: datetime | None, installed: datetime) -> datetime:
        """When the schedule begins: where it says, with the session, or else when it was installed."""
        own = None if self.kind == "Relative" else self.starts_at
        return own or session_began or installed

    def edges(self, start: datetime, end: datetime, first: datetime) -> Iterator[datetime]:
        """Instants between `start` and `end` at which the limit may change, and perhaps some more."""
        yield from (edge for edge in (self.valid_from, self.valid_to) if edge)
        step = self.recurrence if self.kind == "Recurring" else None
        began = first + max(0, (start - first) // step) * step if step else first
        while began < end:
            yield from (began + timedelta(seconds=row.start_s) for row in self.periods)
            if self.duration_s is not None:
                yield began + timedelta(seconds=self.duration_s)
            if step is None:
                return
            began += step


def _time(text: str | None) -> datetime | None:
    return read_time(text) if text else None
