"""What a drill finds: checks that hold or not, each with a figure; and the form every drill has."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

Figures = Mapping[str, Any]


class Check(NamedTuple):
    """`what` must hold; `figure` says how it stands, in words or numbers."""

    what: str
    holds: bool
    figure: str


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill. `full` and `short` are its sizes; `run` does it with one of them."""

    name: str
    what: str
    must: str
    full: Figures
    short: Figures
    run: Callable[[Stage], Awaitable[list[Check]]]


class NotPossible(Exception):
    """This machine does not let the drill be done; one line says why."""


@dataclass(slots=True)
class Stage:
    """What a running drill is given: a directory of its own, its size, the seed, and a place for figures."""

    name: str
    directory: Path
    size: Figures
    seed: int
    figures: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=perf_counter)

    def say(self, text: str) -> None:
        """One line of progress."""
        print(f"{self.name} {perf_counter() - self.began:5.0f} s  {text}", file=sys.stderr, flush=True)
