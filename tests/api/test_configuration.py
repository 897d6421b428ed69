"""Configuration and templates over HTTP."""

from __future__ import annotations

import httpx
import pytest

from backend.domain.errors import InvalidInput
from tests.api.conftest import World

TEMPLATES = "/api/configuration-templates"


def of_charger(world: World, what: str) -> str:
    return f"/api/chargers/{world.own.charger_id}/{what}"


async def test_an_administrator_keeps_templates(world: World) -> None:
    client = await world.client("cpo_admin")
    made = await client.post(TEMPLATES, json={"name": "Fast", "settings": {"HeartbeatInterval": "60"}})
    path = f"{TEMPLATES}/{made.json()['id']}"
    taken = await client.post(TEMPLATES, json={"name": "Fast", "settings": {"A": "1"}})
    changed = await client.put(path, json={"settings": {"A": "2"}, "reboot": True})
    listed = await client.get(TEMPLATES)
    gone = await client.delete(path)

    assert (made.status_code, made.json()["charger_count"], made.json()["reboot"]) == (201, 0, False)
    assert (taken.status_code, taken.json()["code"]) == (409, "template_exists")
    assert (changed.json()["settings"], changed.json()["reboot"], changed.json()["name"]) == ({"A": "2"}, True, "Fast")
    assert [row["name"] for row in listed.json()["items"]] == ["Fast", "Standard"]
    assert (gone.status_code, (await client.get(path)).status_code) == (204, 404)


@pytest.mark.parametrize(("settings", "code", "member"), [
    ({}, "invalid_input", "settings"),
    ({"A": 1}, "invalid_input", "settings.A"),
    ({"k" * 51: "1"}, "invalid_input", "settings"),
    ({"A": "v" * 501}, "invalid_input", "settings.A"),
    ({"AuthorizationKey": "0123456789abcdef"}, "secret_key", "settings.AuthorizationKey"),
    ({"A": "1", "a": "2"}, "repeated_key", "settings.A"),
    ({"SecurityProfile": "2"}, "profile_key", "settings.SecurityProfile"),
    ({"A": "1", "sECURITYPROFILE": "1"}, "profile_key", "settings.sECURITYPROFILE"),
])  # fmt: skip
async def test_settings_that_do_not_fit_are_named(
    world: World, settings: dict[str, object], code: str, member: str
) -> None:
    client = await world.client("cpo_admin")
    reply = await client.post(TEMPLATES, json={"name": "Bad", "settings": settings})

    assert (reply.status_code, reply.json()["code"]) == (422, code)
    assert reply.json()["errors"][0]["member"].startswith(member)


async def test_a_template_went_around_the_obstacles_of_a_profile(world: World) -> None:
    client = await world.client("cpo_admin")
    path = f"{TEMPLATES}/{world.own.template_id}"
    refused = await client.put(path, json={"settings": {"securityprofile": "3"}})
    with pytest.raises(InvalidInput):
        await world.add("configuration_templates", cpo_id=world.own.cpo_id, name="X", settings={"SECURITYprofile": "3"})

    assert (refused.status_code, refused.json()["code"]) == (422, "profile_key")
    assert "room Security (POST /api/chargers/{charger_id}/security-profile)" in refused.json()["detail"]
    assert (await client.get(path)).json()["settings"] == {"HeartbeatInterval": "60"}


async def test_a_template_is_switched_on_applied_and_switched_off(world: World) -> None:
    client = await world.client("cpo_admin")
    path = of_charger(world, "configuration-template")
    on = await client.put(path, json={"template_id": world.own.template_id})
    silent = await client.get("/api/commands", params={"charger_id": world.own.charger_id})
    applied = await client.put(path, json={"template_id": world.own.template_id, "apply_now": True})
    asked = await client.get("/api/commands", params={"charger_id": world.own.charger_id})
    refused = await client.delete(f"{TEMPLATES}/{world.own.template_id}")
    off = await client.put(path, json={"template_id": None})

    assert (on.json()["template"]["template_name"], on.json()["template"]["state"]) == ("Standard", "waiting")
    assert on.json()["drift"] == [
        {"key": "HeartbeatInterval", "wanted": "60", "reported": None, "reason": "not_reported"}
    ]
    assert len(silent.json()["items"]) == 1
    assert applied.json()["template"]["state"] == "reading"
    assert (asked.json()["items"][0]["action"], asked.json()["items"][0]["payload"]) == ("GetConfiguration", {})
    assert asked.json()["items"][0]["requested_by_name"] == "Standard"
    assert (refused.status_code, refused.json()["code"]) == (409, "template_in_use")
    assert off.json() == {"template": None, "drift": []}


async def test_a_foreign_template_does_not_exist(world: World) -> None:
    client = await world.client("cpo_admin")
    path = of_charger(world, "configuration-template")
    replies: list[httpx.Response] = [
        await client.put(path, json={"template_id": world.other.template_id}),
        await client.get(f"{TEMPLATES}/{world.other.template_id}"),
        await (await world.client("emsv_admin")).put(path, json={"template_id": world.other.template_id}),
    ]

    assert [reply.json()["code"] for reply in replies] == ["template_not_found"] * 3


async def test_the_configuration_and_its_history_are_read(world: World) -> None:
    known = {"cpo_id": world.own.cpo_id, "charger_id": world.own.charger_id}
    await world.add("configuration_reports", **known, reported_at="now", complete_at="now", unknown_keys=["Nope"])
    await world.add("charger_configuration", **known, key="HeartbeatInterval", value="300", known_at="now")
    for value in ("60", "300"):
        await world.add(
            "configuration_changes", **known, at="now", key="HeartbeatInterval", new_value=value, source="charger"
        )
    client = await world.client("integrator")
    found = (await client.get(of_charger(world, "configuration"))).json()
    first = (await client.get(of_charger(world, "configuration/history"), params={"limit": 1})).json()
    second = await client.get(
        of_charger(world, "configuration/history"), params={"limit": 1, "cursor": first["next_cursor"]}
    )
    none = await client.get(of_charger(world, "configuration/history"), params={"key": "Other"})

    assert (found["unknown_keys"], [(row["key"], row["value"]) for row in found["keys"]]) == (
        ["Nope"], [("HeartbeatInterval", "300")],
    )  # fmt: skip
    assert [first["items"][0]["new_value"], second.json()["items"][0]["new_value"]] == ["300", "60"]
    assert none.json()["items"] == []
