"""The charging profiles of one charger: installed, stacked, cleared, and what they allow at a time (1.6 §3.13)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from simulator.charger import Charger
from simulator.charging_profiles import Period, Profile

STATION = "ChargePointMaxProfile"
DEFAULT = "TxDefaultProfile"
SESSION = "TxProfile"
PURPOSES = (STATION, DEFAULT, SESSION)

SessionFacts = Callable[[int], tuple[datetime, int | None] | None]
"""Connector → begin and transaction id of its session; None without one."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A profile, and when it came."""

    profile: Profile
    at: datetime


class ChargingProfiles:
    """Answers "how much may flow here" for physics and for GetCompositeSchedule.

    A session's own profile goes before the default ones, a connector's default before that of connector 0; among
    those of one purpose the highest stack level whose schedule runs counts; the station's limit caps everything.
    """

    def __init__(self, charger: Charger, session: SessionFacts) -> None:
        self._charger, self._session = charger, session
        self._rows: list[Installed] = []

    def __iter__(self) -> Iterator[Profile]:
        return iter([row.profile for row in self._rows])

    def __len__(self) -> int:
        return len(self._rows)

    # --- installing -------------------------------------------------------------------------------------

    def install(self, profile: Profile, now: datetime) -> None:
        """Add one; it replaces the one with its id, and that of its purpose, level and place."""
        place = (profile.connector_id, profile.purpose, profile.stack_level)
        self._rows = [
            row
            for row in self._rows
            if row.profile.profile_id != profile.profile_id
            and (row.profile.connector_id, row.profile.purpose, row.profile.stack_level) != place
        ]
        self._rows.append(Installed(profile, now))
        self._apply(now)

    def clear(
        self,
        now: datetime,
        profile_id: int | None = None,
        connector_id: int | None = None,
        purpose: str | None = None,
        stack_level: int | None = None,
    ) -> int:
        """ClearChargingProfile: how many were removed; an id is enough, else all criteria given must fit."""

        def fits(profile: Profile) -> bool:
            if profile_id is not None:
                return profile.profile_id == profile_id
            pairs = (
                (connector_id, profile.connector_id),
                (purpose, profile.purpose),
                (stack_level, profile.stack_level),
            )
            return all(wanted is None or wanted == own for wanted, own in pairs)

        kept = [row for row in self._rows if not fits(row.profile)]
        removed = len(self._rows) - len(kept)
        self._rows = kept
        self._apply(now)
        return removed

    def session_ended(self, connector_id: int, now: datetime) -> None:
        """A session's own profiles end with it."""
        if self._rows:
            self.clear(now, connector_id=connector_id, purpose=SESSION)

    def _apply(self, now: datetime) -> None:
        self._charger.limiter = self.limit_w if self._rows else None
        self._charger.reconsider(now)

    # --- what holds -------------------------------------------------------------------------------------

    def limit_w(self, connector_id: int, at: datetime) -> int | None:
        """Watts that may flow at `at`, None for no limit; connector 0 is the whole station."""
        if connector_id == 0:
            return self._watts(self._running([STATION], {0}, 0, at), 0)
        own = self._running([SESSION], {connector_id}, connector_id, at)
        own = own or self._running([DEFAULT], {connector_id}, connector_id, at)
        return self._watts(own or self._running([DEFAULT], {0}, connector_id, at), connector_id)

    def _running(
        self, purposes: list[str], places: set[int], connector_id: int, at: datetime
    ) -> tuple[Profile, Period] | None:
        facts = self._session(connector_id)
        best: tuple[Profile, Period] | None = None
        for row in self._rows:
            profile = row.profile
            if profile.purpose not in purposes or profile.connector_id not in places or _foreign(profile, facts):
                continue
            began = profile.began(at, profile.first_run(facts[0] if facts else None, row.at))
            if began is not None and (best is None or profile.stack_level > best[0].stack_level):
                best = profile, profile.at(at, began)
        return best

    def _watts(self, found: tuple[Profile, Period] | None, connector_id: int) -> int | None:
        if found is None:
            return None
        profile, period = found
        if profile.unit == "W":
            return int(period.limit)
        return int(period.limit * self._charger.watts_per_ampere(connector_id, period.phases or 3))

    # --- composite schedule -----------------------------------------------------------------------------

    def composite(self, connector_id: int, start: datetime, duration_s: int, unit: str) -> list[Period]:
        """What may flow from `start` on for `duration_s`, in `unit`; equal neighbours are one period."""
        end = start + timedelta(seconds=duration_s)
        edges = sorted({start, *(edge for edge in self._edges(connector_id, start, end) if start < edge < end)})
        per_unit = self._charger.watts_per_ampere(connector_id, 3) if unit == "A" else 1
        periods: list[Period] = []
        for edge in edges:
            limit = round(self._allowed_w(connector_id, edge) / per_unit, 1)
            if not periods or periods[-1].limit != limit:
                periods.append(Period(int((edge - start).total_seconds()), limit))
        return periods

    def _allowed_w(self, connector_id: int, at: datetime) -> int:
        limits = [self._charger.spec.rated_power_w, self.limit_w(0, at), self.limit_w(connector_id, at)]
        return min(limit for limit in limits if limit is not None)

    def _edges(self, connector_id: int, start: datetime, end: datetime) -> Iterator[datetime]:
        facts = self._session(connector_id)
        for row in self._rows:
            first = row.profile.first_run(facts[0] if facts else None, row.at)
            yield from row.profile.edges(start, end, first)


def _foreign(profile: Profile, facts: tuple[datetime, int | None] | None) -> bool:
    """A session's profile that is not this session's."""
    if profile.purpose != SESSION:
        return False
    return facts is None or profile.transaction_id not in {None, facts[1]}
