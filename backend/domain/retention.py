"""How long each class of data is kept. The books (sessions with their energy, days, money, the audit log) stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class DataClass:
    """Data that are kept equally long: for `days` unless the setting says otherwise."""

    name: str
    days: int
    holds: str
    afterwards: str = "deleted"


CLASSES: Final = (
    DataClass("readings", 1095, "meter readings of sessions: power, register, state of charge"),
    DataClass("uploaded_logs", 90, "diagnostics and security logs that chargers uploaded", "file deleted, job kept"),
    DataClass("commands", 400, "commands to chargers with their answers, local lists that were sent"),
    DataClass("reservations", 400, "reservations that have ended"),
    DataClass("security_events", 400, "security events of chargers, refusals at the gate"),
    DataClass("stops_without_session", 400, "ends of sessions that nobody began here"),
    DataClass("who_charged", 1825, "the id token of a session", "replaced by a pseudonym; energy and times stay"),
)
"""What the worker's retention looks after. Messages have a setting of their own (`message_log_days`)."""

DAYS: Final[Mapping[str, int]] = MappingProxyType({one.name: one.days for one in CLASSES})
_LEAST, _MOST = 1, 36_500


def kept_days(text: str) -> dict[str, int]:
    """Days by class: the defaults, and what `text` says otherwise (`commands=100, uploaded_logs=7`).

    Raises ValueError for a class that there is not, or days that are no number from 1 to 36500.
    """
    days = dict(DAYS)
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name not in DAYS:
            raise ValueError(f"there is no class of data {name!r}; there are {', '.join(DAYS)}")
        if not number.isdecimal() or not _LEAST <= int(number) <= _MOST:
            raise ValueError(f"{name} needs a number of days from {_LEAST} to {_MOST}, not {number!r}")
        days[name] = int(number)
    return days
