"""Single sign-on against a real issuer: who comes in as what, and what does not hold."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import jwt
import pytest

from backend.api.application import equip
from backend.database import SYSTEM
from backend.domain.caller import PLATFORM
from backend.domain.errors import Unauthenticated
from backend.domain.sso import SsoRules
from backend.gateways.oidc import OidcIssuer
from backend.services.directory import Directory, build_directory
from backend.services.sso import Sso
from backend.services.users import NewUser, UserRole
from tests.api.conftest import SECRET, World
from tests.support.oidc import log_in, new_key, running_issuer

CALLBACK = "http://127.0.0.1:8501/auth/sso/callback"
PEOPLE: dict[str, dict[str, Any]] = {
    "sari": {"email": "sari@nusantara.test", "email_verified": True, "name": "Sari", "groups": ["charging"]},
    "dimas": {
        "email": "dimas@nusantara.test", "email_verified": True, "name": "Dimas", "groups": ["other", "ops"],
        "cpo": "Nusantara Charge",
    },
    "liar": {"email": "sari@nusantara.test", "email_verified": False, "name": "Not Sari", "groups": ["ops"]},
    "nobody": {"email": "x@y.test", "email_verified": True, "name": "X", "groups": []},
    "lost": {"email": "l@y.test", "email_verified": True, "name": "L", "groups": ["ops"], "cpo": "No such CPO"},
    "moved": {
        "email": "moved@nusantara.test", "email_verified": True, "name": "Moved", "groups": ["chiefs"],
        "cpo": "Borneo Volt",
    },
    "left": {"email": "left@emsv.test", "email_verified": True, "name": "Left", "groups": ["ops"]},
    "money": {"email": "m@y.test", "email_verified": True, "name": "M", "groups": ["treasury"]},
}  # fmt: skip
ROLES = {"treasury": "emsv_finance", "ops": "cpo_operator", "chiefs": "cpo_admin"}


def _client(client_id: str) -> dict[str, Any]:
    return {
        "client_id": client_id, "client_secret": "a secret between us", "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "client_secret_post", "response_types": ["code"],
    }  # fmt: skip


def _config(*keys: dict[str, Any]) -> dict[str, Any]:
    return {"clients": [_client("uniev"), _client("another")], "people": PEOPLE, "jwks": {"keys": list(keys)}}


KEY = new_key("first")


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with running_issuer(_config(KEY)) as url:
        yield url


def _equip(world: World, issuer: str) -> Directory:
    rules = SsoRules(issuer, "uniev", "Keycloak", role_claim="groups", role_map=ROLES)
    sso = Sso(rules, OidcIssuer(issuer, "uniev", "a secret between us"))
    services = build_directory(world.database, SECRET, sso=sso)
    equip(world.app, services, SECRET)
    return services


async def _sign_on(world: World, person: str) -> httpx.Response:
    client = await world.client(None)
    begun = (await client.post("/api/auth/sso/begin", json={})).json()
    back = log_in(begun["url"], person)
    assert back["state"] == begun["state"]
    return await client.post("/api/auth/sso/finish", json={"state": back["state"], "code": back["code"]})


async def test_without_settings_there_is_no_single_sign_on(world: World) -> None:
    client = await world.client(None)
    assert (await client.get("/api/auth/sso")).json() == {"name": None}
    reply = await client.post("/api/auth/sso/begin", json={})
    assert (reply.status_code, reply.json()["code"]) == (404, "sso_not_found")


async def test_who_is_known_here_comes_in_by_a_verified_address(world: World, issuer: str) -> None:
    services = _equip(world, issuer)
    new = NewUser("sari@nusantara.test", "Sari", UserRole.CPO_ADMIN, "correct horse battery", world.own.cpo_id)
    await services.people.users.create(PLATFORM, new)
    came = (await _sign_on(world, "sari")).json()
    assert (came["user"]["role"], came["user"]["cpo_id"]) == ("cpo_admin", world.own.cpo_id)
    refused = await _sign_on(world, "liar")
    assert (refused.status_code, refused.json()["code"]) == (403, "sso_unknown_person")


async def test_claims_make_a_new_person_with_a_role_and_a_cpo(world: World, issuer: str) -> None:
    _equip(world, issuer)
    came = (await _sign_on(world, "dimas")).json()
    assert (came["user"]["role"], came["user"]["cpo_id"]) == ("cpo_operator", world.own.cpo_id)
    again = (await _sign_on(world, "dimas")).json()
    assert again["user"]["id"] == came["user"]["id"]
    for person in ("nobody", "lost"):
        refused = await _sign_on(world, person)
        assert (refused.status_code, refused.json()["code"]) == (403, "sso_unknown_person")


async def test_a_role_in_another_house_is_none_in_this_one(world: World, issuer: str) -> None:
    """An administrator of Borneo by the claims became one of Nusantara; who had left the EMSV stayed what they were."""
    services = _equip(world, issuer)
    for email, role, cpo_id in (
        ("moved@nusantara.test", UserRole.CPO_TECHNICIAN, world.own.cpo_id),
        ("left@emsv.test", UserRole.EMSV_FINANCE, None),
    ):
        new = NewUser(email, "Somebody", role, "correct horse battery", cpo_id)
        made = await services.people.users.create(PLATFORM, new)
        refused = await _sign_on(world, email.partition("@")[0])
        assert (refused.status_code, refused.json()["code"]) == (403, "sso_unknown_person")
        assert (await services.people.users.get(SYSTEM, made.id)).role == role


async def test_the_identifier_of_a_cpo_is_that_cpos_whatever_another_calls_itself(world: World, issuer: str) -> None:
    _equip(world, issuer)
    await world.add("cpos", name=world.own.cpo_id)
    touched = {"concurrent_sessions": True}  # the other comes first, where nothing orders them
    await world.database.update("cpos", touched, scope=SYSTEM, where=[("id", "eq", world.own.cpo_id)])
    arguments = {
        "p_issuer": "https://issuer.test", "p_subject": "1", "p_email": "new@nusantara.test", "p_verified": True,
        "p_name": "New", "p_role": "cpo_operator", "p_cpo": world.own.cpo_id,
    }  # fmt: skip
    user_id = await world.database.call("sso_user", arguments, scope=SYSTEM)
    assert (await world.services.people.users.get(SYSTEM, user_id)).cpo_id == world.own.cpo_id


async def test_who_comes_by_single_sign_on_alone_gets_no_password_by_a_forgotten_one(world: World, issuer: str) -> None:
    """It outlasted their leave from the issuer."""
    services = _equip(world, issuer)
    came = (await _sign_on(world, "dimas")).json()
    client = await world.client(None)
    asked = await client.post("/api/auth/password-reset", json={"email": came["user"]["email"]})
    assert (asked.status_code, await services.mails.waiting()) == (204, [])


async def test_a_role_that_needs_a_second_factor_enrols_one_here_too(world: World, issuer: str) -> None:
    _equip(world, issuer)
    came = (await _sign_on(world, "money")).json()
    assert (came["user"]["role"], came["user"]["second_factor"]) == ("emsv_finance", "required")


async def test_a_person_made_inactive_here_stays_out(world: World, issuer: str) -> None:
    _equip(world, issuer)
    came = (await _sign_on(world, "dimas")).json()
    where = [("id", "eq", came["user"]["id"])]
    await world.database.update("users", {"active": False}, scope=SYSTEM, where=where)
    assert (await _sign_on(world, "dimas")).json()["code"] == "sso_unknown_person"


async def test_a_sign_on_is_good_once_and_its_state_cannot_be_guessed(world: World, issuer: str) -> None:
    _equip(world, issuer)
    client = await world.client(None)
    begun = (await client.post("/api/auth/sso/begin", json={})).json()
    back = log_in(begun["url"], "dimas")
    body = {"state": back["state"], "code": back["code"]}
    guessed = await client.post("/api/auth/sso/finish", json={**body, "state": "guessed"})
    assert (await client.post("/api/auth/sso/finish", json=body)).status_code == 200
    again = await client.post("/api/auth/sso/finish", json=body)
    assert [r.json()["code"] for r in (guessed, again)] == ["sso_failed"] * 2


async def test_a_code_of_another_sign_on_is_refused_by_verifier_and_nonce(world: World, issuer: str) -> None:
    _equip(world, issuer)
    client = await world.client(None)
    mine = (await client.post("/api/auth/sso/begin", json={})).json()
    stolen = log_in((await client.post("/api/auth/sso/begin", json={})).json()["url"], "dimas")
    reply = await client.post("/api/auth/sso/finish", json={"state": mine["state"], "code": stolen["code"]})
    assert (reply.status_code, reply.json()["code"]) == (401, "sso_failed")


def _signed(claims: dict[str, Any], key: dict[str, Any], algorithm: str = "RS256") -> str:
    private = jwt.PyJWK.from_dict(key).key
    return jwt.encode(claims, private, algorithm=algorithm, headers={"kid": key["kid"]})


async def test_an_id_token_holds_for_us_now_and_once(world: World, issuer: str) -> None:
    services = _equip(world, issuer)
    metadata = await OidcIssuer(issuer, "uniev", None).metadata()
    now = int(datetime.now(UTC).timestamp())
    good = {"iss": metadata["issuer"], "sub": "dimas", "aud": "uniev", "iat": now, "exp": now + 60, "nonce": "n"}
    assert (await services.people.sso.verified(_signed(good, KEY), "n"))["sub"] == "dimas"
    changes: list[dict[str, Any]] = [
        {"aud": "another"}, {"iss": "https://evil.example"}, {"exp": now - 3600}, {"iat": now + 3600}, {"nonce": "m"},
        {"aud": ["uniev", "another"]}, {"azp": "another"}, {"nonce": None}, {"exp": None},
    ]  # fmt: skip
    bad = [_signed({k: v for k, v in {**good, **c}.items() if v is not None}, KEY) for c in changes]
    forged = _signed(good, {**new_key("first"), "kid": "first"})
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "first"}).encode()).rstrip(b"=").decode()
    unsigned = f"{head}.{_signed(good, KEY).split('.')[1]}."
    for token in [*bad, forged, unsigned, "nonsense", ""]:
        with pytest.raises(Unauthenticated) as refused:
            await services.people.sso.verified(token, "n")
        assert refused.value.code == "sso_failed"


async def test_when_the_issuer_rotates_its_keys_people_still_come_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.gateways.oidc._FRESH_EVERY_S", 0.0)
    with running_issuer(_config(new_key("old"))) as url:
        _equip(world, url)
        assert (await _sign_on(world, "dimas")).status_code == 200
    with running_issuer(_config(new_key("new")), port=int(url.rsplit(":", 1)[1])):
        assert (await _sign_on(world, "dimas")).status_code == 200


async def test_an_issuer_that_is_away_is_told_as_such(world: World) -> None:
    _equip(world, "http://127.0.0.1:9")
    reply = await (await world.client(None)).post("/api/auth/sso/begin", json={})
    assert (reply.status_code, reply.json()["code"]) == (503, "sso_unavailable")
