"""How figures are made: percentiles, windows, verdicts."""

from __future__ import annotations

import math

import pytest

from bench.latency import Window, percentile
from bench.report import failed, table
from bench.rows import AIM, FAIL, MUST, results


def test_percentile_is_the_nearest_rank() -> None:
    ordered = [float(number) for number in range(1, 101)]
    assert percentile(ordered, 0.5) == 50
    assert percentile(ordered, 0.99) == 99
    assert percentile(ordered, 0.999) == 100
    assert math.isnan(percentile([], 0.5))


def test_an_answers_time_runs_from_when_the_call_was_due_not_from_when_it_was_sent() -> None:
    window = Window(10.0, 20.0)
    window.scheduled("MeterValues", due=11.0, now=14.0)
    window.answered("MeterValues", due=11.0, at=14.5, error=None)
    assert window.report()["answers"]["MeterValues"]["p50_ms"] == pytest.approx(3500)
    assert window.report()["load_lateness"]["max_ms"] == pytest.approx(3000)


def test_calls_before_the_window_warm_up_and_count_nowhere() -> None:
    window = Window(10.0, 20.0)
    window.scheduled("Heartbeat", due=9.9, now=9.9)
    window.answered("Heartbeat", due=9.9, at=9.95, error=None)
    assert window.report()["due"] == {}
    assert window.outstanding() == 0


def test_a_callerror_and_a_missing_answer_are_told_apart() -> None:
    window = Window(0.0, 10.0)
    for due in (1.0, 2.0, 3.0):
        window.scheduled("MeterValues", due, due)
    window.answered("MeterValues", 1.0, 1.1, None)
    window.answered("MeterValues", 2.0, 2.1, "InternalError")
    report = window.report()
    assert report["errors"] == {"MeterValues: InternalError": 1}
    assert report["unanswered"] == 1


@pytest.mark.parametrize(
    ("cpu_us", "verdict"), [(100.0, AIM), (125.0, AIM), (200.0, MUST), (250.0, MUST), (251.0, FAIL)]
)
def test_the_cpu_row_is_judged_by_the_ratio(cpu_us: float, verdict: str) -> None:
    platform = {"cpu_us_per_reading": cpu_us, "calls_lost": 0}
    found = results("town", ("cpu",), platform, {"cpu_us_per_reading": 1000.0})
    assert found[0][1] == verdict


def test_a_cheap_server_that_loses_calls_fails() -> None:
    platform = {"cpu_us_per_reading": 1.0, "calls_lost": 3}
    found = results("town", ("cpu",), platform, {"cpu_us_per_reading": 1000.0})
    assert found[0][1] == FAIL
    assert failed(found)


def test_a_figure_that_could_not_be_measured_fails() -> None:
    found = results("town", ("command",), {"remote_start_p99_ms": math.nan, "remote_start_lost": 0}, None)
    assert {result.row.figure: verdict for result, verdict in found}["remote_start_p99_ms"] == FAIL


def test_the_table_shows_limits_in_the_form_they_were_set() -> None:
    found = results("town", ("cpu",), {"cpu_us_per_reading": 120.0, "calls_lost": 0}, {"cpu_us_per_reading": 1000.0})
    line = table(found).splitlines()[2]
    assert "120 µs" in line
    assert "0.120" in line
    assert "≤ 1/4" in line
    assert line.endswith(AIM)


def test_a_nation_is_judged_more_strictly_than_a_town() -> None:
    platform = {"cpu_us_per_reading": 200.0, "postgres_us_per_reading": 130.0, "calls_lost": 0}
    baseline = {"cpu_us_per_reading": 1000.0}
    verdicts = {
        scale: [verdict for _, verdict in results(scale, ("cpu",), platform, baseline)][:2]
        for scale in ("town", "nation")
    }
    assert verdicts == {"town": [MUST, ""], "nation": [FAIL, FAIL]}
