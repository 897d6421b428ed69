"""The tables: what is measured and what must hold, at the scale of a town (2,000 chargers) and of a nation (5,000,
10,000 in its storm), and behind the walls (a million sessions of fifty CPOs). To add a row, add a `Row` and its
figure in `phases.py` or `walls.py`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from bench.phases import Figures

AIM, MUST, FAIL, SHOWN = "aim met", "must met", "FAIL", ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `must` and `aim` bound what `limit_is` names: the platform's `value`, or its `ratio` to the
    baseline's figure.

    `figure` names the platform's figure, `against` the baseline's (the same by default). `none_of` is a
    figure that has to be zero for the row to hold at all: errors, refusals.
    """

    key: str
    title: str
    figure: str
    unit: str
    limit_is: str = "value"
    must: float | None = None
    aim: float | None = None
    against: str = ""
    none_of: str = ""


_SHARED = {
    "postgres": Row(
        "cpu", "PostgreSQL CPU per MeterValues", "postgres_us_per_reading", "µs", "ratio", against="cpu_us_per_reading"
    ),
    "message": Row("cpu", "CPU per message, heartbeats counted", "cpu_us_per_message", "µs", "ratio"),
    "p50": Row("cpu", "answer to MeterValues, p50", "p50_ms", "ms"),
    "p99": Row("cpu", "answer to MeterValues, p99", "p99_ms", "ms", "value", 100, 25),
    "p999": Row("cpu", "answer to MeterValues, p99.9", "p999_ms", "ms"),
    "lost": Row("cpu", "calls refused or unanswered", "calls_lost", "", "value", 0, 0),
    "refused": Row("storm", "refused in that storm", "storm_refused", "", "value", 0, 0),
    "put_off": Row("storm", "told once to boot again later", "storm_put_off", ""),
}

TOWN = (
    Row("cpu", "CPU per MeterValues", "cpu_us_per_reading", "µs", "ratio", 1 / 4, 1 / 8, none_of="calls_lost"),
    *(_SHARED[name] for name in ("postgres", "message", "p50", "p99", "p999", "lost")),
    Row("memory", "memory per idle connection", "memory_kib", "KiB", "value", 40, 20, none_of="memory_missing"),
    Row("storm", "all connect and boot at once", "storm_s", "s", "value", 60, 3, none_of="storm_refused"),
    _SHARED["refused"],
    _SHARED["put_off"],
    Row("command", "remote start to the wire, p50", "remote_start_p50_ms", "ms"),
    Row(
        "command",
        "remote start to the wire, p99",
        "remote_start_p99_ms",
        "ms",
        "value",
        250,
        50,
        none_of="remote_start_lost",
    ),
    Row("command", "remote starts lost or refused", "remote_start_lost", "", "value", 0, 0),
)

NATION = (
    Row("cpu", "CPU per MeterValues", "cpu_us_per_reading", "µs", "ratio", 1 / 6, 1 / 10, none_of="calls_lost"),
    replace(_SHARED["postgres"], must=1 / 8, aim=1 / 16, none_of="calls_lost"),
    *(_SHARED[name] for name in ("message", "p50", "p99")),
    replace(_SHARED["p999"], must=500, aim=50),
    _SHARED["lost"],
    Row("memory", "memory per idle connection", "memory_kib", "KiB", "value", 30, 18, none_of="memory_missing"),
    Row("storm", "all connect and boot at once", "storm_s", "s", "value", 60, 12, none_of="storm_refused"),
    _SHARED["refused"],
    _SHARED["put_off"],
    Row("flat", "cost per message, PostgreSQL counted, × that of few", "cost_growth", "×", "value", 1.3, 1.0),
    Row("calm", "remote start to the wire, p99", "remote_start_p99_ms", "ms"),
    Row("calm", "the same while all others connect", "storm_start_p99_ms", "ms"),
    Row("calm", "in the storm, × quiet", "storm_slowdown", "×", "value", 3, 2, none_of="calm_lost"),
    Row("tls", "connection and boot without TLS, CPU", "plain_connection_ms", "ms"),
    Row("tls", "TLS adds, ECDSA certificate", "tls_ecdsa_ms", "ms"),
    Row("tls", "TLS adds, RSA certificate", "tls_rsa_ms", "ms"),
    Row(
        "tls", "1,000 connect over TLS and boot at once", "tls_storm_s", "s", "value", 30, 10, none_of="tls_storm_lost"
    ),
    Row("tls", "remote start to the wire in that, p99", "tls_storm_start_p99_ms", "ms"),
    Row("tls", "in the storm over TLS, × quiet", "tls_storm_slowdown", "×", "value", 3, 2, none_of="tls_storm_lost"),
)

_SEEN = "pages_wrong"  # pages that do not add up to the sessions the reader may see
WALLS = (
    Row("walls", "session list, newest first, p50", "newest_p50_ms", "ms"),
    Row(
        "walls", "session list, newest first, p95 of every page", "newest_p95_ms", "ms", "value", 100, 25, none_of=_SEEN
    ),
    Row(
        "walls", "session list, oldest first, p95 of every page", "oldest_p95_ms", "ms", "value", 100, 25, none_of=_SEEN
    ),
    Row("walls", "row policies, as the owner subtracted", "policy_ms", "ms"),
    Row("walls", "check of the token", "token_ms", "ms"),
    Row("walls", "authorization, of the list's median", "authorization_share", "×", "value", 0.10, 0.05),
)

ROWS = {"town": TOWN, "nation": NATION, "walls": WALLS}
KEYS = tuple(dict.fromkeys(row.key for rows in ROWS.values() for row in rows))


@dataclass(frozen=True, slots=True)
class Result:
    """One row with its figures: None where a server has none."""

    row: Row
    platform: float | None
    baseline: float | None

    @property
    def ratio(self) -> float | None:
        """Platform to baseline."""
        if self.platform is None or not self.baseline:
            return None
        return self.platform / self.baseline


def results(
    scale: str, keys: tuple[str, ...], platform: Figures | None, baseline: Figures | None
) -> list[tuple[Result, str]]:
    """The rows asked for, each with its verdict (empty where nothing is demanded or nothing was measured)."""
    found = []
    for row in (row for row in ROWS[scale] if row.key in keys):
        result = Result(row, _number(platform, row.figure), _number(baseline, row.against or row.figure))
        found.append((result, _verdict(result, platform)))
    return found


def _verdict(result: Result, platform: Figures | None) -> str:
    row = result.row
    if row.must is None or row.aim is None or platform is None:
        return SHOWN
    value = result.ratio if row.limit_is == "ratio" else result.platform
    if platform.get(row.none_of) or (value is None and _measurable(result, platform)) or _worse(value, row.must):
        return FAIL
    if value is None:
        return SHOWN
    return MUST if _worse(value, row.aim) else AIM


def _measurable(result: Result, platform: Figures) -> bool:
    """A figure that should be there: a ratio wants its baseline, which a run may have left out."""
    return result.row.limit_is == "value" or result.platform is None


def _worse(value: float | None, limit: float) -> bool:
    return value is not None and (math.isnan(value) or value > limit)


def _number(figures: Figures | None, name: str) -> float | None:
    value: Any = (figures or {}).get(name)
    return float(value) if isinstance(value, (int, float)) else None
