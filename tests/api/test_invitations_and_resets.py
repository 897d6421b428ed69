"""How people come (a mailed link, once) and come back (a mailed code, once), and what strangers learn: nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from backend.api.application import equip
from backend.database import SYSTEM
from backend.domain.caller import PLATFORM
from backend.services.directory import build_directory
from backend.services.resets import MOST_CODES_PER_HOUR, MOST_FAILURES
from backend.services.users import NewUser, UserRole
from tests.api.conftest import SECRET, World

EMAIL, PASSWORD, NEW = "sari@nusantara.test", "correct horse battery", "seven purple tractors sing"


class House:
    """The platform under a clock that the test turns, and its mailbox."""

    def __init__(self, world: World) -> None:
        self.world, self.now = world, datetime.now(UTC)
        self.services = build_directory(world.database, SECRET, now=lambda: self.now)
        equip(world.app, self.services, SECRET)

    async def mails(self, to: str) -> list[str]:
        """Bodies of what waits for somebody, newest first."""
        return [mail.letter.body for mail in await self.services.mails.waiting() if mail.letter.to == to]

    async def code(self) -> str:
        found = re.search(r"^ +([2-9A-Z]{4}-[2-9A-Z]{4})$", (await self.mails(EMAIL))[0], re.M)
        assert found
        return found[1]

    async def link(self, to: str) -> str:
        found = re.search(r"https?://\S+", (await self.mails(to))[0])
        assert found and "/auth/invitation?" in found[0]
        return parse_qs(urlsplit(found[0]).query)["token"][0]

    async def post(self, path: str, as_role: str | None = None, **body: Any) -> httpx.Response:
        return await (await self.world.client(as_role)).post(f"/api/{path}", json=body)

    async def login(self, password: str, email: str = EMAIL) -> int:
        return (await self.post("auth/login", email=email, password=password)).status_code


@pytest.fixture
async def house(world: World) -> AsyncIterator[House]:
    house = House(world)
    new = NewUser(EMAIL, "Sari", UserRole.CPO_OPERATOR, PASSWORD, world.own.cpo_id)
    await house.services.people.users.create(PLATFORM, new)
    yield house


GUEST = {"email": "Dimas@Nusantara.test", "name": "Dimas", "role": "cpo_technician"}


async def test_an_invited_person_chooses_a_password_and_is_in(house: House) -> None:
    invited = await house.post("invitations", "cpo_admin", **GUEST)
    assert (invited.status_code, invited.json()["cpo_id"]) == (201, house.world.own.cpo_id)
    token = await house.link("dimas@nusantara.test")
    assert token not in invited.text + str(await house.world.database.select("invitations", scope=SYSTEM))
    seen = (await house.post("auth/invitation/look", token=token)).json()
    assert (seen["email"], seen["role"]) == ("dimas@nusantara.test", "cpo_technician")
    assert seen["cpo_name"] == "Nusantara Charge"
    weak = await house.post("auth/invitation/accept", token=token, name="Dimas", password="dimas-nusantara")
    assert (weak.status_code, weak.json()["code"]) == (422, "password_weak")
    came = await house.post("auth/invitation/accept", token=token, name="Dimas S.", password=NEW)
    assert (came.status_code, came.json()["user"]["name"]) == (200, "Dimas S.")
    again = await house.post("auth/invitation/accept", token=token, name="X", password=NEW)
    assert (again.status_code, again.json()["code"]) == (404, "invitation_not_found")
    assert await house.login(NEW, "dimas@nusantara.test") == 200


async def test_an_invited_finance_person_can_only_enrol_at_first(house: House) -> None:
    await house.post("invitations", "cpo_admin", **{**GUEST, "role": "cpo_finance"})
    token = await house.link("dimas@nusantara.test")
    came = (await house.post("auth/invitation/accept", token=token, name="Dimas", password=NEW)).json()
    assert came["user"]["second_factor"] == "required"


@pytest.mark.parametrize("end", ["time", "withdrawal", "replacement"])
async def test_a_link_ends_with(house: House, end: str) -> None:
    made = (await house.post("invitations", "cpo_admin", **GUEST)).json()
    token = await house.link("dimas@nusantara.test")
    if end == "time":
        house.now += timedelta(days=7, seconds=1)
    elif end == "withdrawal":
        admin = await house.world.client("cpo_admin")
        assert (await admin.delete(f"/api/invitations/{made['id']}")).status_code == 204
    else:
        await house.post("invitations", "cpo_admin", **GUEST)
    reply = await house.post("auth/invitation/look", token=token)
    assert (reply.status_code, reply.json()["code"]) == (404, "invitation_not_found")


@pytest.mark.parametrize(
    ("inviter", "role", "status"),
    [("cpo_admin", "emsv_admin", 403), ("cpo_admin", "driver", 403), ("cpo_operator", "cpo_operator", 403),
     ("cpo_finance", "cpo_finance", 403), ("noc_analyst", "cpo_admin", 403), ("emsv_admin", "emsv_finance", 201)],
)  # fmt: skip
async def test_nobody_invites_to_more_than_they_may_give(house: House, inviter: str, role: str, status: int) -> None:
    assert (await house.post("invitations", inviter, **{**GUEST, "role": role})).status_code == status


async def test_an_inviter_learns_nothing_of_logins_elsewhere(house: House) -> None:
    new = NewUser("dimas@nusantara.test", "Dimas", UserRole.CPO_ADMIN, PASSWORD, house.world.other.cpo_id)
    await house.services.people.users.create(PLATFORM, new)
    assert (await house.post("invitations", "cpo_admin", **GUEST)).status_code == 201
    token = await house.link("dimas@nusantara.test")
    reply = await house.post("auth/invitation/accept", token=token, name="Dimas", password=NEW)
    assert (reply.status_code, reply.json()["code"]) == (409, "user_exists")
    own = await house.post("invitations", "cpo_admin", **{**GUEST, "email": EMAIL})
    assert (own.status_code, own.json()["code"]) == (409, "user_exists")


async def test_a_cpo_sees_and_withdraws_its_own_invitations_alone(house: House) -> None:
    foreign = {**GUEST, "role": "cpo_admin", "cpo_id": house.world.other.cpo_id}
    made = (await house.post("invitations", "emsv_admin", **foreign)).json()
    admin = await house.world.client("cpo_admin")
    assert (await admin.get("/api/invitations")).json()["items"] == []
    assert (await admin.delete(f"/api/invitations/{made['id']}")).status_code == 404
    assert (await house.post("invitations", "cpo_admin", **foreign)).status_code == 404


async def test_a_forgotten_password_is_replaced_by_code_once_and_all_logins_end(house: House) -> None:
    pair = (await house.post("auth/login", email=EMAIL, password=PASSWORD)).json()
    assert (await house.post("auth/password-reset", email=" Sari@nusantara.test")).status_code == 204
    code = await house.code()
    assert code.replace("-", "") not in str(await house.world.database.select("one_time_codes", scope=SYSTEM))
    body = {"email": EMAIL, "code": code.lower().replace("-", ""), "password": NEW}
    assert (await house.post("auth/password-reset/confirm", **body)).status_code == 204
    assert [await house.login(PASSWORD), await house.login(NEW)] == [401, 200]
    assert (await house.post("auth/refresh", refresh_token=pair["refresh_token"])).status_code == 401
    again = await house.post("auth/password-reset/confirm", **body)
    assert (again.status_code, again.json()["code"]) == (401, "code_wrong")


async def test_what_the_holder_of_a_code_or_a_link_does_stands_in_the_log_with_their_address(house: House) -> None:
    """A password replaced by a code left no row, unless a login ended with it: the log kept silent about the theft."""
    await house.post("auth/password-reset", email=EMAIL)
    reset = await house.post("auth/password-reset/confirm", email=EMAIL, code=await house.code(), password=NEW)
    await house.post("invitations", "cpo_admin", **GUEST)
    token = await house.link("dimas@nusantara.test")
    came = await house.post("auth/invitation/accept", token=token, name="Dimas", password=NEW)
    assert (reset.status_code, came.status_code) == (204, 200)
    rows = await house.world.database.select("audit_log", scope=SYSTEM, order=[("id", "asc")])
    told = [(row["action"], row["actor_name"], row["address"]) for row in rows if "holder" in (row["actor_name"] or "")]
    assert told == [
        ("user.update", "holder of a mailed code", "127.0.0.1"),
        ("invitation.update", "holder of an invitation", "127.0.0.1"),
        ("user.create", "holder of an invitation", "127.0.0.1"),
    ]


async def test_asking_says_and_takes_the_same_for_everybody(house: House) -> None:
    known = await house.post("auth/password-reset", email=EMAIL)
    unknown = await house.post("auth/password-reset", email="no@body.test")
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert len(await house.mails(EMAIL)) == 1 and await house.mails("no@body.test") == []
    wrong = [
        await house.post("auth/password-reset/confirm", email=email, code="AAAABBBB", password=NEW)
        for email in (EMAIL, "no@body.test", "never@asked.test")
    ]
    assert len({(r.status_code, r.json()["code"], r.json()["detail"]) for r in wrong}) == 1


async def test_a_code_ends_with_time_and_with_too_many_wrong_ones(house: House) -> None:
    await house.post("auth/password-reset", email=EMAIL)
    first = await house.code()
    house.now += timedelta(seconds=901)
    late = await house.post("auth/password-reset/confirm", email=EMAIL, code=first, password=NEW)
    await house.post("auth/password-reset", email=EMAIL)
    for _ in range(MOST_FAILURES):
        house.now += timedelta(seconds=1)
        arguments = {"p_email": EMAIL, "p_code_hash": "wrong", "p_password_hash": "x", "p_most": MOST_FAILURES}
        at = {"p_now": house.now.isoformat()}
        assert await house.world.database.call("reset_password", {**arguments, **at}, scope=SYSTEM) is False
    guessed = await house.post("auth/password-reset/confirm", email=EMAIL, code=await house.code(), password=NEW)
    assert [r.json()["code"] for r in (late, guessed)] == ["code_wrong"] * 2
    assert await house.login(PASSWORD) == 200


async def test_guessing_codes_is_slowed_and_mailboxes_are_not_filled(house: House) -> None:
    for _ in range(MOST_CODES_PER_HOUR + 3):
        await house.post("auth/password-reset", email=EMAIL)
    assert len(await house.mails(EMAIL)) == MOST_CODES_PER_HOUR
    said = [
        (await house.post("auth/password-reset/confirm", email=EMAIL, code="AAAABBBB", password=NEW)).status_code
        for _ in range(7)
    ]
    assert said == [401] * 5 + [429] * 2


async def test_changing_the_own_password_ends_the_other_logins(house: House) -> None:
    other, mine = [(await house.post("auth/login", email=EMAIL, password=PASSWORD)).json() for _ in range(2)]
    client = await house.world.client(None)
    bearer = {"Authorization": f"Bearer {mine['access_token']}"}

    async def change(current: str, password: str) -> httpx.Response:
        body = {"current": current, "password": password}
        return await client.put("/api/auth/password", json=body, headers=bearer)

    wrong, weak = await change("not the one I have", NEW), await change(PASSWORD, "password1234")
    assert (wrong.json()["code"], weak.json()["code"]) == ("password_wrong", "password_weak")
    assert (await change(PASSWORD, NEW)).status_code == 204
    said = [(await house.post("auth/refresh", refresh_token=p["refresh_token"])).status_code for p in (other, mine)]
    assert (said, await house.login(NEW)) == ([401, 200], 200)
