"""What chargers answer and report is theirs: whatever it is, it is settled, and what is kept of it can be read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.api.actions import ACTIONS
from backend.database import SYSTEM
from backend.domain.configuration import hide_in_answer
from backend.ocppj import frames
from backend.ocppj.delivery import judge
from backend.ocppj.v16 import REPORTS
from backend.services.dispatch import Dispatch, Outcome
from backend.services.intake.lane import Lane
from tests.api.conftest import World
from tests.api.test_commands import PAYLOADS

NOW = datetime.now(UTC).isoformat()
HEAVY = "x" * 1_000_000
TIMES = ["infinity", "-infinity", "now", "epoch", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59",
         "2026-01-01 BC", "294276-12-31T00:00:00Z", "2026-02-30T00:00:00Z", "0000-01-01T00:00:00Z", ""]  # fmt: skip
WORDS = ["Accepted", "Rejected", "NotFound", "Unknown", "VersionMismatch", "RebootRequired", "AcceptedCanceled",
         "Installed", "Downloading", "Uploaded", "AuthorizationKey", "\0", "a\0b"]  # fmt: skip
characters = st.characters(exclude_categories=["Cs"])
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([-1e300, 1e308, 2**63, -(2**63), 2**31, 2**53 + 0.0]), st.text(characters, max_size=30),
    st.sampled_from([*TIMES, *WORDS]),
)  # fmt: skip
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(characters, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
# What is kept of each action, and where it is read.
OWN = {
    "CancelReservation": "reservations", "CertificateSigned": "certificates", "ChangeConfiguration": "configuration",
    "ClearChargingProfile": "charging-profiles", "DeleteCertificate": "certificates",
    "GetCompositeSchedule": "composite-schedules", "GetConfiguration": "configuration",
    "GetDiagnostics": "log-jobs", "GetInstalledCertificateIds": "certificates", "GetLocalListVersion": "local-list",
    "GetLog": "log-jobs", "InstallCertificate": "certificates", "ReserveNow": "reservations",
    "SendLocalList": "local-list", "SetChargingProfile": "charging-profiles",
    "SignedUpdateFirmware": "firmware-jobs", "UpdateFirmware": "firmware-jobs", "ChangeAvailability": "commands",
    "DiagnosticsStatusNotification": "log-jobs", "FirmwareStatusNotification": "firmware-jobs",
    "LogStatusNotification": "log-jobs", "SignedFirmwareStatusNotification": "firmware-jobs",
    "SecurityEventNotification": "security-events", "SignCertificate": "security-events",
}  # fmt: skip
OF_ALL = ("commands", "reservations", "security-events")
FEW = settings(max_examples=15, suppress_health_check=list(HealthCheck))
PERIOD = {"startPeriod": 0, "limit": 1}


@cache
def _schema(name: str) -> dict[str, Any]:
    text = (resources.files("ocpp.v16") / "schemas" / f"{name}.json").read_text("utf-8-sig")
    read: dict[str, Any] = json.loads(text)
    return read


def like(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values in the shape of a schema, with anything at all in place of some of its parts."""
    match schema.get("type"):
        case "object":
            members = {name: like(part) | anything for name, part in schema.get("properties", {}).items()}
            return st.fixed_dictionaries({}, optional=members)
        case "array":
            return st.lists(like(schema["items"]), max_size=4)
        case "string":
            return st.sampled_from(schema.get("enum", TIMES + WORDS))
        case "integer" | "number":
            return st.integers(-5, 10**12) | st.floats(-1e12, 1e12)
        case _:
            return anything


async def can_be_read(world: World, action: str) -> None:
    """What is kept of the charger's words about this action."""
    noun = OWN[action]
    path = noun if noun in OF_ALL else f"chargers/{world.own.charger_id}/{noun}"
    reply = await (await world.client("cpo_admin")).get(f"/api/{path}")
    assert reply.status_code == 200, (path, reply.text)


async def ask(world: World, action: str, payload: dict[str, Any]) -> str:
    """A command that is on the wire."""
    row = {"cpo_id": world.own.cpo_id, "charger_id": world.own.charger_id, "action": action, "payload": payload,
           "status": "sent", "expires_at": "2999-01-01T00:00:00Z"}  # fmt: skip
    return str((await world.add("commands", **row))["id"])


async def settled(world: World, command_id: str, outcome: Outcome) -> str:
    """The command's status once its outcome was told, twice."""
    for _ in range(2):
        await Dispatch(world.database, "node-1").settle(command_id, outcome)
    [row] = await world.database.select("commands", scope=SYSTEM, columns="status", where=[("id", "eq", command_id)])
    return str(row["status"])


async def answered(world: World, action: str, payload: dict[str, Any], said: Any) -> None:
    """Settles a command with an answer as it came over the wire, and reads what is kept."""
    command_id = await ask(world, action, payload)
    frame = frames.read_frame(json.dumps([3, "1", said]).encode())
    outcome = judge(action, hide_in_answer(frame.payload))

    assert await settled(world, command_id, outcome) == outcome.status
    await can_be_read(world, action)


async def test_every_reaction_is_tried_here(world: World, dsn: str) -> None:
    store = await asyncpg.connect(dsn)
    known = await store.fetch("select action from private.answer_reactions union select action from "
                              "private.report_reactions")  # fmt: skip
    await store.close()
    assert {row["action"] for row in known} == set(OWN)


@pytest.mark.parametrize("action", sorted(OWN.keys() & ACTIONS.keys()))
@FEW
@given(st.data())
async def test_whatever_a_charger_answers_is_settled(world: World, action: str, data: st.DataObject) -> None:
    payload = data.draw(st.sampled_from(PAYLOADS[action]))
    await answered(world, action, payload, data.draw(like(_schema(f"{action}Response"))))


@pytest.mark.parametrize(
    "odd",
    [
        {"scheduleStart": "2026-01-01 BC", "chargingSchedule": {"chargingSchedulePeriod": [PERIOD]}},
        {"chargingSchedule": {"minChargingRate": -1e300, "chargingSchedulePeriod": [PERIOD]}},
        {"chargingSchedule": {"chargingSchedulePeriod": [{}]}},
        {"chargingSchedule": {"chargingSchedulePeriod": ["x", 1, None]}},
        {"chargingSchedule": {"chargingSchedulePeriod": [{"startPeriod": 2**62, "limit": 1e300}]}},
        {"chargingSchedule": [HEAVY], "scheduleStart": HEAVY},
    ],
    ids=["before-christ", "low-rate", "empty-period", "no-periods", "huge", "heavy"],
)
async def test_a_composite_schedule_was_kept_that_could_not_be_read(world: World, odd: dict[str, Any]) -> None:
    await answered(world, "GetCompositeSchedule", {"connectorId": 0, "duration": 60}, {"status": "Accepted", **odd})


@pytest.mark.parametrize(
    "action", ["GetConfiguration", "GetDiagnostics", "GetInstalledCertificateIds", "UpdateFirmware"]
)
async def test_an_answer_of_megabytes_is_settled(world: World, action: str) -> None:
    entry = {"key": HEAVY, "value": HEAVY, "serialNumber": HEAVY, "issuerNameHash": HEAVY}
    short = {**entry, "key": "Short", "serialNumber": "1"}
    said = {"status": "Accepted", "fileName": HEAVY, "unknownKey": [HEAVY], "configurationKey": [entry, short],
            "certificateHashData": [entry, short]}  # fmt: skip
    await answered(world, action, PAYLOADS[action][0], said)


@pytest.mark.parametrize("until", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-12:00"])
@pytest.mark.parametrize("action", ["ReserveNow", "UpdateFirmware", "GetDiagnostics", "SendLocalList"])
async def test_a_moment_at_the_edge_of_time_closed_the_list(world: World, action: str, until: str) -> None:
    info = {"idTag": "A", "idTagInfo": {"status": "Accepted", "expiryDate": until}}
    payload = {
        "ReserveNow": {"connectorId": 1, "expiryDate": until, "idTag": "A", "reservationId": 7},
        "UpdateFirmware": {"location": "http://x", "retrieveDate": until},
        "GetDiagnostics": {"location": "http://x", "startTime": until, "stopTime": until},
        "SendLocalList": {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [info]},
    }[action]
    client = await world.client("cpo_operator")
    sent = await client.post(f"/api/chargers/{world.own.charger_id}/commands/{action}?queue=true", json=payload)
    assert sent.status_code == 202
    await answered(world, action, payload, {"status": "Accepted"})


@pytest.mark.parametrize("status", ["rejected", "failed", "timed_out"])
async def test_a_command_without_a_good_end_is_settled(world: World, status: str) -> None:
    for action in ACTIONS:
        for payload in PAYLOADS[action]:
            command_id = await ask(world, action, payload)

            assert await settled(world, command_id, Outcome(status, None, "Timeout", "No answer.")) == status


async def reported(world: World, action: str, said: Any) -> None:
    """Stores a report as it came over the wire, twice, and reads what is kept."""
    frame = frames.read_frame(json.dumps([2, "1", action, said]).encode())
    row = {"charger_id": world.own.charger_id, "action": action, "payload": frame.payload, "received_at": NOW}
    assert await Lane(world.database).submit("reports", [row, row]) == [None, None]
    await can_be_read(world, action)


@pytest.mark.parametrize("action", REPORTS)
@FEW
@given(st.data())
async def test_whatever_a_charger_reports_is_stored(world: World, action: str, data: st.DataObject) -> None:
    await reported(world, action, data.draw(like(_schema(action))))


@pytest.mark.parametrize("at", [*TIMES, HEAVY], ids=range(len(TIMES) + 1))
async def test_a_security_event_of_no_time_closed_the_list(world: World, at: str) -> None:
    await reported(world, "SecurityEventNotification", {"type": HEAVY, "timestamp": at, "techInfo": HEAVY})
