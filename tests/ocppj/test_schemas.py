"""Schemas: valid payloads pass untouched, broken ones are mended by the table or named in the standard's words."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from backend.api.actions import ACTIONS
from backend.ocppj.admission import BootQueue
from backend.ocppj.schemas import Violation, actions, arrange, validator
from backend.ocppj.v16 import V16
from tests.flows.fuzz import GOOD, STRANGE

NAMES = {"FormationViolation", "PropertyConstraintViolation", "OccurenceConstraintViolation", "TypeConstraintViolation"}


def check(action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload as handlers get it."""
    found = validator("v16", action)
    assert found is not None
    return found.check(payload)


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every (holder, key) inside a payload."""
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for key, value in inside for place in ((node, key), *places(value))]


@pytest.mark.parametrize(("action", "payload"), GOOD)
def test_a_valid_payload_passes_untouched(action: str, payload: dict[str, Any]) -> None:
    assert check(action, copy.deepcopy(payload)) == payload


def test_the_package_brings_all_39_messages_of_1_6() -> None:
    served = V16(None, 300, BootQueue(), None).handlers  # type: ignore[arg-type]  # nothing is stored here

    assert len(actions("v16")) == 39
    assert set(served) | set(ACTIONS) == actions("v16")
    assert set(served) & set(ACTIONS) == {"DataTransfer"}


def test_members_go_out_in_the_order_of_the_standard_at_every_depth() -> None:
    hash_data = {"serialNumber": "1", "issuerKeyHash": "k", "hashAlgorithm": "SHA256", "issuerNameHash": "n"}
    schedule = {"chargingSchedulePeriod": [{"limit": 6, "startPeriod": 0}], "chargingRateUnit": "A"}
    profile = {"chargingSchedule": schedule, "stackLevel": 0, "chargingProfileId": 1, "vendor": "kept"}

    deleted = arrange("v16", "DeleteCertificate", {"certificateHashData": hash_data})
    limited = arrange("v16", "SetChargingProfile", {"csChargingProfiles": profile, "connectorId": 1})

    assert list(deleted["certificateHashData"]) == ["hashAlgorithm", "issuerNameHash", "issuerKeyHash", "serialNumber"]
    assert list(limited) == ["connectorId", "csChargingProfiles"]
    assert list(limited["csChargingProfiles"]) == ["chargingProfileId", "stackLevel", "chargingSchedule", "vendor"]
    assert list(limited["csChargingProfiles"]["chargingSchedule"]) == ["chargingRateUnit", "chargingSchedulePeriod"]
    assert list(schedule["chargingSchedulePeriod"][0]) == ["limit", "startPeriod"]  # the caller's own stays as it was


@pytest.mark.parametrize(("action", "payload"), GOOD)
def test_any_value_anywhere_is_mended_or_named(action: str, payload: dict[str, Any]) -> None:
    chance = random.Random(action)
    for strange in STRANGE:
        for _ in range(4):
            said = copy.deepcopy(payload)
            for holder, key in chance.sample(found := places(said), min(len(found), 2)):
                holder[key] = strange
            try:
                mended = check(action, said)
            except Violation as violation:
                assert violation.code in NAMES
            else:
                assert mended is said


@pytest.mark.parametrize(("change", "mended"), [
    ({"connectorId": "3"}, {"connectorId": 3}), ({"connectorId": "3.0"}, {"connectorId": 3}),
    ({"idTag": 7}, {"idTag": "7"}), ({"meterStart": 1.5}, {"meterStart": 1.5}),
    ({"meterStart": "1.5"}, {"meterStart": "1.5"}),
    ({"timestamp": "yesterday"}, {"timestamp": "yesterday"}), ({"idTag": "x" * 99}, {"idTag": "x" * 99}),
    ({"surplus": [1]}, {"surplus": [1]}), ({"reservationId": "8"}, {"reservationId": 8}),
])  # fmt: skip
def test_what_the_field_breaks_is_mended(change: dict[str, Any], mended: dict[str, Any]) -> None:
    payload = {"connectorId": 1, "idTag": "A", "meterStart": 5, "timestamp": "2026-01-01T00:00:00Z"}

    assert check("StartTransaction", payload | change) == payload | mended


@pytest.mark.parametrize(("action", "payload", "mended"), [
    ("StartTransaction", {"connectorId": 1, "idTag": "A", "meterStart": 5}, {"timestamp": None}),
    ("StatusNotification", {"connectorId": 1, "status": "Available"}, {"errorCode": "NoError"}),
    ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available", "info": None}, {}),
])  # fmt: skip
def test_a_member_that_may_be_missing_has_a_stand_in(
    action: str, payload: dict[str, Any], mended: dict[str, Any]
) -> None:
    kept = {name: value for name, value in payload.items() if value is not None}

    assert check(action, payload) == kept | mended


@pytest.mark.parametrize(("change", "code"), [
    ({"connectorId": "one"}, "TypeConstraintViolation"), ({"connectorId": 1.5}, "TypeConstraintViolation"),
    ({"connectorId": True}, "TypeConstraintViolation"), ({"idTag": {}}, "TypeConstraintViolation"),
    ({"timestamp": []}, "TypeConstraintViolation"),
])  # fmt: skip
def test_what_cannot_be_mended_is_named(change: dict[str, Any], code: str) -> None:
    payload = {"connectorId": 1, "idTag": "A", "meterStart": 5, "timestamp": "2026-01-01T00:00:00Z"}
    with pytest.raises(Violation) as raised:
        check("StartTransaction", payload | change)

    assert raised.value.code == code


def test_a_missing_member_is_an_occurence_violation() -> None:
    with pytest.raises(Violation) as raised:
        check("Authorize", {})

    assert raised.value.code == "OccurenceConstraintViolation"


def test_a_member_that_breaks_two_rules_is_one_deviation_told_before_it_is_mended() -> None:
    told: list[tuple[str, str]] = []
    found = validator("v16", "StatusNotification")
    assert found is not None
    status = {"connectorId": 1, "status": "Available", "errorCode": None, "info": "x" * 300}
    mended = found.check(dict(status), lambda quirk, example: told.append((quirk, example)))
    assert "errorCode" not in mended
    assert sorted(quirk for quirk, _ in told) == ["null_member", "too_long"]
    assert max(len(example) for _, example in told) < 200
