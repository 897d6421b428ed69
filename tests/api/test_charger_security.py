"""A charger's security over REST: nothing secret is told, and what cannot be is refused with its reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from backend.database import SYSTEM
from backend.domain.charger_password import verify
from tests.api.conftest import World


async def test_a_password_by_hand_is_answered_once_and_kept_as_a_hash(world: World) -> None:
    client, charger = await world.client("cpo_admin"), world.own.charger_id
    made = (await client.post(f"/api/chargers/{charger}/password", json={})).json()["password"]
    shown = (await client.get(f"/api/chargers/{charger}/security")).json()
    audit = await world.database.select("audit_log", scope=world.scope("emsv_admin"))
    [kept] = await world.database.select(
        "chargers", scope=SYSTEM, columns="password_hash", where=[("id", "eq", charger)]
    )

    assert len(bytes.fromhex(made)) == 20
    assert (shown["profile"], shown["has_password"], shown["pending_passwords"]) == (1, True, [])
    assert verify(kept["password_hash"], bytes.fromhex(made))
    assert made not in str(shown) + str(audit) and kept["password_hash"] not in str(shown) + str(audit)


async def test_a_rotation_tells_no_password(world: World) -> None:
    client, charger = await world.client("cpo_operator"), world.own.charger_id
    offline = await client.post(f"/api/chargers/{charger}/password-rotation")
    queued = await client.post(
        f"/api/chargers/{charger}/password-rotation?queue=true", headers={"Idempotency-Key": "1"}
    )
    again = await client.post(f"/api/chargers/{charger}/password-rotation?queue=true", headers={"Idempotency-Key": "1"})

    assert (offline.status_code, offline.json()["code"]) == (409, "charger_offline")
    assert queued.status_code == again.status_code == 202
    assert queued.json()["command"]["id"] == again.json()["command"]["id"]
    assert queued.json()["command"]["payload"] == {"key": "AuthorizationKey", "value": "***"}


@pytest.mark.parametrize(
    "value",
    ["", "short", "0123456789abcdef", "ab" * 15, "ab" * 21, "ab" * 16 + "c", "x" * 32, "ab " * 16, "\uff11" * 32],
)
async def test_a_password_that_a_charger_might_misread_locked_it_out(world: World, value: str) -> None:
    client, charger = await world.client("cpo_admin"), world.own.charger_id
    for key in ("AuthorizationKey", "authorizationkey"):
        change = {"key": key, "value": value}
        path = f"/api/chargers/{charger}/commands/ChangeConfiguration?queue=true"
        refused = await client.post(path, json=change)
        asked = {"charger_id": charger, "command": "UPDATE_CONFIG", **change}
        first_edition = await client.post("/api/evse/command?queue=true", json=asked)

        for answer in (refused, first_edition):
            assert (answer.status_code, answer.json()["errors"][0]["member"]) == (422, "value")
            assert "password-rotation" in answer.json()["detail"]
    assert await world.database.select("commands", scope=SYSTEM, where=[("action", "eq", "ChangeConfiguration")]) == []


@pytest.mark.parametrize("value", ["ab" * 16, "AB" * 20, "***"])
async def test_a_password_of_the_standards_form_is_sent_and_not_kept(world: World, value: str) -> None:
    client, charger = await world.client("cpo_admin"), world.own.charger_id
    path = f"/api/chargers/{charger}/commands/ChangeConfiguration?queue=true"
    sent = await client.post(path, json={"key": "AuthorizationKey", "value": value})

    assert (sent.status_code, sent.json()["command"]["payload"]["value"]) == (202, "***")


@pytest.mark.parametrize("key", ["SecurityProfile", "securityprofile", "SECURITYPROFILE"])
async def test_a_profile_among_other_changes_went_around_its_obstacles(world: World, key: str) -> None:
    client, charger = await world.client("cpo_admin"), world.own.charger_id
    change = {"key": key, "value": "2"}
    asked = {"charger_id": charger, "command": "UPDATE_CONFIG", **change}
    for path, body in ((f"/api/chargers/{charger}/commands/ChangeConfiguration", change), ("/api/evse/command", asked)):
        refused = await client.post(f"{path}?queue=true", json=body)
        assert (refused.status_code, refused.json()["errors"][0]["member"]) == (422, "key")
        assert "/security-profile" in refused.json()["detail"]
    assert await world.database.select("commands", scope=SYSTEM, where=[("action", "eq", "ChangeConfiguration")]) == []


async def test_a_profile_names_what_it_lacks(world: World) -> None:
    client, charger = await world.client("cpo_admin"), world.own.charger_id
    path = f"/api/chargers/{charger}/security-profile"
    refused = [(await client.post(f"{path}?queue=true", json={"profile": n})).json() for n in (1, 2, 3)]
    shown = (await client.get(f"/api/chargers/{charger}/security")).json()

    assert {answer["code"] for answer in refused} == {"precondition_conflict"}
    assert "password, tls, root_certificate" in refused[1]["detail"]
    assert shown["obstacles"]["profile_2"] == ["password", "tls", "root_certificate"]
    assert shown["obstacles"]["profile_1"] == ["password"]


async def test_a_profile_by_hand_needs_its_password_and_keeps_it(world: World) -> None:
    client, charger = await world.client("cpo_admin"), world.own.charger_id
    path = f"/api/chargers/{charger}/security-profile"
    without = await client.post(path, json={"profile": 2, "by_hand": True})
    await client.post(f"/api/chargers/{charger}/password", json={"password": "0123456789abcdef"})
    with_it = await client.post(path, json={"profile": 2, "by_hand": True})
    taken = await client.put(f"/api/chargers/{charger}", json={"password": None})
    down = await client.post(path, json={"profile": 1})
    by_hand = await client.post(path, json={"profile": 0, "by_hand": True})

    assert (without.status_code, without.json()["code"]) == (409, "security_profile_conflict")
    assert (with_it.status_code, with_it.json()) == (202, {"command": None})
    assert (taken.status_code, taken.json()["code"]) == (409, "security_profile_conflict")
    assert (down.status_code, down.json()["code"]) == (409, "security_profile_conflict")
    assert by_hand.status_code == 202


async def test_a_certificate_is_revoked_once_and_a_root_never(world: World) -> None:
    client, charger = await world.client("cpo_admin"), world.own.charger_id
    path = f"/api/certificates/{world.own.certificate_id}/revoke"
    first, second = (await client.post(path)).json(), (await client.post(path)).json()
    root = await world.add(
        "certificates", cpo_id=world.own.cpo_id, charger_id=charger, kind="CentralSystemRootCertificate",
        state="installed", serial_number="2",
    )  # fmt: skip
    refused = await client.post(f"/api/certificates/{root['id']}/revoke")
    listed = (await client.get(f"/api/chargers/{charger}/certificates")).json()["items"]
    revocations = x509.load_pem_x509_crl((await client.get("/api/certificate-authority/revocations")).content)

    assert first["state"] == "revoked" and first == second
    assert (refused.status_code, refused.json()["code"]) == (409, "certificate_conflict")
    assert {one["serial_number"]: one["state"] for one in listed} == {"1f": "revoked", "2": "installed"}
    assert [one.serial_number for one in revocations] == [0x1F]


async def test_certificates_are_listed_by_their_end_page_by_page(world: World) -> None:
    client, own = await world.client("cpo_admin"), {"cpo_id": world.own.cpo_id}
    for charger, days in (("a", 40), ("b", 2), ("c", -3)):
        await world.add("chargers", id=charger, **own)
        for serial, earlier, state in (("1", 0, "installed"), ("2", 30, "installed"), ("3", -300, "issued")):
            ends = datetime.now(UTC) + timedelta(days=days - earlier)
            await world.add("certificates", **own, charger_id=charger, kind="ChargePointCertificate", state=state,
                            serial_number=serial, not_after=ends.isoformat())  # fmt: skip
    first = (await client.get("/api/certificates", params={"limit": 2})).json()
    rest = (await client.get("/api/certificates", params={"cursor": first["next_cursor"]})).json()
    found = [(row["charger_id"], row["serial_number"]) for row in first["items"] + rest["items"]]

    assert [row for row in found if row[0] in "abc"] == [("c", "1"), ("b", "1"), ("a", "1")]
    assert {charger for charger, _ in found} <= {"a", "b", "c", world.own.charger_id}


async def test_the_root_is_one_and_the_same_for_everybody(world: World) -> None:
    own, other = await world.client("cpo_admin"), await world.client("noc_analyst")
    first, second = await own.get("/api/certificate-authority"), await other.get("/api/certificate-authority")
    root = x509.load_pem_x509_certificate(first.content)

    assert first.headers["content-type"] == "application/x-pem-file"
    assert first.content == second.content
    assert root.subject == root.issuer


async def test_security_events_are_filtered(world: World) -> None:
    client = await world.client("cpo_admin")
    events = (await client.get("/api/security-events", params={"critical": True})).json()["items"]
    none = (await client.get("/api/security-events", params={"source": "platform"})).json()["items"]

    assert [event["type"] for event in events] == ["ResetOrReboot"]
    assert none == []
