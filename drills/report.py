"""The outcome of drills as a table and as JSON."""

from __future__ import annotations

import json
import os
import platform as machine
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drills.checks import Check, Drill


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a drill. `impossible`: why this machine does not let it be done."""

    drill: Drill
    checks: Sequence[Check]
    figures: Mapping[str, Any]
    seconds: float
    impossible: str = ""

    @property
    def holds(self) -> bool:
        """Everything that must hold does. What could not be tried does not hold."""
        return not self.impossible and all(check.holds for check in self.checks)


def table(outcomes: Sequence[Outcome]) -> str:
    """One block for each drill, one line for each check."""
    lines: list[str] = []
    for one in outcomes:
        lines += ["", f"{one.drill.name}: {one.drill.what}, {one.seconds:.0f} s", f"  must: {one.drill.must}"]
        if one.impossible:
            lines.append(f"  NOT DONE  {one.impossible}")
        lines += [f"  {'holds ' if check.holds else 'BROKEN'}  {check.what}: {check.figure}" for check in one.checks]
    return "\n".join(lines)


def save(directory: Path, outcomes: Sequence[Outcome], *, seed: int, short: bool) -> None:
    """Writes `latest.json` and `latest.txt`."""
    directory.mkdir(parents=True, exist_ok=True)
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "short": short,
        "machine": machine.platform(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "drills": {one.drill.name: _as_json(one) for one in outcomes},
    }
    (directory / "latest.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (directory / "latest.txt").write_text(table(outcomes).strip() + "\n", encoding="utf-8")


def _as_json(one: Outcome) -> dict[str, Any]:
    return {
        "what": one.drill.what,
        "must": one.drill.must,
        "holds": one.holds,
        "impossible": one.impossible,
        "seconds": round(one.seconds, 1),
        "checks": [check._asdict() for check in one.checks],
        "figures": dict(one.figures),
    }
