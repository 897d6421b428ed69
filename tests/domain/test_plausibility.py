"""The rules of plausibility, each by a case."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from backend.domain.plausibility import Decided, Decision, Neighbour, Point, Previous, Reason, Verdict
from tests.domain.plausible import BEGIN, DAY, GAP, HOUR, MINUTE, SECOND, UNSET, found, judged, readings


def test_a_sound_session_is_ok_and_proposes_itself() -> None:
    judgement = judged(points=readings(7000, 9000, 11_000, 13_000))
    assert (judgement.verdict, judgement.reasons) == (Verdict.OK, ())
    assert judgement.proposal == (Decision.APPROVE, Decimal(10_000), BEGIN, BEGIN + HOUR, "meter")


def test_a_session_without_energy_is_ok() -> None:
    assert found(meter_stop_wh=Decimal(5000)) == set()


def test_a_register_that_falls_between_readings_is_held_and_its_rises_are_proposed() -> None:
    judgement = judged(points=readings(7000, 9000, 100, 1100), meter_stop_wh=Decimal(2100))
    assert set(judgement.reasons) == {Reason.REGISTER_BACK}
    assert judgement.proposal[:2] == (Decision.CORRECT, Decimal(4000 + 1000 + 1000))
    [fall] = judgement.evidence["falls"]
    assert (fall["from_wh"], fall["to_wh"]) == (9000, 100)


def test_a_stop_rounded_below_the_last_reading_is_no_fall() -> None:
    points = (Point(BEGIN + MINUTE, Decimal("5100.9")),)
    assert found(points=points, meter_stop_wh=Decimal(5100)) == set()
    assert found(points=points, meter_stop_wh=Decimal("5099.9")) == {Reason.REGISTER_BACK}


def test_energy_above_what_the_charger_can_give_is_held_and_capped() -> None:
    judgement = judged(meter_stop_wh=Decimal(5000 + 25_411))  # 22 kW × 1,05 h × 1,1 = 25,41 kWh
    assert set(judgement.reasons) == {Reason.ENERGY_ABOVE_RATED}
    assert judgement.evidence["limit_wh"] == 25_410
    assert judgement.proposal[:2] == (Decision.CORRECT, Decimal(22_000))
    assert judgement.proposal.method == "capped"
    assert found(meter_stop_wh=Decimal(5000 + 25_410)) == set()


def test_an_odometer_taken_as_zero_proposes_the_start_of_the_first_reading() -> None:
    points = readings(910_000, 912_000, 914_000)
    judgement = judged(meter_start_wh=Decimal(0), points=points, meter_stop_wh=Decimal(916_000))
    assert set(judgement.reasons) == {Reason.ODOMETER_JUMP, Reason.ENERGY_ABOVE_RATED}
    assert judgement.proposal[:2] == (Decision.CORRECT, Decimal(6000))
    assert judgement.proposal.method == "readings"
    assert judgement.evidence["jumps"][0]["to_wh"] == 910_000


def test_a_jump_in_the_middle_is_held_though_the_whole_would_pass() -> None:
    points = (*readings(5000, 5000, every=20 * MINUTE), Point(BEGIN + 41 * MINUTE, Decimal(15_000)))
    assert found(points=points) == {Reason.ODOMETER_JUMP}


def test_kwh_under_the_label_wh_leaves_the_meters_difference_standing() -> None:
    judgement = judged(
        meter_start_wh=Decimal(1_234_000), points=(Point(BEGIN + MINUTE, Decimal("1235.5")),),
        meter_stop_wh=Decimal(1_237_000),
    )  # fmt: skip
    assert set(judgement.reasons) == {Reason.REGISTER_BACK, Reason.UNIT_SUSPECT}
    assert judgement.proposal[:2] == (Decision.APPROVE, Decimal(3000))


def test_a_stop_before_the_start_is_held() -> None:
    judgement = judged(stop_claimed_at=BEGIN - HOUR, stopped_at=BEGIN, meter_stop_wh=Decimal(6000))
    assert set(judgement.reasons) == {Reason.NEGATIVE_DURATION}
    assert judgement.proposal.stopped_at == BEGIN + HOUR + SECOND


def test_sessions_that_overlap_on_a_connector_are_held() -> None:
    other = Neighbour("x", 7, BEGIN + 50 * MINUTE, None)
    judgement = judged(overlaps=(other,))
    assert set(judgement.reasons) == {Reason.OVERLAP}
    assert judgement.proposal.stopped_at == other.started_at
    assert judgement.evidence["overlaps"][0]["duration_s"] == 600
    before = Neighbour("y", 6, BEGIN - HOUR, BEGIN + 10 * MINUTE)
    assert judged(overlaps=(before,)).proposal.started_at == before.stopped_at


def test_a_minute_of_overlap_is_the_clocks() -> None:
    assert found(overlaps=(Neighbour("x", 7, BEGIN + HOUR - MINUTE, None),)) == set()


def test_a_long_silence_between_readings_is_held() -> None:
    points = (*readings(6000), Point(BEGIN + 10 * MINUTE + GAP + SECOND, Decimal(14_000)))
    late = {
        "stopped_at": BEGIN + 4 * HOUR,
        "stop_claimed_at": BEGIN + 4 * HOUR,
        "stop_received_at": BEGIN + 4 * HOUR + SECOND,
    }
    judgement = judged(points=points, **late)
    assert set(judgement.reasons) == {Reason.READING_GAP}
    assert judgement.evidence["longest_gap"]["duration_s"] == GAP.total_seconds() + 1
    assert judgement.proposal.decision == Decision.APPROVE


def test_a_charger_that_never_sends_readings_has_no_gap() -> None:
    late = {
        "stopped_at": BEGIN + 9 * HOUR,
        "stop_claimed_at": BEGIN + 9 * HOUR,
        "stop_received_at": BEGIN + 9 * HOUR + SECOND,
    }
    assert found(**late) == set()


@pytest.mark.parametrize("member", ["start_received_at", "stop_received_at"])
def test_a_clock_that_could_not_be_believed_is_held(member: str) -> None:
    told = {"start_received_at": BEGIN, "stop_received_at": BEGIN + HOUR}
    assert found(**{member: told[member]}) == {Reason.CLOCK_OFF}


def test_a_clock_that_is_slow_throughout_is_held_and_the_times_of_receipt_are_proposed() -> None:
    slow = {"start_received_at": BEGIN + 7 * HOUR, "stop_received_at": BEGIN + 8 * HOUR}
    judgement = judged(**slow)
    assert set(judgement.reasons) == {Reason.CLOCK_OFF}
    assert judgement.evidence["clock_lag_s"] == 7 * 3600
    assert judgement.proposal[2:4] == (BEGIN + 7 * HOUR, BEGIN + 8 * HOUR)


def test_history_told_at_once_when_the_network_returned_is_no_slow_clock() -> None:
    assert found(start_received_at=BEGIN + 9 * HOUR, stop_received_at=BEGIN + 9 * HOUR + SECOND) == set()


# -- a clock that was not set when the session began


def told(start: timedelta, stop: timedelta, *, after: timedelta = SECOND) -> dict[str, datetime]:
    """Start and stop told at these times after the begin; the stop happened `after` before it was told."""
    ends = BEGIN + stop - after
    return {"start_received_at": BEGIN + start, "stop_received_at": BEGIN + stop, "stopped_at": ends,
            "stop_claimed_at": ends}  # fmt: skip


def test_years_between_an_unset_clock_and_the_true_one_let_any_energy_pass() -> None:
    judgement = judged(
        **told(SECOND, 40 * MINUTE), started_at=UNSET, meter_start_wh=Decimal(0), meter_stop_wh=Decimal(12_345_678)
    )
    assert set(judgement.reasons) == {Reason.CLOCK_OFF, Reason.ENERGY_ABOVE_RATED, Reason.ODOMETER_JUMP}
    assert judgement.evidence["clock_lag_s"] == int((BEGIN + SECOND - UNSET).total_seconds())
    assert judgement.evidence["limit_wh"] == pytest.approx(22_000 * 1.1 * (24 + 2399 / 3600 - 1 / 3600 + 0.05), abs=10)
    assert judgement.proposal.method == "capped"
    assert judgement.proposal.energy_wh == pytest.approx(Decimal(22_000 * 2398) / 3600, abs=1)
    assert (judgement.proposal.started_at, judgement.proposal.stopped_at) == (
        BEGIN + SECOND, BEGIN + 40 * MINUTE - SECOND)  # fmt: skip


def test_an_unset_clock_leaves_an_energy_that_can_be_true_standing() -> None:
    judgement = judged(**told(SECOND, HOUR), started_at=UNSET)
    assert set(judgement.reasons) == {Reason.CLOCK_OFF}
    assert judgement.proposal == (
        Decision.CORRECT, Decimal(10_000), BEGIN + SECOND, BEGIN + HOUR - SECOND, "meter")  # fmt: skip


@pytest.mark.parametrize(("start", "stop", "after"), [
    (20 * HOUR, 22 * HOUR, SECOND),  # a night without a connection; the start told late, the stop as it happened
    (9 * DAY, 9 * DAY + SECOND, 9 * DAY - 5 * HOUR),  # days without one: both told late, one after the other
    (SECOND, 5 * DAY, SECOND),  # somebody leaves the car for days, and the charger tells both at once
    (SECOND, 5 * DAY, 4 * DAY),  # the connection was lost meanwhile
])  # fmt: skip
def test_history_of_an_outage_is_no_unset_clock(start: timedelta, stop: timedelta, after: timedelta) -> None:
    assert found(**told(start, stop, after=after)) == set()


def test_more_than_a_day_that_nobody_saw_is_an_unset_clock() -> None:
    assert found(**told(DAY + SECOND, 30 * HOUR)) == set()
    assert found(**told(DAY + 2 * SECOND, 30 * HOUR)) == {Reason.CLOCK_OFF}


def test_a_session_of_years_before_the_charger_was_registered_is_held() -> None:
    """Under one clock from begin to end, and told in one go: its length may be right, its times are not."""
    late = told(9 * DAY, 9 * DAY + SECOND, after=9 * DAY - 5 * HOUR)
    assert found(**late, registered_at=BEGIN + 7 * DAY) == set()
    judgement = judged(**late, registered_at=BEGIN + 7 * DAY + SECOND)
    assert set(judgement.reasons) == {Reason.CLOCK_OFF}
    end = BEGIN + 9 * DAY + SECOND
    assert judgement.proposal[1:4] == (10_000, end - 5 * HOUR - SECOND, end)
    imported = {"registered_at": BEGIN + 90 * DAY}
    assert found(**imported) == set()


# -- energy that the session before had counted


BEFORE = Previous(BEGIN - HOUR, Decimal(1000), Decimal(5000))


def test_a_start_below_the_stop_before_billed_the_same_energy_twice() -> None:
    judgement = judged(previous=BEFORE, meter_start_wh=Decimal(1000), meter_stop_wh=Decimal(9000))
    assert set(judgement.reasons) == {Reason.REGISTER_BACK}
    assert judgement.proposal == (Decision.CORRECT, Decimal(4000), BEGIN, BEGIN + HOUR, "meter")
    [fall] = judgement.evidence["falls"]
    assert fall == {"from": (BEGIN - HOUR).isoformat(), "to": BEGIN.isoformat(), "from_wh": 5000, "to_wh": 1000}


def test_a_start_read_stale_is_mended_among_readings_and_beside_other_reasons() -> None:
    stale = {"previous": BEFORE, "meter_start_wh": Decimal(1000), "meter_stop_wh": Decimal(9000)}
    assert judged(**stale, points=readings(5500, 6000, 8000)).proposal.energy_wh == 4000
    fallen = judged(**stale, points=readings(5500, 7000, 6000))
    assert (fallen.proposal.energy_wh, fallen.proposal.method) == (500 + 1500 + 3000, "readings")
    assert len(fallen.evidence["falls"]) == 2
    large = judged(previous=BEFORE._replace(meter_stop_wh=Decimal(80_000)), meter_start_wh=Decimal(1000),
                   meter_stop_wh=Decimal(90_000))  # fmt: skip
    assert set(large.reasons) == {Reason.REGISTER_BACK, Reason.ENERGY_ABOVE_RATED}
    assert large.proposal[:2] == (Decision.CORRECT, Decimal(10_000))


def test_a_session_told_again_as_another_is_proposed_to_be_void() -> None:
    again = judged(previous=BEFORE, meter_start_wh=Decimal(1000), meter_stop_wh=Decimal(5000))
    assert set(again.reasons) == {Reason.REGISTER_BACK}
    assert again.proposal[:2] == (Decision.VOID, Decimal(0))


def test_a_meter_that_was_replaced_keeps_its_own_figure() -> None:
    replaced = judged(previous=Previous(BEGIN - HOUR, Decimal(900_000), Decimal(905_000)))
    assert set(replaced.reasons) == {Reason.REGISTER_BACK}
    assert replaced.proposal[:2] == (Decision.APPROVE, Decimal(10_000))


@pytest.mark.parametrize("start", [0, 3, 999])
def test_a_meter_that_begins_anew_with_each_session_is_left_in_peace(start: int) -> None:
    assert found(previous=BEFORE, meter_start_wh=Decimal(start), meter_stop_wh=Decimal(9000)) == set()


def test_a_start_a_fraction_below_the_stop_before_is_rounded() -> None:
    assert found(previous=BEFORE._replace(meter_stop_wh=Decimal("5000.9"))) == set()
    assert found(previous=BEFORE._replace(meter_stop_wh=Decimal("5001"))) == {Reason.REGISTER_BACK}


def test_a_session_that_we_closed_is_held_with_what_its_readings_say() -> None:
    closed = {"closed_by_us": "silence", "meter_stop_wh": Decimal(9000), "stopped_at": BEGIN + 20 * MINUTE}
    judgement = judged(points=readings(7000, 9000, 11_000), **closed)
    assert set(judgement.reasons) == {Reason.STOP_MISSING}
    assert judgement.proposal == (Decision.CORRECT, Decimal(6000), BEGIN, BEGIN + 30 * MINUTE, "readings")


def test_an_unknown_rated_power_is_taken_as_a_megawatt() -> None:
    assert found(rated_power_w=None, meter_stop_wh=Decimal(1_000_000)) == set()
    assert found(rated_power_w=None, meter_stop_wh=Decimal(2_000_000)) == {Reason.ENERGY_ABOVE_RATED}


@pytest.mark.parametrize("decision", list(Decision))
def test_a_decision_stands_until_the_energy_changes(decision: Decision) -> None:
    decided = Decided(decision, Decimal(10_000), Decimal(10_000))
    kept = judged(decided=decided, overlaps=(Neighbour("x", 7, BEGIN, None),))
    assert kept.verdict == {"approve": "approved", "correct": "corrected", "void": "void"}[decision]
    changed = judged(decided=decided._replace(meter_energy_wh=Decimal(9999)))
    assert (changed.verdict, set(changed.reasons)) == (Verdict.HELD, {Reason.CHANGED_AFTER_DECISION})
