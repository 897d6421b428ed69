"""What chargers are answered: valid by the standard's schemas, members in the order of its field lists."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.ocppj.admission import BootQueue
from backend.ocppj.schemas import arrange, validator
from backend.ocppj.v16 import V16
from tests.flows.fuzz import GOOD
from tests.flows.raw import RawCharger, iso
from tests.flows.running import Running

NOW = datetime.now(UTC)
SAID: list[tuple[str, dict[str, Any]]] = [
    *GOOD,
    ("DiagnosticsStatusNotification", {"status": "Idle"}),
    ("FirmwareStatusNotification", {"status": "Idle"}),
    ("LogStatusNotification", {"status": "Idle"}),
    ("SecurityEventNotification", {"type": "SettingSystemTime", "timestamp": iso(NOW)}),
    ("SignCertificate", {"csr": "-----BEGIN CERTIFICATE REQUEST-----"}),
    ("SignedFirmwareStatusNotification", {"status": "Idle"}),
]


def assert_to_the_letter(action: str, answer: dict[str, Any]) -> None:
    """Valid without any mending, and written as the field list is."""
    schema, oddities = validator("v16", f"{action}Response"), []
    assert schema is not None
    schema.check(copy.deepcopy(answer), lambda quirk, example: oddities.append((quirk, example)))
    assert oddities == []
    assert json.dumps(answer) == json.dumps(arrange("v16", f"{action}Response", answer))


@pytest.mark.parametrize(("action", "payload"), SAID)
async def test_every_answer_is_to_the_letter(
    platform: Running, charger: RawCharger, action: str, payload: dict[str, Any]
) -> None:
    await platform.store_execute(
        "update public.id_tokens set parent_token = 'FAMILY', expires_at = now() + interval '1 hour'"
    )
    answer = await charger.result(action, payload)

    assert_to_the_letter(action, answer)
    if action in ("Authorize", "StartTransaction", "StopTransaction"):
        assert list(answer["idTagInfo"]) == ["expiryDate", "parentIdTag", "status"]


def test_all_messages_of_chargers_are_among_those_answered() -> None:
    served = V16(None, 300, BootQueue(), None).handlers  # type: ignore[arg-type]  # nothing is stored here

    assert {action for action, _ in SAID} == set(served)


async def test_a_pending_charger_is_answered_to_the_letter(platform: Running) -> None:
    await platform.register("CP-NEW", registration="pending")
    async with platform.plugged("CP-NEW") as charger:
        boot = await charger.result("BootNotification", {"chargePointVendor": "Raw", "chargePointModel": "One"})

    assert boot["status"] == "Pending"
    assert_to_the_letter("BootNotification", boot)


@pytest.mark.parametrize(("length", "told"), [(20, True), (21, False), (255, False)])
async def test_a_group_with_a_long_name_made_strict_chargers_throw_the_answer_away(
    platform: Running, charger: RawCharger, length: int, told: bool
) -> None:
    await platform.token("CHILD", parent_token="G" * length)
    authorized = await charger.result("Authorize", {"idTag": "CHILD"})
    started = await charger.start_answer("CHILD", at=iso(NOW - timedelta(minutes=20)))
    stopped = await charger.stop(started["transactionId"], idTag="CHILD")

    for action, answer in (("Authorize", authorized), ("StartTransaction", started), ("StopTransaction", stopped)):
        assert_to_the_letter(action, answer)
        assert answer["idTagInfo"]["status"] == "Accepted"
        assert ("parentIdTag" in answer["idTagInfo"]) is told
