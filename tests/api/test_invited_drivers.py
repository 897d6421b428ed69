"""A driver's login: given by the EMSV's invitation, joined with one driver, good for their data, gone with them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from backend.database import SYSTEM
from backend.domain.roles import PERMISSIONS, Role
from tests.api.conftest import Tenant, World, world
from tests.api.test_invitations_and_resets import NEW, House

__all__ = ["world"]  # the fixture
EMAIL = "sari@driver.test"
SAID = {"purpose": "contact_sharing", "text_version": "2", "given": False, "method": "app"}
QUESTIONS = [
    ("GET", "", None), ("GET", "/sessions", None), ("GET", "/id-tokens", None), ("GET", "/consents", None),
    ("GET", "/kept", None), ("GET", "/export", None), ("PUT", "", {"car": "Mine"}), ("POST", "/consents", SAID),
    ("POST", "/erasure", None),
]  # fmt: skip


@pytest.fixture
def house(world: World) -> House:
    """The platform with its mailbox."""
    return House(world)


def guest(tenant: Tenant, **changes: Any) -> dict[str, Any]:
    """The invitation of the tenant's driver."""
    return {"email": EMAIL, "name": "Sari", "role": "driver", "driver_id": tenant.driver_id, **changes}


async def come(house: House, tenant: Tenant, email: str = EMAIL) -> httpx.AsyncClient:
    """The tenant's driver is invited, accepts, and asks with the token of that login."""
    invited = await house.post("invitations", "emsv_admin", **guest(tenant, email=email))
    assert invited.status_code == 201, invited.text
    came = await house.post("auth/invitation/accept", token=await house.link(email), name="Sari", password=NEW)
    assert came.status_code == 200, came.text
    client = await house.world.client(None)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=house.world.app), base_url=client.base_url,
        headers={"Authorization": f"Bearer {came.json()['access_token']}"},
    )  # fmt: skip


async def test_an_invited_driver_chooses_a_password_and_finds_their_own(house: House) -> None:
    own = house.world.own
    invited = (await house.post("invitations", "emsv_admin", **guest(own))).json()
    assert (invited["role"], invited["driver_id"], invited["cpo_id"]) == ("driver", own.driver_id, None)
    (mail,) = await house.mails(EMAIL)
    assert "EMSV" not in mail and "mengisi daya" in mail  # not a job
    token = await house.link(EMAIL)
    assert (await house.post("auth/invitation/look", token=token)).json()["role"] == "driver"
    came = (await house.post("auth/invitation/accept", token=token, name="Sari", password=NEW)).json()
    assert (came["user"]["role"], came["user"]["cpo_id"]) == ("driver", None)
    assert set(came["user"]["permissions"]) == PERMISSIONS[Role.DRIVER]
    assert await house.login(NEW, EMAIL) == 200
    again = await house.post("auth/invitation/accept", token=token, name="Sari", password=NEW)
    assert (again.status_code, again.json()["code"]) == (404, "invitation_not_found")


async def test_a_driver_reads_their_own_and_uses_their_rights(house: House) -> None:
    own = house.world.own
    session = await house.world.add_session(own, id_token=f"CARD-{own.charger_id}", start_key="s", energy_wh=7_000)
    person, path = await come(house, own), f"/api/drivers/{own.driver_id}"
    assert [row["id"] for row in (await person.get("/api/drivers")).json()["items"]] == [own.driver_id]
    assert [row["id"] for row in (await person.get(f"{path}/sessions")).json()["items"]] == [session["id"]]
    assert [row["id_token_id"] for row in (await person.get(f"{path}/id-tokens")).json()["items"]] == [own.token_id]
    kept = (await person.get(f"{path}/kept")).json()
    assert (kept["sessions"], kept["running"], kept["energy_wh"]) == (1, 0, 7_000)
    assert (kept["login"]["email"], kept["login"]["active"]) == (EMAIL, True)
    assert (await person.post(f"{path}/consents", json=SAID)).status_code == 200
    said = (await person.get(f"{path}/consents")).json()["items"]
    assert [row["given"] for row in said] == [False, True]
    copy = (await person.get(f"{path}/export")).json()["data"]
    assert [row["email"] for row in copy["users"] + copy["invitations"]] == [EMAIL, EMAIL]
    assert (await person.post(f"{path}/erasure")).status_code == 200


@pytest.mark.parametrize(("method", "part", "body"), QUESTIONS)
async def test_whatever_a_driver_asks_of_another_is_not_there(
    house: House, method: str, part: str, body: dict[str, Any] | None
) -> None:
    person, other = await come(house, house.world.own), house.world.other.driver_id
    reply = await person.request(method, f"/api/drivers/{other}{part}", json=body)
    assert (reply.status_code, reply.json()["code"]) == (404, "driver_not_found")
    rows = await house.world.database.select("driver_profiles", scope=SYSTEM, where=[("id", "eq", other)])
    assert (rows[0]["car"], rows[0]["erased_at"]) == ("Wuling Air ev", None)


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.EMSV_ADMIN, Role.DRIVER)])
async def test_only_the_emsv_invites_a_driver(house: House, role: Role) -> None:
    """Not the CPO that registered the driver either: the login would open what was charged at others."""
    registered = await (await house.world.client("cpo_admin")).post("/api/drivers", json={"name": "Budi"})
    body = guest(house.world.own, driver_id=registered.json()["id"])
    assert (await house.post("invitations", role, **body)).status_code == 403
    assert await house.mails(EMAIL) == []


async def test_an_invitation_names_a_driver_and_no_other_role_does(house: House) -> None:
    own = house.world.own
    bad = [
        (guest(own, driver_id=None), 422, "driver_required"),
        (guest(own, role="noc_analyst"), 422, "driver_not_allowed"),
        (guest(own, cpo_id=own.cpo_id), 422, "cpo_not_allowed"),
        (guest(own, driver_id=own.cpo_id), 404, "driver_not_found"),
    ]
    for body, status, code in bad:
        reply = await house.post("invitations", "emsv_admin", **body)
        assert (reply.status_code, reply.json()["code"]) == (status, code)


async def test_a_driver_has_one_open_invitation_and_one_login(house: House) -> None:
    own, admin = house.world.own, await house.world.client("emsv_admin")
    await house.post("invitations", "emsv_admin", **guest(own, email="old@driver.test"))
    await house.post("invitations", "emsv_admin", email=EMAIL, name="S", role="noc_analyst")  # another matter
    former = await house.link("old@driver.test")
    await come(house, own, "new@driver.test")
    reply = await house.post("auth/invitation/accept", token=former, name="Sari", password=NEW)
    assert (reply.status_code, reply.json()["code"]) == (404, "invitation_not_found")
    reply = await house.post("invitations", "emsv_admin", **guest(own))
    assert (reply.status_code, reply.json()["code"]) == (409, "driver_login_exists")
    listed = (await admin.get("/api/invitations", params={"driver_id": own.driver_id})).json()["items"]
    assert [row["email"] for row in listed] == ["new@driver.test", "old@driver.test"]
    staff = (await admin.get("/api/invitations")).json()["items"]
    assert [(row["email"], row["revoked_at"]) for row in staff] == [(EMAIL, None)]


async def test_a_drivers_login_is_no_colleagues_and_stays_a_drivers(house: House) -> None:
    own, admin = house.world.own, await house.world.client("emsv_admin")
    await come(house, own)
    assert EMAIL not in (await admin.get("/api/users")).text
    user_id = (await admin.get(f"/api/drivers/{own.driver_id}/kept")).json()["login"]["user_id"]
    colleague = await house.world.add("users", email="noc@emsv.test", name="N", role="noc_analyst", password_hash="x")
    for who, role in ((user_id, "noc_analyst"), (user_id, "emsv_admin"), (colleague["id"], "driver")):
        reply = await admin.put(f"/api/users/{who}", json={"role": role})
        assert (reply.status_code, reply.json()["code"]) == (422, "driver_required"), role
    body = {"email": "x@driver.test", "name": "X", "role": "driver", "password": NEW}
    reply = await admin.post("/api/users", json=body)
    assert (reply.status_code, reply.json()["code"]) == (422, "driver_required")
    barred = await admin.put(f"/api/users/{user_id}", json={"active": False})
    assert (barred.status_code, await house.login(NEW, EMAIL)) == (200, 401)


async def test_an_issuer_of_single_sign_on_makes_no_colleague_of_a_driver(house: House) -> None:
    await come(house, house.world.own)
    claims = {"p_issuer": "https://issuer.test", "p_subject": "s", "p_email": EMAIL, "p_verified": True, "p_name": "S"}
    known = await house.world.database.call("sso_user", {**claims, "p_role": "emsv_admin", "p_cpo": None}, scope=SYSTEM)
    rows = await house.world.database.select("users", scope=SYSTEM, columns="role", where=[("id", "eq", known)])
    assert rows == [{"role": "driver"}]


async def test_erasure_ends_the_login_at_once_and_leaves_nothing_of_it(house: House) -> None:
    own, database = house.world.own, house.world.database
    person = await come(house, own)
    pair = (await house.post("auth/login", email=EMAIL, password=NEW)).json()
    await house.post("auth/password-reset", email=EMAIL)
    admin = await house.world.client("emsv_admin")
    assert (await admin.post(f"/api/drivers/{own.driver_id}/erasure")).status_code == 200
    assert (await person.get("/api/drivers")).status_code == 401
    assert (await house.post("auth/refresh", refresh_token=pair["refresh_token"])).status_code == 401
    assert await house.login(NEW, EMAIL) == 401
    for table in ("users", "invitations", "one_time_codes", "audit_log"):
        assert EMAIL not in str(await database.select(table, scope=SYSTEM)), table
    kept = (await admin.get(f"/api/drivers/{own.driver_id}/kept")).json()
    assert (kept["sessions"], kept["login"]) == (0, None)
    reply = await house.post("invitations", "emsv_admin", **guest(own))
    assert (reply.status_code, reply.json()["code"]) == (404, "driver_not_found")


async def test_a_driver_who_is_erased_while_invited_cannot_come(house: House) -> None:
    own, admin = house.world.own, await house.world.client("emsv_admin")
    await house.post("invitations", "emsv_admin", **guest(own))
    token = await house.link(EMAIL)
    assert (await admin.post(f"/api/drivers/{own.driver_id}/erasure")).status_code == 200
    reply = await house.post("auth/invitation/accept", token=token, name="Sari", password=NEW)
    assert (reply.status_code, reply.json()["code"]) == (404, "invitation_not_found")


async def test_the_audit_log_tells_of_the_login_and_names_no_driver(house: House) -> None:
    own, admin = house.world.own, await house.world.client("emsv_admin")
    await come(house, own)
    rows = (await admin.get("/api/audit", params={"limit": 100})).json()["items"]
    assert {"invitation.create", "driver.join_login"} <= {row["action"] for row in rows}
    assert EMAIL not in str(rows) and "Sari" not in str(rows)
