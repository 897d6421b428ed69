"""Normalising rules: each treatment does its one thing to what it knows, and nothing to anything else."""

from __future__ import annotations

import copy
import random
from decimal import Decimal
from typing import Any

import pytest

from backend.domain.errors import InvalidInput
from backend.domain.normalising import TREATMENTS, Rule, Treatment, check_parameters
from backend.domain.readings import read_number

GOOD: dict[str, dict[str, Any]] = {
    "energy_factor": {"factor": "1000", "members": "both"},
    "ignore_phases": {"phases": ["L2", "L3"]},
    "clock_offset": {"seconds": -25_200},
    "clock_zone": {"timezone": "Asia/Jakarta"},
    "status_map": {"map": {"Idle": "Available"}},
    "error_code_map": {"map": {"Error": "OtherError"}},
    "token_prefix": {"prefix": "ID-"},
}
BAD: list[tuple[str, dict[str, Any]]] = [
    ("energy_factor", {"factor": "0", "members": "both"}),
    ("energy_factor", {"factor": "ten", "members": "both"}),
    ("energy_factor", {"factor": 1000, "members": "all"}),
    ("energy_factor", {"factor": 1000}),
    ("ignore_phases", {"phases": []}),
    ("ignore_phases", {"phases": "L2"}),
    ("clock_offset", {"seconds": 1.5}),
    ("clock_offset", {"seconds": True}),
    ("clock_offset", {"seconds": 10**9}),
    ("clock_zone", {"timezone": "Mars/Olympus"}),
    ("clock_zone", {"timezone": "../etc/passwd"}),
    ("status_map", {"map": {}}),
    ("status_map", {"map": {"Idle": 1}}),
    ("token_prefix", {"prefix": ""}),
    ("no_such_treatment", {}),
]
STATUS = {"connectorId": 1, "status": "Idle", "errorCode": "Error", "timestamp": "2026-11-21T10:00:00Z"}
METER = {
    "connectorId": 1,
    "transactionId": 7,
    "meterValue": [
        {
            "timestamp": "2026-11-21T10:00:00+07:00",
            "sampledValue": [
                {"value": "361.5"},
                {"value": "9451", "measurand": "Power.Active.Import", "unit": "W", "phase": "L1"},
                {"value": "12", "measurand": "Power.Active.Import", "unit": "W", "phase": "L2"},
                {"value": "broken", "measurand": "Energy.Active.Import.Register"},
            ],
        }
    ],
}
START = {"connectorId": 1, "idTag": "id-77", "meterStart": 5, "timestamp": "2026-11-21T10:00:00"}
STOP = {"transactionId": 7, "meterStop": 9, "timestamp": "never", "transactionData": METER["meterValue"]}
PAYLOADS: list[tuple[str, dict[str, Any]]] = [
    ("StatusNotification", STATUS),
    ("MeterValues", METER),
    ("StartTransaction", START),
    ("StopTransaction", STOP),
    ("Authorize", {"idTag": "ID-"}),
    ("Heartbeat", {}),
]


def rule(treatment: str, parameters: dict[str, Any] | None = None, **patterns: str) -> Rule:
    wanted = {"vendor_pattern": "*", "model_pattern": "*", "firmware_pattern": "*"} | patterns
    return Rule("r", treatment=treatment, parameters=parameters or GOOD[treatment], **wanted)


def treated(action: str, payload: dict[str, Any], *treatments: str) -> dict[str, Any]:
    return Treatment([rule(treatment) for treatment in treatments]).apply(action, payload)


def values(payload: dict[str, Any]) -> list[Any]:
    lists = payload.get("meterValue") or payload.get("transactionData") or []
    return [sample["value"] for value in lists for sample in value["sampledValue"]]


def test_energy_is_multiplied_exactly_and_nothing_else() -> None:
    assert values(treated("MeterValues", METER, "energy_factor")) == ["361500", "9451", "12", "broken"]
    assert treated("StartTransaction", START, "energy_factor")["meterStart"] == "5000"
    stop = treated("StopTransaction", STOP, "energy_factor")
    assert (stop["meterStop"], values(stop)[0]) == ("9000", "361500")
    only = Treatment([rule("energy_factor", {"factor": 0.001, "members": "registers"})])
    assert only.apply("StopTransaction", STOP)["meterStop"] == "0.009"
    assert values(only.apply("StopTransaction", STOP)) == values(STOP)


def test_samples_of_ignored_phases_are_not_there() -> None:
    assert values(treated("MeterValues", METER, "ignore_phases")) == ["361.5", "9451", "broken"]


def test_clocks_are_moved_by_an_offset_or_read_in_their_zone() -> None:
    assert treated("StatusNotification", STATUS, "clock_offset")["timestamp"] == "2026-11-21T03:00:00+00:00"
    zoned = treated("MeterValues", METER, "clock_zone")["meterValue"][0]["timestamp"]
    assert zoned == "2026-11-20T20:00:00+00:00"  # what was read as 03:00 UTC is the clock's own 03:00
    assert treated("StopTransaction", STOP, "clock_zone")["timestamp"] == "never"


def test_words_and_tags_are_replaced_only_where_they_fit() -> None:
    both = treated("StatusNotification", STATUS, "status_map", "error_code_map")
    assert (both["status"], both["errorCode"]) == ("Available", "OtherError")
    assert treated("StatusNotification", {"status": "Faulted"}, "error_code_map") == {"status": "Faulted"}
    assert treated("StartTransaction", START, "token_prefix")["idTag"] == "77"
    assert treated("Authorize", {"idTag": "ID-"}, "token_prefix") == {"idTag": "ID-"}
    assert treated("Authorize", {"idTag": "X"}, "token_prefix") == {"idTag": "X"}


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_what_was_given_stays_as_it_was(treatment: str) -> None:
    for action, payload in PAYLOADS:
        before = copy.deepcopy(payload)
        treated(action, payload, treatment)
        assert payload == before


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_no_content_costs_a_message(treatment: str) -> None:
    """Whatever stands in a member after the schema's mending, the answer is a payload of the same members."""
    chance = random.Random(7)
    texts = ["", "x" * 300, "1e400", "NaN", "9999-12-31T23:59:59Z", "0001-01-01T00:00"]
    odd: list[Any] = [None, -1, 10**40, 1e308, *texts, [], {}]
    for _ in range(400):
        action, payload = chance.choice(PAYLOADS)
        strange = copy.deepcopy(payload)
        for name in strange:
            if chance.random() < 0.4 and name not in ("meterValue", "transactionData"):
                strange[name] = chance.choice(odd)
        for value in strange.get("meterValue") or strange.get("transactionData") or []:
            for sample in value["sampledValue"]:
                sample[chance.choice(["value", "unit", "phase", "measurand", "format"])] = chance.choice(odd[:8])
        assert treated(action, strange, treatment).keys() == strange.keys()


def test_an_energy_factor_and_its_inverse_cancel_exactly() -> None:
    chance = random.Random(11)
    there = Treatment([rule("energy_factor", {"factor": "1000", "members": "both"})])
    back = Treatment([rule("energy_factor", {"factor": "0.001", "members": "both"})])
    for _ in range(200):
        text = f"{Decimal(chance.randrange(10**12)).scaleb(-chance.randrange(4))}"
        payload = {"connectorId": 1, "meterStart": text, "timestamp": "", "idTag": "T"}
        again = back.apply("StartTransaction", there.apply("StartTransaction", payload))
        assert read_number(again["meterStart"]) == read_number(text)


@pytest.mark.parametrize(("treatment", "parameters"), BAD)
def test_parameters_that_mean_nothing_are_refused(treatment: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        check_parameters(treatment, parameters)


def test_rules_fit_by_pattern_whatever_the_case() -> None:
    wanted = rule("status_map", vendor_pattern="Open*", firmware_pattern="4.2.*")
    assert wanted.fits("OPENEVSE", None, "4.2.2")
    assert not wanted.fits("OpenEVSE", "X", "4.3")
    assert not wanted.fits(None, None, "4.2.2")
    assert not rule("status_map", vendor_pattern="A_B").fits("AXB", None, None)
    assert rule("status_map").fits(None, None, None)


@pytest.mark.parametrize("treatment", sorted(TREATMENTS))
@pytest.mark.parametrize(
    "odd", [5, "x", None, [], [5, None, "x"], {}, [[]], [{"sampledValue": 7}], [{"sampledValue": [1]}]]
)
def test_what_has_no_form_at_all_is_left_as_it_is(treatment: str, odd: Any) -> None:
    payload = dict.fromkeys(("meterValue", "transactionData", "idTag", "status", "timestamp"), odd)
    for action, _ in PAYLOADS:
        assert treated(action, payload, treatment) == payload
