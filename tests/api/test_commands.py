"""Commands over HTTP: what is asked, once, of the right charger."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest

from backend.api.actions import ACTIONS
from backend.database import SYSTEM
from backend.domain.configuration import hide_links
from tests.api.conftest import World

START = "/api/client/remote-start"
STOP = "/api/client/remote-stop"

PAYLOADS: dict[str, list[dict[str, Any]]] = {
    "ChangeAvailability": [{"connectorId": 0, "type": "Inoperative"}],
    "ChangeConfiguration": [{"key": "HeartbeatInterval", "value": "300"}],
    "ClearCache": [{}],
    "DataTransfer": [{"vendorId": "id.uniev"}, {"vendorId": "id.uniev", "messageId": "m", "data": "text"}],
    "GetConfiguration": [{}, {"key": ["HeartbeatInterval"]}],
    "RemoteStartTransaction": [
        {"idTag": "CARD-1"},
        {
            "connectorId": 1,
            "idTag": "CARD-1",
            "chargingProfile": {
                "chargingProfileId": 1,
                "stackLevel": 0,
                "chargingProfilePurpose": "TxProfile",
                "chargingProfileKind": "Relative",
                "chargingSchedule": {
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.5}],
                },
            },
        },
    ],
    "RemoteStopTransaction": [{"transactionId": 12}],
    "Reset": [{"type": "Hard"}, {"type": "Soft"}],
    "UnlockConnector": [{"connectorId": 99}],
    "TriggerMessage": [{"requestedMessage": "MeterValues", "connectorId": 99}],
    "GetDiagnostics": [{"location": "ftp://u:p@files.test/in", "retries": 3, "startTime": "2026-11-21T00:00:00Z"}],
    "UpdateFirmware": [{"location": "gopher://odd.test/fw", "retrieveDate": "2026-11-21T07:00:00+07:00"}],
    "GetLocalListVersion": [{}],
    "SendLocalList": [
        {
            "listVersion": -1,
            "localAuthorizationList": [
                {"idTag": "CARD-1", "idTagInfo": {"parentIdTag": "GROUP", "status": "Accepted"}},
                {"idTag": "CARD-2"},
            ],
            "updateType": "Differential",
        },
    ],
    "ReserveNow": [
        {"connectorId": 0, "expiryDate": "2020-01-01T00:00:00Z", "idTag": "CARD-1", "reservationId": -7},
    ],
    "CancelReservation": [{"reservationId": 123456}],
    "SetChargingProfile": [
        {
            "connectorId": 99,
            "csChargingProfiles": {
                "chargingProfileId": 7,
                "transactionId": 1,
                "stackLevel": 3,
                "chargingProfilePurpose": "TxProfile",
                "chargingProfileKind": "Recurring",
                "recurrencyKind": "Daily",
                "validFrom": "2026-11-21T00:00:00Z",
                "chargingSchedule": {
                    "duration": 3600,
                    "startSchedule": "2026-11-21T00:00:00Z",
                    "chargingRateUnit": "W",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7400.0, "numberPhases": 1}],
                    "minChargingRate": 6.0,
                },
            },
        },
    ],
    "ClearChargingProfile": [{}, {"id": 7, "connectorId": 0, "chargingProfilePurpose": "TxProfile", "stackLevel": 3}],
    "GetCompositeSchedule": [{"connectorId": 0, "duration": 600, "chargingRateUnit": "A"}],
    "CertificateSigned": [{"certificateChain": "-----BEGIN CERTIFICATE-----\nx"}],
    "DeleteCertificate": [
        {
            "certificateHashData": {
                "hashAlgorithm": "SHA256",
                "issuerNameHash": "a1",
                "issuerKeyHash": "b2",
                "serialNumber": "c3",
            }
        },
    ],
    "ExtendedTriggerMessage": [{"requestedMessage": "SignChargePointCertificate"}],
    "GetInstalledCertificateIds": [{"certificateType": "ManufacturerRootCertificate"}],
    "GetLog": [
        {"log": {"remoteLocation": "https://files.test/in"}, "logType": "SecurityLog", "requestId": 1, "retries": 1},
    ],
    "InstallCertificate": [{"certificateType": "CentralSystemRootCertificate", "certificate": "PEM"}],
    "SignedUpdateFirmware": [
        {
            "retries": 1,
            "retryInterval": 10,
            "requestId": 2,
            "firmware": {
                "location": "https://files.test/fw",
                "retrieveDateTime": "2026-11-21T00:00:00Z",
                "signingCertificate": "PEM",
                "signature": "AAAA",
            },
        },
    ],
}


@pytest.fixture
async def client(world: World) -> httpx.AsyncClient:
    await world.connect(world.own.charger_id)
    return await world.client("cpo_operator")


def _life_s(command: dict[str, Any]) -> float:
    begin, end = (datetime.fromisoformat(command[name]) for name in ("created_at", "expires_at"))
    return (end - begin).total_seconds()


async def test_a_remote_start_is_queued_with_its_requester(client: httpx.AsyncClient, world: World) -> None:
    body = {"charger_id": world.own.charger_id, "connector_id": 2, "id_token": "CARD-1"}
    reply = await client.post(START, json=body)
    command = reply.json()["command"]
    assert reply.status_code == 202
    assert (command["action"], command["payload"]) == (
        "RemoteStartTransaction",
        {"connectorId": 2, "idTag": "CARD-1"},
    )
    assert (command["status"], command["effect"], _life_s(command)) == ("queued", "none", 60)
    assert (command["requested_by"], command["requested_by_name"]) == (world.own.user_id, "Person cpo_operator")
    assert (await client.get(f"/api/commands/{command['id']}")).json() == command


async def test_the_same_key_is_the_same_command(client: httpx.AsyncClient, world: World) -> None:
    body = {"charger_id": world.own.charger_id, "id_token": "CARD-1"}
    headers = {"Idempotency-Key": "tap-1"}
    first, second = [(await client.post(START, json=body, headers=headers)).json() for _ in range(2)]
    assert first == second
    other = await client.post(START, json={**body, "id_token": "CARD-2"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    unkeyed = (await client.post(START, json=body)).json()
    assert unkeyed["command"]["id"] != first["command"]["id"]


async def test_two_callers_may_use_the_same_key(client: httpx.AsyncClient, world: World) -> None:
    body = {"charger_id": world.own.charger_id, "id_token": "CARD-1"}
    headers = {"Idempotency-Key": "tap-1"}
    first = (await client.post(START, json=body, headers=headers)).json()
    admin, nobody = await world.client("cpo_admin"), await world.client(None)
    key = (await admin.post("/api/apikeys", json={"name": "app"})).json()["key"]
    second = (await nobody.post(START, json=body, headers={**headers, "X-API-Key": key})).json()
    assert first["command"]["id"] != second["command"]["id"]
    assert second["command"]["requested_by_name"] == "API key app"


async def test_an_offline_charger_refuses_unless_the_command_may_wait(world: World) -> None:
    client = await world.client("cpo_operator")
    body = {"charger_id": world.own.charger_id, "id_token": "CARD-1"}
    refused = await client.post(START, json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "charger_offline")
    waiting = (await client.post(START, json={**body, "queue": True})).json()["command"]
    short = (await client.post(START, json={**body, "queue": True, "expires_in_s": 30})).json()["command"]
    assert (_life_s(waiting), _life_s(short)) == (900, 30)


@pytest.mark.parametrize("by", ["session_id", "transaction_id"])
async def test_a_running_session_is_stopped_by_either_number(client: httpx.AsyncClient, world: World, by: str) -> None:
    session = await world.running_session(world.own)
    named = {"session_id": session["id"], "transaction_id": session["transaction_id"]}
    command = (await client.post(STOP, json={by: named[by]})).json()["command"]
    assert (command["action"], command["charger_id"]) == ("RemoteStopTransaction", world.own.charger_id)
    assert command["payload"] == {"transactionId": session["transaction_id"]}


async def test_a_session_that_ended_cannot_be_stopped(client: httpx.AsyncClient, world: World) -> None:
    reply = await client.post(STOP, json={"session_id": world.own.session_id})
    assert (reply.status_code, reply.json()["code"]) == (409, "session_ended")


async def test_repeating_a_stop_after_its_effect_gives_the_same_command(
    client: httpx.AsyncClient, world: World
) -> None:
    session = await world.running_session(world.own)
    body, headers = {"session_id": session["id"]}, {"Idempotency-Key": "stop-1"}
    asked = (await client.post(STOP, json=body, headers=headers)).json()["command"]
    where = [("id", "eq", session["id"])]
    await world.database.update("sessions", {"stopped_at": "now"}, scope=SYSTEM, where=where)
    again = await client.post(STOP, json=body, headers=headers)
    assert (again.status_code, again.json()["command"]["id"]) == (202, asked["id"])
    other = await client.post(STOP, json=body, headers={"Idempotency-Key": "stop-2"})
    assert other.json()["code"] == "session_ended"


@pytest.mark.parametrize(
    "body", [{}, {"session_id": None}, {"transaction_id": 1, "session_id": "x"}, {"transaction_id": 0}]
)
async def test_a_stop_names_exactly_one_session(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await client.post(STOP, json=body)).status_code == 422


async def test_a_session_of_another_cpo_cannot_be_stopped(client: httpx.AsyncClient, world: World) -> None:
    session = await world.running_session(world.other)
    for body in ({"session_id": session["id"]}, {"transaction_id": session["transaction_id"]}):
        reply = await client.post(STOP, json=body)
        assert (reply.status_code, reply.json()["code"]) == (404, "session_not_found")


def test_every_action_has_an_example_here() -> None:
    assert set(PAYLOADS) == set(ACTIONS)


@pytest.mark.parametrize(("action", "payload"), [(a, p) for a, payloads in PAYLOADS.items() for p in payloads])
async def test_what_is_sent_is_what_goes_on_the_wire(
    client: httpx.AsyncClient, world: World, action: str, payload: dict[str, Any]
) -> None:
    reply = await client.post(f"/api/chargers/{world.own.charger_id}/commands/{action}", json=payload)
    assert reply.status_code == 202, reply.text
    command = reply.json()["command"]
    assert (command["action"], command["payload"]) == (action, hide_links(payload))
    [waiting] = await world.database.select("commands", scope=SYSTEM, where=[("id", "eq", command["id"])])
    assert waiting["payload"] == payload


@pytest.mark.parametrize(
    ("action", "payload", "member"),
    [
        ("Reset", {"type": "Gentle"}, "type"),
        ("Reset", {"type": "Soft", "now": True}, "now"),
        ("GetConfiguration", {"key": None}, "key"),
        ("UnlockConnector", {"connectorId": 2**31}, "connectorId"),
        ("UnlockConnector", {"connector_id": 1}, "connectorId"),
        ("UnlockConnector", {"connectorId": "1"}, "connectorId"),
        ("RemoteStartTransaction", {"idTag": "x" * 21}, "idTag"),
        ("ChangeConfiguration", {"key": "k" * 51, "value": ""}, "key"),
    ],
)
async def test_a_payload_outside_the_standard_names_the_member(
    client: httpx.AsyncClient, world: World, action: str, payload: dict[str, Any], member: str
) -> None:
    reply = await client.post(f"/api/chargers/{world.own.charger_id}/commands/{action}", json=payload)
    assert reply.status_code == 422
    assert member in [error["member"] for error in reply.json()["errors"]]


async def test_an_action_that_is_not_in_the_table_has_no_route(client: httpx.AsyncClient, world: World) -> None:
    reply = await client.post(f"/api/chargers/{world.own.charger_id}/commands/Explode", json={})
    assert (reply.status_code, reply.json()["code"]) == (404, "route_not_found")


async def test_commands_are_listed_newest_first_by_charger_and_status(client: httpx.AsyncClient, world: World) -> None:
    path = f"/api/chargers/{world.own.charger_id}/commands/"
    made = [(await client.post(path + "ClearCache", json={})).json()["command"]["id"] for _ in range(3)]
    params = {"charger_id": world.own.charger_id, "status": "queued"}
    listed = (await client.get("/api/commands", params=params)).json()["items"]
    assert [command["id"] for command in listed] == [*reversed(made), world.own.command_id]
    none = (await client.get("/api/commands", params={"status": "rejected"})).json()["items"]
    assert none == []


async def test_a_list_as_long_as_the_document_allows_was_too_large(client: httpx.AsyncClient, world: World) -> None:
    info = {"expiryDate": "2026-11-21T00:00:00.000000+07:00", "parentIdTag": "G" * 20, "status": "ConcurrentTx"}
    entries = [{"idTag": f"{number:020}", "idTagInfo": info} for number in range(10_000)]
    payload = {"listVersion": 1, "localAuthorizationList": entries, "updateType": "Full"}
    path = f"/api/chargers/{world.own.charger_id}/commands"

    assert (await client.post(f"{path}/SendLocalList?queue=true", json=payload)).status_code == 202
    assert (await client.post(f"{path}/DataTransfer", json={"vendorId": "x" * 300_000})).status_code == 413
