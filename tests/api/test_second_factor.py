"""The second factor: who needs one can do nothing else before, no code works twice, lost ones are replaced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pyotp
import pytest
from fastapi.routing import APIRoute

from backend.api.application import GUARDED, equip
from backend.database import SYSTEM
from backend.domain.caller import PLATFORM
from backend.domain.roles import SECOND_FACTOR_ROLES, Role
from backend.services.directory import build_directory
from backend.services.standing import BELIEVED_FOR
from backend.services.users import NewUser, UserRole
from tests.api.conftest import SECRET, World

PASSWORD = "correct horse battery"


@dataclass
class Person:
    """Somebody at the door, with a telephone; `clock` is that of telephone and platform."""

    client: httpx.AsyncClient
    email: str
    clock: list[datetime]
    secret: str = ""

    async def login(self) -> httpx.Response:
        return await self.client.post("/api/auth/login", json={"email": self.email, "password": PASSWORD})

    async def post(self, path: str, token: str, **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.client.post(f"/api/auth/{path}", json=body, headers=headers)

    def code(self, steps: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(self.clock[0] + timedelta(seconds=30 * steps))

    def wait(self, seconds: float) -> None:
        self.clock[0] += timedelta(seconds=seconds)

    async def enrol(self, token: str) -> list[str]:
        self.secret = (await self.post("second-factor/enrolment", token)).json()["secret"]
        reply = await self.post("second-factor/confirmation", token, code=self.code())
        assert reply.status_code == 200, reply.text
        codes: list[str] = reply.json()["recovery_codes"]
        return codes

    async def prove(self, code: str) -> httpx.Response:
        challenge = (await self.login()).json()["challenge"]
        return await self.post("second-factor", "", challenge=challenge, code=code)


@pytest.fixture
async def hire(world: World) -> Callable[..., Any]:
    clock = [datetime.now(UTC)]
    equip(world.app, build_directory(world.database, SECRET, now=lambda: clock[0]), SECRET)

    async def hired(role: str, email: str = "ratna@emsv.test") -> Person:
        cpo_id = world.own.cpo_id if role.startswith("cpo") else None
        await world.services.people.users.create(PLATFORM, NewUser(email, "Ratna", UserRole(role), PASSWORD, cpo_id))
        return Person(await world.client(None), email, clock)

    return hired


@pytest.mark.parametrize("role", sorted(SECOND_FACTOR_ROLES))
async def test_without_a_second_factor_such_a_role_can_only_enrol_one(hire: Any, role: str) -> None:
    person = await hire(role)
    pair = (await person.login()).json()
    assert pair["user"]["second_factor"] == "required"
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    for router in GUARDED:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            path = route.path.format_map(dict.fromkeys(route.param_convertors, "00000000-0000-4000-8000-000000000000"))
            for method in route.methods:
                reply = await person.client.request(method, path, json={}, headers=headers)
                assert (reply.status_code, reply.json()["code"]) == (403, "second_factor_required"), (method, path)
    assert (await person.client.get("/api/auth/me", headers=headers)).status_code == 200


@pytest.mark.parametrize("role", sorted(set(Role) - SECOND_FACTOR_ROLES - {Role.INTEGRATOR, Role.DRIVER}))
async def test_other_roles_may_do_without(hire: Any, role: str) -> None:
    pair = (await (await hire(role)).login()).json()
    assert pair["user"]["second_factor"] == "off"


async def test_people_of_the_demo_are_exempt(hire: Any, world: World) -> None:
    person = await hire("emsv_admin")
    await world.database.update("users", {"demo": True}, scope=SYSTEM, where=[("email", "eq", person.email)])
    pair = (await person.login()).json()
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    assert pair["user"]["second_factor"] == "off"
    assert (await person.client.get("/api/cpos", headers=headers)).status_code == 200


async def test_after_enrolling_refreshed_tokens_are_whole_and_each_login_asks_for_a_code(hire: Any) -> None:
    person = await hire("emsv_finance")
    pair = (await person.login()).json()
    await person.enrol(pair["access_token"])
    renewed = (await person.post("refresh", "", refresh_token=pair["refresh_token"])).json()
    headers = {"Authorization": f"Bearer {renewed['access_token']}"}
    assert (await person.client.get("/api/sessions", headers=headers)).status_code == 200
    asked = await person.login()
    assert (asked.status_code, sorted(asked.json())) == (202, ["challenge", "expires_in"])
    person.wait(30)
    reply = await person.post("second-factor", "", challenge=asked.json()["challenge"], code=person.code())
    assert (reply.status_code, reply.json()["user"]["second_factor"]) == (200, "on")


async def test_a_code_works_once_and_no_older_one_after_it(hire: Any) -> None:
    person = await hire("cpo_admin")
    await person.enrol((await person.login()).json()["access_token"])
    assert (await person.prove(person.code())).json()["code"] == "code_wrong"  # the enrolment used it
    person.wait(60)
    assert (await person.prove(person.code())).status_code == 200
    for steps in (0, -1):
        assert (await person.prove(person.code(steps))).json()["code"] == "code_wrong"
    assert (await person.prove(person.code(1))).status_code == 200  # a telephone whose clock is ahead
    person.wait(90)
    assert (await person.prove(person.code(-2))).status_code == 401


async def test_a_recovery_code_replaces_the_telephone_once(hire: Any) -> None:
    person = await hire("noc_analyst")
    codes = await person.enrol((await person.login()).json()["access_token"])
    assert len(set(codes)) == 10
    assert (await person.prove(codes[3].lower().replace("-", " "))).status_code == 200
    assert (await person.prove(codes[3])).json()["code"] == "code_wrong"
    assert (await person.prove(codes[4])).status_code == 200


async def test_secrets_and_recovery_codes_stand_nowhere_in_clear(hire: Any, world: World) -> None:
    person = await hire("cpo_finance")
    codes = await person.enrol((await person.login()).json()["access_token"])
    kept = str([await world.database.select(table, scope=SYSTEM) for table in ("users", "recovery_codes")])
    assert not any(secret in kept for secret in (person.secret, *codes, *(c.replace("-", "") for c in codes)))


async def test_guessing_codes_is_slowed_down(hire: Any) -> None:
    person = await hire("emsv_admin")
    await person.enrol((await person.login()).json()["access_token"])
    person.wait(60)
    said = [(await person.prove(f"{number:06}")).status_code for number in range(8)]
    assert said == [401] * 5 + [429] * 3
    person.wait(16)
    assert (await person.prove(person.code())).status_code == 200


async def test_a_challenge_ends_with_time_and_with_the_credentials_it_was_made_for(hire: Any, world: World) -> None:
    person = await hire("cpo_admin")
    await person.enrol((await person.login()).json()["access_token"])
    person.wait(30)
    old = (await person.login()).json()["challenge"]
    person.wait(301)
    late = await person.post("second-factor", "", challenge=old, code=person.code())
    fresh = (await person.login()).json()["challenge"]
    users = (await world.database.select("users", scope=SYSTEM, where=[("email", "eq", person.email)]))[0]
    await world.services.people.users.update(PLATFORM, users["id"], {"password": "another good long password"})
    changed = await person.post("second-factor", "", challenge=fresh, code=person.code())
    assert [r.json()["code"] for r in (late, changed)] == ["challenge_invalid"] * 2


async def test_a_second_factor_cannot_be_replaced_by_who_holds_only_a_token(hire: Any) -> None:
    person = await hire("cpo_admin")
    pair = (await person.login()).json()
    await person.enrol(pair["access_token"])
    again = await person.post("second-factor/enrolment", pair["access_token"])
    assert (again.status_code, again.json()["code"]) == (409, "second_factor_exists")
    guess = await person.post("second-factor/removal", pair["access_token"], code="000000")
    assert (guess.status_code, guess.json()["code"]) == (401, "code_wrong")


async def test_an_administrator_resets_it_for_who_lost_it_and_their_logins_end(hire: Any, world: World) -> None:
    person = await hire("cpo_finance")
    await person.enrol((await person.login()).json()["access_token"])
    person.wait(30)
    pair = (await person.prove(person.code())).json()
    admin, foreign = await world.client("cpo_admin"), await world.client("cpo_operator")
    path = f"/api/users/{pair['user']['id']}/second-factor"
    assert (await foreign.delete(path)).status_code == 403
    assert (await admin.get(f"/api/users/{pair['user']['id']}")).json()["second_factor"] is True
    assert (await admin.delete(path)).status_code == 204
    person.wait(BELIEVED_FOR.total_seconds())
    me = await person.client.get("/api/auth/me", headers={"Authorization": f"Bearer {pair['access_token']}"})
    assert (me.status_code, me.json()["code"]) == (401, "token_revoked")
    assert (await person.login()).json()["user"]["second_factor"] == "required"
    own = await admin.delete(f"/api/users/{world.own.user_id}/second-factor")
    assert (own.status_code, own.json()["code"]) == (409, "own_user_in_use")
