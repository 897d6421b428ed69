"""Prints the table and keeps the figures."""

from __future__ import annotations

import json
import math
import pstats
from pathlib import Path
from typing import Any

from bench.phases import Figures
from bench.rows import FAIL, Result, Row

PHASES = ("metering", "few", "idle", "command", "calm", "tls")
CROWDED = 0.1  # of a core
STARVED_MS = 20.0
COLUMNS = ("row", "platform", "baseline", "ratio", "must", "aim", "verdict")


def table(found: list[tuple[Result, str]]) -> str:
    """The results as one text table."""
    lines = [COLUMNS, *(_cells(result, verdict) for result, verdict in found)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    printed = [_line(line, widths) for line in lines]
    return "\n".join([printed[0], "─" * len(printed[0]), *printed[1:]])


def failed(found: list[tuple[Result, str]]) -> bool:
    """Whether a must does not hold."""
    return any(verdict == FAIL for _, verdict in found)


def notes(name: str, figures: Figures) -> list[str]:
    """What one must know beside the table: errors by reason, and whether the machine was fit to measure."""
    lines = [line for phase in PHASES for line in figures.get(f"{phase}_problems", [])]
    if figures.get("compressed", 1.0) < 1.0:
        lines.append(f"Note: the {name} took the offer of compression on {figures['compressed']:.0%} of the sockets.")
    if (foreign := figures.get("foreign_cpu", 0.0)) > CROWDED:
        lines.append(f"Note: other work took {foreign:.0%} of a core while the {name} was measured.")
    if (late := figures.get("lateness_p99_ms", 0.0)) > STARVED_MS:
        lines.append(f"Note: the load generator was itself {late:.0f} ms late at p99 ({name}).")
    return lines


def rows(found: list[tuple[Result, str]]) -> list[dict[str, Any]]:
    """The results as JSON objects."""
    return [
        {
            "row": result.row.title,
            "unit": result.row.unit,
            "platform": result.platform,
            "baseline": result.baseline,
            "ratio": result.ratio,
            "must": result.row.must,
            "aim": result.row.aim,
            "limit_is": result.row.limit_is,
            "verdict": verdict,
        }
        for result, verdict in found
    ]


def save(path: Path, kept: dict[str, Any]) -> None:
    """Write everything measured as JSON, by scale, replacing the last run's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_plain(kept), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    """NaN, which JSON does not know, becomes null."""
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _cells(result: Result, verdict: str) -> tuple[str, ...]:
    row = result.row
    return (
        row.title,
        _number(result.platform, row.unit),
        _number(result.baseline, row.unit),
        "–" if result.ratio is None else f"{result.ratio:.3f}",
        _limit(row, row.must),
        _limit(row, row.aim),
        verdict,
    )


def _limit(row: Row, limit: float | None) -> str:
    if limit is None:
        return ""
    return f"≤ 1/{1 / limit:g}" if row.limit_is == "ratio" else f"≤ {limit:g} {row.unit}".rstrip()


def _number(value: float | None, unit: str) -> str:
    if value is None or math.isnan(value):
        return "–"
    digits = 0 if value >= 100 or not unit else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    numbers = [cell.rjust(width) for cell, width in zip(cells[1:-1], widths[1:-1], strict=True)]
    return "  ".join([cells[0].ljust(widths[0]), *numbers, cells[-1].ljust(widths[-1])]).rstrip()


def print_profile(path: Path, lines: int = 45) -> None:
    """The OCPP server's functions by own CPU time, and by CPU time with what they call."""
    for order in ("tottime", "cumulative"):
        pstats.Stats(str(path)).strip_dirs().sort_stats(order).print_stats(lines)
